import Foundation
import LinuxNet
import NetTypes

/// Looks at a host for what would break flow mobility. Changes nothing; what it cannot read it says nothing about.
public struct HostDoctor {
  public private(set) var findings: [Finding] = []
  /// Value of a sysctl; nil when it cannot be read.
  let parameter: (KernelParameter) -> String?
  /// Text of a file; nil when there is none.
  let file: (String) -> String?
  /// Names in a directory.
  let directory: (String) -> [String]

  public init() {
    self.init(
      parameter: { try? $0.read() }, file: { try? String(contentsOfFile: $0, encoding: .utf8) },
      directory: { (try? FileManager.default.contentsOfDirectory(atPath: $0)) ?? [] })
  }

  init(
    parameter: @escaping (KernelParameter) -> String?, file: @escaping (String) -> String?,
    directory: @escaping (String) -> [String]
  ) {
    self.parameter = parameter
    self.file = file
    self.directory = directory
  }

  public mutating func add(_ finding: Finding) { findings.append(finding) }

  private mutating func fine(_ check: String, _ subject: String? = nil, _ message: String) {
    add(Finding(.fine, check, subject, message))
  }

  // MARK: Privileges and kernel

  public mutating func checkPrivileges() {
    let missing = Capability.allCases.filter { !$0.isEffective }.map(\.rawValue)
    guard !missing.isEmpty else { return fine("privileges", nil, "all that is needed") }
    add(
      Finding(
        .problem, "privileges", nil, "the process lacks \(missing.joined(separator: " and "))",
        fix: "run it as root, or grant them in the service unit (AmbientCapabilities)"))
  }

  /// Whether the kernel would take what the program installs.
  public mutating func checkKernel(_ trial: () throws(LinuxError) -> Void) {
    do throws(LinuxError) {
      try trial()
      fine("kernel", nil, "takes all our rules")
    } catch {
      add(
        Finding(
          .problem, "kernel", nil, "\(error.operation) \(error.object): \(error.reason)",
          fix: error.hint ?? "load the module (nf_tables, nft_ct, nf_conntrack) or take the distribution's kernel"))
    }
  }

  /// The kernel drops the packets of new connections when its table is full.
  public mutating func checkConnectionTracking() {
    guard let limit = parameter(KernelParameter("net.netfilter.nf_conntrack_max")).flatMap(UInt.init),
      let count = parameter(KernelParameter("net.netfilter.nf_conntrack_count")).flatMap(UInt.init)
    else { return }
    guard count > limit / 10 * 8 else {
      return fine("connection-tracking", nil, "\(count) of at most \(limit) connections")
    }
    add(
      Finding(
        .warning, "connection-tracking", nil,
        "\(count) of at most \(limit) connections; packets of new ones are dropped when it is full",
        fix: "sysctl -w net.netfilter.nf_conntrack_max=\(limit * 2)"))
  }

  // MARK: Other software

  /// Marks, tables and priorities that others use too.
  public mutating func checkClaims(_ collisions: [HostProblem]) {
    guard !collisions.isEmpty else { return fine("collisions", nil, "nobody else uses our marks and tables") }
    for collision in collisions {
      add(
        Finding(
          collision.severity == .fatal ? .problem : .warning, "collisions", nil, collision.message,
          fix: "set \(collision.keyPath) in the configuration to something else"))
    }
  }

  /// Rules that are asked before ours and know an answer for our packets too.
  public mutating func checkRuleOrder(_ rules: [RoutingRule], ours priorities: Set<UInt32>) {
    guard let first = priorities.min() else { return }
    let earlier = rules.filter { rule in
      guard rule.priority < first, case .lookup(let table) = rule.action, table != Route.localTable else {
        return false
      }
      return rule.mark == nil && rule.inputInterface == nil && rule.source == nil && rule.destination == nil
        && rule.ipProtocol == nil
    }
    if earlier.isEmpty { fine("rule-order", nil, "no rule for all packets comes before ours") }
    for rule in earlier {
      add(
        Finding(
          .warning, "rule-order", "rule \(rule.priority)", "`\(rule)` is asked before ours",
          fix: "set rule-priority-base below \(rule.priority)"))
    }
  }

  /// Packet filters that drop packets which come in by another interface than the way back leads over, or that write
  /// into our marks.
  public mutating func checkPacketFilter(_ rules: [NftRuleTraits], markMask: UInt32) {
    var counts: [String: Int] = [:]
    func report(_ verdict: Finding.Verdict, _ check: String, _ rule: NftRuleTraits, _ message: String, _ fix: String) {
      counts[check, default: 0] += 1
      add(Finding(verdict, check, "rule \(rule)", message, fix: fix))
    }
    for rule in rules {
      let remove = "nft delete rule \(rule)"
      if rule.checksReversePath {
        report(
          .problem, "reverse-path-filter", rule,
          "drops packets that do not come in by the interface that the way back leads over: flows end when they move",
          "\(remove); with firewalld: IPv6_rpfilter=no in /etc/firewalld/firewalld.conf")
      }
      if rule.checksInputAddress {
        report(
          .problem, "strong-host", rule,
          "asks whether the destination is an address of the very interface: flows end when they move", remove)
      }
      if rule.writtenPacketMarks & markMask != 0 {
        report(
          .warning, "marks-overwritten", rule, "writes into the packet marks \(hexadecimal(markMask))",
          "have it keep these bits (meta mark set meta mark and … or …), or choose another mark-mask")
      }
      if rule.writtenConnectionMarks & markMask != 0 {
        report(
          .warning, "marks-overwritten", rule, "writes into the connection marks \(hexadecimal(markMask))",
          "have it keep these bits (ct mark set ct mark and … or …), or choose another mark-mask")
      }
      if rule.stopsTracking {
        report(
          .warning, "untracked", rule, "takes packets out of connection tracking: such flows do not follow", remove)
      }
    }
    for (check, message) in [
      ("reverse-path-filter", "no rule asks for the way back (the sysctl rp_filter is for IPv4 only)"),
      ("strong-host", "packets are taken for every address on every interface"),
      ("marks-overwritten", "nobody writes into our marks"), ("untracked", "all flows are tracked"),
    ] where counts[check] == nil { fine(check, nil, message) }
  }

  // MARK: Interfaces

  /// Addresses and default routes from Router Advertisements.
  public mutating func checkRouterDiscovery(_ interface: String) {
    func value(_ name: String) -> Int? {
      parameter(.ipv6(interface: interface, name)).flatMap { Int($0) }
    }
    func set(_ name: String, _ value: Int) -> String { "sysctl -w net/ipv6/conf/\(interface)/\(name)=\(value)" }
    let check = "router-discovery"
    let before = findings.count
    if value("disable_ipv6") == 1 {
      add(Finding(.problem, check, interface, "IPv6 is off", fix: set("disable_ipv6", 0)))
    }
    if value("accept_ra") == 0, !isManagedByUserSpace(interface) {
      add(Finding(.problem, check, interface, "Router Advertisements are ignored", fix: set("accept_ra", 2)))
    }
    if value("accept_ra") == 1, value("forwarding") == 1 {
      add(
        Finding(
          .problem, check, interface, "Router Advertisements are ignored, because the host forwards",
          fix: set("accept_ra", 2)))
    }
    if value("accept_ra_defrtr") == 0 {
      add(Finding(.problem, check, interface, "no default route is learned", fix: set("accept_ra_defrtr", 1)))
    }
    if value("accept_ra_pinfo") == 0 || value("autoconf") == 0 {
      add(
        Finding(
          .warning, check, interface, "no address is made of advertised prefixes",
          fix: "\(set("accept_ra_pinfo", 1)); \(set("autoconf", 1))"))
    }
    if findings.count == before { fine(check, interface, "addresses and routes are learned") }
    guard let lifetime = value("temp_valid_lft"), value("use_tempaddr").map({ $0 > 1 }) == true else {
      return fine("privacy-addresses", interface, "flows keep their address as long as the prefix lives")
    }
    add(
      Finding(
        .warning, "privacy-addresses", interface,
        "flows begin with a temporary address, and end with it after \(lifetime) s at most",
        fix: "\(set("use_tempaddr", 1)) when flows last longer"))
  }

  /// A default route of the interface's own; of several routers one takes over when another does not answer.
  ///
  /// - Parameter main: the routes of the main table.
  public mutating func checkDefaultRoute(_ interface: String, index: UInt32, in main: [Route]) {
    let check = "default-route"
    let defaults = main.filter { $0.interface == index && $0.destination.length == 0 && $0.kind == .unicast }
    guard !defaults.isEmpty else {
      return add(
        Finding(
          .problem, check, interface, "no default route: flows cannot leave here",
          fix: "wait for a Router Advertisement, or ip -6 route add default via GATEWAY dev \(interface)"))
    }
    let gateways = defaults.sorted { $0.metric < $1.metric }.compactMap(\.gateway)
    fine(
      check, interface, gateways.isEmpty ? "there is one" : "via \(gateways.map(\.description).joined(separator: ", "))"
    )
  }

  // MARK: Network managers

  private static let managerState = "/run/NetworkManager/devices"
  private static let networkdState = "/run/systemd/netif/state"

  /// Whether Router Advertisements are read by a program, with the kernel told not to.
  private func isManagedByUserSpace(_ interface: String) -> Bool {
    file(Self.networkdState) != nil || !directory(Self.managerState).isEmpty
  }

  /// Programs that configure interfaces by themselves.
  ///
  /// - Parameter owned: interfaces, with their indices, that nobody else may configure.
  public mutating func checkNetworkManagers(owned: [(name: String, index: UInt32)], hasRules: Bool) {
    let managed = owned.filter { interface in
      file("\(Self.managerState)/\(interface.index)").map { text in
        !text.split(separator: "\n").contains { $0.filter { $0 != " " } == "managed=false" }
      } ?? false
    }
    for interface in managed {
      add(
        Finding(
          .problem, "network-manager", interface.name, "NetworkManager configures it as well",
          fix: "nmcli device set \(interface.name) managed no"))
    }
    if managed.isEmpty { fine("network-manager", nil, "leaves our interfaces alone") }
    guard hasRules, file(Self.networkdState) != nil else { return }
    let key = "ManageForeignRoutingPolicyRules"
    let drop = ["/etc", "/run", "/usr/lib"].map { "\($0)/systemd/networkd.conf.d" }
    let files =
      ["/etc/systemd/networkd.conf"]
      + drop.flatMap { place in directory(place).filter { $0.hasSuffix(".conf") }.map { "\(place)/\($0)" } }
    let isLeftAlone = files.contains { path in
      file(path).map { text in
        text.split(separator: "\n").contains { line in
          let words = line.filter { $0 != " " }.lowercased()
          return ["no", "false", "off", "0"].contains { words == "\(key.lowercased())=\($0)" }
        }
      } ?? false
    }
    if isLeftAlone { return fine("systemd-networkd", nil, "leaves our rules alone") }
    add(
      Finding(
        .warning, "systemd-networkd", nil, "takes our routing rules out when it starts; we put them back at once",
        fix: "\(key)=no under [Network] in /etc/systemd/networkd.conf"))
  }
}
