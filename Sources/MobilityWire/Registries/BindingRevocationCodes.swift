/// Revocation Trigger of a Binding Revocation Indication (RFC 5846 section 5.1; IANA). 128 and more are for global
/// revocation only.
public struct BindingRevocationTrigger: RawRepresentable, Hashable, Sendable, Codable {
  public let rawValue: UInt8
  public init(rawValue: UInt8) { self.rawValue = rawValue }
  public static let unspecified = Self(rawValue: 0)
  public static let administrative = Self(rawValue: 1)
  public static let handoverSameAccessTechnology = Self(rawValue: 2)
  public static let handoverOtherAccessTechnology = Self(rawValue: 3)
  public static let handoverUnknown = Self(rawValue: 4)
  public static let userInitiated = Self(rawValue: 5)
  public static let accessNetworkSessionTermination = Self(rawValue: 6)
  public static let possibleOutOfSyncBinding = Self(rawValue: 7)
  /// Everything between the two peers.
  public static let perPeerPolicy = Self(rawValue: 128)
  /// The nodes of one realm.
  public static let revokingNodeLocalPolicy = Self(rawValue: 129)
}

/// Status of a Binding Revocation Acknowledgement (RFC 5846 section 5.2; IANA); 128 and more refuse.
public struct BindingRevocationStatus: RawRepresentable, Hashable, Sendable, Codable {
  public let rawValue: UInt8
  public init(rawValue: UInt8) { self.rawValue = rawValue }
  public static let success = Self(rawValue: 0)
  public static let partialSuccess = Self(rawValue: 1)
  public static let bindingDoesNotExist = Self(rawValue: 128)
  public static let ipv4HomeAddressOptionRequired = Self(rawValue: 129)
  public static let globalRevocationNotAuthorized = Self(rawValue: 130)
  public static let revokedMobileNodesIdentityRequired = Self(rawValue: 131)
  public static let mobileNodeAttached = Self(rawValue: 132)
  public static let triggerNotSupported = Self(rawValue: 133)
  public static let functionNotSupported = Self(rawValue: 134)
  public static let proxyRevocationNotSupported = Self(rawValue: 135)

  public var isAccepted: Bool { rawValue < 128 }
}
