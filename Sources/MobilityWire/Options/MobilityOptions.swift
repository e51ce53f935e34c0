import NetTypes

/// Options in wire order.
public struct MobilityOptions: Hashable, Sendable, RandomAccessCollection, RangeReplaceableCollection {
  private var storage: [MobilityOption]
  /// Of what may stand once: what is there. A message is asked for a dozen options that it hardly ever has.
  private var singletons: SingletonOptions = []

  public init() { storage = [] }
  public init(_ options: [MobilityOption]) {
    storage = options
    for option in options { singletons.add(option.singleton) }
  }
  public var startIndex: Int { storage.startIndex }
  public var endIndex: Int { storage.endIndex }
  public subscript(index: Int) -> MobilityOption { storage[index] }
  public mutating func replaceSubrange<C: Collection>(_ range: Range<Int>, with new: C)
  where C.Element == MobilityOption {
    storage.replaceSubrange(range, with: new)
    self = Self(storage)
  }
  // What the protocol gives for these replaces subranges.
  public mutating func append(_ option: MobilityOption) {
    storage.append(option)
    singletons.add(option.singleton)
  }
  public mutating func reserveCapacity(_ count: Int) { storage.reserveCapacity(count) }
}

extension MobilityOptions: Codable {
  public init(from decoder: any Decoder) throws {
    self.init(try decoder.singleValueContainer().decode([MobilityOption].self))
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
    self.init()
    reserveCapacity(Self.usualCount)
    while var element = try OptionElement(decoding: &body) {
      if element.type.isPadding { continue }
      append(try MobilityOption(type: element.type, decoding: &element.body, codePoints: codePoints))
    }
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
    first(.mobileNodeIdentifier) { if case .mobileNodeIdentifier(let value) = $0 { value } else { nil } }
  }
  public var homeNetworkPrefixes: [HomeNetworkPrefixOption] {
    storage.compactMap { if case .homeNetworkPrefix(let value) = $0 { value } else { nil } }
  }
  public var flowMobilityPrefixes: [HomeNetworkPrefixOption] {
    storage.compactMap { if case .flowMobility(let value) = $0 { value } else { nil } }
  }
  public var handoffIndicator: HandoffIndicator? {
    first(.handoffIndicator) { if case .handoffIndicator(let value) = $0 { value } else { nil } }
  }
  public var accessTechnologyType: AccessTechnologyType? {
    first(.accessTechnologyType) { if case .accessTechnologyType(let value) = $0 { value } else { nil } }
  }
  public var linkLayerIdentifier: MobileNodeLinkLayerIdentifier? {
    first(.mobileNodeLinkLayerIdentifier) {
      if case .mobileNodeLinkLayerIdentifier(let value) = $0 { value } else { nil }
    }
  }
  public var linkLocalAddress: IPv6Address? {
    first(.linkLocalAddress) { if case .linkLocalAddress(let value) = $0 { value } else { nil } }
  }
  public var timestamp: NTPTimestamp? {
    first(.timestamp) { if case .timestamp(let value) = $0 { value } else { nil } }
  }
  public var restartCounter: UInt32? {
    first(.restartCounter) { if case .restartCounter(let value) = $0 { value } else { nil } }
  }
  public var alternateCareOfAddress: IPv6Address? {
    first(.alternateCareOfAddress) { if case .alternateCareOfAddress(let value) = $0 { value } else { nil } }
  }
  public var serviceSelection: ServiceSelection? {
    first(.serviceSelection) { if case .serviceSelection(let value) = $0 { value } else { nil } }
  }
  /// All of them: more than one has a refusal of its own (RFC 5844 section 3.1.2.1).
  public var ipv4HomeAddressRequests: [IPv4HomeAddressRequestOption] {
    storage.compactMap { if case .ipv4HomeAddressRequest(let value) = $0 { value } else { nil } }
  }
  public var ipv4HomeAddressReply: IPv4HomeAddressReplyOption? {
    first(.ipv4HomeAddressReply) { if case .ipv4HomeAddressReply(let value) = $0 { value } else { nil } }
  }
  public var ipv4DefaultRouterAddress: IPv4Address? {
    first(.ipv4DefaultRouterAddress) { if case .ipv4DefaultRouterAddress(let value) = $0 { value } else { nil } }
  }
  /// `.some(nil)`: GRE without keys.
  public var greKey: UInt32?? {
    first(.greKey) { if case .greKey(let value) = $0 { .some(value) } else { nil } }
  }
  public var offersRedirect: Bool { singletons.contains(.redirectCapability) }
  public var redirect: IPAddress? {
    first(.redirect) { if case .redirect(let value) = $0 { value } else { nil } }
  }
  public var loadInformation: LoadInformation? {
    first(.loadInformation) { if case .loadInformation(let value) = $0 { value } else { nil } }
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
    first(.mobileNodeGroupIdentifier) { if case .mobileNodeGroupIdentifier(let value) = $0 { value } else { nil } }
  }
  public var accessNetworkIdentifier: [AccessNetworkSubOption]? {
    first(.accessNetworkIdentifier) { if case .accessNetworkIdentifier(let value) = $0 { value } else { nil } }
  }
  public var magMultipathBinding: MAGMultipathBinding? {
    first(.magMultipathBinding) { if case .magMultipathBinding(let value) = $0 { value } else { nil } }
  }
  public var magIdentifier: MAGIdentifier? {
    first(.magIdentifier) { if case .magIdentifier(let value) = $0 { value } else { nil } }
  }

  /// An option that may stand once (RFC 5213 sections 8.1 and 8.2) stands twice: a protocol error.
  public var duplicatesSingleton: Bool { singletons.contains(.repeated) }

  private func first<Value>(_ singleton: SingletonOptions, _ value: (MobilityOption) -> Value?) -> Value? {
    guard singletons.contains(singleton) else { return nil }
    for index in storage.indices { if let value = value(storage[index]) { return value } }
    return nil
  }
}
