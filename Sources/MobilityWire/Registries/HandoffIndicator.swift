// Code points are open: a struct around the raw number with named values, because peers may send what we do not know.

/// Handoff Indicator, RFC 5213 section 8.4, RFC 7864 section 7.
public struct HandoffIndicator: RawRepresentable, Hashable, Sendable, Codable {
  public let rawValue: UInt8
  public init(rawValue: UInt8) { self.rawValue = rawValue }
  /// Never in a PBU; echoed in a PBA to a PBU without the option.
  public static let reserved = Self(rawValue: 0)
  public static let newInterface = Self(rawValue: 1)
  public static let betweenInterfaces = Self(rawValue: 2)
  public static let betweenGateways = Self(rawValue: 3)
  public static let unknown = Self(rawValue: 4)
  public static let noChange = Self(rawValue: 5)
  /// RFC 7864: attachment over a new interface sharing prefixes. The default for the paper's "logical interface".
  public static let sharedPrefixes = Self(rawValue: 6)
}
