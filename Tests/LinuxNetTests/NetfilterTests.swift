import CLinuxNet
import Foundation
import LinuxNet
import NetTypes
import Testing

private let table = NftTable(name: "nfttest")
private let markMask: UInt32 = 0x0fff_0000
private let foreignBits: UInt32 = 0x1000_00a5

@Suite("nf_tables in private namespaces", .enabled(if: isRoot, needsRoot))
struct NetfilterTests {
  private let source = NamespacePair.peerAddress
  private let destination = NamespacePair.hostAddress

  private func address(_ text: String) throws -> IPv6Address { try #require(IPv6Address(text)) }

  private func key(_ layout: NftFlowKey, label: UInt32, sport: UInt16, dport: UInt16) throws -> [UInt8] {
    layout.bytes(
      source: try address(source), destination: try address(destination), label: label, transport: 17,
      sourcePort: sport, destinationPort: dport)
  }

  /// Table with a verdict map of flows, two tunnel chains, foreign mark bits set before and counters per mark behind.
  private func structure(_ layout: NftFlowKey) -> NftTransaction {
    var transaction = NftTransaction(table: table)
    transaction.addTable()
    for tunnel in 1...2 {
      transaction.addChain("tunnel-\(tunnel)")
      transaction.addRule(
        chain: "tunnel-\(tunnel)",
        NftExpression.mergeMark(UInt32(tunnel) << 16, mask: markMask) + [.counter, .verdict(.return)],
        comment: "tunnel \(tunnel)")
    }
    transaction.addSet(
      NftSet(name: "flows", key: layout.fields, value: .verdict, hasTimeout: true, countsHits: true))
    transaction.addChain(
      "classify", base: NftBaseChain(hook: .prerouting, priority: NftBaseChain.manglePriority))
    transaction.addRule(
      chain: "classify",
      [.immediate(NftExpression.hostOrder(foreignBits), into: .word(0)), .metaSet(.mark, from: .word(0))],
      comment: "foreign")
    transaction.addRule(
      chain: "classify",
      NftExpression.matchTransportProtocol(17) + layout.load(.leading)
        + [.lookup(set: "flows", key: .word(0), into: .verdict, inverted: false)],
      comment: "flows")
    transaction.addChain("observe", base: NftBaseChain(hook: .input, priority: 0))
    for tunnel in 0...2 {
      transaction.addRule(
        chain: "observe",
        NftExpression.matchMark(foreignBits | UInt32(tunnel) << 16, mask: .max)
          + NftExpression.matchTransportProtocol(17)
          + [.counter],
        comment: "seen \(tunnel)")
    }
    return transaction
  }

  private func packets(_ socket: NetfilterSocket, _ comment: String) throws -> UInt64? {
    try socket.rules(of: table).first { $0.comment == comment }?.counter?.packets
  }

  @Test("A 6-tuple is looked up, counted and moved; foreign mark bits stay", arguments: [true, false])
  func flowLookup(hasFlowLabel: Bool) throws {
    let pair = try NamespacePair()
    let layout = NftFlowKey(hasFlowLabel: hasFlowLabel)
    let socket = try pair.host.run { try NetfilterSocket() }
    try socket.commit(structure(layout))
    let flow = try key(layout, label: 0xabcde, sport: 4000, dport: 5000)

    var add = NftTransaction(table: table)
    add.addElements(
      [
        NftElement(
          key: flow, value: .verdict(.jump("tunnel-1")), timeout: .seconds(300), userData: [1, 2, 3],
          counter: NftCounter())
      ], to: "flows")
    try socket.commit(add)

    let sender = try pair.peer.run { try UDPSocket(boundTo: source, port: 4000) }
    let receiver = try pair.host.run { try UDPSocket(boundTo: destination, port: 5000) }
    func exchange(_ count: Int, label: UInt32) throws {
      for _ in 0..<count {
        try sender.send([1, 2, 3, 4], to: destination, port: 5000, label: label)
        _ = try receiver.receive()
      }
    }
    try exchange(3, label: 0xabcde)
    #expect(try packets(socket, "seen 1") == 3)
    #expect(try packets(socket, "tunnel 1") == 3)

    let listed = try socket.elements(of: "flows", in: table)
    let element = try #require(listed.first)
    #expect(listed.count == 1)
    #expect(element.key == flow)
    #expect(element.value == .verdict(.jump("tunnel-1")))
    #expect(element.userData == [1, 2, 3])
    #expect(element.timeout == .seconds(300))
    #expect(element.expiration.map { $0 > .seconds(290) && $0 <= .seconds(300) } == true)
    #expect(element.counter == NftCounter(packets: 3, octets: 3 * 52))

    var move = NftTransaction(table: table)
    move.replaceElements(
      [
        NftElement(
          key: flow, value: .verdict(.jump("tunnel-2")), timeout: .seconds(300), counter: element.counter)
      ], in: "flows")
    try socket.commit(move)
    try exchange(2, label: 0xabcde)
    #expect(try packets(socket, "seen 1") == 3)
    #expect(try packets(socket, "seen 2") == 2)
    #expect(try socket.elements(of: "flows", in: table).first?.counter == NftCounter(packets: 5, octets: 5 * 52))

    // Another flow label is another flow of the 6-tuple and the same of the 5-tuple.
    try exchange(1, label: 0x12345)
    #expect(try packets(socket, "seen 2") == (hasFlowLabel ? 2 : 3))
    #expect(try packets(socket, "seen 0") == (hasFlowLabel ? 1 : 0))

    // The operator's tool can read the table.
    let listing = try run("nsenter", ["--net=\(pair.host.path)", "nft", "list", "table", "ip6", table.name])
    #expect(
      listing.contains(
        hasFlowLabel
          ? "fd01::1 . fd01::2 . 0.10.188.222 . udp . 0f:a0:00:00:13:88" : "fd01::1 . fd01::2 . udp . 4000 . 5000"
      ), Comment(rawValue: listing))
  }

  @Test("Stating the structure again leaves elements alone; one refused step refuses all")
  func transactions() throws {
    let pair = try NamespacePair()
    let layout = NftFlowKey(hasFlowLabel: true)
    let socket = try pair.host.run { try NetfilterSocket() }
    #expect(try !socket.tableExists(table))
    try socket.commit(structure(layout))
    #expect(try socket.tableExists(table))
    let flows = try (0..<2000).map {
      NftElement(key: try key(layout, label: 0, sport: UInt16($0), dport: 1), value: .verdict(.jump("tunnel-1")))
    }
    var add = NftTransaction(table: table)
    add.addElements(flows, to: "flows")
    try socket.commit(add)
    #expect(try socket.elements(of: "flows", in: table).count == 2000)

    var again = NftTransaction(table: table)
    again.addTable()
    for chain in ["classify", "observe"] { again.flushChain(chain) }
    try socket.commit(again)
    #expect(try socket.elements(of: "flows", in: table).count == 2000)
    #expect(try socket.rules(of: table).map(\.chain) == ["tunnel-1", "tunnel-2"])
    let chains = try socket.chains(of: table)
    #expect(Set(chains.map(\.name)) == ["tunnel-1", "tunnel-2", "classify", "observe"])
    #expect(
      chains.first { $0.name == "classify" }?.base
        == NftBaseChain(hook: .prerouting, priority: NftBaseChain.manglePriority))

    var broken = NftTransaction(table: table)
    broken.deleteElements(flows.prefix(10), from: "flows")
    broken.addRule(chain: "absent", [.counter])
    let error = #expect(throws: LinuxError.self) { try socket.commit(broken) }
    #expect(error?.code == ENOENT)
    #expect(error?.object.contains("chain absent") == true)
    #expect(try socket.elements(of: "flows", in: table).count == 2000)

    var flush = NftTransaction(table: table)
    flush.flushSet("flows")
    try socket.commit(flush)
    #expect(try socket.elements(of: "flows", in: table).isEmpty)
    var delete = NftTransaction(table: table)
    delete.deleteTable()
    try socket.commit(delete)
    #expect(try !socket.tableExists(table))
    #expect(try socket.rules(of: table).isEmpty)
  }

  @Test("20,000 elements go in and out in one transaction each")
  func bulk() throws {
    let pair = try NamespacePair()
    let layout = NftFlowKey(hasFlowLabel: true)
    let socket = try pair.host.run { try NetfilterSocket() }
    try socket.commit(structure(layout))
    let flows = try (0..<20_000).map {
      NftElement(
        key: try key(layout, label: UInt32($0), sport: 1, dport: 2), value: .verdict(.jump("tunnel-1")),
        timeout: .seconds(300))
    }
    var add = NftTransaction(table: table)
    add.addElements(flows, to: "flows")
    try socket.commit(add)
    #expect(try socket.elements(of: "flows", in: table).count == flows.count)
    var delete = NftTransaction(table: table)
    delete.deleteElements(flows, from: "flows")
    try socket.commit(delete)
    #expect(try socket.elements(of: "flows", in: table).isEmpty)
  }

  @Test("Later fragments take the mark of their first fragment")
  func fragments() throws {
    let pair = try NamespacePair()
    let layout = NftFlowKey(hasFlowLabel: false)
    let map = NftFragmentMap(name: "fragments")
    let socket = try pair.host.run { try NetfilterSocket() }
    var transaction = NftTransaction(table: table)
    transaction.addTable()
    transaction.addSet(map.set)
    transaction.addSet(NftSet(name: "flows", key: layout.fields, value: .verdict, hasTimeout: true, countsHits: true))
    transaction.addChain("tunnel-1")
    transaction.addRule(chain: "tunnel-1", NftExpression.mergeMark(1 << 16, mask: markMask))
    transaction.addChain("classify", base: NftBaseChain(hook: .prerouting, priority: NftBaseChain.manglePriority))
    transaction.addRule(chain: "classify", map.restoreMark + [.counter, .verdict(.accept)], comment: "later")
    transaction.addRule(
      chain: "classify",
      NftExpression.matchTransportProtocol(17) + layout.load(.leading)
        + [.lookup(set: "flows", key: .word(0), into: .verdict, inverted: false)])
    transaction.addRule(chain: "classify", map.recordMark(mask: markMask) + [.counter], comment: "first")
    transaction.addChain("observe", base: NftBaseChain(hook: .input, priority: 0))
    for mark: UInt32 in [0, 1 << 16] {
      transaction.addRule(
        chain: "observe",
        NftExpression.matchMark(mark, mask: .max) + NftExpression.matchTransportProtocol(17) + [.counter],
        comment: "mark \(mark)")
    }
    transaction.addElements(
      [
        NftElement(
          key: try key(layout, label: 0, sport: 4000, dport: 5000), value: .verdict(.jump("tunnel-1")),
          timeout: .seconds(60))
      ], to: "flows")
    try socket.commit(transaction)

    let sender = try pair.peer.run { try UDPSocket(boundTo: source, port: 4000) }
    let other = try pair.peer.run { try UDPSocket(boundTo: source, port: 4001) }
    let receiver = try pair.host.run { try UDPSocket(boundTo: destination, port: 5000) }
    // 4000 octets over MTU 1500: three fragments each.
    try sender.send([UInt8](repeating: 7, count: 4000), to: destination, port: 5000)
    #expect(try receiver.receive().count == 4000)
    try other.send([UInt8](repeating: 8, count: 4000), to: destination, port: 5000)
    #expect(try receiver.receive().count == 4000)
    #expect(try packets(socket, "first") == 1)
    #expect(try packets(socket, "later") == 2)
    #expect(try packets(socket, "mark 65536") == 3)
    #expect(try packets(socket, "mark 0") == 3)
    let recorded = try socket.elements(of: "fragments", in: table)
    #expect(recorded.count == 1)
    #expect(recorded.first?.value == .data(NftExpression.hostOrder(1 << 16)))
  }

  @Test("The map of flows is read as it was written, whole and by key", arguments: [false, true])
  func flowMap(hasFlowLabel: Bool) throws {
    let pair = try NamespacePair()
    let socket = try pair.host.run { try NetfilterSocket() }
    let map = NftFlowMap(name: "flows", key: NftFlowKey(hasFlowLabel: hasFlowLabel), maximumElements: 5_000)
    let (here, there) = (try address(source), try address(destination))
    func flow(_ number: UInt32) -> NftFlow {
      NftFlow(
        source: here, destination: there, label: hasFlowLabel ? number : 0, transport: 17,
        sourcePort: UInt16(number), destinationPort: 5_000, tunnel: number % 50, identifier: number &* 1_400_000,
        createdAt: .max, counter: NftCounter(packets: UInt64(number), octets: 1 << 40))
    }
    var flows: [NftFlow] = (1...3_000).map(flow)
    for (index, placer) in NftFlow.Placer.allCases.enumerated() { flows[index].placer = placer }
    flows[3].dscp = 0
    flows[7].isPinned = true
    flows[7].placer = .operatorRequest
    flows[7].dscp = 46
    var transaction = NftTransaction(table: table)
    transaction.addTable()
    transaction.addSet(map.set)
    transaction.addFlows(flows, to: map)
    try socket.commit(transaction)
    func all() throws -> Set<NftFlow> {
      var found: Set<NftFlow> = []
      try socket.forEachFlow(of: map, in: table) { found.insert($0) }
      return found
    }
    #expect(try all() == Set(flows))
    let listing = try run("nsenter", ["--net=\(pair.host.path)", "nft", "list", "map", "ip6", table.name, "flows"])
    #expect(listing.contains("flow \(flows[7].identifier) since \(UInt32.max) pinned by operator dscp 46"))

    var change = NftTransaction(table: table)
    for index in 0..<1_000 { flows[index].tunnel = 77 }
    change.replaceFlows(Array(flows[..<1_000]), in: map)
    change.deleteFlows(Array(flows[2_000...]), from: map)
    try socket.commit(change)
    #expect(try all() == Set(flows[..<2_000]))
    // Those that are gone stand among those that are there, at the beginning and at the end.
    var found: [NftFlow] = []
    let asked: [NftFlow] = [2_000..<2_010, 0..<300, 2_990..<3_000, 300..<310, 2_500..<2_700].flatMap { flows[$0] }
    try socket.forEachFlow(among: asked, of: map, in: table) { found.append($0) }
    #expect(found == Array(flows[..<310]))

    var again = NftTransaction(table: table)
    var known = flows[0]
    known.tunnel += 1
    again.addFlows([flows[2_500], known], to: map)
    #expect(throws: LinuxError.self) { try socket.commit(again) }
    #expect(try all().count == 2_000, "all or nothing")
  }

  @Test("The kernel has a queue expression, and probing leaves nothing behind")
  func queueProbe() throws {
    let pair = try NamespacePair()
    let socket = try pair.host.run { try NetfilterSocket() }
    let expression = try socket.queueExpression(number: 77)
    #expect(
      [.queue(number: 77, bypass: true), .xtablesQueue(number: 77, bypass: true)].contains(expression))
    let tables = try run("nsenter", ["--net=\(pair.host.path)", "nft", "list", "tables"])
    #expect(tables.isEmpty)
  }
}
