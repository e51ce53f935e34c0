import DatapathModel
import Glibc
import LinuxNet
import NetTypes

/// Checks a host before anything is changed on it: privileges, interfaces, forwarding, the kernel's tunnels, and whether
/// other software uses our marks, rule priority or tables.
public struct DatapathPreflight {
  private let configuration: DatapathConfiguration
  private var problems: [HostProblem] = []

  private init(_ configuration: DatapathConfiguration) { self.configuration = configuration }

  /// All problems found; none: go ahead. Makes and deletes a probe object to see whether the kernel has the wanted kind
  /// of tunnel.
  public static func check(_ configuration: DatapathConfiguration) -> [HostProblem] {
    var preflight = DatapathPreflight(configuration)
    preflight.checkCapabilities()
    preflight.checkForwarding()
    do {
      let netlink = try RouteNetlink()
      preflight.checkInterfaces(netlink)
      try preflight.checkRules(netlink)
      try preflight.checkTables(netlink)
      if preflight.problems.allSatisfy({ $0.severity != .fatal }) { try preflight.checkTunnels(netlink) }
    } catch {
      preflight.fatal(error.description)
    }
    return preflight.problems
  }

  /// `key` is a key of the section `datapath`, or a path from the top when it starts with a dot.
  private mutating func report(_ severity: HostProblem.Severity, _ key: String, _ text: String) {
    let path = key.hasPrefix(".") ? String(key.dropFirst()) : key.isEmpty ? "datapath" : "datapath.\(key)"
    problems.append(HostProblem(severity, keyPath: path, message: text))
  }
  private mutating func fatal(_ text: String, key: String = "") { report(.fatal, key, text) }
  private mutating func warn(_ text: String, key: String = "") { report(.warning, key, text) }

  private mutating func checkCapabilities() {
    for capability in Capability.allCases where !capability.isEffective {
      fatal("the process lacks \(capability.rawValue); run it as root or grant it in the service unit")
    }
  }

  private mutating func checkForwarding() {
    let parameter = KernelParameter.ipv6Forwarding
    do {
      guard try parameter.read() == "1" else {
        return fatal("IPv6 forwarding is off; set \(parameter)=1 (sysctl -w \(parameter)=1)")
      }
    } catch {
      fatal(error.description)
    }
  }

  private mutating func checkInterfaces(_ netlink: RouteNetlink) {
    var interfaces = [(Self.coreKey, configuration.coreInterface)]
    if case .gateway(let gateway) = configuration.role {
      interfaces += gateway.accessLinks.enumerated().map { (".access-links[\($0.offset)].interface", $0.element) }
    }
    for (key, name) in interfaces {
      do {
        let link = try netlink.link(named: name)
        if !link.isUp { warn("\(name) is down; set it up (ip link set \(name) up)", key: key) }
        if key == Self.coreKey, link.mtu < Self.minimumCoreMTU {
          fatal("\(name) has MTU \(link.mtu); a tunnel needs at least \(Self.minimumCoreMTU)", key: key)
        }
      } catch {
        if configuration.isSessionLink(name) {
          warn("there is no interface \(name) yet (`ip link`); its node is registered when it comes", key: key)
          continue
        }
        fatal("\(name): \(error.reason); expected an interface of this host (`ip link`)", key: key)
      }
    }
    if let addresses = try? netlink.addresses(),
      !addresses.contains(where: { $0.address == configuration.localAddress })
    {
      let key = if case .anchor = configuration.role { ".addresses" } else { ".proxy-care-of-address" }
      warn("\(configuration.localAddress) is not configured on this host (`ip -6 address`)", key: key)
    }
    for (index, uplink) in configuration.furtherLinks.enumerated() { checkUplink(uplink, number: index + 1, netlink) }
  }

  /// One that is away may come.
  private mutating func checkUplink(
    _ uplink: DatapathConfiguration.CoreLink, number: Int, _ netlink: RouteNetlink
  ) {
    let key = ".uplinks[\(number)]"
    guard let link = try? netlink.link(named: uplink.interface) else {
      return warn("there is no interface \(uplink.interface) yet (`ip link`)", key: "\(key).interface")
    }
    if link.mtu < Self.minimumCoreMTU {
      fatal(
        "\(link.name) has MTU \(link.mtu); a tunnel needs at least \(Self.minimumCoreMTU)", key: "\(key).interface")
    }
    if let addresses = try? netlink.addresses(),
      !addresses.contains(where: { $0.address == uplink.address && $0.interface == link.index })
    {
      warn("\(uplink.address) is not configured on \(link.name) (`ip -6 address`)", key: "\(key).address")
    }
  }

  private static let coreKey = "core-interface"
  /// The IPv6 minimum of 1280 must fit into the tunnel (RFC 8200 section 5).
  private static let minimumCoreMTU = 1_280 + DatapathConfiguration.tunnelOverhead

  private var tableKey: String { if case .anchor = configuration.role { "table-base" } else { "uplink-table" } }

  private mutating func checkRules(_ netlink: RouteNetlink) throws(LinuxError) {
    for rule in try netlink.rules() where rule.protocolNumber != configuration.routeProtocol {
      let priorities = configuration.rulePriorities
      if priorities.contains(rule.priority) {
        let range =
          priorities.count > 1
          ? "; ours lead packets past others from \(priorities.lowerBound) to "
            + "\(priorities.upperBound), choose another range" : ""
        warn("\(rule.priority) is in use by other software: `\(rule)`\(range)", key: "rule-priority-base")
      }
      if case .lookup(let table) = rule.action, configuration.tables.contains(table) {
        fatal("table \(table) is in use by other software: rule `\(rule)`; choose other table numbers", key: tableKey)
      }
      if case .anchor(let anchor) = configuration.role, let mark = rule.mark, mark.mask & anchor.markLayout.mask != 0 {
        fatal(
          "0x\(String(anchor.markLayout.mask, radix: 16)) overlaps the mark of the rule `\(rule)` of other software; "
            + "choose other bits", key: "mark-mask")
      }
    }
  }

  private mutating func checkTables(_ netlink: RouteNetlink) throws(LinuxError) {
    var tables: Set = [configuration.tables.lowerBound, configuration.decapsulationTable]
    if case .gateway(let gateway) = configuration.role { tables.insert(gateway.downlinkTable) }
    for table in tables.sorted() {
      let routes = try netlink.routes(table: table)
      if let other = routes.first(where: { $0.protocolNumber != configuration.routeProtocol }) {
        fatal("table \(table) is in use by other software: route `\(other)`; choose other table numbers", key: tableKey)
      }
    }
  }

  private mutating func checkTunnels(_ netlink: RouteNetlink) throws(LinuxError) {
    if configuration.encapsulation != .srv6 {
      if try DeviceTunnels(netlink: netlink, alias: configuration.deviceAlias).isSupported() { return }
      if configuration.encapsulation == .ip6tnl {
        return fatal(
          "the kernel has no ip6tnl devices; load the module ip6_tunnel or choose `encapsulation: srv6`",
          key: "encapsulation")
      }
    }
    try checkSegmentRouting(netlink)
  }

  /// Sets and removes an encapsulating route to an address of the discard prefix (RFC 6666).
  private mutating func checkSegmentRouting(_ netlink: RouteNetlink) throws(LinuxError) {
    let core = try netlink.link(named: configuration.coreInterface)
    guard core.isUp else { return }  // no route can be set there yet; warned about
    let discard = IPv6Address(high: 0x0100_0000_0000_0000, low: 1)
    let probe = Route(
      to: .host(discard), table: configuration.decapsulationTable, protocolNumber: configuration.routeProtocol,
      interface: core.index, encapsulation: .segments([discard]))
    do {
      _ = try SegmentRoutingNetlink()
      try netlink.run(probe.replacement)
    } catch {
      return fatal(
        "the kernel cannot encapsulate by segment routing (\(error.reason)); it needs CONFIG_IPV6_SEG6_LWTUNNEL "
          + "and Linux 6.1, or choose `encapsulation: ip6tnl`", key: "encapsulation")
    }
    try netlink.run(probe.removal)
  }
}
