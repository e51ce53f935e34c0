import LinuxNet
import NetTypes
import TerminalKit

/// What the reflector puts into the kernel for a configuration (paper, annex A.2; both engines, without a packet ever
/// leaving the kernel):
///
/// - chain `input`: a packet of a connection that arrives on interface n sets our bits of the connection's mark to n;
/// - chain `output`, of type route: a packet of a connection with such a mark that would leave by another interface gets
///   it as packet mark and is routed again;
/// - a rule sends packets with mark n to table n, which holds copies of the main table's routes of interface n. While
///   the interface is away the table is empty, and the main table decides.
///
/// Link-local and multicast packets, and so Neighbor Discovery, are left alone, and so are packets that others have
/// marked: a VPN's rule that matches its whole mark would not match it beside ours. ICMPv6 errors about a connection do
/// not say where its downlink is, so they do not count as arrivals.
struct ReflectorPlan: Hashable {
  struct Interface: Hashable {
    var name: String
    /// 1...
    var number: UInt32
    /// The number at its place under the mask.
    var mark: UInt32
    var routingTable: UInt32
    var rulePriority: UInt32
  }

  let interfaces: [Interface]
  let marks: AccessMarks
  let routeProtocol: UInt8
  let table: NftTable

  init(_ configuration: ReflectorConfiguration) {
    let marks = AccessMarks(mask: configuration.markMask)
    interfaces = configuration.interfaces.enumerated().map { index, name in
      let number = UInt32(index + 1)
      return Interface(
        name: name, number: number, mark: marks.mark(number), routingTable: configuration.tableBase + number,
        rulePriority: configuration.rulePriorityBase + UInt32(index))
    }
    self.marks = marks
    routeProtocol = configuration.routeProtocol
    table = NftTable(name: configuration.nftTable)
  }

  var markMask: UInt32 { marks.mask }

  /// What other software must not use.
  var claims: HostClaims {
    HostClaims(
      markMask: markMask, routeProtocol: routeProtocol, tables: Set(interfaces.map(\.routingTable)),
      rulePriorities: Set(interfaces.map(\.rulePriority)), nftTables: [table: ["input", "output"]])
  }

  func interface(ofMark mark: UInt32) -> Interface? { interfaces.first { $0.mark == mark & markMask } }

  // MARK: nftables

  /// Comments of the rules, by which counters are found again, and which tell a later start what marks meant.
  func arrivalComment(_ interface: Interface) -> String {
    "from \(interface.name), mark \(hexadecimal(interface.mark))"
  }
  /// Of packets that the main table sends by the right interface.
  func stayingComment(_ interface: Interface) -> String { "stays on \(interface.name)" }
  func departureComment(_ interface: Interface) -> String {
    "to \(interface.name), mark \(hexadecimal(interface.mark))"
  }
  static let releaseComment = "from another interface"
  static let foreignComment = "marked by others"

  /// Replaces the table, or makes it, in one step.
  var installation: NftTransaction {
    var transaction = NftTransaction.replacement(of: table)
    let input = "input"
    transaction.addChain(input, base: NftBaseChain(hook: .input, priority: NftBaseChain.manglePriority))
    leaveAlone(.sourceAddress, ["fe80::/10"], in: input, &transaction)
    leaveAlone(.destinationAddress, ["fe80::/10", "ff00::/8"], in: input, &transaction)
    transaction.addRule(
      chain: input, NftExpression.matchRelated + [.verdict(.return)], comment: "errors about a connection")
    for interface in interfaces {
      transaction.addRule(
        chain: input,
        NftExpression.matchInputInterface(interface.name)
          + NftExpression.mergeConntrackMark(interface.mark, mask: markMask) + [.counter, .verdict(.return)],
        comment: arrivalComment(interface))
    }
    // A connection that has moved to an interface of no concern to us follows the main table again.
    transaction.addRule(
      chain: input,
      NftExpression.matchConntrackMark(0, mask: markMask, .notEqual)
        + NftExpression.mergeConntrackMark(0, mask: markMask) + [.counter],
      comment: Self.releaseComment)

    let output = "output"
    transaction.addChain(
      output, base: NftBaseChain(kind: .route, hook: .output, priority: NftBaseChain.manglePriority))
    // So it is with link-local and multicast packets, whose connections never get a mark.
    transaction.addRule(
      chain: output, NftExpression.matchConntrackMark(0, mask: markMask) + [.verdict(.return)],
      comment: "seen on none of our interfaces")
    transaction.addRule(
      chain: output, NftExpression.matchMark(0, mask: ~markMask, .notEqual) + [.counter, .verdict(.return)],
      comment: Self.foreignComment)
    for interface in interfaces {
      let belongs = NftExpression.matchConntrackMark(interface.mark, mask: markMask)
      // Routing a packet again costs as much as routing it, so only those that go wrong are.
      transaction.addRule(
        chain: output,
        belongs + NftExpression.matchOutputInterface(interface.name) + [.counter, .verdict(.return)],
        comment: stayingComment(interface))
      transaction.addRule(
        chain: output,
        belongs + NftExpression.mergeMark(interface.mark, mask: markMask) + [.counter, .verdict(.return)],
        comment: departureComment(interface))
    }
    return transaction
  }

  private func leaveAlone(
    _ field: IPv6Field, _ prefixes: [String], in chain: String, _ transaction: inout NftTransaction
  ) {
    for prefix in prefixes.compactMap(IPv6Prefix.init) {
      transaction.addRule(
        chain: chain, NftExpression.matchPrefix(prefix, in: field) + [.verdict(.return)], comment: "\(prefix)")
    }
  }

  // MARK: Rules and routes

  var rules: [RoutingRule] {
    interfaces.map { interface in
      RoutingRule(
        priority: interface.rulePriority, .lookup(table: interface.routingTable),
        mark: RoutingRule.Mark(value: interface.mark, mask: markMask), protocolNumber: routeProtocol)
    }
  }

  /// Bound of the copies for one interface; a terminal has a handful.
  static let maximumRoutes = 1_024

  struct Copies: Hashable {
    var routes: [Route] = []
    /// Routes that were left out because of `maximumRoutes`.
    var omitted = 0
  }

  /// The copies for our tables: every unicast route of an interface in the main table, but for link-local and
  /// multicast destinations. Of several routers with equal metric each gets one of its own, in the kernel's order: it
  /// takes the next when the first does not answer.
  func routes(copying main: [Route], indices: [String: UInt32]) -> Copies {
    var copies = Copies()
    for interface in interfaces {
      guard let index = indices[interface.name] else { continue }
      let own = main.filter { route in
        route.interface == index && route.kind == .unicast && route.source == nil && route.encapsulation == nil
          && !route.destination.address.isLinkLocal && !route.destination.address.isMulticast
      }
      copies.omitted += max(0, own.count - Self.maximumRoutes)
      var taken: Set<RouteKey> = []
      for route in own.prefix(Self.maximumRoutes) {
        var copy = Route(
          to: route.destination, table: interface.routingTable, protocolNumber: routeProtocol, metric: route.metric,
          interface: index, gateway: route.gateway, mtu: route.mtu)
        while !taken.insert(RouteKey(copy)).inserted { copy.metric += 1 }
        copies.routes.append(copy)
      }
    }
    return copies
  }

  /// What the kernel tells routes apart by, for one of our tables.
  struct RouteKey: Hashable {
    var destination: IPv6Prefix
    var table: UInt32
    var metric: UInt32

    init(_ route: Route) {
      destination = route.destination
      table = route.table
      metric = route.metric
    }
  }

  /// What turns the routes that are there into the wanted ones. New ones come first, so that there is always a route.
  static func changes(from present: [Route], to wanted: [Route]) -> [KernelRequest] {
    let missing = Set(wanted).subtracting(present)
    let wantedKeys = Set(wanted.map(RouteKey.init))
    return wanted.filter(missing.contains).map(\.replacement)
      + present.filter { !wantedKeys.contains(RouteKey($0)) }.map(\.removal)
  }
}
