import MobilityWire
import NetTypes
import SeededRandom
import TestSupport
import Testing

/// Options with lists and sub-options in them: which lengths they take, and where a fault in them is reported.
@Suite struct SubOptionTests {
  /// A BU with these octets from offset 12 on.
  private func decode(_ area: [UInt8]) throws(DecodeError) -> MobilityOptions {
    let padding = (8 - (12 + area.count) % 8) % 8
    let octets =
      [59, UInt8((12 + area.count + padding) / 8 - 1), 5, 0, 0, 0, 0, 1, 0x82, 0, 0, 75] + area
      + [UInt8](repeating: 0, count: padding)
    return try MobilityHeader.decode(
      octets, source: .unspecified, destination: .unspecified, checksum: .kernelVerified
    ).message.options
  }

  private func error(_ area: [UInt8]) -> DecodeError? {
    do throws(DecodeError) {
      _ = try decode(area)
      return nil
    } catch { return error }
  }

  private func encode(_ option: MobilityOption) throws(EncodeError) -> [UInt8] {
    try MobilityHeader.encode(
      .bindingError(BindingError(status: 1, options: MobilityOptions([option]))), source: .unspecified,
      destination: .unspecified, checksum: .zero)
  }

  /// A Flow Identification option around `subOptions`, which start at offset 20.
  private func flow(_ subOptions: [UInt8]) -> [UInt8] {
    [45, UInt8(6 + subOptions.count), 0, 1, 0, 1, 0, 0] + subOptions
  }

  /// A Traffic Selector sub-option, TS Format and Reserved before `content`.
  private func selector(_ format: UInt8, _ content: [UInt8]) -> [UInt8] {
    [3, UInt8(2 + content.count), format, 0] + content
  }

  @Test("Binding Identifier: no address, IPv4 or IPv6; Flow Summary: whole identifiers")
  func lengths() throws {
    for length in 0...255 {
      let data = [UInt8](repeating: 0, count: length)
      let binding = DecodeError(.optionLength, offset: 12, value: length, option: .bindingIdentifier)
      #expect(error([35, UInt8(length)] + data) == ([4, 8, 20].contains(length) ? nil : binding))
      let summary = DecodeError(.optionLength, offset: 12, value: length, option: .flowSummary)
      #expect(error([44, UInt8(length)] + data) == (length > 0 && length % 2 == 0 ? nil : summary))
      if length < 6 {
        #expect(error([45, UInt8(length)] + data)?.code == .optionLength)
        #expect(error([58, UInt8(length)] + data)?.code == .optionLength)
      }
    }
    #expect(error([52, 0]) == DecodeError(.optionLength, offset: 12, value: 0, option: .accessNetworkIdentifier))
    #expect(try decode([62, 0]).first == .lmaControlledMAGParameters([]))
  }

  @Test("Sub-options of a flow: each takes its own lengths")
  func flowSubOptionLengths() throws {
    for length in 0...200 {
      let data = [UInt8](repeating: 0, count: length)
      for (type, allowed) in [(4, [2]), (5, [6, 18])] as [(UInt8, [Int])] {
        let expected = DecodeError(.optionLength, offset: 21, value: length, option: .flowIdentification)
        #expect(error(flow([0, type, UInt8(length)] + data)) == (allowed.contains(length) ? nil : expected))
      }
      let reference = DecodeError(.bindingReferenceLength, offset: 20, value: length, option: .flowIdentification)
      #expect(error(flow([2, UInt8(length)] + data)) == (length > 0 && length % 2 == 0 ? nil : reference))
      #expect(error(flow([1, UInt8(length)] + data)) == nil)
      let unknown = try decode(flow([6, UInt8(length)] + data)).flowIdentifications.first
      #expect(unknown?.subOptions == [.unknown(type: 6, data: data)])
    }
  }

  @Test("A sub-option that passes the end of its option, or has no length")
  func subOptionOverrun() {
    for (option, area) in [
      (.flowIdentification, flow([])), (.qualityOfService, [58, 6, 0, 0, 0, 0, 0, 0]),
      (.accessNetworkIdentifier, [52, 0]), (.lmaControlledMAGParameters, [62, 0]),
    ] as [(MobilityOptionType, [UInt8])] {
      let place = 12 + area.count
      for type in [1, 2, 3, 4, 5, 77] as [UInt8] {
        for (tail, code, value) in [
          ([type], .optionNoLength, Int(type)), ([type, 1], .optionOverrun, 1),
          ([type, 255, 0, 0], .optionOverrun, 255),
        ] as [([UInt8], DecodeError.Code, Int)] {
          var octets = area + tail
          octets[1] = UInt8(octets.count - 2)
          #expect(error(octets) == DecodeError(code, offset: place, value: value, option: option))
        }
      }
    }
  }

  @Test("Sub-options and attributes of fixed length")
  func fixedLengths() {
    for length in 0...100 {
      let data = [UInt8](repeating: 0, count: length)
      for type in 1...9 as ClosedRange<UInt8> {
        let allowed = type == 5 ? 2 : 6
        let fault = DecodeError(.optionLength, offset: 20, value: length, option: .qualityOfService)
        let area = [58, UInt8(8 + length), 0, 0, 0, 0, 0, 0, type, UInt8(length)] + data
        #expect(error(area) == (length == allowed ? nil : fault))
      }
      for type in [1, 2] as [UInt8] {
        let fault = DecodeError(.optionLength, offset: 14, value: length, option: .lmaControlledMAGParameters)
        #expect(error([62, UInt8(2 + length), type, UInt8(length)] + data) == (length == 6 ? nil : fault))
      }
      let location = DecodeError(.optionLength, offset: 14, value: length, option: .accessNetworkIdentifier)
      #expect(error([52, UInt8(2 + length), 2, UInt8(length)] + data) == (length == 6 ? nil : location))
      let operation = [52, UInt8(2 + length), 3, UInt8(length)] + data
      #expect(error(operation) == (length > 0 ? nil : location))
    }
  }

  @Test("Network names: both lengths must fill the sub-option, and the network has a name")
  func networkNames() throws {
    func area(_ content: [UInt8]) -> [UInt8] { [52, UInt8(2 + content.count), 1, UInt8(content.count)] + content }
    #expect(
      try decode(area([0x80, 2, 0x61, 0x62, 1, 0x63])).accessNetworkIdentifier
        == [.networkIdentifier(isUTF8: true, name: [0x61, 0x62], accessPoint: [0x63])])
    #expect(try decode(area([0, 1, 0x61, 0])).count == 1)
    for content in [
      [], [0], [0, 0], [0, 0, 0], [0, 1, 0x61], [0, 3, 0x61, 0x62, 0], [0, 1, 0x61, 1], [0, 1, 0x61, 0, 0],
    ] as [[UInt8]] {
      #expect(
        error(area(content))
          == DecodeError(.optionLength, offset: 14, value: content.count, option: .accessNetworkIdentifier))
    }
  }

  @Test("Traffic selectors: every octet less and every octet more is found, in a flow and in a QoS attribute")
  func selectorLengths() throws {
    for (format, flags, octets) in [
      (1, 0xffff_fc00 as UInt32, 36), (2, 0xffff_0000, 92), (1, 0x00c0_0000, 4), (2, 0x000f_0000, 4),
    ] as [(UInt8, UInt32, Int)] {
      let mask = format == 1 ? flags & 0xfffc_0000 : flags
      let content = [24, 16, 8, 0].map { UInt8(truncatingIfNeeded: mask >> $0) }
      for count in 0...octets + 5 {
        let fields = content + [UInt8](repeating: 0, count: octets + 5)
        let selector = selector(format, Array(fields.prefix(4 + count)))
        let fault: DecodeError.Code? =
          count < octets ? .trafficSelectorShort : count > octets ? .trafficSelectorTrailing : nil
        #expect(error(flow(selector))?.code == fault)
        #expect(error(flow([0, 0] + selector))?.offset == (fault == nil ? nil : 22))
        let attribute = [10, selector[1], 0, format] + selector.dropFirst(4)
        let service = [58, UInt8(6 + attribute.count), 0, 0, 0, 0, 0, 0] + attribute
        #expect(error(service)?.code == fault)
      }
    }
    for format in [1, 2] as [UInt8] {
      for count in 0...3 {
        #expect(
          error(flow(selector(format, .init(repeating: 0, count: count))))
            == DecodeError(.trafficSelectorShort, offset: 20, value: 2 + count, option: .flowIdentification))
      }
    }
    // Without TS Format and Reserved it is no Traffic Selector.
    #expect(error(flow([3, 1, 1]))?.code == .optionLength)
    #expect(error(flow([3, 0]))?.code == .optionLength)
  }

  @Test("An End field without its Start field; reserved flags mean nothing")
  func selectorFlags() throws {
    for (format, fields) in [(1, 7), (2, 8)] as [(UInt8, Int)] {
      for bit in 0..<32 {
        let flags = UInt32(0x8000_0000) >> UInt32(bit)
        let content = [24, 16, 8, 0].map { UInt8(truncatingIfNeeded: flags >> $0) }
        let failure = error(flow(selector(format, content + .init(repeating: 0, count: 16))))
        switch (bit < 2 * fields, bit % 2) {
        case (true, 0): #expect(failure?.code != .trafficSelectorEndWithoutStart)
        case (true, _):
          #expect(
            failure
              == DecodeError(.trafficSelectorEndWithoutStart, offset: 20, value: flags, option: .flowIdentification))
        case (false, _): #expect(failure?.code == .trafficSelectorTrailing)
        }
      }
    }
    let empty = try decode(flow(selector(2, [0, 0, 0xff, 0xff]))).flowIdentifications.first?.trafficSelector
    #expect(empty == .ipv6(IPv6TrafficSelector()))
  }

  @Test("A flow label has 24 bits; the octet in front of it is ignored")
  func flowLabel() throws {
    let content: [UInt8] = [0x02, 0, 0, 0, 0xff, 0x0a, 0xbc, 0xde]
    var selector = IPv6TrafficSelector()
    selector.flowLabel = SelectorRange(FlowLabel(rawValue: 0x0a_bcde))
    let decoded = try decode(flow(self.selector(2, content))).flowIdentifications.first?.trafficSelector
    #expect(decoded == .ipv6(selector) && selector.flags == 0x0200_0000)
  }

  @Test("Sub-options are aligned from the start of the Mobility Header")
  func alignment() throws {
    var generator = SplitMix64.announced()
    for _ in 0..<2000 {
      let selector = TrafficSelector.random(&generator)
      let multiple =
        switch selector {
        case .ipv4(let fields): fields.flags & 0xfc00_0000 != 0 ? 4 : fields.flags & 0x03c0_0000 != 0 ? 2 : 1
        case .ipv6(let fields):
          fields.flags & 0xf000_0000 != 0
            ? 8 : fields.flags & 0x0f00_0000 != 0 ? 4 : fields.flags & 0x00f0_0000 != 0 ? 2 : 1
        case .unknown: 1
        }
      // The unknown sub-option moves what follows it by 2 to 9 octets.
      let before = generator.octets(.random(in: 0...7, using: &generator))
      let option = FlowIdentificationOption(
        flow: 1, priority: 1, subOptions: [.unknown(type: 9, data: before), .trafficSelector(selector)])
      let octets = try encode(.flowIdentification(option))
      // The option stands at 24, its sub-options at 32.
      var place = 34 + before.count
      let end = place + (multiple - place % multiple) % multiple
      if end - place == 1 { #expect(octets[place] == 0) }
      if end - place > 1 { #expect(octets[place] == 1 && Int(octets[place + 1]) == end - place - 2) }
      place = end
      #expect(octets[place] == 3 && place % multiple == 0)
    }
  }

  @Test("A selector or reference that stands twice")
  func duplicates() {
    let once: [FlowSubOption] = [.bindingReference([1]), .trafficSelector(.ipv6(IPv6TrafficSelector()))]
    #expect(!FlowIdentificationOption(flow: 1, priority: 1, subOptions: once).duplicatesSubOption)
    for option in once {
      #expect(FlowIdentificationOption(flow: 1, priority: 1, subOptions: once + [option]).duplicatesSubOption)
    }
  }

  @Test("Values that the wire has no room for are refused, never cut")
  func refusals() throws {
    let tooMuch: [(MobilityOption, MobilityOptionType)] = [
      (.bindingIdentifier(BindingIdentifierOption(binding: 1, priority: 128)), .bindingIdentifier),
      (.flowSummary([]), .flowSummary),
      (
        .flowIdentification(FlowIdentificationOption(flow: 1, priority: 1, subOptions: [.bindingReference([])])),
        .flowIdentification
      ),
      (
        .flowIdentification(
          FlowIdentificationOption(flow: 1, priority: 1, subOptions: [.unknown(type: 1, data: [])])),
        .flowIdentification
      ),
      (.accessNetworkIdentifier([]), .accessNetworkIdentifier),
      (
        .accessNetworkIdentifier([.networkIdentifier(isUTF8: true, name: [], accessPoint: [])]),
        .accessNetworkIdentifier
      ),
      (
        .accessNetworkIdentifier([.geoLocation(GeoLocation(latitude: 0x80_0000, longitude: 0))]),
        .accessNetworkIdentifier
      ),
      (
        .qualityOfService(QualityOfServiceOption(serviceRequest: 0, dscp: 64, operation: .allocate)),
        .qualityOfService
      ),
      (
        .qualityOfService(
          QualityOfServiceOption(
            serviceRequest: 0, dscp: 0, operation: .allocate,
            attributes: [.allocationRetentionPriority(level: 16, capability: 0, vulnerability: 0)])),
        .qualityOfService
      ),
    ]
    for (option, type) in tooMuch { #expect(throws: EncodeError.fieldOutOfRange(type)) { try encode(option) } }
    #expect(throws: EncodeError.optionTooLong(.flowSummary, octets: 256)) {
      try encode(.flowSummary(.init(repeating: 1, count: 128)))
    }
  }
}
