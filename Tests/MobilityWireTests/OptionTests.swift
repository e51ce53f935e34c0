import MobilityWire
import NetTypes
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
      (26, 16...16), (27, 8...8), (50, 6...6), (63, 6...6), (64, 2...255), (250, 18...18),
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

  @Test("An option that passes the end of the header", arguments: [1, 8, 22, 99, 200] as [UInt8])
  func overrun(type: UInt8) {
    for length in [3, 4, 100, 255] as [UInt8] {
      let error = DecodeError(.optionOverrun, offset: 12, value: length, option: MobilityOptionType(rawValue: type))
      #expect(throws: error) { try decode([type, length, 1, 1]) }
    }
  }

  @Test("A prefix length above 128 is malformed", arguments: [22, 250] as [UInt8])
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

  @Test("Reserved fields and padding contents are ignored on receipt")
  func liberal() throws {
    let options = try decode(
      [1, 3, 9, 9, 9, 0, 23, 2, 0xff, 3, 25, 4, 0xff, 0xff, 1, 2, 22, 18, 0x7f, 0] + .init(repeating: 0, count: 16))
    #expect(options.handoffIndicator == .betweenGateways)
    #expect(options.linkLayerIdentifier == MobileNodeLinkLayerIdentifier(identifier: [1, 2]))
    #expect(options.homeNetworkPrefixes == [.allZero])
  }

  @Test("An option that may stand once")
  func singletons() throws {
    let once: [MobilityOption] = [
      .mobileNodeIdentifier(MobileNodeIdentifier(nai: "a")), .handoffIndicator(.unknown), .accessTechnologyType(.wlan),
      .mobileNodeLinkLayerIdentifier(MobileNodeLinkLayerIdentifier(.fixedGateway)), .linkLocalAddress(.unspecified),
      .timestamp(.zero), .alternateCareOfAddress(.allNodes), .bindingRefreshAdvice(1),
      .mobileNodeGroupIdentifier(.allSessions), .accessNetworkIdentifier([.unknown(type: 4, data: [])]),
      .lmaControlledMAGParameters([]), .magIdentifier(MAGIdentifier(nai: "g")),
      .magMultipathBinding(MAGMultipathBinding(interfaceTechnology: .wlan, interfaceLabel: 1, binding: 1)),
    ]
    let many: [MobilityOption] = [
      .homeNetworkPrefix(.allZero), .flowMobility(.allZero), .vendorSpecific(vendor: 1, subtype: 1, data: []),
      .unknown(type: 99, data: []), .bindingIdentifier(BindingIdentifierOption(binding: 1, priority: 1)),
      .flowSummary([1]), .flowIdentification(FlowIdentificationOption(flow: 1, priority: 1)),
      .qualityOfService(QualityOfServiceOption(serviceRequest: 1, dscp: 0, operation: .query)),
    ]
    #expect(!MobilityOptions(once + many + many).duplicatesSingleton)
    for option in once { #expect(MobilityOptions(once + [option]).duplicatesSingleton, "\(option)") }
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
