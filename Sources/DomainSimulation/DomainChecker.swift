import DatapathModel
import MobilityWire
import NetTypes
import PMIPCore

/// What must hold in a domain at every moment, and what both sides must agree on when nothing happens any more.
///
/// After a step of the anchor only the nodes, prefixes and tunnels that the step was about are looked at: the others
/// were right before and nobody has touched them. The whole is looked at now and then, and at the end.
final class DomainChecker {
  typealias Host = DomainSimulation.Host

  /// What a step of the anchor was about.
  struct Concerned {
    var nodes: Set<MobileNodeIdentifier> = []
    var prefixes: Set<IPv6Prefix> = []
    var tunnels: Set<TunnelIdentifier> = []

    mutating func insert(_ notification: LMANotification) {
      switch notification {
      case .bindingChanged(let binding), .bindingRemoved(let binding, _):
        nodes.insert(binding.node)
        tunnels.insert(binding.tunnel)
      case .tunnelAdded(let tunnel), .tunnelRemoved(let tunnel): tunnels.insert(tunnel.identifier)
      case .notificationFailed, .gatewayChanged, .revocationEnded: break
      }
    }

    mutating func insert(_ changes: [DatapathChange]) {
      var busy = DomainSimulation.Busy()
      busy.count(changes, by: 1)
      prefixes.formUnion(busy.prefixes.keys)
      everyBusyTunnel(busy)
    }

    mutating func everyBusyTunnel(_ busy: DomainSimulation.Busy) { tunnels.formUnion(busy.tunnels.keys) }
  }

  private(set) var violations: [String] = []
  /// Off when clocks jump: then timestamps say nothing about the true order.
  var checksOrder = true
  private(set) var checks = 0

  /// When each update was sent, by what the anchor stores of it.
  private struct Sent: Hashable {
    var node: MobileNodeIdentifier
    var timestamp: NTPTimestamp
  }
  private var sentAt: [Sent: Duration] = [:]
  /// Of the update that a binding accepted last.
  private var lastAccepted: [BindingIdentifier: Sent] = [:]
  /// By the anchor's notifications.
  private var bindings: [MobileNodeIdentifier: [BindingIdentifier: BindingSummary]] = [:]
  private var current: Sent?
  private var before: [BindingIdentifier: BindingSummary] = [:]

  /// What each node had when it was looked at last.
  private struct Holding {
    var prefixes: Set<IPv6Prefix> = []
    var tunnels: [TunnelIdentifier] = []
  }
  private var holdings: [MobileNodeIdentifier: Holding] = [:]
  private var owners: [IPv6Prefix: MobileNodeIdentifier] = [:]
  private var tunnelUsers: [TunnelIdentifier: Int] = [:]

  private func require(_ holds: Bool, _ text: @autoclosure () -> String) {
    if !holds { violations.append(text()) }
  }

  // MARK: A late message never undoes what a newer one did

  func sent(_ update: BindingUpdate, at clock: Duration) {
    if let sent = Self.key(of: update) { sentAt[sent] = clock }
  }

  private static func key(of update: BindingUpdate) -> Sent? {
    guard let node = update.options.mobileNodeIdentifier, let timestamp = update.options.timestamp else { return nil }
    return Sent(node: node, timestamp: timestamp)
  }

  func beforeBindingUpdate(_ update: BindingUpdate) {
    current = Self.key(of: update)
    let known = update.options.mobileNodeIdentifier.flatMap { bindings[$0] } ?? [:]
    before = known.filter { $0.value.state == .active }
  }

  /// Timestamps order the requests of a session as well as the clocks of two gateways agree.
  private static let clockAgreement: Duration = .milliseconds(
    DomainSimulation.ordinaryClockError.upperBound - DomainSimulation.ordinaryClockError.lowerBound + 1)

  func afterBindingUpdate(_ update: BindingUpdate, source: IPv6Address) {
    let careOfAddress = update.options.alternateCareOfAddress ?? source
    let now = update.options.mobileNodeIdentifier.flatMap { bindings[$0] } ?? [:]
    if update.lifetime == .zero {
      for (identifier, old) in before where old.proxyCareOfAddress != careOfAddress {
        require(
          now[identifier]?.state == .active,
          "the de-registration of another gateway or path ended binding \(identifier)")
      }
    }
    guard checksOrder, let current else { return }
    for (identifier, old) in before {
      guard let last = lastAccepted[identifier] else { continue }
      let new = now[identifier]
      guard new?.state != .active || new?.proxyCareOfAddress != old.proxyCareOfAddress else { continue }
      require(
        current.timestamp >= last.timestamp,
        "binding \(identifier) was changed by a PBU with an older timestamp than it had accepted")
      guard let lastSentAt = sentAt[last], let currentSentAt = sentAt[current] else { continue }
      require(
        currentSentAt + Self.clockAgreement >= lastSentAt,
        "binding \(identifier) was changed by a PBU that is \(lastSentAt - currentSentAt) older than the accepted one")
    }
  }

  func notified(_ notification: LMANotification) {
    switch notification {
    case .bindingChanged(let summary): bindings[summary.node, default: [:]][summary.identifier] = summary
    case .bindingRemoved(let summary, let cause):
      // Not the doing of the update that is being handled.
      if cause == .expired { before[summary.identifier] = nil }
      bindings[summary.node]?[summary.identifier] = nil
      if bindings[summary.node]?.isEmpty == true { bindings[summary.node] = nil }
      lastAccepted[summary.identifier] = nil
    case .tunnelAdded, .tunnelRemoved, .notificationFailed, .gatewayChanged, .revocationEnded: break
    }
  }

  func accepted(_ record: BindingRecord) {
    lastAccepted[record.identifier] = record.timestamp.map { Sent(node: record.node, timestamp: $0) }
  }

  func anchorRestarted() {
    bindings = [:]
    lastAccepted = [:]
    hasMissedSteps = true
  }

  // MARK: The anchor at every moment

  func checkAnchor(_ domain: DomainSimulation, _ concerned: Concerned) {
    checks += 1
    guard !domain.hosts[0].isBroken else {
      hasMissedSteps = true
      return
    }
    if hasMissedSteps || checks % Self.stepsBetweenWholeChecks == 0 { return checkAnchor(domain) }
    var tunnels = concerned.tunnels
    let nodes = concerned.nodes.union(concerned.prefixes.compactMap { owners[$0] })
    for node in nodes { check(node, domain, &tunnels) }
    for tunnel in tunnels { check(tunnel, domain) }
    checkMarks(domain)
  }

  /// The kernel was broken, or the anchor has lost some of its state.
  private var hasMissedSteps = false
  private static let stepsBetweenWholeChecks = 2_000

  /// Every binding, and nothing in the kernel that belongs to none.
  func checkAnchor(_ domain: DomainSimulation) {
    guard !domain.hosts[0].isBroken else { return }
    (holdings, owners, tunnelUsers) = ([:], [:], [:])
    hasMissedSteps = false
    let datapath = domain.hosts[0].datapath
    var tunnels = Set(datapath.tunnels.keys)
    for node in Set(domain.anchor.bindings.map(\.node)) { check(node, domain, &tunnels) }
    for tunnel in tunnels { check(tunnel, domain) }
    for (prefix, tunnel) in datapath.prefixRoutes {
      require(datapath.tunnels[tunnel] != nil, "the route of \(prefix) points to a dead tunnel")
      require(
        owners[prefix] != nil || domain.hosts[0].busy.prefixes[prefix] != nil,
        "the route of \(prefix) belongs to nobody")
    }
    checkMarks(domain)
    guard domain.anchor.pendingRegistrations == 0, domain.hosts[0].unanswered.isEmpty else { return }
    require(datapath == domain.anchor.desiredDatapath, "the anchor's kernel has something else than it should")
  }

  private func check(_ node: MobileNodeIdentifier, _ domain: DomainSimulation, _ tunnels: inout Set<TunnelIdentifier>) {
    let bindings = domain.anchor.bindings(of: node)
    let (datapath, busy) = (domain.hosts[0].datapath, domain.hosts[0].busy)
    var holding = Holding()
    var defaults: [IPv6Prefix: (attachments: Int, tunnel: TunnelIdentifier?)] = [:]
    var holders: [IPv6Prefix: BindingSummary] = [:]
    for binding in bindings {
      holding.tunnels.append(binding.tunnel)
      require(!binding.prefixes.isEmpty, "binding \(binding.identifier) has no prefix")
      for prefix in binding.prefixes {
        holding.prefixes.insert(prefix)
        require(
          binding.kind == .logical || holders[prefix].map(binding.isPath(beside:)) ?? true,
          "\(prefix) belongs to two interfaces of a node that shares nothing")
        holders[prefix] = binding
        require(owners[prefix] == nil || owners[prefix] == node, "\(prefix) belongs to two nodes")
        guard binding.state == .active else { continue }
        defaults[prefix, default: (0, nil)].attachments += binding.isDefault ? 1 : 0
        if binding.isDefault { defaults[prefix]?.tunnel = binding.tunnel }
      }
      guard binding.state == .active else { continue }
      require(
        datapath.tunnels[binding.tunnel]?.remote == binding.proxyCareOfAddress,
        "the tunnel of binding \(binding.identifier) does not lead to its gateway")
    }
    let old = holdings[node] ?? Holding()
    for prefix in holding.prefixes.union(old.prefixes) where busy.prefixes[prefix] == nil {
      let standard = defaults[prefix]
      require(standard.map { $0.attachments == 1 } ?? true, "\(prefix) has \(standard?.attachments ?? 0) defaults")
      guard holding.prefixes.contains(prefix) || owners[prefix] == node else { continue }
      let route = datapath.prefixRoutes[prefix]
      require(route == standard?.tunnel, "\(prefix) is routed to \(String(describing: route))")
    }
    for prefix in old.prefixes.subtracting(holding.prefixes) where owners[prefix] == node { owners[prefix] = nil }
    for prefix in holding.prefixes { owners[prefix] = node }
    for tunnel in old.tunnels { tunnelUsers[tunnel, default: 0] -= 1 }
    for tunnel in holding.tunnels { tunnelUsers[tunnel, default: 0] += 1 }
    tunnels.formUnion(old.tunnels)
    tunnels.formUnion(holding.tunnels)
    holdings[node] = bindings.isEmpty ? nil : holding
  }

  private func check(_ tunnel: TunnelIdentifier, _ domain: DomainSimulation) {
    guard domain.hosts[0].busy.tunnels[tunnel] == nil else { return }
    let users = tunnelUsers[tunnel, default: 0]
    let isThere = domain.hosts[0].datapath.tunnels[tunnel] != nil
    require(isThere == (users > 0), "tunnel \(tunnel) of \(users) bindings is \(isThere ? "there" : "not there")")
  }

  private func checkMarks(_ domain: DomainSimulation) {
    guard domain.flows.isUp, domain.flows.followsAnchor else { return }
    for tunnel in domain.flows.markedTunnels {
      require(
        domain.hosts[0].datapath.tunnels[tunnel] != nil && domain.flows.chains[tunnel] != nil,
        "flows are marked for tunnel \(tunnel), which is dead")
    }
  }

  // MARK: A gateway at every moment

  /// A gateway of a large domain is not looked at after every step; every kind of step is by one seed or another.
  private static let fewAttachments = 15

  func checkGateway(_ domain: DomainSimulation, _ host: Host) {
    checks += 1
    guard !domain.hosts[host].isBroken,
      domain.hosts[host].datapath.uplinks.count <= Self.fewAttachments || checks % 16 == 0
    else { return }
    checkWholeGateway(domain, host)
  }

  private func checkWholeGateway(_ domain: DomainSimulation, _ host: Host) {
    let gateway = domain.gateways[host - 1]
    let datapath = domain.hosts[host].datapath
    require(datapath == gateway.desiredDatapath, "the kernel of mag\(host) has something else than it should")
    var users: [TunnelIdentifier: Int] = [:]
    var claimed: Set<IPv6Prefix> = []
    for attachment in gateway.attachments {
      let name = "mag\(host): \(attachment.link) \(attachment.linkLayerAddress)"
      guard let tunnel = attachment.tunnel else {
        require(attachment.state != .registered && attachment.state != .refreshing, "\(name) registered to nothing")
        continue
      }
      users[tunnel, default: 0] += 1
      claimed.formUnion(attachment.prefixes + attachment.offLinkPrefixes)
      require(
        datapath.tunnels[tunnel]?.remote == attachment.anchorAddress
          && datapath.tunnels[tunnel]?.local == DomainSimulation.address(of: host, uplink: attachment.uplink),
        "\(name): its tunnel does not lead from its uplink to its anchor")
      for prefix in attachment.prefixes {
        require(datapath.uplinks[prefix] != nil, "\(name): \(prefix) has no uplink")
        require(datapath.downlinks[prefix].map { $0.via == nil } == true, "\(name): \(prefix) is not routed on-link")
      }
    }
    for (tunnel, count) in users {
      require(
        gateway.users(of: tunnel) == count,
        "mag\(host): tunnel \(tunnel) counts \(gateway.users(of: tunnel)) users instead of \(count)")
    }
    require(Set(users.keys) == Set(datapath.tunnels.keys), "mag\(host): tunnels are not those of the attachments")
    require(
      claimed == Set(datapath.downlinks.keys) && claimed == Set(datapath.uplinks.keys),
      "mag\(host): routes are not those of the attachments")
    checkUplinks(domain, host)
  }

  /// A node with a path over an uplink that works has no packets on another one.
  private func checkUplinks(_ domain: DomainSimulation, _ host: Host) {
    let down = domain.hosts[host].knownDownUplinks
    guard !down.isEmpty, domain.hosts[host].unanswered.isEmpty else { return }
    let datapath = domain.hosts[host].datapath
    let attachments = domain.gateways[host - 1].attachments
    for attachment in attachments
    where (attachment.state == .registered || attachment.state == .refreshing) && !down.contains(attachment.uplink) {
      for path in attachments
      where down.contains(path.uplink) && path.link == attachment.link
        && path.linkLayerAddress == attachment.linkLayerAddress
      {
        for prefix in attachment.prefixes where datapath.uplinks[prefix] == path.tunnel {
          require(false, "mag\(host): packets from \(prefix) leave by uplink \(path.uplink), which is down")
        }
      }
    }
  }

  func advertised(_ plan: AdvertisementPlan, by gateway: MobileAccessGateway) {
    guard plan.routerLifetime > 0 else { return }
    let datapath = gateway.desiredDatapath
    for prefix in plan.prefixes where prefix.validLifetime > 0 {
      require(
        datapath.downlinks[prefix.prefix] != nil && datapath.uplinks[prefix.prefix] != nil,
        "\(prefix.prefix) was advertised without a route")
    }
  }

  // MARK: After quiet time

  private struct Session: Hashable {
    var node: MobileNodeIdentifier
    var accessTechnology: AccessTechnologyType
    var linkLayerIdentifier: MobileNodeLinkLayerIdentifier?
    var gateway: IPv6Address
  }

  /// Everybody who is there is registered, nobody else is, and both sides say the same.
  func checkAgreement(_ domain: DomainSimulation) {
    checkAnchor(domain)
    for host in domain.hosts.indices.dropFirst() { checkWholeGateway(domain, host) }
    let bindings = domain.anchor.bindings
    let sessions = Dictionary(
      bindings.map { binding in
        let session = Session(
          node: binding.node, accessTechnology: binding.accessTechnology,
          linkLayerIdentifier: binding.linkLayerIdentifier, gateway: binding.proxyCareOfAddress)
        return (session, binding)
      }, uniquingKeysWith: { first, _ in first })
    let ofNode = Dictionary(grouping: bindings, by: \.node)
    let present = domain.interfaces.filter { $0.place != nil }
    let atGateway = Dictionary(grouping: present) { $0.place?.gateway ?? 0 }
    var expected = 0
    for host in domain.hosts.indices.dropFirst() {
      let uplinks = 0..<domain.uplinkCount(of: host)
      let here = (atGateway[host] ?? []).flatMap { interface in
        uplinks.map {
          AttachmentPlace(link: interface.place?.link ?? "", address: interface.linkLayerAddress, uplink: $0)
        }
      }
      let attachments = domain.gateways[host - 1].attachments
      let known = attachments.map { AttachmentPlace(link: $0.link, address: $0.linkLayerAddress, uplink: $0.uplink) }
      require(
        Set(known) == Set(here), "mag\(host) knows others than those who are there, or has not all of their paths")
      expected += here.count
      for attachment in attachments {
        let session = Session(
          node: attachment.node, accessTechnology: attachment.accessTechnology,
          linkLayerIdentifier: MobileNodeLinkLayerIdentifier(attachment.linkLayerAddress),
          gateway: DomainSimulation.address(of: host, uplink: attachment.uplink))
        checkAgreement(attachment, host, sessions[session], ofNode[attachment.node] ?? [], domain)
      }
    }
    require(bindings.allSatisfy { $0.state == .active }, "a binding still awaits its deletion")
    require(bindings.count == expected, "\(bindings.count) bindings for \(expected) paths of attached interfaces")
    checkFlows(domain)
  }

  /// Wherever a flow was moved, that gateway delivers it.
  private func checkFlows(_ domain: DomainSimulation) {
    guard domain.flows.followsAnchor else { return require(false, "the flow manager does not follow the anchor") }
    require(domain.flows.chains.values.allSatisfy(\.isEmpty), "tunnels are still diverted")
    for flow in domain.flows.map.values {
      let destination = flow.tuple.destination
      let tunnel = domain.flows.tunnel(of: flow)
      guard let gateway = domain.hosts[0].datapath.tunnels[tunnel]?.remote,
        let host = domain.ports[gateway]?.host
      else { return require(false, "the flow to \(destination) is marked for tunnel \(tunnel), which is dead") }
      require(
        domain.hosts[host].datapath.downlinks.keys.contains { $0.contains(destination) },
        "mag\(host) does not deliver the flow to \(destination)")
    }
  }

  private func checkAgreement(
    _ attachment: AttachmentSummary, _ host: Host, _ binding: BindingSummary?, _ ofNode: [BindingSummary],
    _ domain: DomainSimulation
  ) {
    let name = "mag\(host) \(attachment.link) \(attachment.linkLayerAddress) uplink \(attachment.uplink)"
    require(
      attachment.state == .registered || attachment.state == .refreshing,
      "\(name) is \(attachment.state.rawValue), last status \(String(describing: attachment.lastStatus?.rawValue))")
    guard let binding else { return require(false, "\(name) has no binding at the anchor") }
    require(binding.prefixes == attachment.prefixes, "\(name) and the anchor disagree about its prefixes")
    let others = Set(ofNode.filter { $0.prefixes != binding.prefixes }.flatMap(\.prefixes))
    let served = Set(attachment.offLinkPrefixes)
    if domain.anchor.configuration.flowMobilityMode == .rfc7864 {
      require(served == Set(binding.offLinkPrefixes), "\(name) and the anchor disagree about off-link prefixes")
      require(served.isSubset(of: others), "\(name) serves prefixes that no other interface has")
    } else {
      require(served == others, "\(name) does not serve the node's other prefixes")
    }
    for prefix in attachment.prefixes {
      require(
        domain.gateways[host - 1].desiredDatapath.downlinks[prefix] != nil, "\(name): \(prefix) is not routed")
    }
  }
}

extension BindingSummary {
  /// Another path of the same interface at the same gateway.
  fileprivate func isPath(beside other: BindingSummary) -> Bool {
    path != nil && path?.gateway == other.path?.gateway && accessTechnology == other.accessTechnology
      && linkLayerIdentifier == other.linkLayerIdentifier
  }
}
