import CLinuxNet
import Datapath
import DatapathModel
import Glibc
import NetTypes
import Testing

@testable import LinuxNet

/// A host with a core and an access interface, whose other ends are in a namespace that nobody uses.
final class AnchorHost {
  let host: Host
  private let other: Host

  init() throws {
    host = try Host(forwarding: true)
    other = try Host()
    try host.connect("core0", to: other, "core-peer")
    try host.connect("acc0", to: other, "acc-peer")
    try host.add("2001:db8:1::1", to: "core0")
  }

  func run<Value>(_ body: (RouteNetlink) throws -> Value) throws -> Value { try host.run(body) }
}

@Suite("Kernel datapath", .enabled(if: isRoot, needsRoot))
struct KernelDatapathTests {
  private func snapshot() throws -> DatapathSnapshot {
    var snapshot = DatapathSnapshot()
    for number in 1...2 as ClosedRange<UInt32> {
      snapshot.apply(.addTunnel(try tunnel(number, "2001:db8:1::1", "2001:db8:1::1\(number)")))
    }
    snapshot.apply(.setPrefixRoute(try prefix("2001:db8:100:1::/64"), TunnelIdentifier(rawValue: 1)))
    snapshot.apply(.setDownlink(try prefix("2001:db8:100:7::/64"), link: "acc0", via: nil))
    return snapshot
  }

  /// Without the kernel's own, which come and go with link-local addresses.
  private func installedRoutes(_ netlink: RouteNetlink) throws -> Set<Route> {
    Set(try netlink.routes().filter { $0.protocolNumber != RoutingRule.kernelProtocol })
  }

  @Test("A restart finds everything as it was and rewrites nothing")
  func restart() throws {
    let host = try AnchorHost()
    try host.run { netlink in
      _ = try KernelDatapath(try anchorConfiguration()).reconcile(to: try snapshot())
      let before = try (installedRoutes(netlink), netlink.rules())
      let events = try NetlinkSocket(protocolNumber: NETLINK_ROUTE)
      for group in [RTNLGRP_IPV6_ROUTE, RTNLGRP_IPV6_RULE] { try events.join(group: group.rawValue) }
      let report = try KernelDatapath(try anchorConfiguration()).reconcile(to: try snapshot())
      #expect(report.set == 0 && report.removed == 0 && report.failures == [])
      // 1 aggregate, per tunnel 1 decapsulation, 1 table route and 1 rule, 2 rules around them, 1 prefix route, 1 downlink.
      #expect(report.kept == 11)
      var seen = 0
      let result = try events.receiveEvents { message in
        if Route(message)?.protocolNumber == 113 || RoutingRule(message)?.protocolNumber == 113 { seen += 1 }
      }
      #expect(result == .received)
      #expect(seen == 0)
      let after = try (installedRoutes(netlink), netlink.rules())
      #expect(before.0 == after.0 && before.1 == after.1)
    }
  }

  @Test("What is foreign survives everything; what is ours and wrong is put right")
  func foreignObjects() throws {
    let host = try AnchorHost()
    try host.run { netlink in
      let core = try netlink.link(named: "core0").index
      let foreignRoutes = [
        // Same destination as a binding, another owner and metric.
        Route(to: try prefix("2001:db8:100:1::/64"), protocolNumber: 4, metric: 1_024, interface: core),
        Route(to: try prefix("2001:db8:f::/64"), protocolNumber: 186, interface: core),
      ]
      let foreignRule = RoutingRule(
        priority: 100, .lookup(table: 100), mark: .init(value: 1, mask: 0xff), protocolNumber: 4)
      #expect(try netlink.batch(foreignRoutes.map(\.replacement) + [foreignRule.addition]) == [])
      let pristine = try (installedRoutes(netlink), netlink.rules())

      let datapath = try KernelDatapath(try anchorConfiguration())
      #expect(try datapath.reconcile(to: try snapshot()).failures == [])
      let good = try (installedRoutes(netlink), Set(netlink.rules()))
      #expect(pristine.0.isSubset(of: good.0))

      // Somebody deletes, alters and adds with our tag.
      let ours = try netlink.routes(protocolNumber: 113)
      let altered = try #require(ours.first { $0.destination.description == "2001:db8:100:1::/64" })
      var wrong = altered
      wrong.encapsulation = .segments([try address("2001:db8:1::99")])
      let lost = try #require(ours.first { $0.table == 52_132 })
      let extra = Route(to: try prefix("2001:db8:100:66::/64"), protocolNumber: 113, interface: core)
      let extraRule = RoutingRule(
        priority: 5_213, .lookup(table: 52_200), mark: .init(value: 0x7_0000, mask: 0x0fff_0000), protocolNumber: 113)
      #expect(
        try netlink.batch([wrong.replacement, lost.removal, extra.replacement, extraRule.addition]) == [])
      let report = try datapath.reconcile(to: try snapshot())
      #expect(report.set == 2 && report.removed == 2 && report.failures == [])
      #expect(try installedRoutes(netlink) == good.0)
      #expect(try Set(netlink.rules()) == good.1)

      #expect(try datapath.teardown() == [])
      #expect(try installedRoutes(netlink) == pristine.0)
      #expect(try netlink.rules() == pristine.1)
      #expect(try SegmentRoutingNetlink().encapsulationSource() == .unspecified)
      #expect(try datapath.teardown() == [], "twice")
    }
  }

  @Test("The local table is asked right behind decapsulation, and is never out of the list")
  func ruleOrder() throws {
    let host = try AnchorHost()
    try host.run { netlink in
      let datapath = try KernelDatapath(try anchorConfiguration())
      func first() throws -> [String] { try netlink.rules().filter { $0.priority == 0 }.map(\.description) }
      let wanted = ["0: to 2001:db8:1::1/128 ipproto 41 lookup 52130 proto 113", "0: lookup 255 proto 113"]
      _ = try datapath.reconcile(to: DatapathSnapshot())
      #expect(try first() == wanted)
      _ = try datapath.reconcile(to: DatapathSnapshot())
      #expect(try first() == wanted)

      // A run that died half-way: the kernel's rule still stands in front.
      #expect(try datapath.teardown() == [])
      #expect(try first() == ["0: lookup 255 proto 2"])
      let decapsulation = RoutingRule(
        priority: 0, .lookup(table: 52_130), destination: try prefix("2001:db8:1::1/128"), ipProtocol: 41,
        protocolNumber: 113)
      try netlink.run(decapsulation.addition)
      _ = try datapath.reconcile(to: DatapathSnapshot())
      #expect(try first() == wanted)
      #expect(try datapath.teardown() == [])
      #expect(try first() == ["0: lookup 255 proto 2"])
    }
  }

  @Test("A tunnel number in new use keeps nothing of the old tunnel")
  func reusedNumber() throws {
    let host = try AnchorHost()
    try host.run { netlink in
      let datapath = try KernelDatapath(try anchorConfiguration())
      _ = try datapath.reconcile(to: DatapathSnapshot())
      #expect(datapath.apply([.addTunnel(try tunnel(1, "2001:db8:1::1", "2001:db8:1::11"))]) == .applied)
      #expect(datapath.apply([.addTunnel(try tunnel(1, "2001:db8:1::1", "2001:db8:1::12"))]) == .applied)
      var snapshot = DatapathSnapshot()
      snapshot.apply(.addTunnel(try tunnel(1, "2001:db8:1::1", "2001:db8:1::12")))
      let report = try datapath.reconcile(to: snapshot)
      #expect(report.set == 0 && report.removed == 0)
    }
  }

  @Test("What a fallen core interface took along is put back when it is up again")
  func interfaceFlap() throws {
    let host = try AnchorHost()
    try host.run { netlink in
      let datapath = try KernelDatapath(try anchorConfiguration())
      _ = try datapath.reconcile(to: try snapshot())
      let before = try Set(netlink.routes(protocolNumber: 113))
      let core = try netlink.link(named: "core0").index
      try netlink.run(.changeLink(index: core, name: "core0", LinkChange(up: false)))
      #expect(try netlink.routes(protocolNumber: 113).count < before.count)
      #expect(try datapath.reconcile(to: try snapshot()).failures.isEmpty == false, "reported, not hidden")
      try netlink.run(.changeLink(index: core, name: "core0", LinkChange(up: true)))
      #expect(try datapath.reconcile(to: try snapshot()).failures == [])
      #expect(try Set(netlink.routes(protocolNumber: 113)) == before)
    }
  }

  @Test("Thousands of bindings go in by one call and are recognized by the next run")
  func manyBindings() throws {
    let host = try AnchorHost()
    try host.run { netlink in
      let pool = try prefix("2001:db8:100::/48")
      let count = 5_000
      var snapshot = DatapathSnapshot()
      snapshot.apply(.addTunnel(try tunnel(1, "2001:db8:1::1", "2001:db8:1::11")))
      var changes: [DatapathChange] = [.addTunnel(try tunnel(1, "2001:db8:1::1", "2001:db8:1::11"))]
      for number in 0..<count {
        let home = try #require(pool.subnet(UInt64(number), length: 64))
        changes.append(.setPrefixRoute(home, TunnelIdentifier(rawValue: 1)))
        snapshot.apply(.setPrefixRoute(home, TunnelIdentifier(rawValue: 1)))
      }
      let datapath = try KernelDatapath(try anchorConfiguration())
      _ = try datapath.reconcile(to: DatapathSnapshot())
      #expect(datapath.apply(changes) == .applied)
      let report = try KernelDatapath(try anchorConfiguration()).reconcile(to: snapshot)
      #expect(report.kept == count + 6 && report.set == 0 && report.removed == 0)
      #expect(try datapath.teardown() == [])
      #expect(try netlink.routes(protocolNumber: 113).isEmpty)
    }
  }

  @Test("Refusals say what, why and what to do")
  func refusals() throws {
    let host = try AnchorHost()
    try host.run { _ in
      let datapath = try KernelDatapath(try anchorConfiguration())
      let changes: [DatapathChange] = [
        .addTunnel(try tunnel(1, "2001:db8:1::2", "2001:db8:1::11")),
        .addTunnel(try tunnel(5_000, "2001:db8:1::1", "2001:db8:1::11")),
        .setDownlink(try prefix("2001:db8:100:1::/64"), link: "wlan7", via: nil),
      ]
      guard case .failed(let failures) = datapath.apply(changes) else {
        Issue.record("nothing refused")
        return
      }
      #expect(failures.map(\.change) == changes)
      #expect(failures[0].description.contains("can send from 2001:db8:1::1 only"))
      #expect(failures[1].description.contains("room for tunnels 1...4095"))
      #expect(failures[2].description.contains("wlan7: No such device"))
    }
  }

  @Test("Other aggregates come into force by reconfiguration")
  func reconfiguration() throws {
    let host = try AnchorHost()
    try host.run { netlink in
      var configuration = try anchorConfiguration()
      let datapath = try KernelDatapath(configuration)
      var snapshot = DatapathSnapshot()
      snapshot.apply(.addTunnel(try tunnel(1, "2001:db8:1::1", "2001:db8:1::11")))
      _ = try datapath.reconcile(to: snapshot)
      configuration.role = .anchor(
        .init(tableBase: 52_130, aggregates: try [prefix("2001:db8:100::/48"), prefix("2001:db8:200::/48")]))
      let report = try datapath.reconfigure(configuration, snapshot: snapshot)
      #expect(report.set == 2 && report.removed == 0)
      #expect(try netlink.routes(table: 52_131).count == 2)
    }
  }

  @Test("The preflight is silent on a good host")
  func goodHost() throws {
    let host = try AnchorHost()
    try host.run { netlink in
      let before = try (installedRoutes(netlink), netlink.rules(), netlink.links().map(\.name))
      #expect(DatapathPreflight.check(try anchorConfiguration(.auto)) == [])
      #expect(DatapathPreflight.check(try gatewayConfiguration(.auto, local: "2001:db8:1::1")) == [])
      let after = try (installedRoutes(netlink), netlink.rules(), netlink.links().map(\.name))
      #expect(before.0 == after.0 && before.1 == after.1 && before.2 == after.2)
    }
  }

  @Test("The preflight names each problem and its remedy")
  func badHost() throws {
    let host = try AnchorHost()
    try host.run { netlink in
      try KernelParameter.ipv6Forwarding.write("0")
      let core = try netlink.link(named: "core0").index
      let foreign = [
        RoutingRule(priority: 5_213, .lookup(table: 52_131), protocolNumber: 4).addition,
        RoutingRule(
          priority: 90, .lookup(table: 90), mark: .init(value: 0x1_0000, mask: 0xff_0000), protocolNumber: 4
        ).addition,
        Route(to: try prefix("2001:db8:f::/64"), table: 52_130, protocolNumber: 4, interface: core).replacement,
        .changeLink(index: core, name: "core0", LinkChange(mtu: 1_300)),
      ]
      #expect(try netlink.batch(foreign) == [])
      var configuration = try anchorConfiguration(local: "2001:db8:1::77")
      let problems = DatapathPreflight.check(configuration).map { "\($0.keyPath): \($0.message)" }
      for text in [
        "set net.ipv6.conf.all.forwarding=1", "core-interface: core0 has MTU 1300", "2001:db8:1::77 is not configured",
        "rule-priority-base: 5213 is in use", "table 52131 is in use by other software",
        "mark-mask: 0xfff0000 overlaps", "table 52130 is in use by other software",
      ] {
        #expect(problems.contains { $0.contains(text) }, "\(text) in \(problems)")
      }
      #expect(problems.count == 7)
      configuration.coreInterface = "core7"
      #expect(DatapathPreflight.check(configuration).contains { $0.message.contains("core7: No such device") })
    }
  }

  @Test("An access link that comes with a session may be away when the daemon starts; any other one must be there")
  func sessionLink() throws {
    let host = try AnchorHost()
    try host.run { _ in
      var configuration = try gatewayConfiguration(.auto, local: "2001:db8:1::1")
      let links = ["acc0", "ppp0"]
      configuration.role = .gateway(.init(uplinkTable: 52_130, accessLinks: links, sessionLinks: ["ppp0"]))
      let problems = DatapathPreflight.check(configuration)
      #expect(problems.map(\.severity) == [.warning])
      #expect(problems.map(\.keyPath) == ["access-links[1].interface"])
      configuration.role = .gateway(.init(uplinkTable: 52_130, accessLinks: links))
      #expect(DatapathPreflight.check(configuration).map(\.severity) == [.fatal])
    }
  }
}
