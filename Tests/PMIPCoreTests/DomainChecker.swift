import DatapathModel
import MobilityWire
import NetTypes

@testable import PMIPCore

/// What must hold in a domain at every moment, and what both sides must agree on when nothing happens any more.
struct DomainChecker {
  typealias Host = DomainSimulation.Host

  private(set) var violations: [String] = []
  /// Off when clocks jump: then timestamps say nothing about the true order.
  var checksOrder = true
  private(set) var checks = 0
  /// How often a binding was moved or ended by a message.
  private(set) var orderChecks = 0

  /// When each update was sent, by what the anchor stores of it.
  private struct Sent: Hashable {
    var node: MobileNodeIdentifier
    var timestamp: NTPTimestamp
  }
  private var sentAt: [Sent: Duration] = [:]
  /// Of the update that a binding accepted last.
  private var lastAccepted: [BindingIdentifier: Sent] = [:]
  private var bindings: [BindingIdentifier: BindingSummary] = [:]
  private var current: Sent?
  private var before: [BindingIdentifier: BindingSummary] = [:]

  private mutating func require(_ holds: Bool, _ text: @autoclosure () -> String) {
    if !holds { violations.append(text()) }
  }

  // MARK: A late message never undoes what a newer one did

  mutating func sent(_ update: BindingUpdate, at clock: Duration) {
    if let sent = Self.key(of: update) { sentAt[sent] = clock }
  }

  private static func key(of update: BindingUpdate) -> Sent? {
    guard let node = update.options.mobileNodeIdentifier, let timestamp = update.options.timestamp else { return nil }
    return Sent(node: node, timestamp: timestamp)
  }

  mutating func beforeBindingUpdate(_ update: BindingUpdate) {
    current = Self.key(of: update)
    before = bindings.filter { $0.value.node == update.options.mobileNodeIdentifier && $0.value.state == .active }
  }

  /// Timestamps order the requests of a session as well as the clocks of two gateways agree.
  private static let clockAgreement: Duration = .milliseconds(
    DomainSimulation.ordinaryClockError.upperBound - DomainSimulation.ordinaryClockError.lowerBound + 1)

  mutating func afterBindingUpdate(_ update: BindingUpdate, source: IPv6Address) {
    if update.lifetime == .zero {
      for (identifier, old) in before where old.proxyCareOfAddress != source {
        require(
          bindings[identifier]?.state == .active, "the de-registration of another gateway ended binding \(identifier)")
      }
    }
    guard checksOrder, let current else { return }
    for (identifier, old) in before {
      guard let last = lastAccepted[identifier] else { continue }
      let new = bindings[identifier]
      guard new?.state != .active || new?.proxyCareOfAddress != old.proxyCareOfAddress else { continue }
      orderChecks += 1
      require(
        current.timestamp >= last.timestamp,
        "binding \(identifier) was changed by a PBU with an older timestamp than it had accepted")
      guard let lastSentAt = sentAt[last], let currentSentAt = sentAt[current] else { continue }
      require(
        currentSentAt + Self.clockAgreement >= lastSentAt,
        "binding \(identifier) was changed by a PBU that is \(lastSentAt - currentSentAt) older than the accepted one")
    }
  }

  mutating func notified(_ notification: LMANotification) {
    switch notification {
    case .bindingChanged(let summary): bindings[summary.identifier] = summary
    case .bindingRemoved(let summary, let cause):
      // Not the doing of the update that is being handled.
      if cause == .expired { before[summary.identifier] = nil }
      bindings[summary.identifier] = nil
      lastAccepted[summary.identifier] = nil
    case .tunnelAdded, .tunnelRemoved, .gatewayChanged: break
    }
  }

  mutating func accepted(_ record: BindingRecord) {
    lastAccepted[record.identifier] = record.timestamp.map { Sent(node: record.node, timestamp: $0) }
  }

  mutating func anchorRestarted() {
    bindings = [:]
    lastAccepted = [:]
  }

  // MARK: At every moment

  mutating func check(_ domain: DomainSimulation, host: Host) {
    checks += 1
    // A domain of 50 nodes is large; every step of it is looked at by one seed or another.
    guard !domain.hosts[host].isBroken, domain.interfaces.count <= 15 || checks % 16 == 0 else { return }
    if host == 0 { checkAnchor(domain) } else { checkGateway(domain, host) }
  }

  private mutating func checkAnchor(_ domain: DomainSimulation) {
    let bindings = domain.anchor.bindings
    let datapath = domain.hosts[0].datapath
    var owners: [IPv6Prefix: BindingSummary] = [:]
    var defaults: [IPv6Prefix: Int] = [:]
    for binding in bindings {
      require(!binding.prefixes.isEmpty, "binding \(binding.identifier) has no prefix")
      for prefix in binding.prefixes {
        if let other = owners.updateValue(binding, forKey: prefix) {
          require(other.node == binding.node, "\(prefix) belongs to two nodes")
          require(binding.kind == .logical, "\(prefix) belongs to two interfaces of a node that shares nothing")
        }
        guard binding.state == .active else { continue }
        defaults[prefix, default: 0] += binding.isDefault ? 1 : 0
        guard binding.isDefault else { continue }
        let route = datapath.prefixRoutes[prefix]
        require(
          route == binding.tunnel || domain.anchor.pendingRegistrations > 0,
          "\(prefix) of binding \(binding.identifier) is routed to \(String(describing: route))")
      }
      guard binding.state == .active else { continue }
      require(
        datapath.tunnels[binding.tunnel]?.remote == binding.proxyCareOfAddress,
        "the tunnel of binding \(binding.identifier) does not lead to its gateway")
    }
    for (prefix, count) in defaults { require(count == 1, "\(prefix) has \(count) default attachments") }
    for (prefix, tunnel) in datapath.prefixRoutes {
      require(datapath.tunnels[tunnel] != nil, "the route of \(prefix) points to a dead tunnel")
      require(
        owners[prefix] != nil || domain.anchor.pendingRegistrations > 0, "the route of \(prefix) belongs to nobody")
    }
    guard domain.anchor.pendingRegistrations == 0, domain.hosts[0].kernelIsBusy == 0 else { return }
    require(datapath == domain.anchor.desiredDatapath, "the anchor's kernel has something else than it should")
    require(
      Set(bindings.map(\.tunnel)) == Set(datapath.tunnels.keys), "the anchor's tunnels are not those of its bindings")
  }

  private mutating func checkGateway(_ domain: DomainSimulation, _ host: Host) {
    let gateway = domain.gateways[host - 1]
    let datapath = domain.hosts[host].datapath
    let entries = gateway.list.sortedKeys.compactMap { gateway.list[$0] }
    require(datapath == gateway.desiredDatapath, "the kernel of mag\(host) has something else than it should")
    var users: [TunnelIdentifier: Int] = [:]
    var claimed: Set<IPv6Prefix> = []
    for entry in entries {
      guard let binding = entry.binding else {
        require(
          entry.state != .registered && entry.state != .refreshing, "mag\(host): \(entry.key) registered to nothing")
        continue
      }
      users[binding.tunnel, default: 0] += 1
      claimed.formUnion(binding.prefixes + binding.offLinkPrefixes)
      require(
        datapath.tunnels[binding.tunnel]?.remote == entry.identity.anchorAddress,
        "mag\(host): the tunnel of \(entry.key) does not lead to its anchor")
      for prefix in binding.prefixes {
        require(datapath.uplinks[prefix] != nil, "mag\(host): \(prefix) has no uplink")
        require(
          datapath.downlinks[prefix].map { $0.via == nil } == true, "mag\(host): \(prefix) is not routed on-link")
      }
    }
    for (tunnel, count) in users {
      require(
        gateway.tunnels.users(of: tunnel) == count,
        "mag\(host): tunnel \(tunnel) counts \(gateway.tunnels.users(of: tunnel)) users instead of \(count)")
    }
    require(Set(users.keys) == Set(datapath.tunnels.keys), "mag\(host): tunnels are not those of the attachments")
    require(
      claimed == Set(datapath.downlinks.keys) && claimed == Set(datapath.uplinks.keys),
      "mag\(host): routes are not those of the attachments")
  }

  mutating func advertised(_ plan: AdvertisementPlan, by gateway: MobileAccessGateway) {
    guard plan.routerLifetime > 0 else { return }
    let datapath = gateway.desiredDatapath
    for prefix in plan.prefixes where prefix.validLifetime > 0 {
      require(
        datapath.downlinks[prefix.prefix] != nil && datapath.uplinks[prefix.prefix] != nil,
        "\(prefix.prefix) was advertised without a route")
    }
  }

  // MARK: After quiet time

  /// Everybody who is there is registered, nobody else is, and both sides say the same.
  mutating func checkAgreement(_ domain: DomainSimulation) {
    checkAnchor(domain)
    for host in domain.hosts.indices.dropFirst() { checkGateway(domain, host) }
    let bindings = domain.anchor.bindings
    let present = domain.interfaces.filter { $0.place != nil }
    for host in domain.hosts.indices.dropFirst() {
      let here = present.filter { $0.place?.gateway == host }
      let keys = Set(here.map { AttachmentKey(link: $0.place?.link ?? "", linkLayerAddress: $0.linkLayerAddress) })
      let attachments = domain.gateways[host - 1].attachments
      require(
        Set(attachments.map { AttachmentKey(link: $0.link, linkLayerAddress: $0.linkLayerAddress) }) == keys,
        "mag\(host) knows others than those who are there")
      for attachment in attachments { checkAgreement(attachment, host, bindings, domain) }
    }
    require(bindings.allSatisfy { $0.state == .active }, "a binding still awaits its deletion")
    require(bindings.count == present.count, "\(bindings.count) bindings for \(present.count) attached interfaces")
  }

  private mutating func checkAgreement(
    _ attachment: AttachmentSummary, _ host: Host, _ bindings: [BindingSummary], _ domain: DomainSimulation
  ) {
    let name = "mag\(host) \(attachment.link) \(attachment.linkLayerAddress)"
    require(
      attachment.state == .registered || attachment.state == .refreshing,
      "\(name) is \(attachment.state.rawValue), last status \(String(describing: attachment.lastStatus?.rawValue))")
    let binding = bindings.first {
      $0.node == attachment.node && $0.accessTechnology == attachment.accessTechnology
        && $0.linkLayerIdentifier == MobileNodeLinkLayerIdentifier(attachment.linkLayerAddress)
        && $0.proxyCareOfAddress == DomainSimulation.address(of: host)
    }
    guard let binding else { return require(false, "\(name) has no binding at the anchor") }
    require(binding.prefixes == attachment.prefixes, "\(name) and the anchor disagree about its prefixes")
    let others = Set(
      bindings.filter { $0.node == attachment.node && $0.prefixes != binding.prefixes }.flatMap(\.prefixes))
    require(Set(attachment.offLinkPrefixes) == others, "\(name) does not serve the node's other prefixes")
    for prefix in attachment.prefixes {
      require(
        domain.gateways[host - 1].desiredDatapath.downlinks[prefix] != nil, "\(name): \(prefix) is not routed")
    }
  }
}
