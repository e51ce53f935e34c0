import NetTypes

/// One mobility option. Padding is not a value: the encoder places it, the decoder skips it.
public enum MobilityOption: Hashable, Sendable {
  /// 2
  case bindingRefreshAdvice(UInt16)
  /// 3
  case alternateCareOfAddress(IPv6Address)
  /// 8
  case mobileNodeIdentifier(MobileNodeIdentifier)
  /// 19
  case vendorSpecific(vendor: UInt32, subtype: UInt8, data: [UInt8])
  /// 22
  case homeNetworkPrefix(HomeNetworkPrefixOption)
  /// 23
  case handoffIndicator(HandoffIndicator)
  /// 24
  case accessTechnologyType(AccessTechnologyType)
  /// 25
  case mobileNodeLinkLayerIdentifier(MobileNodeLinkLayerIdentifier)
  /// 26
  case linkLocalAddress(IPv6Address)
  /// 27
  case timestamp(NTPTimestamp)
  /// The paper's flow-mob option; its type comes from `CodePoints`.
  case flowMobility(HomeNetworkPrefixOption)
  /// Kept and re-encoded unchanged (RFC 6275 section 6.2.1: skipped by the protocol).
  case unknown(type: UInt8, data: [UInt8])
}

/// Numbers that IANA has not assigned and both ends agree on by configuration.
public struct CodePoints: Hashable, Sendable {
  /// Option type of the paper's flow-mob option; nil: not used. Must be unassigned (71...255).
  public var flowMobilityOption: UInt8?
  public init(flowMobilityOption: UInt8? = 200) { self.flowMobilityOption = flowMobilityOption }
}

/// Options in wire order.
public struct MobilityOptions: Hashable, Sendable, RandomAccessCollection, RangeReplaceableCollection {
  private var storage: [MobilityOption]
  public init() { storage = [] }
  public init(_ options: [MobilityOption]) { storage = options }
  public var startIndex: Int { storage.startIndex }
  public var endIndex: Int { storage.endIndex }
  public subscript(index: Int) -> MobilityOption { storage[index] }
  public mutating func replaceSubrange<C: Collection>(_ range: Range<Int>, with new: C) where C.Element == MobilityOption {
    storage.replaceSubrange(range, with: new)
  }
}

// The first of each kind; a second instance of a "one" option is found by `duplicatesSingleton`.
extension MobilityOptions {
  public var mobileNodeIdentifier: MobileNodeIdentifier? {
    for case .mobileNodeIdentifier(let value) in self { return value }
    return nil
  }
  public var homeNetworkPrefixes: [HomeNetworkPrefixOption] {
    compactMap { if case .homeNetworkPrefix(let value) = $0 { value } else { nil } }
  }
  public var flowMobilityPrefixes: [HomeNetworkPrefixOption] {
    compactMap { if case .flowMobility(let value) = $0 { value } else { nil } }
  }
  public var handoffIndicator: HandoffIndicator? {
    for case .handoffIndicator(let value) in self { return value }
    return nil
  }
  public var accessTechnologyType: AccessTechnologyType? {
    for case .accessTechnologyType(let value) in self { return value }
    return nil
  }
  public var linkLayerIdentifier: MobileNodeLinkLayerIdentifier? {
    for case .mobileNodeLinkLayerIdentifier(let value) in self { return value }
    return nil
  }
  public var linkLocalAddress: IPv6Address? {
    for case .linkLocalAddress(let value) in self { return value }
    return nil
  }
  public var timestamp: NTPTimestamp? {
    for case .timestamp(let value) in self { return value }
    return nil
  }
  public var alternateCareOfAddress: IPv6Address? {
    for case .alternateCareOfAddress(let value) in self { return value }
    return nil
  }

  /// An option that may stand once (RFC 5213 sections 8.1 and 8.2) stands twice: a protocol error.
  public var duplicatesSingleton: Bool {
    var seen: UInt16 = 0
    for option in self {
      let bit: UInt16
      switch option {
      case .mobileNodeIdentifier: bit = 1
      case .handoffIndicator: bit = 2
      case .accessTechnologyType: bit = 4
      case .mobileNodeLinkLayerIdentifier: bit = 8
      case .linkLocalAddress: bit = 16
      case .timestamp: bit = 32
      case .alternateCareOfAddress: bit = 64
      case .bindingRefreshAdvice: bit = 128
      case .homeNetworkPrefix, .flowMobility, .vendorSpecific, .unknown: continue
      }
      if seen & bit != 0 { return true }
      seen |= bit
    }
    return false
  }
}
