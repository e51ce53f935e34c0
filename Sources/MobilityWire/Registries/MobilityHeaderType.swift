// Code points are open: a struct around the raw number with named values, because peers may send what we do not know.

/// Mobility Header types (IANA "Mobility Header Types"). A type with a name is not yet a message that this suite
/// implements: that is for `MobilityMessage` to say.
public struct MobilityHeaderType: RawRepresentable, Hashable, Sendable, Codable {
  public let rawValue: UInt8
  public init(rawValue: UInt8) { self.rawValue = rawValue }

  public static let bindingRefreshRequest = Self(rawValue: 0)
  public static let bindingUpdate = Self(rawValue: 5)
  public static let bindingAcknowledgement = Self(rawValue: 6)
  public static let bindingError = Self(rawValue: 7)
  public static let heartbeat = Self(rawValue: 13)
  public static let bindingRevocation = Self(rawValue: 16)
  public static let updateNotification = Self(rawValue: 19)
  public static let updateNotificationAcknowledgement = Self(rawValue: 20)
}

extension MobilityHeaderType: CustomStringConvertible {
  /// The registry's name; "message type N" for an unassigned type.
  public var description: String {
    Int(rawValue) < Self.names.count ? Self.names[Int(rawValue)] : "message type \(rawValue)"
  }

  // Indexed by type: 0...23 are all assigned.
  private static let names = [
    "Binding Refresh Request", "Home Test Init", "Care-of Test Init", "Home Test", "Care-of Test", "Binding Update",
    "Binding Acknowledgement", "Binding Error", "Fast Binding Update", "Fast Binding Acknowledgment",
    "Fast Neighbor Advertisement", "Experimental", "Home Agent Switch", "Heartbeat", "Handover Initiate",
    "Handover Acknowledge", "Binding Revocation", "Localized Routing Initiation", "Localized Routing Acknowledgment",
    "Update Notification", "Update Notification Acknowledgement", "Flow Binding", "Subscription Query",
    "Subscription Response",
  ]
}
