import MobilityWire
import NetTypes
import SeededRandom
import TestSupport
import Testing

@Suite struct EncodingTests {
  private static let source = IPv6Address(high: 0x2001_0db8_0002_0000, low: 1)
  private static let destination = IPv6Address(high: 0x2001_0db8_0001_0000, low: 1)

  private func encode(_ options: [MobilityOption], _ checksum: ChecksumOnSend = .compute) throws(EncodeError) -> [UInt8]
  {
    try MobilityHeader.encode(
      .bindingUpdate(
        BindingUpdate(sequence: 1, flags: [.acknowledge, .proxyRegistration], lifetime: .zero, options: .init(options))),
      source: Self.source, destination: Self.destination, checksum: checksum)
  }

  @Test("No option: the fixed part is padded to 16 octets")
  func empty() throws {
    #expect(hex(try encode([], .zero)) == "3b010500" + "0000" + "0001" + "8200" + "0000" + "01020000")
    let error = try MobilityHeader.encode(
      .bindingError(BindingError(status: 2)), source: .allNodes, destination: .allNodes, checksum: .zero)
    #expect(hex(error) == "3b020700" + "0000" + "0200" + String(repeating: "0", count: 32))
  }

  @Test("Padding of one octet is Pad1, of more one PadN")
  func padding() throws {
    // Option area from 12; the identifier option takes 3 + n octets, a prefix must stand at 8k + 4.
    for count in 0...8 {
      let identifier = MobileNodeIdentifier(subtype: 1, identifier: .init(repeating: 0x61, count: count))
      let octets = try encode([.mobileNodeIdentifier(identifier), .homeNetworkPrefix(.allZero)])
      let placed = try MobilityHeader.placedOptions(octets)
      let gap = (8 - (3 + count) % 8) % 8
      switch gap {
      case 0: #expect(placed.map(\.type.rawValue) == [8, 22])
      case 1: #expect(placed.map(\.type.rawValue) == [8, 0, 22] && placed[1].length == nil)
      default: #expect(placed.map(\.type.rawValue) == [8, 1, 22] && placed[1].length == gap - 2)
      }
      #expect(placed.last?.offset == 15 + count + gap)
    }
  }

  @Test("2048 octets are the most, and every header up to that has its length")
  func maximum() throws {
    func options(total: Int) -> [MobilityOption] {
      // 12 octets of fixed part, then options of at most 257.
      var left = total - 12
      var result: [MobilityOption] = []
      while left > 0 {
        let octets = left - 257 == 1 ? 200 : min(left, 257)
        result.append(.unknown(type: 99, data: .init(repeating: 7, count: octets - 2)))
        left -= octets
      }
      return result
    }
    for total in stride(from: 16, through: 2048, by: 8) {
      let octets = try encode(options(total: total))
      #expect(octets.count == total && Int(octets[1]) == total / 8 - 1)
      let decoded = try MobilityHeader.decode(octets, source: Self.source, destination: Self.destination)
      #expect(Array(decoded.message.options) == options(total: total))
    }
    #expect(throws: EncodeError.messageTooLong(octets: 2056)) { try encode(options(total: 2049)) }
  }

  @Test("What no option can hold is refused")
  func refusals() {
    let long = [UInt8](repeating: 1, count: 255)
    #expect(throws: EncodeError.optionTooLong(.mobileNodeIdentifier, octets: 256)) {
      try encode([.mobileNodeIdentifier(MobileNodeIdentifier(subtype: 1, identifier: long))])
    }
    #expect(throws: EncodeError.optionTooLong(.vendorSpecific, octets: 260)) {
      try encode([.vendorSpecific(vendor: 1, subtype: 1, data: long)])
    }
    #expect(throws: EncodeError.paddingAsOption(.padN)) { try encode([.unknown(type: 1, data: [])]) }
    #expect(throws: EncodeError.paddingAsOption(.pad1)) { try encode([.unknown(type: 0, data: [])]) }
  }

  @Test("Generated messages: round trip, alignment, shortest padding, checksum")
  func roundTrips() throws {
    var generator = SplitMix64.announced()
    for _ in 0..<3000 {
      let message = randomMessage(&generator)
      let octets = try MobilityHeader.encode(message, source: Self.source, destination: Self.destination)
      let decoded = try MobilityHeader.decode(octets, source: Self.source, destination: Self.destination)
      #expect(decoded.message == message)
      #expect(octets.count % 8 == 0 && decoded.header.octets == octets.count)

      let placed = try MobilityHeader.placedOptions(octets)
      #expect(placed.compactMap(\.option) == Array(message.options))
      var wasPadding = false
      for element in placed {
        #expect(!(wasPadding && element.type.isPadding))
        wasPadding = element.type.isPadding
        if wasPadding {
          #expect((element.length ?? -1) + 2 < 8)
        } else {
          let type = element.type.rawValue == 200 ? .homeNetworkPrefix : element.type
          let alignment = type.alignment(length: element.length ?? 0)
          #expect(element.offset % alignment.multiple == alignment.remainder)
        }
      }
      let zero = try MobilityHeader.encode(message, source: Self.source, destination: Self.destination, checksum: .zero)
      #expect(Array(zero[4...5]) == [0, 0] && zero[6...] == octets[6...])
    }
  }

  private func randomMessage(_ generator: inout SplitMix64) -> MobilityMessage {
    let options = MobilityOptions((0..<Int.random(in: 0...7, using: &generator)).map { _ in randomOption(&generator) })
    let number = UInt16.random(in: 0 ... .max, using: &generator)
    let octet = UInt8.random(in: 0 ... .max, using: &generator)
    switch Int.random(in: 0...8, using: &generator) {
    case 0:
      return .bindingUpdate(
        BindingUpdate(
          sequence: .random(in: 0 ... .max, using: &generator),
          flags: BindingUpdateFlags(rawValue: .random(in: 0 ... .max, using: &generator)),
          lifetime: BindingLifetime(rawValue: .random(in: 0 ... .max, using: &generator)), options: options))
    case 1:
      return .bindingAcknowledgement(
        BindingAcknowledgement(
          status: BindingStatus(rawValue: .random(in: 0 ... .max, using: &generator)),
          flags: BindingAcknowledgementFlags(rawValue: .random(in: 0 ... .max, using: &generator)),
          sequence: .random(in: 0 ... .max, using: &generator),
          lifetime: BindingLifetime(rawValue: .random(in: 0 ... .max, using: &generator)), options: options))
    case 2: return .bindingRefreshRequest(BindingRefreshRequest(options: options))
    case 3:
      return .heartbeat(
        Heartbeat(
          flags: HeartbeatFlags(rawValue: number), sequence: .random(in: 0 ... .max, using: &generator),
          options: options))
    case 4:
      return .bindingRevocation(
        BindingRevocation(
          .indication(BindingRevocationTrigger(rawValue: octet)), sequence: number,
          flags: BindingRevocationFlags(rawValue: .random(in: 0 ... .max, using: &generator)), options: options))
    case 5:
      return .bindingRevocation(
        BindingRevocation(
          .acknowledgement(BindingRevocationStatus(rawValue: octet)), sequence: number,
          flags: BindingRevocationFlags(rawValue: .random(in: 0 ... .max, using: &generator)), options: options))
    case 6:
      return .updateNotification(
        UpdateNotification(
          sequence: number, reason: NotificationReason(rawValue: .random(in: 0 ... .max, using: &generator)),
          flags: UpdateNotificationFlags(rawValue: .random(in: 0 ... .max, using: &generator)), options: options))
    case 7:
      return .updateNotificationAcknowledgement(
        UpdateNotificationAcknowledgement(
          sequence: number, status: UpdateNotificationStatus(rawValue: octet), options: options))
    default:
      return .bindingError(
        BindingError(
          status: .random(in: 0 ... .max, using: &generator), homeAddress: randomAddress(&generator), options: options))
    }
  }

  private func randomAddress(_ generator: inout SplitMix64) -> IPv6Address {
    IPv6Address(high: generator.next(), low: generator.next())
  }

  private func randomOption(_ generator: inout SplitMix64) -> MobilityOption {
    let prefix = HomeNetworkPrefixOption(
      offLink: .random(using: &generator), prefixLength: .random(in: 0...128, using: &generator),
      address: randomAddress(&generator))
    let data = generator.octets(Int.random(in: 0...40, using: &generator))
    let octet = UInt8.random(in: 0 ... .max, using: &generator)
    let number = UInt32.random(in: 0 ... .max, using: &generator)
    let ipv4 = IPv4Address(rawValue: number)
    let ipv4Length = UInt8.random(in: 0...32, using: &generator)
    let isFlagSet = Bool.random(using: &generator)
    return switch Int.random(in: 0...41, using: &generator) {
    case 0: .bindingRefreshAdvice(.random(in: 0 ... .max, using: &generator))
    case 1: .alternateCareOfAddress(prefix.address)
    case 2: .mobileNodeIdentifier(MobileNodeIdentifier(subtype: octet, identifier: data))
    case 3: .vendorSpecific(vendor: .random(in: 0 ... .max, using: &generator), subtype: octet, data: data)
    case 4: .homeNetworkPrefix(prefix)
    case 5: .handoffIndicator(HandoffIndicator(rawValue: octet))
    case 6: .accessTechnologyType(AccessTechnologyType(rawValue: octet))
    case 7: .mobileNodeLinkLayerIdentifier(MobileNodeLinkLayerIdentifier(identifier: data))
    case 8: .linkLocalAddress(prefix.address)
    case 9: .timestamp(NTPTimestamp(rawValue: generator.next()))
    case 10: .flowMobility(prefix)
    case 11: .restartCounter(.random(in: 0 ... .max, using: &generator))
    case 12: .mobileNetworkPrefix(MobileNetworkPrefixOption(prefixLength: prefix.prefixLength, address: prefix.address))
    case 13: .authentication(subtype: octet, spi: number, authenticator: data)
    case 14: ServiceSelection(identifier: data).map { .serviceSelection($0) } ?? .redirectCapability
    case 15:
      .ipv4HomeAddress(IPv4HomeAddressOption(prefixLength: ipv4Length, requestsPrefix: isFlagSet, address: ipv4))
    case 16:
      .ipv4AddressAcknowledgement(
        IPv4AddressAcknowledgementOption(
          status: IPv4AddressStatus(rawValue: octet), prefixLength: ipv4Length, address: ipv4))
    case 17: .natDetection(NATDetectionOption(forcesUDP: isFlagSet, refreshTime: number))
    case 18: .ipv4CareOfAddress(ipv4)
    case 19: .greKey(isFlagSet ? number : nil)
    case 20: .ipv4HomeAddressRequest(IPv4HomeAddressRequestOption(prefixLength: ipv4Length, address: ipv4))
    case 21:
      .ipv4HomeAddressReply(
        IPv4HomeAddressReplyOption(
          status: IPv4AddressStatus(rawValue: octet), prefixLength: ipv4Length, address: ipv4))
    case 22: .ipv4DefaultRouterAddress(ipv4)
    case 23: .ipv4DHCPSupportMode(isServer: isFlagSet)
    case 24: .redirect(isFlagSet ? .v4(ipv4) : .v6(prefix.address))
    case 25:
      .loadInformation(
        LoadInformation(
          priority: UInt16(octet), sessionsInUse: number, maximumSessions: ~number, usedCapacity: number &* 3,
          maximumCapacity: number &* 7))
    case 26: .alternateIPv4CareOfAddress(ipv4)
    case 27:
      .delegatedMobileNetworkPrefix(DelegatedMobileNetworkPrefixOption(address: .v4(ipv4), prefixLength: ipv4Length))
    case 28:
      .delegatedMobileNetworkPrefix(
        DelegatedMobileNetworkPrefixOption(address: .v6(prefix.address), prefixLength: prefix.prefixLength))
    case 29: .lmaUserPlaneAddress(isFlagSet ? .v4(ipv4) : .v6(prefix.address))
    case 30: .lmaUserPlaneAddress(nil)
    case 31: randomBinding(&generator)
    case 32: .flowSummary((0...Int.random(in: 0...126, using: &generator)).map { UInt16($0) << 3 })
    case 33, 34: .flowIdentification(randomFlow(&generator))
    case 35:
      .mobileNodeGroupIdentifier(
        MobileNodeGroupIdentifier(subtype: octet, group: .random(in: 0 ... .max, using: &generator)))
    case 36: .accessNetworkIdentifier(randomAccessNetwork(&generator))
    case 37: .qualityOfService(randomService(&generator))
    case 38:
      .lmaControlledMAGParameters([
        .reregistration(startTime: UInt16(octet), initialRetransmission: 1, maximumRetransmission: .max),
        .heartbeat(interval: .max, retransmissionDelay: UInt16(octet), maximumRetransmissions: 3),
        .unknown(type: .random(in: 3...255, using: &generator), data: data),
      ])
    case 39:
      .magMultipathBinding(
        MAGMultipathBinding(
          interfaceTechnology: AccessTechnologyType(rawValue: octet),
          interfaceLabel: .random(in: 0 ... .max, using: &generator),
          binding: .random(in: 0 ... .max, using: &generator), bulkReRegistration: .random(using: &generator),
          overwrite: .random(using: &generator)))
    case 40: .magIdentifier(MAGIdentifier(subtype: octet, identifier: data))
    // Assigned to nothing.
    default: .unknown(type: UInt8.random(in: 71...199, using: &generator), data: data)
    }
  }

  private func randomBinding(_ generator: inout SplitMix64) -> MobilityOption {
    .bindingIdentifier(
      BindingIdentifierOption(
        binding: .random(in: 0 ... .max, using: &generator),
        status: BindingStatus(rawValue: .random(in: 0 ... .max, using: &generator)),
        simultaneousHomeAndForeign: .random(using: &generator), priority: .random(in: 0...127, using: &generator),
        careOfAddress: [nil, .v6(randomAddress(&generator)), .v4(IPv4Address(rawValue: .max))]
          .randomElement(using: &generator) ?? nil))
  }

  private func randomFlow(_ generator: inout SplitMix64) -> FlowIdentificationOption {
    let subOptions = (0..<Int.random(in: 0...3, using: &generator)).map { _ -> FlowSubOption in
      switch Int.random(in: 0...5, using: &generator) {
      case 0: .bindingReference((0...Int.random(in: 0...3, using: &generator)).map { UInt16($0 * 1000) })
      case 1: .trafficSelector(.random(&generator))
      case 2: .flowBindingAction(FlowBindingAction(rawValue: .random(in: 0 ... .max, using: &generator)))
      case 3: .targetCareOfAddress(.v4(IPv4Address(rawValue: .random(in: 0 ... .max, using: &generator))))
      case 4: .targetCareOfAddress(.v6(randomAddress(&generator)))
      default:
        .unknown(
          type: .random(in: 6 ... .max, using: &generator),
          data: generator.octets(.random(in: 0...9, using: &generator)))
      }
    }
    let flow = FlowIdentificationOption(
      flow: .random(in: 0 ... .max, using: &generator), priority: .random(in: 0 ... .max, using: &generator),
      status: FlowBindingStatus(rawValue: .random(in: 0 ... .max, using: &generator)), subOptions: subOptions)
    // Two selectors of 98 octets and padding always fit into 255; three may not.
    return subOptions.count < 3 ? flow : FlowIdentificationOption(flow: 1, priority: 1)
  }

  private func randomAccessNetwork(_ generator: inout SplitMix64) -> [AccessNetworkSubOption] {
    [
      .networkIdentifier(
        isUTF8: .random(using: &generator), name: generator.octets(.random(in: 1...20, using: &generator)),
        accessPoint: generator.octets(.random(in: 0...20, using: &generator))),
      .geoLocation(
        GeoLocation(
          latitude: .random(in: -0x80_0000...0x7f_ffff, using: &generator),
          longitude: .random(in: -0x80_0000...0x7f_ffff, using: &generator))),
      .operatorIdentifier(kind: 2, identifier: generator.octets(.random(in: 0...20, using: &generator))),
      .unknown(
        type: .random(in: 4...255, using: &generator), data: generator.octets(.random(in: 0...20, using: &generator))),
    ].shuffled(using: &generator)
  }

  private func randomService(_ generator: inout SplitMix64) -> QualityOfServiceOption {
    let rate = UInt32.random(in: 0 ... .max, using: &generator)
    let attributes: [QualityOfServiceAttribute] = [
      .bitRate(.nodeAggregateMaximumDownlink, rate), .bitRate(.nodeAggregateMaximumUplink, rate),
      .sessionAggregate(
        downlink: .random(using: &generator), sameService: .random(using: &generator),
        excludesGuaranteed: .random(using: &generator), rate),
      .allocationRetentionPriority(
        level: .random(in: 0...15, using: &generator), capability: .random(in: 0...3, using: &generator),
        vulnerability: .random(in: 0...3, using: &generator)),
      .bitRate(.aggregateMaximumDownlink, rate), .bitRate(.aggregateMaximumUplink, rate),
      .bitRate(.guaranteedDownlink, rate), .bitRate(.guaranteedUplink, rate),
      .trafficSelector(.random(&generator)), .unknown(type: 11, data: generator.octets(7)),
    ]
    return QualityOfServiceOption(
      serviceRequest: .random(in: 0 ... .max, using: &generator), dscp: .random(in: 0...63, using: &generator),
      operation: QualityOfServiceOperation(rawValue: .random(in: 0 ... .max, using: &generator)),
      attributes: attributes.shuffled(using: &generator))
  }
}

extension TrafficSelector {
  static func random(_ generator: inout SplitMix64) -> TrafficSelector {
    switch Int.random(in: 0...4, using: &generator) {
    case 0, 1:
      var selector = IPv4TrafficSelector()
      selector.sourceAddress = .random(&generator) { IPv4Address(rawValue: UInt32(truncatingIfNeeded: $0)) }
      selector.destinationAddress = .random(&generator) { IPv4Address(rawValue: UInt32(truncatingIfNeeded: $0)) }
      selector.securityParameterIndex = .random(&generator) { UInt32(truncatingIfNeeded: $0) }
      selector.sourcePort = .random(&generator) { UInt16(truncatingIfNeeded: $0) }
      selector.destinationPort = .random(&generator) { UInt16(truncatingIfNeeded: $0) }
      selector.differentiatedServices = .random(&generator) { UInt8(truncatingIfNeeded: $0) }
      selector.protocolNumber = .random(&generator) { UInt8(truncatingIfNeeded: $0) }
      return .ipv4(selector)
    case 2, 3:
      var selector = IPv6TrafficSelector()
      selector.sourceAddress = .random(&generator) { IPv6Address(high: $0, low: ~$0) }
      selector.destinationAddress = .random(&generator) { IPv6Address(high: $0, low: ~$0) }
      selector.securityParameterIndex = .random(&generator) { UInt32(truncatingIfNeeded: $0) }
      selector.flowLabel = .random(&generator) { FlowLabel(rawValue: UInt32(truncatingIfNeeded: $0)) }
      selector.sourcePort = .random(&generator) { UInt16(truncatingIfNeeded: $0) }
      selector.destinationPort = .random(&generator) { UInt16(truncatingIfNeeded: $0) }
      selector.trafficClass = .random(&generator) { UInt8(truncatingIfNeeded: $0) }
      selector.nextHeader = .random(&generator) { UInt8(truncatingIfNeeded: $0) }
      return .ipv6(selector)
    default: return .unknown(format: .random(in: 3 ... .max, using: &generator), data: generator.octets(5))
    }
  }
}

extension SelectorRange {
  /// None, a start, or both.
  static func random(_ generator: inout SplitMix64, _ value: (UInt64) -> Value) -> SelectorRange? {
    switch Int.random(in: 0...2, using: &generator) {
    case 0: nil
    case 1: SelectorRange(value(generator.next()))
    default: SelectorRange(value(generator.next()), through: value(generator.next()))
    }
  }
}
