import NetTypes

/// Options in wire order.
public struct MobilityOptions: Hashable, Sendable, RandomAccessCollection, RangeReplaceableCollection {
  private var storage: [MobilityOption]
  public init() { storage = [] }
  public init(_ options: [MobilityOption]) { storage = options }
  public var startIndex: Int { storage.startIndex }
  public var endIndex: Int { storage.endIndex }
  public subscript(index: Int) -> MobilityOption { storage[index] }
  public mutating func replaceSubrange<C: Collection>(_ range: Range<Int>, with new: C)
  where C.Element == MobilityOption {
    storage.replaceSubrange(range, with: new)
  }
  // What the protocol gives for these replaces subranges.
  public mutating func append(_ option: MobilityOption) { storage.append(option) }
  public mutating func reserveCapacity(_ count: Int) { storage.reserveCapacity(count) }
}

extension MobilityOptions: Codable {
  public init(from decoder: any Decoder) throws {
    storage = try decoder.singleValueContainer().decode([MobilityOption].self)
  }

  public func encode(to encoder: any Encoder) throws {
    var container = encoder.singleValueContainer()
    try container.encode(storage)
  }
}

extension MobilityOptions {
  /// As many as a registration has.
  private static let usualCount = 8

  /// Reads options up to the end of the header. Padding is dropped.
  init(decoding body: inout ByteReader<DecodeError>, codePoints: CodePoints) throws(DecodeError) {
    var options: [MobilityOption] = []
    options.reserveCapacity(Self.usualCount)
    while var element = try OptionElement(decoding: &body) {
      if element.type.isPadding { continue }
      options.append(try MobilityOption(type: element.type, decoding: &element.body, codePoints: codePoints))
    }
    self.init(options)
  }

  /// Writes the options in their order, each padded to its alignment, and fills up to a multiple of 8. `writer` holds
  /// the Mobility Header from its first octet: alignments count from there (RFC 6275 section 6.2).
  func encode(into writer: inout ByteWriter, codePoints: CodePoints) throws(EncodeError) {
    for option in storage { try option.encode(into: &writer, codePoints: codePoints) }
    writer.writePadding(OptionAlignment(multiple: 8).distance(from: writer.count))
  }
}

extension ByteWriter {
  /// One Pad1 or one PadN (RFC 6275 sections 6.2.2 and 6.2.3); `count` is at most 7.
  mutating func writePadding(_ count: Int) {
    switch count {
    case 0: return
    case 1: write(MobilityOptionType.pad1.rawValue)
    default:
      write(MobilityOptionType.padN.rawValue)
      write(UInt8(count - 2))
      writeZeros(count - 2)
    }
  }
}

// The first of each kind; a second instance of a "one" option is found by `duplicatesSingleton`.
extension MobilityOptions {
  public var mobileNodeIdentifier: MobileNodeIdentifier? {
    for case .mobileNodeIdentifier(let value) in storage { return value }
    return nil
  }
  public var homeNetworkPrefixes: [HomeNetworkPrefixOption] {
    storage.compactMap { if case .homeNetworkPrefix(let value) = $0 { value } else { nil } }
  }
  public var flowMobilityPrefixes: [HomeNetworkPrefixOption] {
    storage.compactMap { if case .flowMobility(let value) = $0 { value } else { nil } }
  }
  public var handoffIndicator: HandoffIndicator? {
    for case .handoffIndicator(let value) in storage { return value }
    return nil
  }
  public var accessTechnologyType: AccessTechnologyType? {
    for case .accessTechnologyType(let value) in storage { return value }
    return nil
  }
  public var linkLayerIdentifier: MobileNodeLinkLayerIdentifier? {
    for case .mobileNodeLinkLayerIdentifier(let value) in storage { return value }
    return nil
  }
  public var linkLocalAddress: IPv6Address? {
    for case .linkLocalAddress(let value) in storage { return value }
    return nil
  }
  public var timestamp: NTPTimestamp? {
    for case .timestamp(let value) in storage { return value }
    return nil
  }
  public var restartCounter: UInt32? {
    for case .restartCounter(let value) in storage { return value }
    return nil
  }
  public var alternateCareOfAddress: IPv6Address? {
    for case .alternateCareOfAddress(let value) in storage { return value }
    return nil
  }
  public var serviceSelection: ServiceSelection? {
    for case .serviceSelection(let value) in storage { return value }
    return nil
  }
  /// All of them: more than one has a refusal of its own (RFC 5844 section 3.1.2.1).
  public var ipv4HomeAddressRequests: [IPv4HomeAddressRequestOption] {
    storage.compactMap { if case .ipv4HomeAddressRequest(let value) = $0 { value } else { nil } }
  }
  public var ipv4HomeAddressReply: IPv4HomeAddressReplyOption? {
    for case .ipv4HomeAddressReply(let value) in storage { return value }
    return nil
  }
  public var ipv4DefaultRouterAddress: IPv4Address? {
    for case .ipv4DefaultRouterAddress(let value) in storage { return value }
    return nil
  }
  /// `.some(nil)`: GRE without keys.
  public var greKey: UInt32?? {
    for case .greKey(let value) in storage { return .some(value) }
    return nil
  }
  public var offersRedirect: Bool { contains(.redirectCapability) }
  public var redirect: IPAddress? {
    for case .redirect(let value) in storage { return value }
    return nil
  }
  public var loadInformation: LoadInformation? {
    for case .loadInformation(let value) in storage { return value }
    return nil
  }
  public var bindingIdentifiers: [BindingIdentifierOption] {
    storage.compactMap { if case .bindingIdentifier(let value) = $0 { value } else { nil } }
  }
  public var flowIdentifications: [FlowIdentificationOption] {
    storage.compactMap { if case .flowIdentification(let value) = $0 { value } else { nil } }
  }
  /// FIDs of all Flow Summary options.
  public var flowSummary: [UInt16] {
    storage.flatMap { if case .flowSummary(let value) = $0 { value } else { [UInt16]() } }
  }
  public var mobileNodeGroupIdentifier: MobileNodeGroupIdentifier? {
    for case .mobileNodeGroupIdentifier(let value) in storage { return value }
    return nil
  }
  public var accessNetworkIdentifier: [AccessNetworkSubOption]? {
    for case .accessNetworkIdentifier(let value) in storage { return value }
    return nil
  }
  public var magMultipathBinding: MAGMultipathBinding? {
    for case .magMultipathBinding(let value) in storage { return value }
    return nil
  }
  public var magIdentifier: MAGIdentifier? {
    for case .magIdentifier(let value) in storage { return value }
    return nil
  }

  /// An option that may stand once (RFC 5213 sections 8.1 and 8.2) stands twice: a protocol error.
  public var duplicatesSingleton: Bool {
    var seen: UInt64 = 0
    for option in storage {
      let bit: UInt64
      switch option {
      case .mobileNodeIdentifier: bit = 1
      case .handoffIndicator: bit = 2
      case .accessTechnologyType: bit = 4
      case .mobileNodeLinkLayerIdentifier: bit = 8
      case .linkLocalAddress: bit = 16
      case .timestamp: bit = 32
      case .alternateCareOfAddress: bit = 64
      case .bindingRefreshAdvice: bit = 128
      case .restartCounter: bit = 256
      case .serviceSelection: bit = 1 << 9
      case .ipv4HomeAddress: bit = 1 << 10
      case .ipv4AddressAcknowledgement: bit = 1 << 11
      case .natDetection: bit = 1 << 12
      case .ipv4CareOfAddress: bit = 1 << 13
      case .greKey: bit = 1 << 14
      case .ipv4HomeAddressReply: bit = 1 << 15
      case .ipv4DefaultRouterAddress: bit = 1 << 16
      case .ipv4DHCPSupportMode: bit = 1 << 17
      case .redirectCapability: bit = 1 << 18
      case .redirect: bit = 1 << 19
      case .loadInformation: bit = 1 << 20
      case .alternateIPv4CareOfAddress: bit = 1 << 21
      case .lmaUserPlaneAddress: bit = 1 << 22
      case .mobileNodeGroupIdentifier: bit = 1 << 32
      case .accessNetworkIdentifier: bit = 1 << 33
      case .lmaControlledMAGParameters: bit = 1 << 34
      case .magMultipathBinding: bit = 1 << 35
      case .magIdentifier: bit = 1 << 36
      case .homeNetworkPrefix, .flowMobility, .vendorSpecific, .unknown, .mobileNetworkPrefix, .authentication,
        .ipv4HomeAddressRequest, .delegatedMobileNetworkPrefix, .bindingIdentifier, .flowSummary, .flowIdentification,
        .qualityOfService:
        continue
      }
      if seen & bit != 0 { return true }
      seen |= bit
    }
    return false
  }
}
