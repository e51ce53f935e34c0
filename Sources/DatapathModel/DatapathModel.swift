import NetTypes

/// The number of a tunnel at its anchor. It is also the mark value of the tunnel (shifted to the mark mask) and the
/// offset of its routing table, so it is small and dense: 1...`MarkLayout.maximumTunnels`. 0 means "no tunnel".
public struct TunnelIdentifier: RawRepresentable, Hashable, Sendable, Comparable, Codable, CustomStringConvertible {
  public let rawValue: UInt32
  public init(rawValue: UInt32) { self.rawValue = rawValue }
  public init(from decoder: any Decoder) throws { rawValue = try decoder.singleValueContainer().decode(UInt32.self) }
  public func encode(to encoder: any Encoder) throws {
    var container = encoder.singleValueContainer()
    try container.encode(rawValue)
  }
  public static func < (a: Self, b: Self) -> Bool { a.rawValue < b.rawValue }
  public var description: String { String(rawValue) }
}

/// A bidirectional tunnel between an anchor and a gateway (RFC 5213 section 5.6.1): IPv6 in IPv6, no further header.
public struct TunnelDescription: Hashable, Sendable, Codable {
  public var identifier: TunnelIdentifier
  /// Our end: LMAA at the anchor, Proxy-CoA at the gateway.
  public var local: IPv6Address
  public var remote: IPv6Address

  public init(identifier: TunnelIdentifier, local: IPv6Address, remote: IPv6Address) {
    self.identifier = identifier
    self.local = local
    self.remote = remote
  }
}

/// Which bits of the packet mark are ours. The tunnel number stands in these bits; all others belong to other software.
public struct MarkLayout: Hashable, Sendable {
  /// Contiguous bits.
  public let mask: UInt32

  /// nil unless `mask` is one contiguous, non-empty run of bits.
  public init?(mask: UInt32) {
    guard mask != 0,
      (mask >> UInt32(mask.trailingZeroBitCount)) & ((mask >> UInt32(mask.trailingZeroBitCount)) &+ 1) == 0
    else { return nil }
    self.mask = mask
  }

  private init(checkedMask: UInt32) { mask = checkedMask }

  /// Bits 16...27: 4,095 tunnels, clear of the low bits that many firewalls use.
  public static let `default` = MarkLayout(checkedMask: 0x0fff_0000)

  public var shift: UInt32 { UInt32(mask.trailingZeroBitCount) }
  public var maximumTunnels: UInt32 { mask >> shift }
  public func mark(of tunnel: TunnelIdentifier) -> UInt32 { (tunnel.rawValue << shift) & mask }
  public func tunnel(ofMark mark: UInt32) -> TunnelIdentifier? {
    let value = (mark & mask) >> shift
    return value == 0 ? nil : TunnelIdentifier(rawValue: value)
  }
}

extension MarkLayout: Codable {
  public init(from decoder: any Decoder) throws {
    let container = try decoder.singleValueContainer()
    let mask = try container.decode(UInt32.self)
    guard let value = MarkLayout(mask: mask) else {
      throw DecodingError.dataCorruptedError(in: container, debugDescription: "\(mask) is not a run of bits")
    }
    self = value
  }

  public func encode(to encoder: any Encoder) throws {
    var container = encoder.singleValueContainer()
    try container.encode(mask)
  }
}

/// One ordered step of the data plane. The anchor uses tunnels and prefix routes; the gateway tunnels, uplinks and
/// downlinks. Every step is idempotent: setting what is set succeeds, removing what is gone succeeds.
public enum DatapathChange: Hashable, Sendable, Codable {
  case addTunnel(TunnelDescription)
  case removeTunnel(TunnelIdentifier)
  /// Anchor: packets to `prefix` that carry no flow mark go into this tunnel. Replaces an earlier route of the prefix.
  case setPrefixRoute(IPv6Prefix, TunnelIdentifier)
  case removePrefixRoute(IPv6Prefix)
  /// Gateway: packets from `prefix` that arrive on an access link go into this tunnel (RFC 5213 section 6.10.5).
  case setUplink(IPv6Prefix, TunnelIdentifier)
  case removeUplink(IPv6Prefix)
  /// Gateway: packets to `prefix` go to this access link; `via` is the node's link-local address for prefixes that are
  /// not on-link there (an on-link route would fail: hosts do not answer solicitations for another interface's address).
  case setDownlink(IPv6Prefix, link: String, via: IPv6Address?)
  case removeDownlink(IPv6Prefix)
}

/// Everything that should be in the kernel; what a reconciler compares with what is there.
public struct DatapathSnapshot: Hashable, Sendable {
  public struct Downlink: Hashable, Sendable {
    public var link: String
    public var via: IPv6Address?
    public init(link: String, via: IPv6Address?) {
      self.link = link
      self.via = via
    }
  }

  public var tunnels: [TunnelIdentifier: TunnelDescription] = [:]
  public var prefixRoutes: [IPv6Prefix: TunnelIdentifier] = [:]
  public var uplinks: [IPv6Prefix: TunnelIdentifier] = [:]
  public var downlinks: [IPv6Prefix: Downlink] = [:]

  public init() {}

  /// The snapshot after `change`.
  public mutating func apply(_ change: DatapathChange) {
    switch change {
    case .addTunnel(let tunnel): tunnels[tunnel.identifier] = tunnel
    case .removeTunnel(let identifier): tunnels[identifier] = nil
    case .setPrefixRoute(let prefix, let tunnel): prefixRoutes[prefix] = tunnel
    case .removePrefixRoute(let prefix): prefixRoutes[prefix] = nil
    case .setUplink(let prefix, let tunnel): uplinks[prefix] = tunnel
    case .removeUplink(let prefix): uplinks[prefix] = nil
    case .setDownlink(let prefix, let link, let via): downlinks[prefix] = Downlink(link: link, via: via)
    case .removeDownlink(let prefix): downlinks[prefix] = nil
    }
  }
}
