import NetTypes

/// Lifetime of a binding in units of 4 s (RFC 6275 section 6.1.7); 0 deletes.
public struct BindingLifetime: RawRepresentable, Hashable, Sendable, Codable, Comparable {
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
