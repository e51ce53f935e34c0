import MobilityWire
import NetTypes
import SeededRandom
import TestSupport
import Testing

/// Neighbor Discovery. The solicitations and the advertisement of a neighbour were captured from a Linux 6.18 kernel.
@Suite struct ICMPv6Tests {
  private static let node = LinkLayerAddress(rawValue: 0x0200_5e10_0001)
  private static let nodeAddress = node.linkLocalAddress
  private static let gateway = LinkLayerAddress.fixedGateway.linkLocalAddress

  private func decode(
    _ octets: [UInt8], _ source: IPv6Address, _ destination: IPv6Address, hopLimit: UInt8 = 255,
    checksum: ChecksumOnReceipt = .verify
  ) throws(ICMPv6DecodeError) -> ICMPv6Message {
    try ICMPv6Message.decode(
      octets, in: ICMPv6Envelope(source: source, destination: destination, hopLimit: hopLimit), checksum: checksum)
  }

  private static let solicitation = ICMPv6Message.routerSolicitation(
    RouterSolicitation(options: [.sourceLinkLayerAddress(node)]))
  private static let duplicateAddressDetection = ICMPv6Message.neighborSolicitation(
    NeighborSolicitation(
      target: nodeAddress, options: [.unknown(type: 14, data: [0x44, 0xdf, 0x63, 0x79, 0xa3, 0x61])]))
  private static let neighborSolicitation = ICMPv6Message.neighborSolicitation(
    NeighborSolicitation(target: gateway, options: [.sourceLinkLayerAddress(node)]))
  private static let neighborAdvertisement = ICMPv6Message.neighborAdvertisement(
    NeighborAdvertisement(
      flags: [.solicited, .override], target: gateway, options: [.targetLinkLayerAddress(.fixedGateway)]))
  private static let advertisement = RouterAdvertisement(
    routerLifetime: 1800,
    options: [
      .sourceLinkLayerAddress(.fixedGateway), .mtu(1452),
      .prefixInformation(
        PrefixInformation(
          prefix: .slash64(IPv6Address(high: 0x2001_0db8_0100_0001, low: 0)), validLifetime: 300, preferredLifetime: 240
        )),
    ])
  /// Encoded by a separate script from the layouts of RFC 4861.
  private static let advertisementHex =
    "8600538840000708000000000000000001010000" + "5e00521305010000000005ac"
    + "030440c00000012c000000f00000000020010db8010000010000000000000000"

  private static let captured: [(ICMPv6Message, IPv6Address, IPv6Address, String)] = [
    (solicitation, nodeAddress, .allRouters, "8500bf0b00000000010102005e100001"),
    (
      duplicateAddressDetection, .unspecified, nodeAddress.solicitedNodeAddress,
      "8700c54100000000fe8000000000000000005efffe1000010e0144df6379a361"
    ),
    (
      neighborSolicitation, nodeAddress, gateway.solicitedNodeAddress,
      "8700bc5300000000fe8000000000000002005efffe005213010102005e100001"
    ),
    (
      neighborAdvertisement, gateway, nodeAddress,
      "8800aad460000000fe8000000000000002005efffe005213020100005e005213"
    ),
    (.routerAdvertisement(advertisement), gateway, .allNodes, advertisementHex),
  ]

  @Test("Messages as the kernel sends them decode, and encode to the same octets", arguments: 0..<5)
  func capturedMessages(index: Int) throws {
    let (message, source, destination, text) = Self.captured[index]
    #expect(try decode(octets(text), source, destination) == message)
    #expect(hex(message.encode(source: source, destination: destination)) == text)
  }

  @Test("What a gateway reads from a solicitation")
  func accessors() throws {
    guard case .routerSolicitation(let solicitation) = Self.solicitation else { return }
    #expect(solicitation.sourceLinkLayerAddress == Self.node)
    #expect(RouterSolicitation().sourceLinkLayerAddress == nil)
    #expect(Self.advertisement.mtu == 1452 && Self.advertisement.sourceLinkLayerAddress == .fixedGateway)
    #expect(Self.advertisement.prefixes.map(\.prefix.description) == ["2001:db8:100:1::/64"])
  }

  @Test("A whole Router Advertisement packet: IPv6 header, hop limit 255, then the message")
  func packet() throws {
    let packet = Self.advertisement.packet(source: Self.gateway, destination: .allNodes)
    let header = "6000000000403aff" + "fe8000000000000002005efffe005213" + "ff020000000000000000000000000001"
    #expect(hex(packet) == header + Self.advertisementHex)
    #expect(try decode(Array(packet[40...]), Self.gateway, .allNodes) == .routerAdvertisement(Self.advertisement))
  }

  @Test("Every field of an advertisement survives: flags, timers, withdrawn and infinite prefixes")
  func advertisementRoundTrip() throws {
    let prefix = try #require(IPv6Prefix("2001:db8:8000::/33"))
    let advertisement = RouterAdvertisement(
      currentHopLimit: 0, managedAddresses: true, otherConfiguration: true, routerLifetime: 0, reachableTime: .max,
      retransmissionTimer: 1,
      options: [
        .prefixInformation(PrefixInformation(prefix: prefix, onLink: false, validLifetime: 0, preferredLifetime: 0)),
        .prefixInformation(
          PrefixInformation(
            prefix: .host(.allNodes), autonomous: false, validLifetime: PrefixInformation.infinite,
            preferredLifetime: PrefixInformation.infinite)),
        .unknown(type: 25, data: .init(repeating: 1, count: 22)), .mtu(.max),
      ])
    let octets = ICMPv6Message.routerAdvertisement(advertisement).encode(
      source: Self.gateway, destination: Self.nodeAddress)
    #expect(octets.count == 16 + 32 + 32 + 24 + 8)
    #expect(octets[5] == 0xc0)
    #expect(try decode(octets, Self.gateway, Self.nodeAddress) == .routerAdvertisement(advertisement))
  }

  private func code(
    _ message: ICMPv6Message, from source: IPv6Address = nodeAddress, to destination: IPv6Address = gateway,
    hopLimit: UInt8 = 255, changing change: (inout [UInt8]) -> Void = { _ in }
  ) -> ICMPv6DecodeError.Code? {
    var octets = message.encode(source: source, destination: destination)
    change(&octets)
    do throws(ICMPv6DecodeError) {
      _ = try decode(octets, source, destination, hopLimit: hopLimit, checksum: .kernelVerified)
      return nil
    } catch { return error.code }
  }

  @Test("Validity of all Neighbor Discovery messages: hop limit, code, checksum, length", arguments: 0..<5)
  func commonChecks(index: Int) throws {
    let (message, source, destination, text) = Self.captured[index]
    #expect(code(message, from: source, to: destination, hopLimit: 254) == .hopLimit)
    #expect(code(message, from: source, to: destination) { $0[1] = 1 } == .code)
    let octets = try octets(text)
    for position in octets.indices {
      var damaged = octets
      damaged[position] ^= 1
      #expect(throws: ICMPv6DecodeError.self) { try decode(damaged, source, destination) }
    }
    // A cut inside the fixed part is too short, one inside an option an overrun, one between options fine.
    let fixed = [8, 24, 24, 24, 16][index]
    for count in octets.indices {
      do throws(ICMPv6DecodeError) {
        _ = try decode(Array(octets[..<count]), source, destination, checksum: .kernelVerified)
        #expect(count >= fixed && count % 8 == 0)
      } catch {
        #expect(count < fixed ? error.code == .tooShort && error.offset == count : error.code == .optionOverrun)
      }
    }
    #expect(code(message, from: source, to: destination) { $0[fixed + 1] = 0 } == .optionLength)
    #expect(code(message, from: source, to: destination) { $0[fixed + 1] = 255 } == .optionOverrun)
  }

  @Test("Router Solicitation and Advertisement: RFC 4861 section 6.1")
  func routerChecks() {
    #expect(code(Self.solicitation, from: .unspecified, to: .allRouters) == .linkLayerOfUnspecified)
    #expect(code(.routerSolicitation(RouterSolicitation()), from: .unspecified, to: .allRouters) == nil)
    let advertisement = ICMPv6Message.routerAdvertisement(Self.advertisement)
    #expect(code(advertisement, from: IPv6Address(high: 0x2001_0db8_0001_0000, low: 1)) == .source)
    #expect(code(advertisement, from: .unspecified) == .source)
  }

  @Test("Neighbor Solicitation and Advertisement: RFC 4861 section 7.1")
  func neighborChecks() {
    let solicitedNode = Self.nodeAddress.solicitedNodeAddress
    #expect(code(Self.neighborSolicitation, from: .unspecified, to: solicitedNode) == .linkLayerOfUnspecified)
    #expect(code(Self.duplicateAddressDetection, from: .unspecified, to: .allNodes) == .destination)
    #expect(code(.neighborSolicitation(NeighborSolicitation(target: .allNodes))) == .targetMulticast)
    #expect(code(.neighborAdvertisement(NeighborAdvertisement(flags: [], target: .allNodes))) == .targetMulticast)
    #expect(code(Self.neighborAdvertisement, to: .allNodes) == .solicitedMulticast)
    let unsolicited = NeighborAdvertisement(flags: [.router, .override], target: Self.nodeAddress)
    #expect(code(.neighborAdvertisement(unsolicited), to: .allNodes) == nil)
  }

  @Test("Options of a length the RFC does not give them are kept and mean nothing")
  func oddOptions() throws {
    let odd: [NeighborDiscoveryOption] = [
      .unknown(type: 1, data: .init(repeating: 2, count: 14)), .unknown(type: 3, data: .init(repeating: 0, count: 6)),
      .unknown(type: 5, data: .init(repeating: 0, count: 14)),
      // A Prefix Information whose prefix length is 129.
      .unknown(type: 3, data: [129] + .init(repeating: 0, count: 29)),
    ]
    let message = ICMPv6Message.routerAdvertisement(RouterAdvertisement(routerLifetime: 4, options: odd))
    let octets = message.encode(source: Self.gateway, destination: .allNodes)
    let decoded = try decode(octets, Self.gateway, .allNodes)
    #expect(decoded == message)
    guard case .routerAdvertisement(let advertisement) = decoded else { return }
    #expect(advertisement.prefixes.isEmpty && advertisement.mtu == nil && advertisement.sourceLinkLayerAddress == nil)
  }

  @Test("Types that are not ours")
  func unknownTypes() throws {
    for type in UInt8.min...UInt8.max where ![4, 133, 134, 135, 136].contains(type) {
      let error = ICMPv6DecodeError(.unknownType, offset: 0, value: Int(type))
      #expect(throws: error) {
        try decode([type] + .init(repeating: 0, count: 39), Self.nodeAddress, Self.gateway, checksum: .kernelVerified)
      }
    }
  }

  @Test("Parameter Problem about a Mobility Header, with the packet it is about")
  func parameterProblem() throws {
    let anchor = try address("2001:db8:1::1")
    let gateway = try address("2001:db8:2::1")
    let header = try octets(
      "1106050026f400468200004b0810016d6e31406578616d706c652e6e65741612004020010db8010000010000000000000000010400000000"
    )
    let error = try #require(throws: DecodeError.self) {
      try MobilityHeader.decode(header, source: gateway, destination: anchor)
    }
    guard case .parameterProblem(let pointer) = error.reaction else {
      Issue.record("no Parameter Problem")
      return
    }
    let problem = ParameterProblem(
      pointerInHeader: pointer, mobilityHeader: header[...],
      in: ICMPv6Envelope(source: gateway, destination: anchor, hopLimit: 61))
    // Encoded by a separate script.
    let expected =
      "0400b90700000028600000000038873d20010db800020000000000000000000120010db8000100000000000000000001" + hex(header)
    let message = ICMPv6Message.parameterProblem(problem)
    #expect(hex(message.encode(source: anchor, destination: gateway)) == expected)
    #expect(try decode(octets(expected), anchor, gateway, hopLimit: 3) == message)
  }

  @Test("An error message stays below the minimum MTU")
  func parameterProblemLength() {
    let problem = ParameterProblem(code: 0, pointer: 41, invokingPacket: [UInt8](repeating: 1, count: 3000))
    let packet = ICMPv6Message.parameterProblem(problem).packet(
      source: Self.gateway, destination: Self.nodeAddress, hopLimit: 64)
    #expect(packet.count == 1280 && packet[7] == 64)
  }

  @Test("Random damage never traps, and what still decodes encodes to an equal message")
  func mutation() throws {
    var generator = SplitMix64.announced()
    var accepted = 0
    for _ in 0..<10_000 {
      guard let (_, source, destination, text) = Self.captured.randomElement(using: &generator) else { return }
      var octets = try octets(text)
      for _ in 0..<Int.random(in: 1...3, using: &generator) {
        octets[Int.random(in: octets.indices, using: &generator)] = UInt8.random(in: 0...255, using: &generator)
      }
      octets.removeLast(Int.random(in: 0...1, using: &generator) * Int.random(in: 0...octets.count, using: &generator))
      guard let message = try? decode(octets, source, destination, checksum: .kernelVerified) else { continue }
      accepted += 1
      let again = message.encode(source: source, destination: destination)
      #expect(try decode(again, source, destination) == message, "\(hex(octets))")
    }
    #expect(accepted > 500)
  }
}
