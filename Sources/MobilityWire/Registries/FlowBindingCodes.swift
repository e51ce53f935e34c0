// Code points are open: a struct around the raw number with named values, because peers may send what we do not know.

/// Status of a Flow Identification option, RFC 6089 section 4.2; below 128 accepted.
public struct FlowBindingStatus: RawRepresentable, Hashable, Sendable, Codable {
  public let rawValue: UInt8
  public init(rawValue: UInt8) { self.rawValue = rawValue }
  public static let accepted = Self(rawValue: 0)
  public static let administrativelyProhibited = Self(rawValue: 128)
  public static let reasonUnspecified = Self(rawValue: 129)
  public static let optionMalformed = Self(rawValue: 130)
  public static let bindingNotFound = Self(rawValue: 131)
  public static let flowNotFound = Self(rawValue: 132)
  public static let trafficSelectorFormatNotSupported = Self(rawValue: 133)
}

/// Flow Binding Action, RFC 7109 section 6.2.1.
public struct FlowBindingAction: RawRepresentable, Hashable, Sendable, Codable {
  public let rawValue: UInt8
  public init(rawValue: UInt8) { self.rawValue = rawValue }
  public static let add = Self(rawValue: 11)
  public static let delete = Self(rawValue: 12)
  public static let modify = Self(rawValue: 13)
  public static let refresh = Self(rawValue: 14)
  public static let move = Self(rawValue: 15)
  public static let revoke = Self(rawValue: 16)
}
