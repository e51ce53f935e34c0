// Code points are open: a struct around the raw number with named values, because peers may send what we do not know.

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
  /// MCOA MALFORMED, RFC 5648.
  public static let multipleCareOfAddressesMalformed = Self(rawValue: 164)
  /// Cannot support multipath binding, RFC 8278.
  public static let multipathBindingRefused = Self(rawValue: 180)
}
