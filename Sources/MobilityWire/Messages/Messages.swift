import NetTypes

/// Flags of a Binding Update (IANA, 16 bits).
public struct BindingUpdateFlags: OptionSet, Hashable, Sendable {
  public let rawValue: UInt16
  public init(rawValue: UInt16) { self.rawValue = rawValue }
  public static let acknowledge = Self(rawValue: 0x8000)
  public static let homeRegistration = Self(rawValue: 0x4000)
  public static let linkLocalCompatibility = Self(rawValue: 0x2000)
  public static let keyManagement = Self(rawValue: 0x1000)
  public static let map = Self(rawValue: 0x0800)
  public static let mobileRouter = Self(rawValue: 0x0400)
  public static let proxyRegistration = Self(rawValue: 0x0200)
  public static let forceUDP = Self(rawValue: 0x0100)
  public static let tlvHeader = Self(rawValue: 0x0080)
  public static let bulk = Self(rawValue: 0x0040)
  public static let multicast = Self(rawValue: 0x0020)
  public static let distributed = Self(rawValue: 0x0010)
}

/// Flags of a Binding Acknowledgement (8 bits).
public struct BindingAcknowledgementFlags: OptionSet, Hashable, Sendable {
  public let rawValue: UInt8
  public init(rawValue: UInt8) { self.rawValue = rawValue }
  public static let keyManagement = Self(rawValue: 0x80)
  public static let mobileRouter = Self(rawValue: 0x40)
  public static let proxyRegistration = Self(rawValue: 0x20)
  public static let tlvHeader = Self(rawValue: 0x10)
  public static let bulk = Self(rawValue: 0x08)
  public static let multicast = Self(rawValue: 0x04)
  public static let distributed = Self(rawValue: 0x02)
}

/// Binding Update, RFC 6275 section 6.1.7; with `proxyRegistration` a Proxy Binding Update, RFC 5213 section 8.1.
public struct BindingUpdate: Hashable, Sendable {
  public var sequence: UInt16
  public var flags: BindingUpdateFlags
  public var lifetime: BindingLifetime
  public var options: MobilityOptions

  public init(sequence: UInt16, flags: BindingUpdateFlags, lifetime: BindingLifetime, options: MobilityOptions) {
    self.sequence = sequence
    self.flags = flags
    self.lifetime = lifetime
    self.options = options
  }
  public var isProxyRegistration: Bool { flags.contains(.proxyRegistration) }
}

/// Binding Acknowledgement, RFC 6275 section 6.1.8; with `proxyRegistration` a PBA, RFC 5213 section 8.2.
public struct BindingAcknowledgement: Hashable, Sendable {
  public var status: BindingStatus
  public var flags: BindingAcknowledgementFlags
  public var sequence: UInt16
  public var lifetime: BindingLifetime
  public var options: MobilityOptions

  public init(
    status: BindingStatus, flags: BindingAcknowledgementFlags, sequence: UInt16, lifetime: BindingLifetime,
    options: MobilityOptions
  ) {
    self.status = status
    self.flags = flags
    self.sequence = sequence
    self.lifetime = lifetime
    self.options = options
  }
  public var isProxyRegistration: Bool { flags.contains(.proxyRegistration) }
}

/// Binding Error, RFC 6275 section 6.1.9.
public struct BindingError: Hashable, Sendable {
  /// 1 = unknown binding for a Home Address option, 2 = unrecognized MH type.
  public var status: UInt8
  public var homeAddress: IPv6Address
  public var options: MobilityOptions

  public init(status: UInt8, homeAddress: IPv6Address = .unspecified, options: MobilityOptions = MobilityOptions()) {
    self.status = status
    self.homeAddress = homeAddress
    self.options = options
  }
  public static let unrecognizedType: UInt8 = 2
}

/// Every message that this suite sends or understands.
public enum MobilityMessage: Hashable, Sendable {
  case bindingUpdate(BindingUpdate)
  case bindingAcknowledgement(BindingAcknowledgement)
  case bindingError(BindingError)
}
