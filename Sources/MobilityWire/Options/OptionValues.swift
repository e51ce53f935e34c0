import NetTypes

/// Identity of a mobile node, RFC 4283: compared as (subtype, octets), never interpreted, echoed exactly.
public struct MobileNodeIdentifier: Hashable, Sendable {
  /// 1 = NAI, see RFC 8371 for the others.
  public var subtype: UInt8
  /// May be empty only in an answer to a PBU that had none (status 160).
  public var identifier: [UInt8]

  public init(subtype: UInt8, identifier: [UInt8]) {
    self.subtype = subtype
    self.identifier = identifier
  }

  public init(nai: String) { self.init(subtype: 1, identifier: Array(nai.utf8)) }
}

/// Identity of the attached interface, RFC 5213 section 8.6: usually its MAC address, without padding.
public struct MobileNodeLinkLayerIdentifier: Hashable, Sendable {
  public var identifier: [UInt8]
  public init(identifier: [UInt8]) { self.identifier = identifier }
  public init(_ address: LinkLayerAddress) { identifier = address.bytes }
}

/// Body of the Home Network Prefix option (RFC 5213 section 8.3, L flag of RFC 7864 section 4.1) and of the paper's
/// flow-mob option. Kept as received: address bits behind the length survive, so that an echo is exact.
public struct HomeNetworkPrefixOption: Hashable, Sendable {
  /// L = 1: serve off-link, never advertise.
  public var offLink: Bool
  /// 0...128.
  public var prefixLength: UInt8
  public var address: IPv6Address

  public init(offLink: Bool = false, prefixLength: UInt8, address: IPv6Address) {
    self.offLink = offLink
    self.prefixLength = prefixLength
    self.address = address
  }

  public init(_ prefix: IPv6Prefix, offLink: Bool = false) {
    self.init(offLink: offLink, prefixLength: UInt8(prefix.length), address: prefix.address)
  }

  /// Asks the anchor to assign a prefix.
  public static let allZero = HomeNetworkPrefixOption(prefixLength: 0, address: .unspecified)
  public var isAllZero: Bool { address.isUnspecified }
  /// nil for ALL_ZERO.
  public var prefix: IPv6Prefix? { isAllZero ? nil : IPv6Prefix(address, length: Int(prefixLength)) }
}

/// RFC 5213 section 8.8: upper 48 bits seconds since 1970-01-01T00:00Z, lower 16 bits 1/65536 s. Compared unsigned.
public struct NTPTimestamp: RawRepresentable, Hashable, Sendable, Comparable {
  public let rawValue: UInt64
  public init(rawValue: UInt64) { self.rawValue = rawValue }
  public static func < (a: Self, b: Self) -> Bool { a.rawValue < b.rawValue }
  public static let zero = Self(rawValue: 0)

  public init(seconds: UInt64, nanoseconds: UInt32) {
    rawValue = seconds << 16 | UInt64(nanoseconds) * 65536 / 1_000_000_000
  }

  public var seconds: UInt64 { rawValue >> 16 }
  public var fraction65536: UInt16 { UInt16(truncatingIfNeeded: rawValue) }

  /// |self - other| in 1/65536 s.
  public func distance(to other: Self) -> UInt64 {
    rawValue > other.rawValue ? rawValue - other.rawValue : other.rawValue - rawValue
  }

  /// 1/65536 s units of a duration, rounded down; negative durations count as 0.
  public static func units(_ duration: Duration) -> UInt64 {
    let (seconds, attoseconds) = duration.components
    guard seconds >= 0, attoseconds >= 0 else { return 0 }
    return UInt64(seconds) << 16 | UInt64(attoseconds / 15_258_789_062_500)
  }

  public func advanced(by duration: Duration) -> Self { Self(rawValue: rawValue &+ Self.units(duration)) }
}

/// Lifetime of a binding in units of 4 s (RFC 6275 section 6.1.7); 0 deletes.
public struct BindingLifetime: RawRepresentable, Hashable, Sendable, Comparable {
  public let rawValue: UInt16
  public init(rawValue: UInt16) { self.rawValue = rawValue }
  /// Rounded down to 4 s; saturates at 262,140 s.
  public init(_ duration: Duration) {
    rawValue = UInt16(clamping: max(0, duration.components.seconds) / 4)
  }
  public static let zero = Self(rawValue: 0)
  public var duration: Duration { .seconds(Int64(rawValue) * 4) }
  public static func < (a: Self, b: Self) -> Bool { a.rawValue < b.rawValue }
}
