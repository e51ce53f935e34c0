import LinuxNet

/// What a program takes for itself on a host that others use too, with the configuration keys that choose it.
public struct HostClaims: Hashable, Sendable {
  public var markMask: UInt32
  /// rtm_protocol by which our routes and rules are known; nil when there are none.
  public var routeProtocol: UInt8?
  /// Routing tables.
  public var tables: Set<UInt32>
  public var rulePriorities: Set<UInt32>
  /// Our nftables tables and the chains that they may have.
  public var nftTables: [NftTable: Set<String>]

  public init(
    markMask: UInt32, routeProtocol: UInt8? = nil, tables: Set<UInt32> = [], rulePriorities: Set<UInt32> = [],
    nftTables: [NftTable: Set<String>]
  ) {
    self.markMask = markMask
    self.routeProtocol = routeProtocol
    self.tables = tables
    self.rulePriorities = rulePriorities
    self.nftTables = nftTables
  }

  /// Names of our nftables tables.
  public var nftTableNames: Set<String> { Set(nftTables.keys.map(\.name)) }

  /// Marks, routing tables, priorities and nftables tables that other software uses already. Changes nothing.
  public func collisions() throws(LinuxError) -> [HostProblem] {
    let routing = try RouteNetlink()
    let rules = try routing.rules()
    var routes: [Route] = []
    for table in tables.sorted() { routes += try routing.routes(table: table) }
    var problems = collisions(with: rules, routes)
    let netfilter = try NetfilterSocket()
    for (table, chains) in nftTables.sorted(by: { $0.key.description < $1.key.description }) {
      let foreign = try netfilter.chains(of: table).map(\.name).filter { !chains.contains($0) }
      guard let chain = foreign.min() else { continue }
      problems.append(
        HostProblem(
          .fatal, keyPath: "nft-table",
          message: "\(table) is in use by other software: it has the chain \(chain); choose another name"))
    }
    return problems
  }

  /// - Parameters:
  ///   - rules: of the host.
  ///   - routes: of our tables.
  func collisions(with rules: [RoutingRule], _ routes: [Route]) -> [HostProblem] {
    var problems: [HostProblem] = []
    for rule in rules where rule.protocolNumber != routeProtocol {
      if let mark = rule.mark, mark.value & mark.mask & markMask != 0 {
        problems.append(
          HostProblem(
            .fatal, keyPath: "mark-mask",
            message: "\(hexadecimal(markMask)) overlaps the mark of the rule `\(rule)` of other software; choose "
              + "other bits"))
      }
      if case .lookup(let table) = rule.action, tables.contains(table) {
        problems.append(
          HostProblem(
            .fatal, keyPath: "table-base",
            message: "table \(table) is in use by other software: rule `\(rule)`; choose other table numbers"))
      }
      if rulePriorities.contains(rule.priority) {
        problems.append(
          HostProblem(
            .fatal, keyPath: "rule-priority-base",
            message: "\(rule.priority) is in use by other software: rule `\(rule)`; choose another priority"))
      }
    }
    if let route = routes.first(where: { $0.protocolNumber != routeProtocol }) {
      problems.append(
        HostProblem(
          .fatal, keyPath: "table-base",
          message: "table \(route.table) is in use by other software: route `\(route)`; choose other table numbers"))
    }
    return problems
  }
}
