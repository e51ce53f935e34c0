import MobilityWire
import NetTypes

/// Who is who: the node map of the configuration, indexed.
struct NodeDirectory: Sendable {
  private var byAddress: [LinkLayerAddress: GatewayNodePolicy] = [:]
  private var byNode: [MobileNodeIdentifier: GatewayNodePolicy] = [:]
  private let accessTechnologies: [String: AccessTechnologyType]
  private let accessNetworks: [String: AccessNetworkSubOption]
  private let unknownNodes: MAGConfiguration.UnknownNodePolicy
  private let anchorAddress: IPv6Address
  /// Everybody who may tell us something about our nodes.
  let anchors: Set<IPv6Address>
  private let policies: [IPv6Address: AnchorPolicy]
  private let heartbeat: HeartbeatSettings

  init(_ configuration: MAGConfiguration) {
    for policy in configuration.nodes {
      byAddress[policy.linkLayerAddress] = policy
      if byNode[policy.identifier] == nil { byNode[policy.identifier] = policy }
    }
    accessTechnologies = Dictionary(
      configuration.accessLinks.map { ($0.name, $0.accessTechnology) }, uniquingKeysWith: { first, _ in first })
    accessNetworks = Dictionary(
      configuration.accessLinks.compactMap { link in link.networkName.map { (link.name, .network(named: $0)) } },
      uniquingKeysWith: { first, _ in first })
    unknownNodes = configuration.unknownNodes
    anchorAddress = configuration.anchorAddress
    anchors = Set(configuration.nodes.compactMap(\.anchorAddress) + [configuration.anchorAddress])
    policies = Dictionary(
      configuration.anchors.map { ($0.address, $0) }, uniquingKeysWith: { first, _ in first })
    heartbeat = configuration.heartbeat
  }

  /// nil: not an access link.
  func accessTechnology(of link: String) -> AccessTechnologyType? { accessTechnologies[link] }

  /// What the Access Network Identifier option says of a link (RFC 6757 section 3.1.1); nil: not configured.
  func accessNetwork(of link: String) -> AccessNetworkSubOption? { accessNetworks[link] }

  /// Some access link has this technology.
  func hasLink(of technology: AccessTechnologyType) -> Bool { accessTechnologies.values.contains(technology) }

  /// What is tolerated from an anchor.
  func deviations(of anchor: IPv6Address) -> PeerDeviations { policies[anchor]?.tolerated ?? .none }

  func heartbeat(with anchor: IPv6Address) -> HeartbeatSettings { policies[anchor]?.heartbeat ?? heartbeat }

  /// nil: an unknown node that gets no service. A node named by the operator takes kind and anchor from the map if it
  /// stands there with any address.
  func identify(_ address: LinkLayerAddress, named identifier: MobileNodeIdentifier?) -> NodeIdentity? {
    let mapped = byAddress[address]
    if let identifier {
      let policy = mapped?.identifier == identifier ? mapped : byNode[identifier]
      return identity(
        identifier, policy, isMapped: mapped?.identifier == identifier, isNamedByOperator: true)
    }
    if let mapped { return identity(mapped.identifier, mapped, isMapped: true, isNamedByOperator: false) }
    switch unknownNodes {
    case .refuse: return nil
    case .derive(let realm):
      let digits = address.description.filter { $0 != ":" }
      return identity(
        MobileNodeIdentifier(nai: "\(digits)@\(realm)"), nil, isMapped: false, isNamedByOperator: false)
    }
  }

  private func identity(
    _ node: MobileNodeIdentifier, _ policy: GatewayNodePolicy?, isMapped: Bool, isNamedByOperator: Bool
  ) -> NodeIdentity {
    let anchor = policy?.anchorAddress ?? anchorAddress
    // Of a node that was named by the operator nobody has said which interface this is.
    let proposes = isMapped && deviations(of: anchor).contains(.noDynamicPrefix)
    return NodeIdentity(
      node: node, kind: policy?.kind ?? .interfaces, anchorAddress: anchor,
      proposedPrefixes: proposes ? policy?.homeNetworkPrefixes ?? [] : [], isMapped: isMapped,
      isNamedByOperator: isNamedByOperator)
  }
}

extension AccessNetworkSubOption {
  fileprivate static func network(named name: String) -> Self {
    .networkIdentifier(isUTF8: true, name: Array(name.utf8), accessPoint: [])
  }
}
