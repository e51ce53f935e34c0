import CLinuxNet
import DaemonKit
import NetTypes
import Testing

@testable import LinuxNet
@testable import TerminalKit

@Suite("What terminals' programs ask of their host")
struct TerminalHostTests {
  private let claims = HostClaims(
    markMask: 0x0ff0_0000, routeProtocol: 114, tables: [52_201, 52_202], rulePriorities: [5_220, 5_221],
    nftTables: [NftTable(name: "flowmob_reflector"): ["input", "output"]])

  private func rule(
    _ priority: UInt32, table: UInt32 = 7, mark: (UInt32, UInt32)? = nil, protocolNumber: UInt8 = 3
  ) -> RoutingRule {
    RoutingRule(
      priority: priority, .lookup(table: table), mark: mark.map { RoutingRule.Mark(value: $0.0, mask: $0.1) },
      protocolNumber: protocolNumber)
  }

  @Test("Marks, tables and priorities of others are collisions; our own and a VPN's whole mark are not")
  func collisions() throws {
    let harmless = [
      rule(0, table: Route.localTable), rule(5_220, table: 52_201, mark: (0x10_0000, 0x0ff0_0000), protocolNumber: 114),
      rule(32_764, table: 51_820, mark: (0xca6c, .max)), rule(5_210, mark: (0x8_0000, 0xff_0000)),
    ]
    #expect(claims.collisions(with: harmless, []).isEmpty)
    #expect(
      claims.collisions(with: [rule(100, mark: (0x0120_0000, .max))], []).map(\.keyPath) == ["mark-mask"])
    #expect(claims.collisions(with: [rule(100, table: 52_202)], []).map(\.keyPath) == ["table-base"])
    #expect(claims.collisions(with: [rule(5_221)], []).map(\.keyPath) == ["rule-priority-base"])
    let prefix = try #require(IPv6Prefix("2001:db8::/32"))
    let routes = [
      Route(to: prefix, table: 52_201, protocolNumber: 114), Route(to: prefix, table: 52_201, protocolNumber: 4),
    ]
    let found = claims.collisions(with: [], routes)
    #expect(found.map(\.keyPath) == ["table-base"])
    #expect(found.allSatisfy { $0.severity == .fatal && $0.message.contains("choose") })
    #expect(claims.collisions(with: [], Array(routes.prefix(1))).isEmpty)
  }

  // MARK: Rules of others

  /// A rule as the kernel tells of it.
  private func traits(_ body: (inout NetlinkMessage) -> Void) throws -> NftRuleTraits {
    var message = NetlinkMessage(type: 0)
    message.put(NFTA_RULE_TABLE, string: "filter")
    message.put(NFTA_RULE_CHAIN, string: "input")
    message.put(NFTA_RULE_HANDLE, networkOrder: UInt64(4))
    message.nest(NFTA_RULE_EXPRESSIONS) { body(&$0) }
    return try #require(
      NftRuleTraits(
        .inet,
        NetlinkAttributes(message.bytes.dropFirst(NetlinkMessage.headerLength))))
  }

  private func element(_ message: inout NetlinkMessage, _ name: String, _ body: (inout NetlinkMessage) -> Void) {
    message.nest(NFTA_LIST_ELEM) { message in
      message.put(NFTA_EXPR_NAME, string: name)
      message.nest(NFTA_EXPR_DATA) { body(&$0) }
    }
  }

  private func expressions(_ message: inout NetlinkMessage, _ expressions: [NftExpression]) {
    for expression in expressions { message.nest(NFTA_LIST_ELEM) { expression.encode(into: &$0) } }
  }

  @Test("Reverse path filters and the strong host model are seen")
  func reversePath() throws {
    func fib(_ flags: UInt32, _ result: nft_fib_result) throws -> NftRuleTraits {
      try traits { message in
        element(&message, "fib") { data in
          data.put(NFTA_FIB_FLAGS, networkOrder: flags)
          data.put(NFTA_FIB_RESULT, networkOrder: result.rawValue)
        }
      }
    }
    let (source, destination) = (NFTA_FIB_F_SADDR.rawValue, NFTA_FIB_F_DADDR.rawValue)
    let (interface, mark) = (NFTA_FIB_F_IIF.rawValue, NFTA_FIB_F_MARK.rawValue)
    let reverse = try fib(source | mark | interface, NFT_FIB_RESULT_OIF)
    #expect(reverse.checksReversePath && !reverse.checksInputAddress)
    #expect(reverse.description == "inet filter input handle 4")
    #expect(try fib(destination | interface, NFT_FIB_RESULT_ADDRTYPE).checksInputAddress)
    #expect(try fib(source, NFT_FIB_RESULT_OIF).isHarmless)
    #expect(try fib(destination, NFT_FIB_RESULT_ADDRTYPE).isHarmless)
    #expect(
      try traits { message in element(&message, "match") { $0.put(NFTA_MATCH_NAME, string: "rpfilter") } }
        .checksReversePath)
  }

  @Test("The bits of marks that a rule writes are those that it does not keep")
  func marks() throws {
    let merged = try traits { expressions(&$0, NftExpression.mergeMark(0x4_0000, mask: 0xff_0000)) }
    #expect(merged.writtenPacketMarks == 0xff_0000)
    #expect(merged.writtenConnectionMarks == 0)
    let whole = try traits {
      expressions(&$0, [.immediate(NftExpression.hostOrder(1), into: .word(0)), .metaSet(.mark, from: .word(0))])
    }
    #expect(whole.writtenPacketMarks == .max)
    let restored = try traits {
      expressions(&$0, [.conntrackLoad(.mark, into: .word(0)), .metaSet(.mark, from: .word(0))])
    }
    #expect(restored.writtenPacketMarks == .max)
    let saved = try traits { expressions(&$0, NftExpression.mergeConntrackMark(2, mask: 0xf)) }
    #expect(saved.writtenConnectionMarks == 0xf)
    #expect(try traits { expressions(&$0, NftExpression.matchMark(2, mask: 0xf)) }.isHarmless)
  }

  // MARK: The doctor

  private func host(_ parameters: [String: String] = [:], _ files: [String: String] = [:]) -> HostDoctor {
    HostDoctor(
      parameter: { parameters[$0.name] }, file: { files[$0] },
      directory: { path in files.keys.filter { $0.hasPrefix("\(path)/") }.map { String($0.dropFirst(path.count + 1)) } }
    )
  }

  @Test("Packet filters are named with what to do, and only where they touch our bits")
  func packetFilter() throws {
    var doctor = host()
    var reverse = NftRuleTraits(table: "inet firewalld", chain: "filter_PREROUTING", handle: 9)
    reverse.checksReversePath = true
    var other = NftRuleTraits(table: "ip6 qos", chain: "output", handle: 3)
    other.writtenPacketMarks = 0xff
    var overlapping = NftRuleTraits(table: "ip6 vpn", chain: "output", handle: 4)
    overlapping.writtenPacketMarks = .max
    doctor.checkPacketFilter([reverse, other, overlapping], markMask: 0x0ff0_0000)
    let bad = doctor.findings.filter { $0.verdict != .fine }
    #expect(bad.map(\.check) == ["reverse-path-filter", "marks-overwritten"])
    #expect(bad.map(\.verdict) == [.problem, .warning])
    #expect(bad[0].fix?.contains("inet firewalld filter_PREROUTING handle 9") == true)
    #expect(bad[1].subject == "rule ip6 vpn output handle 4")
    #expect(doctor.findings.filter { $0.verdict == .fine }.map(\.check) == ["strong-host", "untracked"])
    #expect(!DoctorDocument(findings: doctor.findings).isHealthy)
  }

  private func interface(_ values: [String: String]) -> [Finding] {
    var all = [
      "disable_ipv6": "0", "accept_ra": "1", "forwarding": "0", "accept_ra_defrtr": "1", "accept_ra_pinfo": "1",
      "autoconf": "1", "use_tempaddr": "0", "temp_valid_lft": "604800",
    ]
    all.merge(values) { $1 }
    var doctor = host(Dictionary(uniqueKeysWithValues: all.map { ("net/ipv6/conf/if1/\($0.key)", $0.value) }))
    doctor.checkRouterDiscovery("if1")
    return doctor.findings.filter { $0.verdict != .fine }
  }

  @Test("Settings by which an interface learns no address or route, and temporary addresses")
  func routerDiscovery() {
    #expect(interface([:]).isEmpty)
    #expect(interface(["accept_ra": "0"]).map(\.fix) == ["sysctl -w net/ipv6/conf/if1/accept_ra=2"])
    #expect(interface(["forwarding": "1"]).map(\.verdict) == [.problem])
    #expect(interface(["forwarding": "1", "accept_ra": "2"]).isEmpty)
    #expect(interface(["disable_ipv6": "1"]).map(\.verdict) == [.problem])
    #expect(interface(["accept_ra_defrtr": "0"]).map(\.verdict) == [.problem])
    #expect(interface(["autoconf": "0"]).map(\.verdict) == [.warning])
    #expect(interface(["use_tempaddr": "2"]).map(\.check) == ["privacy-addresses"])
  }

  @Test(
    "A default route of the interface's own: those of others and those that drop do not count, of several each does")
  func defaultRoute() throws {
    func route(_ gateway: String? = nil, dev index: UInt32, metric: UInt32 = 1_024) throws -> Route {
      Route(
        to: try #require(IPv6Prefix("::/0")), protocolNumber: 9, metric: metric, interface: index,
        gateway: try gateway.map { try #require(IPv6Address($0)) })
    }
    func finding(_ routes: [Route]) -> Finding? {
      var doctor = host()
      doctor.checkDefaultRoute("if1", index: 5, in: routes)
      return doctor.findings.first
    }
    let missing = finding([try route("fe80::9", dev: 6)])
    #expect(missing?.verdict == .problem && missing?.fix?.hasSuffix("dev if1") == true)
    var dropping = try route(dev: 5)
    dropping.kind = .unreachable
    #expect(finding([dropping])?.verdict == .problem)
    #expect(finding([try route(dev: 5)])?.message == "there is one")
    // The kernel asks the one with the lower metric first, and the next when it does not answer.
    let several = [
      try route("fe80::2", dev: 5, metric: 2_048), try route("fe80::9", dev: 6), try route("fe80::1", dev: 5),
    ]
    #expect(finding(several)?.message == "via fe80::1, fe80::2" && finding(several)?.verdict == .fine)
    // The first router has gone, and so has its route.
    #expect(finding(Array(several.prefix(2)))?.message == "via fe80::2")
  }

  @Test("NetworkManager, systemd-networkd and rules before ours")
  func otherSoftware() {
    func findings(_ files: [String: String]) -> [Finding] {
      var doctor = host([:], files)
      doctor.checkNetworkManagers(owned: [("wlan0", 3), ("wwan0", 4)], hasRules: true)
      return doctor.findings.filter { $0.verdict != .fine }
    }
    #expect(findings([:]).isEmpty)
    let devices = "/run/NetworkManager/devices"
    #expect(
      findings(["\(devices)/3": "[device]\nmanaged=true\n", "\(devices)/4": "[device]\nmanaged=false\n"]).map(\.fix)
        == ["nmcli device set wlan0 managed no"])
    let networkd = ["/run/systemd/netif/state": "OPER_STATE=routable\n"]
    #expect(findings(networkd).map(\.check) == ["systemd-networkd"])
    let configured = "[Network]\nManageForeignRoutingPolicyRules = no\n"
    #expect(findings(networkd.merging(["/etc/systemd/networkd.conf": configured]) { $1 }).isEmpty)
    #expect(findings(networkd.merging(["/run/systemd/networkd.conf.d/a.conf": configured]) { $1 }).isEmpty)

    var doctor = host()
    doctor.checkRuleOrder(
      [rule(0, table: Route.localTable), rule(100, table: 9), rule(5_000, mark: (1, 1)), rule(32_766, table: 254)],
      ours: [5_220])
    #expect(doctor.findings.map(\.subject) == ["rule 100"])
  }
}
