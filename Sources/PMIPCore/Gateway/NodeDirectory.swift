import MobilityWire
import NetTypes

/// Who is who: the node map of the configuration, indexed.
struct NodeDirectory: Sendable {
  private var byAddress: [LinkLayerAddress: GatewayNodePolicy] = [:]
  private var byNode: [MobileNodeIdentifier: GatewayNodePolicy] = [:]
  private let accessTechnologies: [String: AccessTechnologyType]
  private let unknownNodes: MAGConfiguration.UnknownNodePolicy
  private let anchorAddress: IPv6Address
  /// Every anchor that the configuration names.
  let anchors: Set<IPv6Address>

  init(_ configuration: MAGConfiguration) {
    for policy in configuration.nodes {
      byAddress[policy.linkLayerAddress] = policy
      if byNode[policy.identifier] == nil { byNode[policy.identifier] = policy }
    }
    accessTechnologies = Dictionary(
      configuration.accessLinks.map { ($0.name, $0.accessTechnology) }, uniquingKeysWith: { first, _ in first })
    unknownNodes = configuration.unknownNodes
    anchorAddress = configuration.anchorAddress
    anchors = Set(configuration.nodes.compactMap(\.anchorAddress) + [configuration.anchorAddress])
  }

  /// nil: not an access link.
  func accessTechnology(of link: String) -> AccessTechnologyType? { accessTechnologies[link] }

  /// Some access link has this technology.
  func hasLink(of technology: AccessTechnologyType) -> Bool { accessTechnologies.values.contains(technology) }

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
    NodeIdentity(
      node: node, kind: policy?.kind ?? .interfaces, anchorAddress: policy?.anchorAddress ?? anchorAddress,
      isMapped: isMapped, isNamedByOperator: isNamedByOperator)
  }
}
