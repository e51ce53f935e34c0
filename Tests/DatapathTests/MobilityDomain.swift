import Datapath
import DatapathModel
import LinuxNet
import NetTypes
import Testing

/// An anchor, two gateways, a node and its correspondent, with one binding through the first gateway:
///
///     cn ── anchor ── router ── mag1 ── if1
///                         └──── mag2 ── if2  node (weak host; its prefix belongs to if1)
final class MobilityDomain {
  let node: Host
  let correspondent: Host
  let anchor: Host
  let gateways: [Host]
  let anchorPath: KernelDatapath
  let gatewayPaths: [KernelDatapath]
  let nodeSocket: UDPEndpoint
  let correspondentSocket: UDPEndpoint
  let nodeAddress: IPv6Address
  let correspondentAddress: IPv6Address
  let home: IPv6Prefix
  let tunnels: [TunnelDescription]
  let router: Host

  init(_ encapsulation: EncapsulationChoice) throws {
    node = try Host()
    correspondent = try Host()
    anchor = try Host(forwarding: true)
    router = try Host(forwarding: true)
    gateways = [try Host(forwarding: true), try Host(forwarding: true)]
    try correspondent.connect("eth0", to: anchor, "cn0")
    try anchor.connect("core0", to: router, "r0")
    try anchor.add("2001:db8:c::1", to: "cn0")
    try anchor.add("2001:db8:1::1", to: "core0")
    try correspondent.add("2001:db8:c::2", to: "eth0")
    try correspondent.route("::/0", via: "2001:db8:c::1", dev: "eth0")
    try router.add("2001:db8:1::ff", to: "r0")
    try anchor.route("::/0", via: "2001:db8:1::ff", dev: "core0")
    for (number, gateway) in zip(1..., gateways) {
      try gateway.connect("core0", to: router, "r\(number)")
      try router.add("2001:db8:1\(number)::ff", to: "r\(number)")
      try gateway.add("2001:db8:1\(number)::1\(number)", to: "core0")
      try gateway.route("::/0", via: "2001:db8:1\(number)::ff", dev: "core0")
      try node.connect("if\(number)", to: gateway, "acc0")
      try gateway.add("fe80::1", to: "acc0")
    }
    home = try prefix("2001:db8:100:1::/64")
    nodeAddress = try address("2001:db8:100:1::2")
    correspondentAddress = try address("2001:db8:c::2")
    try node.add("2001:db8:100:1::2", to: "if1")
    try node.route("::/0", via: "fe80::1", dev: "if1")

    anchorPath = try anchor.namespace.run { try KernelDatapath(anchorConfiguration(encapsulation)) }
    let coas = ["2001:db8:11::11", "2001:db8:12::12"]
    gatewayPaths = try zip(gateways, coas).map { gateway, coa in
      try gateway.namespace.run { try KernelDatapath(gatewayConfiguration(encapsulation, local: coa)) }
    }
    tunnels = try [tunnel(1, "2001:db8:1::1", coas[0]), tunnel(2, "2001:db8:1::1", coas[1])]
    let acc = try node.linkLocalAddress("if2")
    // reconcile runs inside, because opening generic netlink must happen there.
    for (host, path) in zip([anchor] + gateways, [anchorPath] + gatewayPaths) {
      let report = try host.namespace.run { try path.reconcile(to: DatapathSnapshot()) }
      #expect(report.failures == [])
    }
    #expect(
      anchorPath.apply([.addTunnel(tunnels[0]), .addTunnel(tunnels[1]), .setPrefixRoute(home, tunnels[0].identifier)])
        == .applied)
    let uplinks = try coas.map { try tunnel(1, $0, "2001:db8:1::1") }
    #expect(
      gatewayPaths[0].apply([
        .addTunnel(uplinks[0]), .setUplink(home, uplinks[0].identifier),
        .setDownlink(home, link: "acc0", via: nil),
      ]) == .applied)
    #expect(
      gatewayPaths[1].apply([
        .addTunnel(uplinks[1]), .setUplink(home, uplinks[1].identifier),
        .setDownlink(home, link: "acc0", via: acc),
      ]) == .applied)
    nodeSocket = try UDPEndpoint(in: node)
    correspondentSocket = try UDPEndpoint(in: correspondent)
  }

  /// Index of an interface of the node.
  func interface(_ name: String) throws -> UInt32 { try node.run { try $0.link(named: name).index } }
}
