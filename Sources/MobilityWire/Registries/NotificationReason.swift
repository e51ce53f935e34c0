/// Notification Reason of an Update Notification (RFC 7077 section 4.1; IANA "Update Notification Reasons"). The field
/// has 16 bits.
public struct NotificationReason: RawRepresentable, Hashable, Sendable, Codable {
  public let rawValue: UInt16
  public init(rawValue: UInt16) { self.rawValue = rawValue }
  public static let forceReregistration = Self(rawValue: 1)
  public static let updateSessionParameters = Self(rawValue: 2)
  public static let vendorSpecific = Self(rawValue: 3)
  public static let accessNetworkInformationRequested = Self(rawValue: 4)
  /// RFC 7222.
  public static let qualityOfServiceRequest = Self(rawValue: 5)
  /// RFC 7864: the notification is a Flow Mobility Initiate.
  public static let flowMobility = Self(rawValue: 8)
}

/// Status of an Update Notification Acknowledgement (RFC 7077 section 4.2; IANA); 128 and more refuse.
public struct UpdateNotificationStatus: RawRepresentable, Hashable, Sendable, Codable {
  public let rawValue: UInt8
  public init(rawValue: UInt8) { self.rawValue = rawValue }
  public static let success = Self(rawValue: 0)
  public static let failedToUpdateSessionParameters = Self(rawValue: 128)
  public static let missingVendorSpecificOption = Self(rawValue: 129)
  /// RFC 7222.
  public static let cannotMeetQualityOfService = Self(rawValue: 130)
  /// RFC 7864.
  public static let reasonUnspecified = Self(rawValue: 131)
  /// RFC 7864.
  public static let mobileNodeNotAttached = Self(rawValue: 132)

  public var isAccepted: Bool { rawValue < 128 }
}
