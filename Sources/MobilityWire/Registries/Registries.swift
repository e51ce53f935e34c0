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

/// Status of a Binding Acknowledgement (IANA "Status Codes"); below 128 accepted, from 128 rejected.
public struct BindingStatus: RawRepresentable, Hashable, Sendable, Codable {
  public let rawValue: UInt8
  public init(rawValue: UInt8) { self.rawValue = rawValue }
  public var isAccepted: Bool { rawValue < 128 }
  public static let accepted = Self(rawValue: 0)
  public static let reasonUnspecified = Self(rawValue: 128)
  public static let administrativelyProhibited = Self(rawValue: 129)
  public static let insufficientResources = Self(rawValue: 130)
  public static let sequenceNumberOutOfWindow = Self(rawValue: 135)
  public static let proxyRegistrationNotEnabled = Self(rawValue: 152)
  public static let notLMAForThisMobileNode = Self(rawValue: 153)
  public static let gatewayNotAuthorized = Self(rawValue: 154)
  public static let notAuthorizedForHomeNetworkPrefix = Self(rawValue: 155)
  public static let timestampMismatch = Self(rawValue: 156)
  public static let timestampLowerThanPreviousAccepted = Self(rawValue: 157)
  public static let missingHomeNetworkPrefixOption = Self(rawValue: 158)
  public static let prefixSetDoesNotMatch = Self(rawValue: 159)
  public static let missingMobileNodeIdentifierOption = Self(rawValue: 160)
  public static let missingHandoffIndicatorOption = Self(rawValue: 161)
  public static let missingAccessTechnologyTypeOption = Self(rawValue: 162)
}
