/// Outcome of asking for an IPv4 home address: in the IPv4 Home Address Reply (RFC 5844 section 3.3.2) and in the IPv4
/// Address Acknowledgement (RFC 5555 section 3.2.1), whose two registries agree; 128 and more refuse.
public struct IPv4AddressStatus: RawRepresentable, Hashable, Sendable, Codable {
  public let rawValue: UInt8
  public init(rawValue: UInt8) { self.rawValue = rawValue }
  public static let success = Self(rawValue: 0)
  public static let unspecified = Self(rawValue: 128)
  public static let administrativelyProhibited = Self(rawValue: 129)
  public static let incorrectHomeAddress = Self(rawValue: 130)
  public static let invalidAddress = Self(rawValue: 131)
  public static let dynamicAssignmentNotAvailable = Self(rawValue: 132)
  /// RFC 5555 only.
  public static let prefixAllocationUnauthorized = Self(rawValue: 133)

  public var isAccepted: Bool { rawValue < 128 }
}
