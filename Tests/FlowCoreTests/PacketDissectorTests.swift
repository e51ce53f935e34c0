import NetTypes
import SeededRandom
import Testing

@testable import FlowCore

@Suite("Packet dissector") struct PacketDissectorTests {
  let builder = PacketBuilder()

  @Test("Protocols that begin with ports, ESP with its SPI", arguments: TransportProtocol.withLeadingPorts)
  func ports(_ transport: TransportProtocol) {
    #expect(
      dissect(builder.ports(transport, 0xabcd, 443)) == .success(.flow(builder.tuple(transport, 0xabcd, 443))))
  }

  @Test("ICMPv6 echo: the identifier is the source port", arguments: [UInt8(128), 129])
  func echo(_ type: UInt8) {
    #expect(dissect(builder.icmp(type: type, identifier: 0xbeef)) == .success(.flow(builder.tuple(.icmpv6, 0xbeef, 0))))
  }

  @Test("Protocols without ports", arguments: [UInt8(4), 41, 47, 59, 89, 103, 135, 139, 140, 253])
  func noPorts(_ number: UInt8) {
    let transport = TransportProtocol(rawValue: number)
    #expect(
      dissect(builder.transport(number, [1, 2, 3, 4, 5, 6, 7, 8])) == .success(.flow(builder.tuple(transport, 0, 0))))
    #expect(dissect(builder.transport(number, [])) == .success(.flow(builder.tuple(transport, 0, 0))))
  }

  @Test("Other ICMPv6 messages have no ports", arguments: [UInt8(0), 5, 100, 127, 130, 133, 135, 155])
  func otherICMP(_ type: UInt8) {
    #expect(dissect(builder.icmp(type: type, identifier: 77)) == .success(.flow(builder.tuple(.icmpv6, 0, 0))))
  }

  @Test("Extension headers of every kind and length are walked over")
  func extensionHeaders() {
    for units in [UInt8(0), 1, 7, 30] {
      let chains = [
        builder.hopByHop(units: units), builder.destinationOptions(units: units), builder.routing(units: units),
        builder.authentication(words: units), builder.fragment(offset: 0, more: true, identification: 9),
        builder.hopByHop(units: units).routing().fragment(offset: 0, more: true, identification: 9).authentication()
          .destinationOptions(units: units),
      ]
      for chain in chains {
        #expect(dissect(chain.ports(.tcp, 80, 5000)) == .success(.flow(builder.tuple(.tcp, 80, 5000))))
        #expect(dissect(chain.icmp(type: 128, identifier: 3)) == .success(.flow(builder.tuple(.icmpv6, 3, 0))))
      }
    }
  }

  @Test("Eight extension headers are looked at, nine are not")
  func headerLimit() {
    var chain = builder
    for _ in 0..<PacketDissector.maximumExtensionHeaders { chain = chain.destinationOptions() }
    #expect(dissect(chain.ports(.udp, 1, 2)) == .success(.flow(builder.tuple(.udp, 1, 2))))
    #expect(dissect(chain.destinationOptions().ports(.udp, 1, 2)) == .failure(.tooManyExtensionHeaders))
  }

  @Test("Later fragments are named by addresses and identification")
  func laterFragment() {
    let key = FragmentKey(source: builder.source, destination: builder.destination, identification: 0xdead_beef)
    for more in [true, false] {
      let packet = builder.hopByHop().fragment(offset: 1_448, more: more, identification: 0xdead_beef)
      #expect(dissect(packet.transport(17, [0xff, 0xff, 0xff, 0xff])) == .success(.laterFragment(key)))
      #expect(dissect(packet.transport(60, [])) == .success(.laterFragment(key)))
    }
  }

  @Test("An ICMPv6 error belongs to the flow of the packet inside it", arguments: 1...4)
  func icmpError(_ type: Int) {
    // The node sent the packet inside: its source is the node, its label is the uplink's.
    var uplink = PacketBuilder()
    (uplink.source, uplink.destination, uplink.flowLabel) = (builder.destination, builder.source, 0x777)
    func flow(_ transport: TransportProtocol, _ source: UInt16, _ destination: UInt16) -> FlowSixTuple {
      var tuple = builder.tuple(transport, source, destination)
      tuple.flowLabel = 0
      return tuple
    }
    func error(_ inside: [UInt8]) -> Result<Dissection, DissectionError> {
      dissect(builder.icmp(type: UInt8(type), body: inside))
    }
    #expect(error(uplink.ports(.tcp, 5000, 80)) == .success(.icmpError(flow: flow(.tcp, 80, 5000))))
    #expect(error(uplink.hopByHop().ports(.udp, 1, 2)) == .success(.icmpError(flow: flow(.udp, 2, 1))))
    #expect(error(uplink.icmp(type: 128, identifier: 5)) == .success(.icmpError(flow: flow(.icmpv6, 5, 0))))
    #expect(error(Array(uplink.ports(.tcp, 5000, 80).prefix(44))) == .success(.icmpError(flow: flow(.tcp, 80, 5000))))
    #expect(error(Array(uplink.ports(.tcp, 5000, 80).prefix(43))) == .success(.icmpError(flow: nil)))
    #expect(error([]) == .success(.icmpError(flow: nil)))
    let later = uplink.fragment(offset: 8, more: false, identification: 1)
    #expect(error(later.ports(.udp, 1, 2)) == .success(.icmpError(flow: nil)))
  }

  @Test("Not IPv6") func version() {
    var packet = builder.ports(.tcp, 1, 2)
    packet[0] = 0x45
    #expect(dissect(packet) == .failure(.notIPv6(version: 4)))
  }

  @Test("Cut anywhere, a packet is truncated until its ports are there, and the same flow from there on")
  func truncation() {
    let chains = [
      builder, builder.hopByHop().routing().authentication(),
      builder.fragment(offset: 0, more: true, identification: 1),
    ]
    for chain in chains {
      let packet = chain.ports(.tcp, 80, 5000)
      let needed = packet.count - 16
      for length in 0...packet.count {
        let result = dissect(Array(packet.prefix(length)))
        switch result {
        case .success(let dissection):
          #expect(length >= needed)
          #expect(dissection == .flow(builder.tuple(.tcp, 80, 5000)))
        case .failure(.truncated(_, let octets)):
          #expect(length < needed)
          #expect(octets == length)
        case .failure(let error): Issue.record("\(length) octets: \(error)")
        }
      }
    }
  }

  @Test("100,000 damaged packets and 100,000 random ones do not trap; what is recognized was in the packet")
  func mutation() {
    var generator = SplitMix64(seed: 0x5213)
    let chain = builder.hopByHop().routing(units: 4).fragment(offset: 0, more: true, identification: 7)
    let samples = [
      chain.authentication().ports(.udp, 1, 2), chain.icmp(type: 1, body: chain.ports(.tcp, 3, 4)),
      builder.destinationOptions(units: 3).icmp(type: 129, identifier: 4),
    ]
    var recognized = 0
    for round in 0..<200_000 {
      var packet: [UInt8]
      if round % 2 == 0 {
        packet = samples[round % samples.count]
        for _ in 0..<Int.random(in: 1...6, using: &generator) {
          packet[Int.random(in: 0..<packet.count, using: &generator)] = UInt8.random(in: 0...255, using: &generator)
        }
        packet = Array(packet.prefix(Int.random(in: 0...packet.count, using: &generator)))
      } else {
        packet = (0..<Int.random(in: 0...120, using: &generator)).map { _ in .random(in: 0...255, using: &generator) }
        if !packet.isEmpty { packet[0] = 0x60 | packet[0] & 0xf }
      }
      guard case .success(.flow(let tuple)) = dissect(packet) else { continue }
      recognized += 1
      #expect(tuple.source == IPv6Address(bytes: packet[8..<24]))
      #expect(tuple.destination == IPv6Address(bytes: packet[24..<40]))
    }
    #expect(recognized > 10_000)
  }
}

@Suite("Flow tuple") struct FlowTupleTests {
  @Test("A tuple is small") func size() {
    #expect(MemoryLayout<FlowSixTuple>.size <= 41)
    #expect(MemoryLayout<Flow>.size <= 96)
  }
}
