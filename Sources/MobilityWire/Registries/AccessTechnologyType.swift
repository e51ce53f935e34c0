// Code points are open: a struct around the raw number with named values, because peers may send what we do not know.

/// Access Technology Type, RFC 5213 section 8.5 and IANA.
public struct AccessTechnologyType: RawRepresentable, Hashable, Sendable, Codable {
  public let rawValue: UInt8
  public init(rawValue: UInt8) { self.rawValue = rawValue }
  public static let reserved = Self(rawValue: 0)
  public static let virtual = Self(rawValue: 1)
  public static let ppp = Self(rawValue: 2)
  public static let ethernet = Self(rawValue: 3)
  public static let wlan = Self(rawValue: 4)
  public static let wimax = Self(rawValue: 5)
  public static let geran = Self(rawValue: 6)
  public static let utran = Self(rawValue: 7)
  public static let eutran = Self(rawValue: 8)
}
