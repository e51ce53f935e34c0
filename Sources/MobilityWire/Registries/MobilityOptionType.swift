// Code points are open: a struct around the raw number with named values, because peers may send what we do not know.

/// Mobility option types (IANA "Mobility Options"), with the name and the alignment of each.
public struct MobilityOptionType: RawRepresentable, Hashable, Sendable, Codable {
  public let rawValue: UInt8
  public init(rawValue: UInt8) { self.rawValue = rawValue }

  public static let pad1 = Self(rawValue: 0)
  public static let padN = Self(rawValue: 1)
  public static let bindingRefreshAdvice = Self(rawValue: 2)
  public static let alternateCareOfAddress = Self(rawValue: 3)
  public static let mobileNetworkPrefix = Self(rawValue: 6)
  public static let mobileNodeIdentifier = Self(rawValue: 8)
  public static let authentication = Self(rawValue: 9)
  public static let vendorSpecific = Self(rawValue: 19)
  public static let serviceSelection = Self(rawValue: 20)
  public static let homeNetworkPrefix = Self(rawValue: 22)
  public static let handoffIndicator = Self(rawValue: 23)
  public static let accessTechnologyType = Self(rawValue: 24)
  public static let mobileNodeLinkLayerIdentifier = Self(rawValue: 25)
  public static let linkLocalAddress = Self(rawValue: 26)
  public static let timestamp = Self(rawValue: 27)
  public static let restartCounter = Self(rawValue: 28)
  public static let ipv4HomeAddress = Self(rawValue: 29)
  public static let ipv4AddressAcknowledgement = Self(rawValue: 30)
  public static let natDetection = Self(rawValue: 31)
  public static let ipv4CareOfAddress = Self(rawValue: 32)
  public static let greKey = Self(rawValue: 33)
  public static let bindingIdentifier = Self(rawValue: 35)
  public static let ipv4HomeAddressRequest = Self(rawValue: 36)
  public static let ipv4HomeAddressReply = Self(rawValue: 37)
  public static let ipv4DefaultRouterAddress = Self(rawValue: 38)
  public static let ipv4DHCPSupportMode = Self(rawValue: 39)
  public static let flowSummary = Self(rawValue: 44)
  public static let flowIdentification = Self(rawValue: 45)
  public static let redirectCapability = Self(rawValue: 46)
  public static let redirect = Self(rawValue: 47)
  public static let loadInformation = Self(rawValue: 48)
  public static let alternateIPv4CareOfAddress = Self(rawValue: 49)
  public static let mobileNodeGroupIdentifier = Self(rawValue: 50)
  public static let magIPv6Address = Self(rawValue: 51)
  public static let accessNetworkIdentifier = Self(rawValue: 52)
  public static let delegatedMobileNetworkPrefix = Self(rawValue: 55)
  public static let qualityOfService = Self(rawValue: 58)
  public static let lmaUserPlaneAddress = Self(rawValue: 59)
  public static let lmaControlledMAGParameters = Self(rawValue: 62)
  public static let magMultipathBinding = Self(rawValue: 63)
  public static let magIdentifier = Self(rawValue: 64)

  /// Pad1 and PadN.
  public var isPadding: Bool { self == .pad1 || self == .padN }

  /// Where the type octet must stand. `length` is the Length octet: a Binding Identifier with an address is aligned for
  /// the address.
  public func alignment(length: Int) -> OptionAlignment {
    switch self {
    case .bindingRefreshAdvice, .flowSummary, .flowIdentification:
      OptionAlignment(multiple: 2)
    case .ipv4HomeAddress, .ipv4AddressAcknowledgement, .natDetection, .ipv4CareOfAddress, .greKey,
      .ipv4HomeAddressRequest, .ipv4HomeAddressReply, .ipv4DefaultRouterAddress, .redirectCapability, .redirect,
      .loadInformation, .accessNetworkIdentifier, .qualityOfService:
      OptionAlignment(multiple: 4)
    case .authentication:
      OptionAlignment(multiple: 4, remainder: 1)
    case .vendorSpecific, .restartCounter, .alternateIPv4CareOfAddress, .lmaControlledMAGParameters:
      OptionAlignment(multiple: 4, remainder: 2)
    case .timestamp, .delegatedMobileNetworkPrefix, .lmaUserPlaneAddress:
      OptionAlignment(multiple: 8, remainder: 2)
    case .mobileNetworkPrefix, .homeNetworkPrefix, .magIPv6Address:
      OptionAlignment(multiple: 8, remainder: 4)
    case .alternateCareOfAddress, .linkLocalAddress:
      OptionAlignment(multiple: 8, remainder: 6)
    case .bindingIdentifier:
      length > 4 ? OptionAlignment(multiple: 8, remainder: 2) : OptionAlignment(multiple: 2)
    default: .none
    }
  }
}

extension MobilityOptionType: CustomStringConvertible {
  /// The registry's name in one word; "option N" for an unassigned type.
  public var description: String {
    Int(rawValue) < Self.names.count ? Self.names[Int(rawValue)] : "option \(rawValue)"
  }

  // Indexed by type: 0...70 are all assigned.
  private static let names = [
    "Pad1", "PadN", "BindingRefreshAdvice", "AlternateCareOfAddress", "NonceIndices", "AuthorizationData",
    "MobileNetworkPrefix", "MobilityHeaderLinkLayerAddress", "MobileNodeIdentifier", "Authentication",
    "ReplayProtection", "CGAParametersRequest", "CGAParameters", "Signature", "PermanentHomeKeygenToken",
    "CareOfTestInit", "CareOfTest", "DNSUpdate", "Experimental", "VendorSpecific", "ServiceSelection",
    "BindingAuthorizationDataForFMIPv6", "HomeNetworkPrefix", "HandoffIndicator", "AccessTechnologyType",
    "MobileNodeLinkLayerIdentifier", "LinkLocalAddress", "Timestamp", "RestartCounter", "IPv4HomeAddress",
    "IPv4AddressAcknowledgement", "NATDetection", "IPv4CareOfAddress", "GREKey", "MobilityHeaderIPv6AddressPrefix",
    "BindingIdentifier", "IPv4HomeAddressRequest", "IPv4HomeAddressReply", "IPv4DefaultRouterAddress",
    "IPv4DHCPSupportMode", "ContextRequest", "LocalMobilityAnchorAddress", "MobileNodeLinkLocalInterfaceIdentifier",
    "TransientBinding", "FlowSummary", "FlowIdentification", "RedirectCapability", "Redirect", "LoadInformation",
    "AlternateIPv4CareOfAddress", "MobileNodeGroupIdentifier", "MAGIPv6Address", "AccessNetworkIdentifier",
    "IPv4TrafficOffloadSelector", "DynamicIPMulticastSelector", "DelegatedMobileNetworkPrefix",
    "ActiveMulticastSubscriptionIPv4", "ActiveMulticastSubscriptionIPv6", "QualityOfService", "LMAUserPlaneAddress",
    "MulticastMobility", "MulticastMobilityAcknowledgement", "LMAControlledMAGParameters", "MAGMultipathBinding",
    "MAGIdentifier", "AnchoredPrefix", "LocalPrefix", "PreviousMAAR", "ServingMAAR", "DLIFLinkLocalAddress",
    "DLIFLinkLayerAddress",
  ]
}
