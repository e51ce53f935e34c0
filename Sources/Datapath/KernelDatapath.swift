import DatapathModel
import Glibc
import LinuxNet
import NetTypes

/// The data plane in the Linux kernel, in the network namespace in which it was created. See `ObjectPlan` for what it
/// installs.
public final class KernelDatapath: Datapath {
  public private(set) var configuration: DatapathConfiguration
  public let encapsulation: EncapsulationMode
  private let netlink: RouteNetlink
  private var tunnels: [TunnelIdentifier: TunnelDescription] = [:]
  /// Of `tunnels`; nil at a gateway.
  private var markRules: MarkRules?

  /// Opens netlink and settles what `auto` means; changes nothing else. `reconcile` comes next.
  public init(_ configuration: DatapathConfiguration) throws(LinuxError) {
    self.configuration = configuration
    markRules = configuration.markRules
    netlink = try RouteNetlink()
    switch configuration.encapsulation {
    case .ip6tnl: encapsulation = .ip6tnl
    case .srv6: encapsulation = .srv6
    case .auto:
      let devices = DeviceTunnels(netlink: netlink, alias: configuration.deviceAlias)
      encapsulation = try devices.isSupported() ? .ip6tnl : .srv6
    }
  }

  private var plan: ObjectPlan { ObjectPlan(configuration: configuration, mode: encapsulation) }
  private var devices: DeviceTunnels { DeviceTunnels(netlink: netlink, alias: configuration.deviceAlias) }
  private var segmentRoutes: SegmentRouteTunnels {
    SegmentRouteTunnels(netlink: netlink, configuration: configuration)
  }

  /// The interface of a tunnel; nil when the encapsulation has none.
  public func deviceName(of tunnel: TunnelIdentifier) -> String? {
    encapsulation == .ip6tnl ? DeviceTunnels.name(tunnel) : nil
  }

  public func tunnelMTU() throws(LinuxError) -> UInt32 {
    var smallest = try? netlink.link(named: configuration.coreInterface).mtu
    for link in configuration.furtherLinks {
      // An uplink may be away; its tunnels carry nothing then.
      if let mtu = try? netlink.link(named: link.interface).mtu { smallest = min(smallest ?? mtu, mtu) }
    }
    let mtu = if let smallest { smallest } else { try netlink.link(named: configuration.coreInterface).mtu }
    return mtu - DatapathConfiguration.tunnelOverhead
  }

  // MARK: Applying

  public func apply(_ lists: [[DatapathChange]]) -> [DatapathResult] {
    var run = ChangeRun(netlink: netlink)
    for changes in lists {
      run.beginList()
      for change in changes {
        do {
          try add(change, to: &run)
        } catch {
          run.fail(change, error)
        }
      }
    }
    run.flush()
    return run.results
  }

  private func add(_ change: DatapathChange, to run: inout ChangeRun) throws(LinuxError) {
    switch change {
    case .addTunnel(let tunnel):
      try check(tunnel)
      // A number in new use must not keep what belonged to the earlier tunnel.
      if let old = tunnels[tunnel.identifier], old != tunnel { try add(.removeTunnel(old.identifier), to: &run) }
      if encapsulation == .ip6tnl {
        run.flush()
        run.forgetIndexes()
        _ = try devices.ensure(tunnel, mtu: try tunnelMTU())
      }
      tunnels[tunnel.identifier] = tunnel
      let output = try output(of: tunnel, &run)
      let core = try run.index(of: configuration.coreInterface(of: tunnel.local))
      for route in plan.routes(of: tunnel, output, core: core) { run.add(change, route.replacement) }
      for rule in plan.rules(of: tunnel) { run.add(change, rule.addition) }
      if let rules = markRules?.insert(tunnel.identifier) { add(rules, of: change, to: &run) }

    case .removeTunnel(let identifier):
      guard let tunnel = tunnels.removeValue(forKey: identifier) else { return }
      for rule in plan.rules(of: tunnel) { run.add(change, rule.removal) }
      if let rules = markRules?.remove(identifier) { add(rules, of: change, to: &run) }
      // Routes are removed by their key; the interface does not matter.
      for var route in plan.routes(of: tunnel, TunnelOutput(interface: 0), core: 0) {
        route.interface = nil
        run.add(change, route.removal)
      }
      if encapsulation == .ip6tnl {
        run.flush()
        run.forgetIndexes()
        try devices.remove(identifier)
      }

    case .setPrefixRoute(let prefix, let identifier):
      let output = try output(of: try tunnel(identifier, for: prefix), &run)
      run.add(change, plan.prefixRoute(prefix, output).replacement)
    case .removePrefixRoute(let prefix):
      run.add(change, plan.prefixRoute(prefix, nil).removal)

    case .setUplink(let prefix, let identifier):
      let output = try output(of: try tunnel(identifier, for: prefix), &run)
      run.add(change, try uplink(prefix, output).replacement)
    case .removeUplink(let prefix):
      run.add(change, try uplink(prefix, nil).removal)

    case .setDownlink(let prefix, let link, let via):
      for route in plan.downlinks(prefix, interface: try run.index(of: link), via: via) {
        run.add(change, route.replacement)
      }
    case .removeDownlink(let prefix):
      for route in plan.downlinks(prefix, interface: nil, via: nil) { run.add(change, route.removal) }
    }
  }

  private func add(_ rules: MarkRules.Change, of change: DatapathChange, to run: inout ChangeRun) {
    for rule in rules.additions { run.add(change, rule.addition) }
    for rule in rules.removals { run.add(change, rule.removal) }
  }

  private func tunnel(
    _ identifier: TunnelIdentifier, for prefix: IPv6Prefix
  ) throws(LinuxError) -> TunnelDescription {
    guard let tunnel = tunnels[identifier] else {
      throw LinuxError(
        "set route", "\(prefix) into tunnel \(identifier)", code: ENOENT, advice: "the tunnel was not installed")
    }
    return tunnel
  }

  private func uplink(_ prefix: IPv6Prefix, _ output: TunnelOutput?) throws(LinuxError) -> Route {
    guard let route = plan.uplink(prefix, output) else {
      throw LinuxError("set uplink", "\(prefix)", code: EINVAL, advice: "uplinks belong to gateways")
    }
    return route
  }

  private func check(_ tunnel: TunnelDescription) throws(LinuxError) {
    if case .anchor(let anchor) = configuration.role {
      guard (1...anchor.markLayout.maximumTunnels).contains(tunnel.identifier.rawValue) else {
        throw LinuxError(
          "add tunnel", "\(tunnel.identifier)", code: ERANGE,
          advice: "the mark mask has room for tunnels 1...\(anchor.markLayout.maximumTunnels)")
      }
    }
    let links = configuration.coreLinks
    guard encapsulation == .ip6tnl || links.contains(where: { $0.address == tunnel.local }) else {
      throw LinuxError(
        "add tunnel", "\(tunnel.local) -> \(tunnel.remote)", code: EADDRNOTAVAIL,
        advice: "encapsulation srv6 can send from \(links.map(\.address.description).joined(separator: ", ")) only; "
          + "use ip6tnl for other addresses")
    }
  }

  private func output(of tunnel: TunnelDescription, _ run: inout ChangeRun) throws(LinuxError) -> TunnelOutput {
    switch encapsulation {
    case .ip6tnl: TunnelOutput(interface: try run.index(of: DeviceTunnels.name(tunnel.identifier)))
    case .srv6:
      TunnelOutput(
        interface: try run.index(of: configuration.coreInterface(of: tunnel.local)),
        encapsulation: .segments([tunnel.remote]))
    }
  }

  // MARK: Reconciling

  public func reconfigure(
    _ configuration: DatapathConfiguration, snapshot: DatapathSnapshot
  ) throws(LinuxError) -> ReconcileReport {
    self.configuration = configuration
    return try reconcile(to: snapshot)
  }

  public func reconcile(to snapshot: DatapathSnapshot) throws(LinuxError) -> ReconcileReport {
    var report = ReconcileReport()
    tunnels = snapshot.tunnels
    // An earlier run may have used the other encapsulation: what it has left goes, too.
    if encapsulation == .srv6 {
      report.set += try segmentRoutes.prepare()
    } else {
      report.removed += try segmentRoutes.restore()
      report.removed += try devices.removeConflicting(with: snapshot.tunnels.values)
      for tunnel in snapshot.tunnels.values { ensureDevice(tunnel, &report) }
    }
    let wanted = wantedObjects(snapshot, &report)
    // Those of priority 0 are the business of SegmentRouteTunnels.
    let ourRules = try netlink.rules().filter {
      $0.protocolNumber == configuration.routeProtocol && $0.priority != SegmentRouteTunnels.firstPriority
    }
    let ourRoutes = try netlink.routes(protocolNumber: configuration.routeProtocol)

    let presentRules = Set(ourRules)
    let presentRoutes = Set(ourRoutes)
    let wantedKeys = Set(wanted.routes.map(RouteKey.init))
    let staleRules = ourRules.filter { !wanted.rules.contains($0) }
    // Shortcuts that are not wanted go first: they may be of a configuration with other targets.
    let shortcuts = staleRules.filter(\.isGoTo).map(\.removal)
    var setting = wanted.routes.filter { !presentRoutes.contains($0) }.map(\.replacement)
    // The last one first: targets before the rules that lead to them.
    setting += wanted.rules.filter { !presentRules.contains($0) }.sorted { $0.priority > $1.priority }.map(\.addition)
    // All else that is not wanted goes after what is wanted has come; rules before the tables they lead to.
    var sweeping = staleRules.filter { !$0.isGoTo }.map(\.removal)
    sweeping += ourRoutes.filter { !wantedKeys.contains(RouteKey($0)) }.map(\.removal)

    let failures = try netlink.batch(shortcuts + setting + sweeping)
    report.failures += failures.map(\.error)
    let settingIndexes = shortcuts.count..<shortcuts.count + setting.count
    let refusedSettings = failures.count { settingIndexes.contains($0.index) }
    report.set += setting.count - refusedSettings
    report.removed += shortcuts.count + sweeping.count - (failures.count - refusedSettings)
    report.kept += wanted.routes.count + wanted.rules.count - setting.count
    let kept = encapsulation == .ip6tnl ? Array(snapshot.tunnels.keys) : []
    report.removed += try devices.sweep(except: kept)
    return report
  }

  private func ensureDevice(_ tunnel: TunnelDescription, _ report: inout ReconcileReport) {
    do {
      switch try devices.ensure(tunnel, mtu: try tunnelMTU()) {
      case .kept: report.kept += 1
      case .set: report.set += 1
      }
    } catch {
      report.failures.append(error)
    }
  }

  /// Everything that `snapshot` stands for. An object whose interface is missing is a failure of the report.
  private func wantedObjects(
    _ snapshot: DatapathSnapshot, _ report: inout ReconcileReport
  ) -> (routes: Set<Route>, rules: Set<RoutingRule>) {
    var run = ChangeRun(netlink: netlink)
    var routes = Set(plan.standingRoutes)
    var rules = Set(plan.standingRules)
    markRules = configuration.markRules
    func attempt(_ body: () throws(LinuxError) -> Void) {
      do { try body() } catch { report.failures.append(error) }
    }
    for tunnel in snapshot.tunnels.values {
      attempt { () throws(LinuxError) in
        try check(tunnel)
        let core = try run.index(of: configuration.coreInterface(of: tunnel.local))
        routes.formUnion(plan.routes(of: tunnel, try output(of: tunnel, &run), core: core))
        rules.formUnion(plan.rules(of: tunnel))
        _ = markRules?.insert(tunnel.identifier)
      }
    }
    rules.formUnion(markRules?.rules ?? [])
    for (prefix, identifier) in snapshot.prefixRoutes {
      attempt { () throws(LinuxError) in
        routes.insert(plan.prefixRoute(prefix, try output(of: try tunnel(identifier, for: prefix), &run)))
      }
    }
    for (prefix, identifier) in snapshot.uplinks {
      attempt { () throws(LinuxError) in
        routes.insert(try uplink(prefix, try output(of: try tunnel(identifier, for: prefix), &run)))
      }
    }
    for (prefix, downlink) in snapshot.downlinks {
      attempt { () throws(LinuxError) in
        let interface = try run.index(of: downlink.link)
        routes.formUnion(plan.downlinks(prefix, interface: interface, via: downlink.via))
      }
    }
    return (routes, rules)
  }

  // MARK: Leaving

  public func teardown() throws(LinuxError) -> [LinuxError] {
    tunnels = [:]
    markRules = configuration.markRules
    _ = try segmentRoutes.restore()
    let rules = try netlink.rules().filter { $0.protocolNumber == configuration.routeProtocol }
    let routes = try netlink.routes(protocolNumber: configuration.routeProtocol)
    let failures = try netlink.batch(rules.map(\.removal) + routes.map(\.removal))
    _ = try devices.sweep(except: [])
    return failures.map(\.error)
  }
}

/// What the kernel tells routes apart by, within one protocol.
private struct RouteKey: Hashable {
  var destination: IPv6Prefix
  var source: IPv6Prefix?
  var table: UInt32
  var metric: UInt32

  init(_ route: Route) {
    destination = route.destination
    source = route.source
    table = route.table
    metric = route.metric
  }
}
