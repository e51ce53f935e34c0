/// The options that may stand once in a message (RFC 5213 sections 8.1 and 8.2), a bit each.
struct SingletonOptions: OptionSet, Hashable, Sendable {
  let rawValue: UInt64

  static let mobileNodeIdentifier = Self(rawValue: 1 << 0)
  static let handoffIndicator = Self(rawValue: 1 << 1)
  static let accessTechnologyType = Self(rawValue: 1 << 2)
  static let mobileNodeLinkLayerIdentifier = Self(rawValue: 1 << 3)
  static let linkLocalAddress = Self(rawValue: 1 << 4)
  static let timestamp = Self(rawValue: 1 << 5)
  static let alternateCareOfAddress = Self(rawValue: 1 << 6)
  static let bindingRefreshAdvice = Self(rawValue: 1 << 7)
  static let restartCounter = Self(rawValue: 1 << 8)
  static let serviceSelection = Self(rawValue: 1 << 9)
  static let ipv4HomeAddress = Self(rawValue: 1 << 10)
  static let ipv4AddressAcknowledgement = Self(rawValue: 1 << 11)
  static let natDetection = Self(rawValue: 1 << 12)
  static let ipv4CareOfAddress = Self(rawValue: 1 << 13)
  static let greKey = Self(rawValue: 1 << 14)
  static let ipv4HomeAddressReply = Self(rawValue: 1 << 15)
  static let ipv4DefaultRouterAddress = Self(rawValue: 1 << 16)
  static let ipv4DHCPSupportMode = Self(rawValue: 1 << 17)
  static let redirectCapability = Self(rawValue: 1 << 18)
  static let redirect = Self(rawValue: 1 << 19)
  static let loadInformation = Self(rawValue: 1 << 20)
  static let alternateIPv4CareOfAddress = Self(rawValue: 1 << 21)
  static let lmaUserPlaneAddress = Self(rawValue: 1 << 22)
  static let mobileNodeGroupIdentifier = Self(rawValue: 1 << 23)
  static let accessNetworkIdentifier = Self(rawValue: 1 << 24)
  static let lmaControlledMAGParameters = Self(rawValue: 1 << 25)
  static let magMultipathBinding = Self(rawValue: 1 << 26)
  static let magIdentifier = Self(rawValue: 1 << 27)
  /// One of them stands twice.
  static let repeated = Self(rawValue: 1 << 63)

  /// The next option of a message; nil: it may stand any number of times.
  mutating func add(_ option: SingletonOptions?) {
    guard let option else { return }
    if contains(option) { insert(.repeated) }
    insert(option)
  }
}

extension MobilityOption {
  /// nil when it may stand any number of times.
  var singleton: SingletonOptions? {
    switch self {
    case .mobileNodeIdentifier: .mobileNodeIdentifier
    case .handoffIndicator: .handoffIndicator
    case .accessTechnologyType: .accessTechnologyType
    case .mobileNodeLinkLayerIdentifier: .mobileNodeLinkLayerIdentifier
    case .linkLocalAddress: .linkLocalAddress
    case .timestamp: .timestamp
    case .alternateCareOfAddress: .alternateCareOfAddress
    case .bindingRefreshAdvice: .bindingRefreshAdvice
    case .restartCounter: .restartCounter
    case .serviceSelection: .serviceSelection
    case .ipv4HomeAddress: .ipv4HomeAddress
    case .ipv4AddressAcknowledgement: .ipv4AddressAcknowledgement
    case .natDetection: .natDetection
    case .ipv4CareOfAddress: .ipv4CareOfAddress
    case .greKey: .greKey
    case .ipv4HomeAddressReply: .ipv4HomeAddressReply
    case .ipv4DefaultRouterAddress: .ipv4DefaultRouterAddress
    case .ipv4DHCPSupportMode: .ipv4DHCPSupportMode
    case .redirectCapability: .redirectCapability
    case .redirect: .redirect
    case .loadInformation: .loadInformation
    case .alternateIPv4CareOfAddress: .alternateIPv4CareOfAddress
    case .lmaUserPlaneAddress: .lmaUserPlaneAddress
    case .mobileNodeGroupIdentifier: .mobileNodeGroupIdentifier
    case .accessNetworkIdentifier: .accessNetworkIdentifier
    case .lmaControlledMAGParameters: .lmaControlledMAGParameters
    case .magMultipathBinding: .magMultipathBinding
    case .magIdentifier: .magIdentifier
    case .homeNetworkPrefix, .flowMobility, .vendorSpecific, .unknown, .mobileNetworkPrefix, .authentication,
      .ipv4HomeAddressRequest, .delegatedMobileNetworkPrefix, .bindingIdentifier, .flowSummary, .flowIdentification,
      .qualityOfService:
      nil
    }
  }
}
