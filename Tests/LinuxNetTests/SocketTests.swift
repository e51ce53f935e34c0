import Glibc
import NetTypes
import Testing

@testable import LinuxNet

@Suite("Raw sockets", .enabled(if: isRoot, needsRoot))
struct SocketTests {
  /// A namespace with the interface "left" or "right" of a pair, and addresses.
  private func connect(
    _ left: borrowing NetworkNamespace, _ right: borrowing NetworkNamespace, left leftAddresses: [IPv6Address],
    right rightAddresses: [IPv6Address]
  ) throws {
    let peer = right.descriptor.rawValue
    try left.run {
      try RouteNetlink().run(.createVirtualPair(name: "left", peer: "right", peerNamespace: peer))
      try configure("left", leftAddresses)
    }
    try right.run { try configure("right", rightAddresses) }
  }

  private func configure(_ name: String, _ addresses: [IPv6Address]) throws {
    let netlink = try RouteNetlink()
    let link = try netlink.link(named: name)
    try netlink.run(.changeLink(index: link.index, name: name, LinkChange(up: true)))
    for address in addresses {
      let item = InterfaceAddress(
        interface: link.index, address: address, prefixLength: 64, withoutDetection: true)
      try netlink.run(item.addition)
    }
  }

  @Test("A Mobility Header goes out from the address asked for and arrives with its destination")
  func mobilityHeader() throws {
    let gateway = try NetworkNamespace()
    let anchor = try NetworkNamespace()
    let gatewayAddresses = try [address("2001:db8:1::11"), address("2001:db8:1::12")]
    let anchorAddresses = try [address("2001:db8:1::1"), address("2001:db8:1::2")]
    try connect(gateway, anchor, left: gatewayAddresses, right: anchorAddresses)
    let near = try gateway.run { try MobilityHeaderSocket() }
    let far = try anchor.run { try MobilityHeaderSocket() }
    // Binding Update, 16 octets, checksum left empty.
    let message: [UInt8] = [59, 1, 5, 0, 0, 0, 0, 7] + [UInt8](repeating: 0, count: 8)
    for source in gatewayAddresses {
      for destination in anchorAddresses {
        try near.send(message, source: source, destination: destination)
        var received: [MobilityHeaderSocket.Datagram] = []
        #expect(
          try eventually {
            try far.receive { received.append($0) }
            return !received.isEmpty
          })
        let datagram = try #require(received.first)
        #expect(datagram.source == source && datagram.destination == destination)
        #expect(datagram.payload.count == 16 && datagram.payload[0..<4] == [59, 1, 5, 0])
        #expect(datagram.payload[4..<6] != [0, 0], "the kernel fills in the checksum")
        #expect(datagram.payload[6...] == message[6...])
        // And back, from the address that was called.
        try far.send(datagram.payload, source: datagram.destination, destination: datagram.source)
        received = []
        #expect(
          try eventually {
            try near.receive { received.append($0) }
            return !received.isEmpty
          })
        #expect(received.first?.source == destination)
      }
    }
    let error = #expect(throws: LinuxError.self) {
      try near.send(message, source: anchorAddresses[0], destination: anchorAddresses[1])
    }
    #expect(error?.hint?.contains("source address") == true)
  }

  @Test("A burst is read in batches, none lost")
  func burst() throws {
    let gateway = try NetworkNamespace()
    let anchor = try NetworkNamespace()
    let (source, destination) = try (address("2001:db8:1::11"), address("2001:db8:1::1"))
    try connect(gateway, anchor, left: [source], right: [destination])
    let near = try gateway.run { try MobilityHeaderSocket() }
    let far = try anchor.run { try MobilityHeaderSocket() }
    // Kernels with CONFIG_IPV6_MIP6 drop a Binding Update that is shorter than its fixed part.
    let count = 200
    for number in 0..<count {
      try near.send(
        [59, 1, 5, 0, 0, 0, 0, UInt8(number)] + [UInt8](repeating: 0, count: 8), source: source,
        destination: destination)
    }
    var numbers: [UInt8] = []
    var largest = 0
    #expect(
      try eventually {
        largest = max(largest, try far.receive { numbers.append($0.payload[7]) })
        return numbers.count == count
      })
    #expect(numbers == (0..<count).map { UInt8($0) })
    #expect(largest == MobilityHeaderSocket.batchSize)
  }

  @Test("A queue of messages goes out at once; one that is refused is named and stops no other")
  func queue() throws {
    let gateway = try NetworkNamespace()
    let anchor = try NetworkNamespace()
    let (source, destination) = try (address("2001:db8:1::11"), address("2001:db8:1::1"))
    try connect(gateway, anchor, left: [source], right: [destination])
    let near = try gateway.run { try MobilityHeaderSocket() }
    let far = try anchor.run { try MobilityHeaderSocket() }
    let foreign = try address("2001:db8:1::99")
    for number in 0..<MobilityHeaderSocket.batchSize {
      #expect(!near.queueIsFull)
      near.queue(
        [59, 1, 5, 0, 0, 0, 0, UInt8(number)] + [UInt8](repeating: 0, count: 8),
        source: number == 3 ? foreign : source, destination: destination)
    }
    #expect(near.queueIsFull)
    var failures: [(Int, LinuxError)] = []
    near.flush { failures.append(($0, $1)) }
    #expect(failures.map(\.0) == [3])
    #expect(failures.first?.1.hint?.contains("source address") == true)
    #expect(!near.queueIsFull)
    var numbers: [UInt8] = []
    #expect(
      try eventually {
        try far.receive { numbers.append($0.payload[7]) }
        return numbers.count == MobilityHeaderSocket.batchSize - 1
      })
    #expect(numbers == (0..<UInt8(MobilityHeaderSocket.batchSize)).filter { $0 != 3 })
  }

  @Test("A Parameter Problem quotes the message behind a rebuilt IPv6 header and stays below the minimum MTU")
  func parameterProblem() throws {
    let datagram = MobilityHeaderSocket.Datagram(
      source: try address("2001:db8:1::11"), destination: try address("2001:db8:1::1"), interface: 2,
      payload: [6, 1, 5, 0] + [UInt8](repeating: 9, count: 2_000))
    let message = RawICMPv6Sender.parameterProblem(code: 0, pointer: 0, about: datagram)
    #expect(message.count == 1_240)
    #expect(message[0..<8] == [4, 0, 0, 0, 0, 0, 0, 40])
    #expect(message[8..<16] == [0x60, 0, 0, 0, 0x07, 0xd4, 135, 64])
    #expect(Array(message[16..<32]) == datagram.source.bytes && Array(message[32..<48]) == datagram.destination.bytes)
    #expect(message[48..<52] == [6, 1, 5, 0])
  }

  @Test("A Parameter Problem reaches the sender")
  func parameterProblemOnTheWire() throws {
    let gateway = try NetworkNamespace()
    let anchor = try NetworkNamespace()
    let (source, destination) = try (address("2001:db8:1::11"), address("2001:db8:1::1"))
    try connect(gateway, anchor, left: [source], right: [destination])
    let datagram = MobilityHeaderSocket.Datagram(
      source: source, destination: destination, interface: 0, payload: [6, 0, 0, 0, 0, 0, 0, 0])
    let receiver = FileDescriptor(
      owning: try gateway.run { socket(AF_INET6, Int32(SOCK_RAW.rawValue), Int32(IPPROTO_ICMPV6)) })
    try anchor.run { try RawICMPv6Sender().sendParameterProblem(code: 0, pointer: 0, about: datagram) }
    var buffer = [UInt8](repeating: 0, count: 2_048)
    #expect(
      eventually {
        // Neighbour discovery arrives here, too.
        recv(receiver.rawValue, &buffer, buffer.count, Int32(MSG_DONTWAIT)) == 8 + 40 + 8 && buffer[0] == 4
      })
    #expect(buffer[7] == 40 && buffer[8 + 6] == 135)
  }

  @Test("An access link hands over solicitations with their sender and sends to one station")
  func accessLink() throws {
    let gateway = try NetworkNamespace()
    let node = try NetworkNamespace()
    try connect(gateway, node, left: [], right: [])
    func open(_ name: String) throws -> (AccessLinkSocket, LinkLayerAddress) {
      let link = try RouteNetlink().link(named: name)
      return (try AccessLinkSocket(interface: link.index, name: name), try #require(link.linkLayerAddress))
    }
    let (near, gatewayStation) = try gateway.run { try open("left") }
    let (far, station) = try node.run { try open("right") }

    func packet(nextHeader: UInt8, type: UInt8, identifier: UInt8) throws -> [UInt8] {
      try [0x60, 0, 0, 0, 0, 8, nextHeader, 255] + address("fe80::1").bytes + IPv6Address.allRouters.bytes
        + [type, 0, 0, 0, 0, 0, 0, identifier]
    }
    // Echo requests, advertisements and UDP are not for us; solicitations are.
    let packets: [(UInt8, UInt8, UInt8)] = [
      (58, 128, 201), (58, 134, 202), (17, 133, 203), (58, 133, 204), (58, 135, 205), (58, 136, 206),
    ]
    for (header, type, identifier) in packets {
      try far.send(try packet(nextHeader: header, type: type, identifier: identifier), to: gatewayStation)
    }
    var seen: [AccessLinkSocket.Packet] = []
    #expect(
      try eventually {
        // The kernel's own solicitations may come between.
        try near.receive { if $0.bytes.count == 48, $0.bytes[47] > 200 { seen.append($0) } }
        return seen.count == 3
      })
    #expect(seen.map { $0.bytes[47] } == [204, 205, 206])
    #expect(seen.allSatisfy { $0.source == station })

    // What we send is not handed back to us.
    try near.send(try packet(nextHeader: 58, type: 133, identifier: 210), to: station)
    var arrived: [AccessLinkSocket.Packet] = []
    #expect(
      try eventually {
        try far.receive { if $0.bytes.last == 210 { arrived.append($0) } }
        return arrived.count == 1
      })
    #expect(arrived.first?.source == gatewayStation)
    var own = 0
    try near.receive { if $0.bytes.last == 210 { own += 1 } }
    #expect(own == 0)
  }

  @Test("Link, address and neighbour events are reported once, and losses are made good")
  func interfaceMonitor() throws {
    try NetworkNamespace().run {
      let netlink = try RouteNetlink()
      let monitor = try InterfaceMonitor()
      #expect(
        try monitor.resynchronize().contains { if case .link(let link) = $0 { link.name == "lo" } else { false } })
      #expect(try monitor.resynchronize() == [], "nothing has changed")
      let (left, right) = try makePair(netlink)
      var events: [InterfaceEvent] = []
      func collect(until condition: (InterfaceEvent) -> Bool) throws -> Bool {
        try eventually {
          try monitor.receive { events.append($0) }
          return events.contains(where: condition)
        }
      }
      #expect(try collect { if case .link(let link) = $0 { link.name == "left" && link.hasCarrier } else { false } })
      try netlink.run(.changeLink(index: right.index, name: "right", LinkChange(up: false)))
      #expect(try collect { if case .link(let link) = $0 { link.name == "right" && !link.isUp } else { false } })
      let added = InterfaceAddress(
        interface: left.index, address: try address("2001:db8::1"), prefixLength: 64, withoutDetection: true)
      try netlink.run(added.addition)
      #expect(try collect { if case .address(let item) = $0 { item.address == added.address } else { false } })

      // More events than the receive buffer holds.
      monitor.shrinkBuffer()
      for number in 0..<2_000 {
        let neighbour = Neighbour(
          interface: left.index, address: IPv6Address(high: 0x2001_0db8_0000_0000, low: UInt64(number) + 0x1000),
          linkLayerAddress: right.linkLayerAddress, state: .permanent)
        try netlink.run(neighbour.replacement)
      }
      try netlink.run(.deleteLink(index: left.index, name: "left"))
      #expect(try collect { if case .linkRemoved(let link) = $0 { link.name == "left" } else { false } })
      #expect(monitor.overruns > 0)
    }
  }
}
