import DatapathModel
import LinuxNet
import NetTypes
import Testing

@testable import Datapath

@Suite("Object plan")
struct ObjectPlanTests {
  @Test("Anchor: a tunnel is a table with the aggregates")
  func anchor() throws {
    let plan = ObjectPlan(configuration: try anchorConfiguration(.ip6tnl), mode: .ip6tnl)
    let tunnel = try tunnel(7, "2001:db8:1::1", "2001:db8:1::11")
    #expect(plan.rules(of: tunnel).isEmpty)
    #expect(
      plan.routes(of: tunnel, TunnelOutput(interface: 9), core: 2).map(\.description)
        == ["2001:db8:100::/48 dev 9 table 52137 metric 64 proto 113"])
    #expect(
      plan.standingRoutes.map(\.description)
        == ["unreachable 2001:db8:100::/48 table 254 metric 4294967294 proto 113"])
    #expect(plan.standingRules.isEmpty)
    #expect(plan.uplink(try prefix("2001:db8:100:1::/64"), nil) == nil)
  }

  @Test("Anchor with srv6: routes encapsulate, and the other end alone is decapsulated")
  func segmentRoutingAnchor() throws {
    let plan = ObjectPlan(configuration: try anchorConfiguration(), mode: .srv6)
    let tunnel = try tunnel(1, "2001:db8:1::1", "2001:db8:1::11")
    let output = TunnelOutput(interface: 2, encapsulation: .segments([tunnel.remote]))
    #expect(
      plan.routes(of: tunnel, output, core: 2).map(\.description) == [
        "2001:db8:1::1/128 from 2001:db8:1::11/128 encap seg6local action End.DT6 table 254 dev 2 table 52130 metric 64 proto 113",
        "2001:db8:100::/48 encap seg6 mode encap.red segs 2001:db8:1::11 dev 2 table 52131 metric 64 proto 113",
      ])
  }

  @Test("Gateway: only prefixes with a binding leave an access link, and the outer packet escapes the table")
  func gateway() throws {
    let plan = ObjectPlan(configuration: try gatewayConfiguration(local: "2001:db8:1::11"), mode: .srv6)
    let tunnel = try tunnel(1, "2001:db8:1::11", "2001:db8:1::1")
    let output = TunnelOutput(interface: 2, encapsulation: .segments([tunnel.remote]))
    #expect(plan.standingRules.map(\.description) == ["5213: iif acc0 lookup 52130 proto 113"])
    #expect(
      plan.standingRoutes.map(\.description) == [
        "blackhole default table 52130 metric 4294967294 proto 113",
        "blackhole default table 52132 metric 4294967294 proto 113",
      ])
    #expect(
      plan.routes(of: tunnel, output, core: 2).last?.description
        == "throw 2001:db8:1::1/128 from 2001:db8:1::11/128 table 52130 metric 64 proto 113")
    #expect(
      plan.uplink(try prefix("2001:db8:100:1::/64"), output)?.description
        == "default from 2001:db8:100:1::/64 encap seg6 mode encap.red segs 2001:db8:1::1 dev 2 table 52130 metric 64 proto 113"
    )
    #expect(
      plan.downlinks(try prefix("2001:db8:100:1::/64"), interface: 3, via: try address("fe80::2")).map(\.description)
        == [254, 52_132].map { "2001:db8:100:1::/64 via fe80::2 dev 3 table \($0) metric 64 proto 113" })
    #expect(
      plan.routes(of: tunnel, output, core: 2).first?.encapsulation == .decapsulate(table: 52_132))
    let devices = ObjectPlan(configuration: try gatewayConfiguration(local: "2001:db8:1::11"), mode: .ip6tnl)
    #expect(devices.rules(of: tunnel).map(\.description) == ["5213: iif flm1 lookup 52132 proto 113"])
  }
}
