import MobilityWire
import NetTypes

extension MAGConfiguration {
  /// Everything that a gateway must not start with; empty: usable. Key paths as in the configuration file.
  public func problems() -> [ConfigurationProblem] {
    addressProblems() + uplinkProblems() + linkProblems() + nodeProblems() + timerProblems()
      + heartbeat.problems(at: "heartbeat") + revocation.problems(at: "revocation")
      + protocolProblems()
  }

  /// MN-ID option: one octet of subtype, then at most this many.
  private static let maximumIdentifierLength = 254
  /// IFNAMSIZ without the final zero.
  private static let maximumInterfaceNameLength = 15
  /// RFC 5213 defines 0 to 5, none of which asks for shared prefixes.
  private static let sharedPrefixesIndicators: ClosedRange<UInt8> = 6...255
  private static let unassignedOptionTypes: ClosedRange<UInt8> = 71...255
  /// So many HNP options (24 octets with padding) fit beside the others into the 2048 octets of a Mobility Header.
  private static let prefixesPerNode = 1...64
  private static let maximumLifetime = BindingLifetime(rawValue: .max).duration

  private func addressProblems() -> [ConfigurationProblem] {
    var problems: [ConfigurationProblem] = []
    if !proxyCareOfAddress.isRoutableUnicast {
      problems.append(
        .init(
          keyPath: "proxy-care-of-address",
          message: "\(proxyCareOfAddress) is no routable unicast address; give the gateway's address in the core"))
    }
    problems += anchorProblems(anchorAddress, at: "anchor")
    var known: Set<IPv6Address> = []
    for (index, anchor) in anchors.enumerated() {
      problems += anchorProblems(anchor.address, at: "anchors[\(index)].address")
      if !known.insert(anchor.address).inserted {
        problems.append(
          .init(keyPath: "anchors[\(index)].address", message: "\(anchor.address) stands twice; remove one"))
      }
      problems += anchor.heartbeat?.problems(at: "anchors[\(index)].heartbeat") ?? []
    }
    if !fixedLinkLocalAddress.isUnspecified && !fixedLinkLocalAddress.isLinkLocal {
      problems.append(
        .init(
          keyPath: "fixed-link-local-address",
          message: "\(fixedLinkLocalAddress) does not lie in fe80::/10; give such an address, the same on all gateways"
            + " of the domain, or :: to let the anchor choose"))
    }
    if fixedLinkLayerAddress.isMulticast || fixedLinkLayerAddress.rawValue == 0 {
      problems.append(
        .init(
          keyPath: "fixed-link-layer-address",
          message: "\(fixedLinkLayerAddress) is no unicast address; RFC 6543 reserves 00:00:5e:00:52:13 for this"))
    }
    return problems
  }

  private func anchorProblems(_ address: IPv6Address, at keyPath: String) -> [ConfigurationProblem] {
    if !address.isRoutableUnicast {
      return [
        .init(
          keyPath: keyPath, message: "\(address) is no routable unicast address; give one of the anchor's `addresses`")
      ]
    }
    return address == proxyCareOfAddress
      ? [.init(keyPath: keyPath, message: "\(address) is also the proxy-care-of-address; anchor and gateway need two")]
      : []
  }

  private func uplinkProblems() -> [ConfigurationProblem] {
    guard let first = uplinks.first else { return [] }
    var problems: [ConfigurationProblem] = []
    if uplinks.count > GatewayPath.bindings.count {
      problems.append(.init(keyPath: "uplinks", message: "\(uplinks.count) uplinks; expected at most 254"))
    }
    if first.address != proxyCareOfAddress {
      problems.append(
        .init(
          keyPath: "uplinks[0].address",
          message: "\(first.address) is not the proxy-care-of-address; the preferred uplink has that one"))
    }
    for (index, uplink) in uplinks.enumerated() {
      let keyPath = "uplinks[\(index)]"
      if !uplink.address.isRoutableUnicast {
        problems.append(
          .init(keyPath: "\(keyPath).address", message: "\(uplink.address) is no routable unicast address"))
      }
      if uplinks[..<index].contains(where: { $0.address == uplink.address || $0.interface == uplink.interface }) {
        problems.append(
          .init(keyPath: keyPath, message: "interface or address stand twice; each uplink has its own"))
      }
    }
    return problems
  }

  private func linkProblems() -> [ConfigurationProblem] {
    guard !accessLinks.isEmpty else {
      return [.init(keyPath: "access-links", message: "empty; name at least one interface towards mobile nodes")]
    }
    var problems: [ConfigurationProblem] = []
    var names: Set<String> = []
    for (index, link) in accessLinks.enumerated() {
      let keyPath = "access-links[\(index)]"
      if link.name.isEmpty || link.name.utf8.count > Self.maximumInterfaceNameLength {
        problems.append(
          .init(
            keyPath: "\(keyPath).interface",
            message: "'\(link.name)' has not 1 to \(Self.maximumInterfaceNameLength) characters"))
      }
      if !names.insert(link.name).inserted {
        problems.append(.init(keyPath: "\(keyPath).interface", message: "'\(link.name)' stands twice; remove one"))
      }
      if link.accessTechnology == .reserved {
        problems.append(
          .init(
            keyPath: "\(keyPath).access-technology", message: "0 is reserved; use a value of RFC 5213 section 8.5"))
      }
    }
    return problems
  }

  private func nodeProblems() -> [ConfigurationProblem] {
    var problems: [ConfigurationProblem] = []
    var addresses: Set<LinkLayerAddress> = []
    var kinds: [MobileNodeIdentifier: TerminalKind] = [:]
    for (index, node) in nodes.enumerated() {
      let keyPath = "node-map[\(index)]"
      if node.linkLayerAddress.isMulticast || node.linkLayerAddress.rawValue == 0 {
        problems.append(.init(keyPath: keyPath, message: "\(node.linkLayerAddress) is no unicast address"))
      }
      if !addresses.insert(node.linkLayerAddress).inserted {
        problems.append(.init(keyPath: keyPath, message: "\(node.linkLayerAddress) stands twice; remove one line"))
      }
      if !(1...Self.maximumIdentifierLength).contains(node.identifier.identifier.count) {
        problems.append(
          .init(keyPath: keyPath, message: "the MN-ID has not 1 to \(Self.maximumIdentifierLength) octets"))
      }
      if kinds.updateValue(node.kind, forKey: node.identifier).map({ $0 != node.kind }) == true {
        problems.append(
          .init(keyPath: keyPath, message: "the node stands here as \(node.kind.rawValue), before as another kind"))
      }
      if let anchor = node.anchorAddress { problems += anchorProblems(anchor, at: "\(keyPath).anchor") }
      problems += homeNetworkPrefixProblems(of: node, at: keyPath)
    }
    if case .derive(let realm) = unknownNodes,
      !(1...Self.maximumIdentifierLength - 13).contains(realm.utf8.count) || realm.contains("@")
    {
      problems.append(
        .init(
          keyPath: "realm",
          message: "'\(realm)' is no realm; unknown-nodes: derive needs a name like example.net"))
    }
    return problems
  }

  private func homeNetworkPrefixProblems(of node: GatewayNodePolicy, at keyPath: String) -> [ConfigurationProblem] {
    guard !node.homeNetworkPrefixes.isEmpty else { return [] }
    var problems: [ConfigurationProblem] = []
    for prefix in node.homeNetworkPrefixes where prefix.length == 0 || !prefix.address.isRoutableUnicast {
      problems.append(.init(keyPath: keyPath, message: "\(prefix) is no prefix that a node can have"))
    }
    if node.homeNetworkPrefixes.count > limits.prefixesPerNode {
      problems.append(
        .init(keyPath: keyPath, message: "more prefixes than limits.prefixes-per-node, \(limits.prefixesPerNode)"))
    }
    let anchor = node.anchorAddress ?? anchorAddress
    if anchors.first(where: { $0.address == anchor })?.tolerated.contains(.noDynamicPrefix) != true {
      problems.append(
        .init(
          keyPath: keyPath,
          message: "prefixes are proposed only to an anchor that cannot choose them; remove them, or give \(anchor) "
            + "under `anchors` with tolerate: [\(PeerDeviation.noDynamicPrefix.rawValue)]"))
    }
    return problems
  }

  private func timerProblems() -> [ConfigurationProblem] {
    var problems: [ConfigurationProblem] = []
    func require(_ holds: Bool, _ key: String, _ message: String) {
      if !holds { problems.append(.init(keyPath: "timers.\(key)", message: message)) }
    }
    let first = timers.initialBindackTimeoutFirstRegistration
    require(first > .zero, "initial-bindack-timeout-first-registration", "must be above 0; RFC 6275 says 1500ms")
    require(timers.initialBindackTimeout > .zero, "initial-bindack-timeout", "must be above 0; RFC 6275 says 1s")
    require(
      timers.maxBindackTimeout >= max(first, timers.initialBindackTimeout), "max-bindack-timeout",
      "must not be below the initial timeouts; RFC 6275 says 32s")
    require(
      timers.lifetime >= .seconds(4) && timers.lifetime <= Self.maximumLifetime
        && BindingLifetime(timers.lifetime).duration == timers.lifetime,
      "lifetime", "must be a multiple of 4s from 4s to 262140s (RFC 6275 section 6.1.7)")
    require(
      timers.refreshBeforeExpiry > .zero && timers.refreshBeforeExpiry < timers.lifetime, "refresh-before-expiry",
      "must lie between 0 and `lifetime`; RFC 8127 says 40s")
    require(
      timers.routerLifetime >= .zero && timers.routerLifetime <= AdvertisementBuilder.maximumRouterLifetime,
      "router-lifetime", "must be 0s to 9000s (RFC 4861 section 6.2.1)")
    require(
      timers.advertisementInterval >= .seconds(3), "advertisement-interval",
      "must be at least 3s (RFC 4861 section 10, MIN_DELAY_BETWEEN_RAS)")
    require(
      timers.routerLifetime == .zero || timers.advertisementInterval < timers.routerLifetime,
      "advertisement-interval", "must be below `router-lifetime`, or nodes lose their default route in between")
    require(timers.probeInterval >= .zero, "probe-interval", "must not be negative; 0 switches probes off")
    return problems
  }

  private func protocolProblems() -> [ConfigurationProblem] {
    var problems: [ConfigurationProblem] = []
    if !Self.sharedPrefixesIndicators.contains(sharedPrefixesIndicator.rawValue) {
      problems.append(
        .init(
          keyPath: "flow-mobility.shared-prefixes-indicator",
          message: "\(sharedPrefixesIndicator.rawValue) has another meaning; use 6 (RFC 7864) or an unassigned value"
            + " of 7 to 255, the same as at the anchor"))
    }
    if let type = codePoints.flowMobilityOption, !Self.unassignedOptionTypes.contains(type) {
      problems.append(
        .init(
          keyPath: "flow-mobility.option-type",
          message: "\(type) is assigned to another option; use 71 to 255, the same as at the anchor"))
    }
    if limits.attachments < 1 {
      problems.append(.init(keyPath: "limits.attachments", message: "\(limits.attachments) is not positive"))
    }
    if !Self.prefixesPerNode.contains(limits.prefixesPerNode) {
      problems.append(
        .init(
          keyPath: "limits.prefixes-per-node",
          message: "\(limits.prefixesPerNode) is not in \(Self.prefixesPerNode.lowerBound) to "
            + "\(Self.prefixesPerNode.upperBound)"))
    }
    return problems
  }
}
