import MobilityWire
import NetTypes
import TestSupport
import Testing

@Suite struct OptionTests {
  /// A BU with these octets as its option area.
  private func decode(_ area: [UInt8], codePoints: CodePoints = CodePoints()) throws(DecodeError) -> MobilityOptions {
    let padding = (8 - (12 + area.count) % 8) % 8
    let octets =
      [59, UInt8((12 + area.count + padding) / 8 - 1), 5, 0, 0, 0, 0, 1, 0x82, 0, 0, 75] + area
      + [UInt8](repeating: 0, count: padding)
    return try MobilityHeader.decode(
      octets, source: .unspecified, destination: .unspecified, codePoints: codePoints, checksum: .kernelVerified
    ).message.options
  }

  @Test(
    "Lengths: an option takes its own and no other",
    arguments: [
      (2, 2...2), (3, 16...16), (8, 1...255), (19, 5...255), (22, 18...18), (23, 2...2), (24, 2...2), (25, 2...255),
      (26, 16...16), (27, 8...8), (250, 18...18), (6, 18...18), (9, 5...255), (20, 1...255), (28, 4...4), (29, 6...6),
      (30, 6...6), (31, 6...6), (32, 6...6), (36, 6...6), (37, 6...6), (38, 6...6), (39, 2...2), (46, 2...2),
      (48, 18...18), (49, 4...4), (50, 6...6), (63, 6...6), (64, 2...255),
    ] as [(UInt8, ClosedRange<Int>)])
  func lengths(type: UInt8, allowed: ClosedRange<Int>) throws {
    for length in 0...255 {
      let area = [type, UInt8(length)] + [UInt8](repeating: 0, count: length)
      if allowed.contains(length) {
        let options = try decode(area)
        #expect(options.count == 1)
        if case .unknown = options.first { Issue.record("option \(type) is not known") }
      } else {
        let expected = DecodeError(.optionLength, offset: 12, value: length, option: MobilityOptionType(rawValue: type))
        #expect(throws: expected) { try decode(area) }
      }
    }
  }

  @Test(
    "Several lengths: the flag, if there is one, says which",
    arguments: [
      (33, [], [2, 6]), (59, [], [2, 6, 18]), (47, [0x80, 0], [18]), (47, [0xbf, 0xff], [18]), (47, [0x40, 0], [6]),
      (47, [0x7f, 0xff], [6]), (47, [0, 0], []), (47, [0xc0, 0], []), (55, [0x00], [18]), (55, [0x7f], [18]),
      (55, [0x80], [6]), (55, [0xff], [6]),
    ] as [(UInt8, [UInt8], Set<Int>)])
  func alternatives(type: UInt8, start: [UInt8], allowed: Set<Int>) throws {
    for length in 0...255 {
      let area = [type, UInt8(length)] + (start + .init(repeating: 0, count: 255)).prefix(length)
      if allowed.contains(length) {
        let options = try decode(area)
        #expect(options.count == 1)
        if case .unknown = options.first { Issue.record("option \(type) is not known") }
      } else {
        let expected = DecodeError(.optionLength, offset: 12, value: length, option: MobilityOptionType(rawValue: type))
        #expect(throws: expected) { try decode(area) }
      }
    }
  }

  /// One option of each kind, and its octets from Type to the end as the RFCs draw them.
  private static let drawings: [(MobilityOption, String)] = {
    let four = IPv4Address(rawValue: 0xc633_6414)
    let six = IPv6Address(high: 0x2001_0db8_0001_0000, low: 9)
    let sixHex = "20010db8000100000000000000000009"
    guard let service = ServiceSelection("ims") else { return [] }
    return [
      (.mobileNetworkPrefix(MobileNetworkPrefixOption(prefixLength: 56, address: six)), "06120038" + sixHex),
      (.authentication(subtype: 2, spi: 0x0102_0304, authenticator: [0xaa, 0xbb]), "09070201020304aabb"),
      (.serviceSelection(service), "1403696d73"),
      (.ipv4HomeAddress(IPv4HomeAddressOption(prefixLength: 32, address: four)), "1d068000c6336414"),
      (
        .ipv4HomeAddress(IPv4HomeAddressOption(prefixLength: 24, requestsPrefix: true, address: .unspecified)),
        "1d06620000000000"
      ),
      (
        .ipv4AddressAcknowledgement(
          IPv4AddressAcknowledgementOption(status: .prefixAllocationUnauthorized, prefixLength: 32, address: four)),
        "1e068580c6336414"
      ),
      (.natDetection(NATDetectionOption(forcesUDP: true, refreshTime: 110)), "1f0680000000006e"),
      (.natDetection(NATDetectionOption(refreshTime: NATDetectionOption.noKeepalives)), "1f060000ffffffff"),
      (.ipv4CareOfAddress(four), "20060000c6336414"),
      (.greKey(0x0102_0304), "2106000001020304"), (.greKey(nil), "21020000"),
      (.ipv4HomeAddressRequest(.allZero), "2406000000000000"),
      (.ipv4HomeAddressRequest(IPv4HomeAddressRequestOption(prefixLength: 24, address: four)), "24066000c6336414"),
      (
        .ipv4HomeAddressReply(
          IPv4HomeAddressReplyOption(status: .dynamicAssignmentNotAvailable, prefixLength: 24, address: four)),
        "25068460c6336414"
      ),
      (.ipv4DefaultRouterAddress(four), "26060000c6336414"),
      (.ipv4DHCPSupportMode(isServer: true), "27020001"), (.ipv4DHCPSupportMode(isServer: false), "27020000"),
      (.redirectCapability, "2e020000"),
      (.redirect(.v6(six)), "2f128000" + sixHex), (.redirect(.v4(four)), "2f064000c6336414"),
      (
        .loadInformation(
          LoadInformation(
            priority: 10, sessionsInUse: 1000, maximumSessions: 50000, usedCapacity: 2048, maximumCapacity: 1_000_000)),
        "3012000a000003e80000c35000000800000f4240"
      ),
      (.alternateIPv4CareOfAddress(four), "3104c6336414"),
      (
        .delegatedMobileNetworkPrefix(DelegatedMobileNetworkPrefixOption(address: .v6(six), prefixLength: 64)),
        "37120040" + sixHex
      ),
      (
        .delegatedMobileNetworkPrefix(DelegatedMobileNetworkPrefixOption(address: .v4(four), prefixLength: 28)),
        "3706801cc6336414"
      ),
      (.lmaUserPlaneAddress(nil), "3b020000"), (.lmaUserPlaneAddress(.v4(four)), "3b060000c6336414"),
      (.lmaUserPlaneAddress(.v6(six)), "3b120000" + sixHex),
    ]
  }()

  @Test("Each option stands on the wire as its RFC draws it, and every truncation is refused")
  func drawings() throws {
    try #require(!Self.drawings.isEmpty)
    for (option, drawn) in Self.drawings {
      let message = MobilityMessage.bindingUpdate(
        BindingUpdate(sequence: 1, flags: .proxyRegistration, lifetime: .zero, options: MobilityOptions([option])))
      let encoded = try MobilityHeader.encode(message, source: .allNodes, destination: .allRouters)
      let place = try #require(MobilityHeader.placedOptions(encoded).first { $0.option != nil })
      #expect(hex(encoded[place.offset...].prefix(2 + (place.length ?? 0))) == drawn)
      #expect(Array(try decode(try octets(drawn))) == [option])
      for kept in 0..<(place.length ?? 0) {
        // The header ends within the option.
        let area = [UInt8](repeating: 0, count: (16 - (12 + 2 + kept) % 8) % 8) + (try octets(drawn)).prefix(2 + kept)
        #expect(throws: DecodeError.self) { try decode(area) }
      }
    }
  }

  @Test("The prefix length of an IPv4 prefix is at most 32", arguments: [(29, 0), (36, 0), (30, 1), (37, 1)])
  func ipv4PrefixLength(type: UInt8, place: Int) throws {
    for length in UInt8(0)...63 {
      var area: [UInt8] = [type, 6, 0, 0, 0, 0, 0, 0]
      area[2 + place] = length << 2
      if length <= 32 {
        #expect(try decode(area).count == 1)
      } else {
        let error = DecodeError(.prefixLength, offset: 12, value: length, option: MobilityOptionType(rawValue: type))
        #expect(throws: error) { try decode(area) }
      }
    }
    let delegated = DecodeError(.prefixLength, offset: 12, value: 33, option: .delegatedMobileNetworkPrefix)
    #expect(throws: delegated) { try decode([55, 6, 0x80, 33, 0, 0, 0, 0]) }
  }

  @Test("An option that passes the end of the header", arguments: [1, 8, 22, 99, 200] as [UInt8])
  func overrun(type: UInt8) {
    for length in [3, 4, 100, 255] as [UInt8] {
      let error = DecodeError(.optionOverrun, offset: 12, value: length, option: MobilityOptionType(rawValue: type))
      #expect(throws: error) { try decode([type, length, 1, 1]) }
    }
  }

  @Test("A prefix length above 128 is malformed", arguments: [6, 22, 55, 250] as [UInt8])
  func prefixLength(type: UInt8) throws {
    for length in [0, 64, 128, 129, 255] as [UInt8] {
      let area: [UInt8] = [0, 0, type, 18, 0, length] + IPv6Address.allNodes.bytes
      if length <= 128 {
        #expect(try decode(area).count == 1)
      } else {
        let error = DecodeError(.prefixLength, offset: 14, value: length, option: MobilityOptionType(rawValue: type))
        #expect(throws: error) { try decode(area) }
      }
    }
  }

  @Test("The flow-mob option: its type from configuration, aligned like the prefix option")
  func flowMobility() throws {
    let prefix = HomeNetworkPrefixOption(IPv6Prefix.slash64(try address("2001:db8:100:2::")), offLink: true)
    let message = MobilityMessage.bindingAcknowledgement(
      BindingAcknowledgement(
        status: .accepted, flags: .proxyRegistration, sequence: 1, lifetime: BindingLifetime(.seconds(300)),
        options: MobilityOptions([
          .mobileNodeIdentifier(MobileNodeIdentifier(nai: "n@example.net")), .flowMobility(prefix),
        ])))
    for type in [71, 200, 255] as [UInt8] {
      let codePoints = CodePoints(flowMobilityOption: type)
      let octets = try MobilityHeader.encode(message, source: .allNodes, destination: .allNodes, codePoints: codePoints)
      #expect(Array(octets[28...47]) == [type, 18, 0x80, 64] + (try address("2001:db8:100:2::")).bytes)
      let decoded = try MobilityHeader.decode(octets, source: .allNodes, destination: .allNodes, codePoints: codePoints)
      #expect(decoded.message == message)
      #expect(decoded.message.options.flowMobilityPrefixes == [prefix])
      let without = try MobilityHeader.decode(
        octets, source: .allNodes, destination: .allNodes, codePoints: .noFlowMobility)
      #expect(without.message.options.last == .unknown(type: type, data: Array(octets[30...47])))
    }
    #expect(throws: EncodeError.flowMobilityWithoutCodePoint) {
      try MobilityHeader.encode(message, source: .allNodes, destination: .allNodes, codePoints: .noFlowMobility)
    }
  }

  @Test("Identifiers and prefixes are echoed exactly: not UTF-8, host bits, empty")
  func exactness() throws {
    let values: [MobilityOption] = [
      .mobileNodeIdentifier(MobileNodeIdentifier(subtype: 255, identifier: [0xff, 0x00, 0xc3, 0x28])),
      .mobileNodeIdentifier(MobileNodeIdentifier(subtype: 1, identifier: [])),
      .homeNetworkPrefix(HomeNetworkPrefixOption(prefixLength: 10, address: IPv6Address(high: .max, low: .max))),
      .mobileNodeLinkLayerIdentifier(MobileNodeLinkLayerIdentifier(identifier: [])),
      .vendorSpecific(vendor: .max, subtype: 255, data: []),
      .unknown(type: 71, data: []), .unknown(type: 255, data: [UInt8](repeating: 0xee, count: 255)),
      .timestamp(NTPTimestamp(rawValue: .max)), .bindingRefreshAdvice(.max),
    ]
    for value in values {
      let message = MobilityMessage.bindingError(BindingError(status: 1, options: MobilityOptions([value])))
      let octets = try MobilityHeader.encode(message, source: .allNodes, destination: .allRouters)
      #expect(try MobilityHeader.decode(octets, source: .allNodes, destination: .allRouters).message == message)
    }
  }

  @Test("A link-layer identifier keeps its octets, zeros at its ends included, whatever its length", arguments: 0...20)
  func linkLayerIdentifier(length: Int) throws {
    for octets in [[UInt8](repeating: 0, count: length), (0..<length).map { UInt8($0 + 1) }.reversed()] {
      let identifier = MobileNodeLinkLayerIdentifier(identifier: octets)
      #expect(identifier.identifier == octets && identifier.isAllZero == octets.allSatisfy { $0 == 0 })
      #expect(identifier != MobileNodeLinkLayerIdentifier(identifier: [0] + octets))
      let message = MobilityMessage.bindingError(
        BindingError(status: 1, options: MobilityOptions([.mobileNodeLinkLayerIdentifier(identifier)])))
      let sent = try MobilityHeader.encode(message, source: .allNodes, destination: .allRouters)
      #expect(try MobilityHeader.decode(sent, source: .allNodes, destination: .allRouters).message == message)
    }
  }

  @Test("Reserved fields and padding contents are ignored on receipt")
  func liberal() throws {
    let options = try decode(
      [1, 3, 9, 9, 9, 0, 23, 2, 0xff, 3, 25, 4, 0xff, 0xff, 1, 2, 22, 18, 0x7f, 0] + .init(repeating: 0, count: 16))
    #expect(options.handoffIndicator == .betweenGateways)
    #expect(options.linkLayerIdentifier == MobileNodeLinkLayerIdentifier(identifier: [1, 2]))
    #expect(options.homeNetworkPrefixes == [.allZero])
  }

  @Test("Options that are not aligned are read all the same", arguments: Vector.implemented)
  func unaligned(vector: Vector) throws {
    let placed = try MobilityHeader.placedOptions(vector.octets, codePoints: .noFlowMobility)
    guard let first = placed.first else { return }
    for shift in 0..<8 {
      var octets = Array(vector.octets[..<first.offset]) + [UInt8](repeating: 0, count: shift)
      for option in placed where !option.type.isPadding {
        octets += vector.octets[option.offset...].prefix(2 + (option.length ?? 0))
      }
      octets += [UInt8](repeating: 0, count: (8 - octets.count % 8) % 8)
      octets[1] = UInt8(octets.count / 8 - 1)
      let decoded = try MobilityHeader.decode(
        octets, source: vector.source, destination: vector.destination, codePoints: .noFlowMobility,
        checksum: .kernelVerified)
      #expect(Array(decoded.message.options) == placed.compactMap(\.option))
    }
  }

  @Test("An option that may stand once")
  func singletons() throws {
    let once: [MobilityOption] = [
      .mobileNodeIdentifier(MobileNodeIdentifier(nai: "a")), .handoffIndicator(.unknown), .accessTechnologyType(.wlan),
      .mobileNodeLinkLayerIdentifier(MobileNodeLinkLayerIdentifier(.fixedGateway)), .linkLocalAddress(.unspecified),
      .timestamp(.zero), .alternateCareOfAddress(.allNodes), .bindingRefreshAdvice(1), .restartCounter(1),
      .serviceSelection(try #require(ServiceSelection("ims"))), .natDetection(NATDetectionOption(refreshTime: 0)),
      .ipv4HomeAddress(IPv4HomeAddressOption(prefixLength: 32, address: .unspecified)),
      .ipv4CareOfAddress(.unspecified),
      .ipv4AddressAcknowledgement(
        IPv4AddressAcknowledgementOption(status: .success, prefixLength: 32, address: .unspecified)), .greKey(nil),
      .ipv4HomeAddressReply(IPv4HomeAddressReplyOption(status: .success, prefixLength: 32, address: .unspecified)),
      .ipv4DefaultRouterAddress(.unspecified), .ipv4DHCPSupportMode(isServer: true), .redirectCapability,
      .redirect(.v4(.unspecified)), .alternateIPv4CareOfAddress(.unspecified), .lmaUserPlaneAddress(nil),
      .loadInformation(
        LoadInformation(priority: 0, sessionsInUse: 0, maximumSessions: 0, usedCapacity: 0, maximumCapacity: 0)),
      .mobileNodeGroupIdentifier(.allSessions), .accessNetworkIdentifier([.unknown(type: 4, data: [])]),
      .lmaControlledMAGParameters([]), .magIdentifier(MAGIdentifier(nai: "g")),
      .magMultipathBinding(MAGMultipathBinding(interfaceTechnology: .wlan, interfaceLabel: 1, binding: 1)),
    ]
    let many: [MobilityOption] = [
      .homeNetworkPrefix(.allZero), .flowMobility(.allZero), .vendorSpecific(vendor: 1, subtype: 1, data: []),
      .unknown(type: 99, data: []), .authentication(subtype: 1, spi: 1, authenticator: []),
      .mobileNetworkPrefix(MobileNetworkPrefixOption(prefixLength: 64, address: .unspecified)),
      .ipv4HomeAddressRequest(.allZero),
      .delegatedMobileNetworkPrefix(DelegatedMobileNetworkPrefixOption(address: .v6(.unspecified), prefixLength: 64)),
      .bindingIdentifier(BindingIdentifierOption(binding: 1, priority: 1)),
      .flowSummary([1]), .flowIdentification(FlowIdentificationOption(flow: 1, priority: 1)),
      .qualityOfService(QualityOfServiceOption(serviceRequest: 1, dscp: 0, operation: .query)),
    ]
    #expect(!MobilityOptions(once + many + many).duplicatesSingleton)
    for option in once { #expect(MobilityOptions(once + [option]).duplicatesSingleton, "\(option)") }
  }

  @Test("Accessors: the first of its kind, or none")
  func accessors() throws {
    let service = try #require(ServiceSelection("ims"))
    let reply = IPv4HomeAddressReplyOption(status: .success, prefixLength: 24, address: IPv4Address(rawValue: 1))
    let load = LoadInformation(
      priority: 1, sessionsInUse: 2, maximumSessions: 3, usedCapacity: 4, maximumCapacity: 5)
    let options: MobilityOptions = MobilityOptions([
      .serviceSelection(service), .ipv4HomeAddressRequest(.allZero), .ipv4HomeAddressRequest(.allZero),
      .ipv4HomeAddressReply(reply), .ipv4DefaultRouterAddress(reply.address), .greKey(nil), .redirectCapability,
      .redirect(.v4(reply.address)), .loadInformation(load),
    ])
    #expect(options.serviceSelection == service && options.ipv4HomeAddressRequests == [.allZero, .allZero])
    #expect(options.ipv4HomeAddressReply == reply && options.ipv4DefaultRouterAddress == reply.address)
    #expect(options.greKey == .some(nil) && MobilityOptions([.greKey(7)]).greKey == .some(7))
    #expect(options.offersRedirect && options.redirect == .v4(reply.address) && options.loadInformation == load)
    let none = MobilityOptions([.homeNetworkPrefix(.allZero)])
    #expect(none.serviceSelection == nil && none.ipv4HomeAddressRequests.isEmpty && none.ipv4HomeAddressReply == nil)
    #expect(none.ipv4DefaultRouterAddress == nil && none.greKey == nil && !none.offersRedirect)
    #expect(none.redirect == nil && none.loadInformation == nil)
  }

  @Test("A service is named by 1 to 255 octets")
  func serviceSelection() {
    #expect(ServiceSelection("") == nil && ServiceSelection(identifier: .init(repeating: 1, count: 256)) == nil)
    #expect(ServiceSelection(identifier: .init(repeating: 0xff, count: 255))?.identifier.count == 255)
  }

  @Test("Alignment table of RFC options, section 3.1 of the reference")
  func alignments() {
    let table: [UInt8: (Int, Int)] = [
      2: (2, 0), 3: (8, 6), 6: (8, 4), 9: (4, 1), 19: (4, 2), 22: (8, 4), 26: (8, 6), 27: (8, 2), 28: (4, 2),
      29: (4, 0),
      30: (4, 0), 31: (4, 0), 32: (4, 0), 33: (4, 0), 36: (4, 0), 37: (4, 0), 38: (4, 0), 44: (2, 0), 45: (2, 0),
      46: (4, 0), 47: (4, 0), 48: (4, 0), 49: (4, 2), 51: (8, 4), 52: (4, 0), 55: (8, 2), 58: (4, 0), 59: (8, 2),
      62: (4, 2),
    ]
    for type in UInt8.min...UInt8.max where type != 35 {
      let (multiple, remainder) = table[type] ?? (1, 0)
      let expected = OptionAlignment(multiple: multiple, remainder: remainder)
      #expect(MobilityOptionType(rawValue: type).alignment(length: 20) == expected, "option \(type)")
    }
    #expect(MobilityOptionType.bindingIdentifier.alignment(length: 4) == OptionAlignment(multiple: 2))
    #expect(MobilityOptionType.bindingIdentifier.alignment(length: 20) == OptionAlignment(multiple: 8, remainder: 2))
    #expect(MobilityOptionType(rawValue: 70).description == "DLIFLinkLayerAddress")
    #expect(MobilityOptionType(rawValue: 71).description == "option 71")
    #expect(MobilityHeaderType(rawValue: 23).description == "Subscription Response")
    #expect(MobilityHeaderType(rawValue: 24).description == "message type 24")
  }

  @Test("Timestamp and lifetime arithmetic")
  func units() {
    let time = NTPTimestamp(seconds: 1_767_225_600, nanoseconds: 250_000_000)
    #expect(time.rawValue == 0x0000_6955_b900_4000 && time.fraction65536 == 16384)
    #expect(NTPTimestamp.units(.milliseconds(300)) == 19660)
    #expect(NTPTimestamp.units(.seconds(-1)) == 0)
    #expect(time.advanced(by: .seconds(2)).seconds == time.seconds + 2)
    #expect(time.distance(to: time.advanced(by: .milliseconds(500))) == 32768)
    #expect(time.advanced(by: .milliseconds(500)).distance(to: time) == 32768)
    #expect(BindingLifetime(.seconds(303)).rawValue == 75)
    #expect(BindingLifetime(.seconds(-5)) == .zero)
    #expect(BindingLifetime(.seconds(1_000_000)).duration == .seconds(262_140))
  }
}
