import CLinuxNet
import Foundation
import LinuxNet
import NetTypes
import Testing

private let table = NftTable(name: "nfqtest")
private let markMask: UInt32 = 0x0fff_0000

@Suite("NFQUEUE and conntrack in private namespaces", .enabled(if: isRoot, needsRoot))
struct NetfilterQueueTests {
  /// Unmarked UDP goes to the queue; behind it, packets are counted by mark.
  private func structure(_ queue: NftExpression) -> NftTransaction {
    var transaction = NftTransaction(table: table)
    transaction.addTable()
    transaction.addChain("classify", base: NftBaseChain(hook: .prerouting, priority: NftBaseChain.manglePriority))
    transaction.addRule(
      chain: "classify",
      NftExpression.matchTransportProtocol(17) + NftExpression.matchMark(0, mask: markMask) + [queue])
    transaction.addChain("observe", base: NftBaseChain(hook: .input, priority: 0))
    for tunnel: UInt32 in 0...1 {
      transaction.addRule(
        chain: "observe",
        NftExpression.matchTransportProtocol(17) + NftExpression.matchMark(tunnel << 16, mask: markMask) + [.counter],
        comment: "tunnel \(tunnel)")
    }
    return transaction
  }

  private func packets(_ socket: NetfilterSocket, _ comment: String) throws -> UInt64? {
    try socket.rules(of: table).first { $0.comment == comment }?.counter?.packets
  }

  private func waitUntilReadable(_ descriptor: Int32) -> Bool {
    var entry = pollfd(fd: descriptor, events: Int16(POLLIN), revents: 0)
    return poll(&entry, 1, 2000) == 1
  }

  @Test("Packets come up, get their verdict and mark, and go on", arguments: [PacketVerdict.accept, .repeat])
  func verdicts(verdict: PacketVerdict) throws {
    let pair = try NamespacePair()
    let socket = try pair.host.run { try NetfilterSocket() }
    try socket.commit(structure(try socket.queueExpression(number: 77)))
    let sender = try pair.peer.run { try UDPSocket(boundTo: NamespacePair.peerAddress, port: 4000) }
    let receiver = try pair.host.run { try UDPSocket(boundTo: NamespacePair.hostAddress, port: 5000) }
    // Nobody has the queue open: the rule's bypass lets packets go on.
    try sender.send([0], to: NamespacePair.hostAddress, port: 5000)
    #expect(try receiver.receive() == [0])

    let queue = try pair.host.run { try PacketQueue(number: 77) }
    let busy = #expect(throws: LinuxError.self) { try pair.host.run { _ = try PacketQueue(number: 77) } }
    #expect(busy?.advice?.contains("another process") == true)

    for octet: UInt8 in 1...3 {
      try sender.send([UInt8](repeating: octet, count: 500), to: NamespacePair.hostAddress, port: 5000)
    }
    var seen: [(QueuedPacket, payload: [UInt8])] = []
    while seen.count < 3, waitUntilReadable(queue.descriptor) {
      try queue.receive { packet, octets in
        seen.append((packet, octets.withUnsafeBytes { Array($0) }))
      }
    }
    #expect(seen.count == 3)
    for (packet, payload) in seen {
      #expect(packet.length == 548)
      #expect(payload.count == PacketQueue.defaultCopyRange)
      #expect(payload.first.map { $0 >> 4 } == 6)
      #expect(packet.inputInterface != 0)
      queue.decide(packet.identifier, payload.last == 2 ? .drop : verdict, mark: 1 << 16)
    }
    try queue.sendVerdicts()
    #expect(try receiver.receive().first == 1)
    #expect(try receiver.receive().first == 3)
    #expect(try packets(socket, "tunnel 1") == 2)
    let statistics = try pair.host.run { try queue.statistics() }
    #expect(statistics?.length == 0)
    #expect(statistics?.queued == 3)

    // A verdict on a packet that is gone is refused, not fatal.
    queue.decide(99, .accept)
    try queue.sendVerdicts()
    _ = waitUntilReadable(queue.descriptor)
    try queue.receive { _, _ in }
    #expect(queue.refusedVerdicts == 1)
    #expect(queue.overruns == 0)
  }

  @Test("A verdict for most packets leaves alone the ones that wait for another, or for none")
  func commonVerdict() throws {
    let pair = try NamespacePair()
    let socket = try pair.host.run { try NetfilterSocket() }
    try socket.commit(structure(try socket.queueExpression(number: 79)))
    let queue = try pair.host.run { try PacketQueue(number: 79) }
    let sender = try pair.peer.run { try UDPSocket(boundTo: NamespacePair.peerAddress, port: 4000) }
    let receiver = try pair.host.run { try UDPSocket(boundTo: NamespacePair.hostAddress, port: 5000) }
    var seen: [UInt32] = []
    func take(_ count: Int) throws {
      seen = []
      for octet in 0..<count { try sender.send([UInt8(octet)], to: NamespacePair.hostAddress, port: 5000) }
      while seen.count < count, waitUntilReadable(queue.descriptor) {
        try queue.receive { packet, _ in seen.append(packet.identifier) }
      }
    }
    try take(6)
    for (index, identifier) in seen.enumerated() {
      queue.decide(identifier, index == 4 ? .drop : .accept, mark: index == 1 ? nil : 1 << 16)
    }
    try queue.sendVerdicts()
    // The exceptions go first.
    for octet: UInt8 in [1, 0, 2, 3, 5] { #expect(try receiver.receive() == [octet]) }
    #expect(try packets(socket, "tunnel 0") == 1)
    #expect(try packets(socket, "tunnel 1") == 4)

    try take(3)
    for identifier in seen.dropFirst() { queue.decide(identifier, .accept, mark: 1 << 16) }
    try queue.sendVerdicts()
    #expect(try pair.host.run { try queue.statistics() }?.length == 1, "the first one has no verdict yet")
    queue.decide(seen[0], .accept)
    try queue.sendVerdicts()
    for octet: UInt8 in [1, 2, 0] { #expect(try receiver.receive() == [octet]) }
    #expect(queue.refusedVerdicts == 0)
  }

  @Test("Counters of rules are read with their chains")
  func ruleCounters() throws {
    let pair = try NamespacePair()
    let socket = try pair.host.run { try NetfilterSocket() }
    try socket.commit(structure(try socket.queueExpression(number: 80)))
    let sender = try pair.peer.run { try UDPSocket(boundTo: NamespacePair.peerAddress, port: 4000) }
    let receiver = try pair.host.run { try UDPSocket(boundTo: NamespacePair.hostAddress, port: 5000) }
    try sender.send([0], to: NamespacePair.hostAddress, port: 5000)
    _ = try receiver.receive()
    var found: [String] = []
    try socket.forEachRuleCounter(of: table) { chain, counter in
      found.append("\(chain) \(counter.packets) \(counter.octets)")
    }
    #expect(found == ["observe 1 49", "observe 0 0"])
    try socket.forEachRuleCounter(of: NftTable(name: "absent")) { _, _ in Issue.record("no such table") }
  }

  @Test("A full queue lets packets go on undecided, and later rules count them")
  func failOpen() throws {
    let pair = try NamespacePair()
    let socket = try pair.host.run { try NetfilterSocket() }
    try socket.commit(structure(try socket.queueExpression(number: 78)))
    let queue = try pair.host.run { try PacketQueue(number: 78, maximumLength: 4) }
    let sender = try pair.peer.run { try UDPSocket(boundTo: NamespacePair.peerAddress, port: 4000) }
    let receiver = try pair.host.run { try UDPSocket(boundTo: NamespacePair.hostAddress, port: 5000) }
    for octet: UInt8 in 0..<10 { try sender.send([octet], to: NamespacePair.hostAddress, port: 5000) }
    for octet: UInt8 in 4..<10 { #expect(try receiver.receive() == [octet]) }
    #expect(try packets(socket, "tunnel 0") == 6)
    #expect(try pair.host.run { try queue.statistics() }?.length == 4)
  }

  @Test("Tracked connections are listed by mark, and the mark can be taken off")
  func conntrack() throws {
    let pair = try NamespacePair()
    let socket = try pair.host.run { try NetfilterSocket() }
    var transaction = NftTransaction(table: table)
    transaction.addTable()
    transaction.addChain("input", base: NftBaseChain(hook: .input, priority: NftBaseChain.manglePriority))
    transaction.addRule(
      chain: "input",
      NftExpression.matchInputInterface("veth0") + NftExpression.mergeConntrackMark(2 << 16, mask: markMask))
    try socket.commit(transaction)
    let sender = try pair.peer.run { try UDPSocket(boundTo: NamespacePair.peerAddress, port: 4000) }
    let receiver = try pair.host.run { try UDPSocket(boundTo: NamespacePair.hostAddress, port: 5000) }
    try sender.send([1], to: NamespacePair.hostAddress, port: 5000)
    _ = try receiver.receive()

    let conntrack = try pair.host.run { try ConntrackSocket() }
    let isUDP = { (entry: ConntrackEntry) in entry.transport == 17 }
    let entry = try #require(try conntrack.entries(markedUnder: markMask).first(where: isUDP))
    #expect(entry.source.description == NamespacePair.peerAddress)
    #expect(entry.destination.description == NamespacePair.hostAddress)
    #expect(entry.ports == ConntrackEntry.Ports(source: 4000, destination: 5000))
    #expect(entry.mark == 2 << 16)
    #expect(entry.timeout > .zero)
    #expect(try conntrack.setMark(0, mask: markMask, of: entry))
    #expect(try !conntrack.entries(markedUnder: markMask).contains(where: isUDP))
  }
}
