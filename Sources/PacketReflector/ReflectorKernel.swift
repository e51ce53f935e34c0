import LinuxNet
import NetTypes
import TerminalKit

/// Puts a `ReflectorPlan` into the kernel, keeps its routes up to date and takes it out again.
///
/// What is ours is known by the name of the nftables table and by the protocol number of routes and rules, so a start
/// after a crash finds it, changes what differs and sweeps the rest; connections keep their marks meanwhile.
final class ReflectorKernel {
  let plan: ReflectorPlan
  private let netfilter: NetfilterSocket
  private let conntrack: ConntrackSocket
  private let tables: RouteNetlink

  /// Routes that the kernel refused, since the start.
  private(set) var refusedRoutes: UInt64 = 0
  /// Changes of our tables, since the start.
  private(set) var routeChanges: UInt64 = 0
  /// Of our rules, which others have taken out, since the start.
  private(set) var restoredRules: UInt64 = 0
  /// Routes that there is no room for now.
  private(set) var omittedRoutes = 0

  init(_ plan: ReflectorPlan) throws(LinuxError) {
    self.plan = plan
    netfilter = try NetfilterSocket()
    conntrack = try ConntrackSocket()
    tables = try RouteNetlink()
  }

  /// Whether the kernel would take our nftables table; changes nothing.
  func check() throws(LinuxError) { try netfilter.check(plan.installation) }

  // MARK: Putting in and taking out

  /// Routes first, then rules, then marks: a packet never gets a mark that leads nowhere.
  func install() throws(LinuxError) {
    let meanings = Set(plan.interfaces.map(plan.arrivalComment))
    let earlier = Set(
      try netfilter.rules(of: plan.table).compactMap(\.comment).filter { $0.hasPrefix("from ") && $0.contains("mark") })
    // Marks of a run with another numbering of interfaces would send flows the wrong way.
    if !earlier.isEmpty, earlier != meanings { try netfilter.commit(.removal(of: plan.table)) }
    if earlier != meanings { _ = try releaseFlows() }
    _ = try followRoutes()
    _ = try installRules()
    try netfilter.commit(plan.installation)
  }

  /// Takes out everything of ours, in the reverse order, and our bits off the marks of connections.
  func remove() throws(LinuxError) -> RemovalResult {
    let hadTable = try netfilter.tableExists(plan.table)
    if hadTable { try netfilter.commit(.removal(of: plan.table)) }
    let released = try releaseFlows()
    let rules = try ownRules()
    try apply(rules.map(\.removal))
    let routes = try ownRoutes()
    try apply(routes.map(\.removal))
    return RemovalResult(
      tables: hadTable ? 1 : 0, rules: rules.count, routes: routes.count, releasedFlows: released)
  }

  /// Gives how many were missing.
  private func installRules() throws(LinuxError) -> Int {
    let present = try ownRules()
    let missing = plan.rules.filter { !present.contains($0) }
    try apply(missing.map(\.addition))
    try apply(present.filter { !plan.rules.contains($0) }.map(\.removal))
    return missing.count
  }

  private func ownRules() throws(LinuxError) -> [RoutingRule] {
    try tables.rules().filter { $0.protocolNumber == plan.routeProtocol }
  }

  private func ownRoutes() throws(LinuxError) -> [Route] { try tables.routes(protocolNumber: plan.routeProtocol) }

  private func apply(_ requests: [KernelRequest]) throws(LinuxError) {
    if let failure = try tables.batch(requests).first { throw failure.error }
  }

  /// Makes our tables agree with the main table, and puts back rules that others have taken out. Gives the refusals of
  /// routes: an interface that has gone meanwhile is not worth more than a log line, because its event is on the way.
  func follow() throws(LinuxError) -> [LinuxError] {
    restoredRules += UInt64(try installRules())
    return try followRoutes()
  }

  private func followRoutes() throws(LinuxError) -> [LinuxError] {
    let copies = plan.routes(
      copying: try tables.routes(table: Route.mainTable), indices: try interfaceIndices())
    omittedRoutes = copies.omitted
    let requests = ReflectorPlan.changes(from: try ownRoutes(), to: copies.routes)
    let failures = try tables.batch(requests).map(\.error)
    routeChanges += UInt64(requests.count - failures.count)
    refusedRoutes += UInt64(failures.count)
    return failures
  }

  private func interfaceIndices() throws(LinuxError) -> [String: UInt32] {
    Dictionary(try tables.links().map { ($0.name, $0.index) }) { first, _ in first }
  }

  // MARK: Flows

  /// The connections that have been seen on one of our interfaces.
  func flows() throws(LinuxError) -> [ReflectedFlow] {
    try conntrack.entries(markedUnder: plan.markMask).map { entry in
      ReflectedFlow(
        source: entry.source, destination: entry.destination,
        protocol: TransportProtocol(rawValue: entry.transport).description,
        sourcePort: entry.ports?.source, destinationPort: entry.ports?.destination,
        interface: plan.interface(ofMark: entry.mark)?.name, mark: hexadecimal(entry.mark & plan.markMask),
        remainingSeconds: Int(entry.timeout.components.seconds))
    }
  }

  /// Takes our bits off the marks of all connections: they follow the main table until their next downlink packet.
  func releaseFlows() throws(LinuxError) -> Int { try conntrack.release(markedUnder: plan.markMask) }

  // MARK: State

  func status() throws(LinuxError) -> ReflectorStatus {
    let links = try tables.links()
    let routes = try ownRoutes()
    let counted = Dictionary(
      try netfilter.rules(of: plan.table).compactMap { rule in
        rule.comment.flatMap { comment in rule.counter.map { (comment, $0) } }
      }
    ) { first, _ in first }
    let flows = try conntrack.entries(markedUnder: plan.markMask)
    let interfaces = plan.interfaces.map { interface in
      let link = links.first { $0.name == interface.name }
      let own = routes.filter { $0.table == interface.routingTable }
      let arrived = counted[plan.arrivalComment(interface)]
      let departed = [plan.stayingComment(interface), plan.departureComment(interface)].compactMap { counted[$0] }
      return ReflectorStatus.Interface(
        name: interface.name, number: interface.number, mark: hexadecimal(interface.mark),
        table: interface.routingTable, isPresent: link != nil, isUp: link?.hasCarrier ?? false,
        gateways: own.filter { $0.destination.length == 0 }.compactMap(\.gateway), routes: own.count,
        flows: flows.count { plan.interface(ofMark: $0.mark) == interface }, downlinkPackets: arrived?.packets ?? 0,
        downlinkOctets: arrived?.octets ?? 0, uplinkPackets: departed.reduce(0) { $0 + $1.packets },
        uplinkOctets: departed.reduce(0) { $0 + $1.octets })
    }
    return ReflectorStatus(
      interfaces: interfaces,
      counters: [
        "route-changes": routeChanges, "refused-routes": refusedRoutes,
        "omitted-routes": UInt64(omittedRoutes), "restored-rules": restoredRules,
        "released-packets": counted[ReflectorPlan.releaseComment]?.packets ?? 0,
        "packets-marked-by-others": counted[ReflectorPlan.foreignComment]?.packets ?? 0,
        "rerouted-packets": plan.interfaces.reduce(0) {
          $0 + (counted[plan.departureComment($1)]?.packets ?? 0)
        },
      ])
  }
}
