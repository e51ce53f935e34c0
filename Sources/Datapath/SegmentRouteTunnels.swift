import DatapathModel
import Glibc
import LinuxNet
import NetTypes

/// What `srv6` needs beside routes: the source address of encapsulation, and a rule that has encapsulated packets to
/// our own address decapsulated before the local table claims them.
///
/// The kernel's rule for the local table has priority 0, and nothing goes before 0. But rules of equal priority are
/// asked in the order in which they were added: so the decapsulation rule is added at 0, the local table's rule is added
/// again behind it with our tag, and the kernel's first one is removed. At every moment some rule leads to the local
/// table. For everything but our tunnels nothing changes, and no rule of others ends up before the local table.
struct SegmentRouteTunnels {
  let netlink: RouteNetlink
  let configuration: DatapathConfiguration

  static let firstPriority: UInt32 = 0

  /// With several uplinks unspecified: the kernel then takes the address of the interface that a packet leaves by.
  private var source: IPv6Address {
    configuration.furtherLinks.isEmpty ? configuration.localAddress : .unspecified
  }

  /// Brings about source address and rule order; gives the number of things changed.
  func prepare() throws(LinuxError) -> Int {
    var changes = 0
    let segments = try SegmentRoutingNetlink()
    if try segments.encapsulationSource() != source {
      try segments.setEncapsulationSource(source)
      changes += 1
    }
    return try changes + orderRules()
  }

  /// Undoes `prepare`; gives the number of things changed.
  func restore() throws(LinuxError) -> Int {
    var changes = 0
    let rules = try netlink.rules().filter { $0.priority == Self.firstPriority }
    let ours = rules.filter { $0.protocolNumber == configuration.routeProtocol }
    if ours.contains(where: isLocal) {
      if !rules.contains(where: { isLocal($0) && $0.protocolNumber == RoutingRule.kernelProtocol }) {
        try netlink.run(local(protocolNumber: RoutingRule.kernelProtocol).repeatedAddition)
      }
    }
    for rule in ours {
      try netlink.run(rule.removal)
      changes += 1
    }
    do {
      let segments = try SegmentRoutingNetlink()
      if try segments.encapsulationSource() == configuration.localAddress {
        try segments.setEncapsulationSource(.unspecified)
        changes += 1
      }
    } catch {
      // A kernel without segment routing has no source address to reset.
      guard error.code == ENOENT || error.code == EOPNOTSUPP else { throw error }
    }
    return changes
  }

  private func orderRules() throws(LinuxError) -> Int {
    let wanted = configuration.coreLinks.map { link in
      RoutingRule(
        priority: Self.firstPriority, .lookup(table: configuration.decapsulationTable),
        destination: .host(link.address), ipProtocol: UInt8(IPPROTO_IPV6),
        protocolNumber: configuration.routeProtocol)
    }
    let rules = try netlink.rules().filter { $0.priority == Self.firstPriority }
    var changes = 0
    let stale = rules.filter {
      $0.protocolNumber == configuration.routeProtocol && !wanted.contains($0) && !isLocal($0)
    }
    for rule in stale {
      try netlink.run(rule.removal)
      changes += 1
    }
    let locals = rules.filter(isLocal)
    if let first = rules.firstIndex(where: isLocal), wanted.allSatisfy(rules[..<first].contains) { return changes }
    for rule in wanted where !rules.contains(rule) { try netlink.run(rule.addition) }
    try netlink.run(local(protocolNumber: configuration.routeProtocol).repeatedAddition)
    // Deleting by content takes the first match, which is the one before the decapsulation rule.
    for rule in locals { try netlink.run(rule.removal) }
    return changes + 1
  }

  private func isLocal(_ rule: RoutingRule) -> Bool {
    rule == local(protocolNumber: rule.protocolNumber)
  }

  private func local(protocolNumber: UInt8) -> RoutingRule {
    RoutingRule(
      priority: Self.firstPriority, .lookup(table: Route.localTable), protocolNumber: protocolNumber)
  }
}
