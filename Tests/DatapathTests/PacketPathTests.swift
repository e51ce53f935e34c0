import Datapath
import DatapathModel
import LinuxNet
import NetTypes
import Testing

/// Real packets through the data plane of an anchor and two gateways:
///
///     cn ── anchor ── router ── mag1 ── if1
///                         └──── mag2 ── if2  node (weak host; its prefix belongs to if1)
@Suite("Packet path", .enabled(if: isRoot, needsRoot))
struct PacketPathTests {
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
  private let router: Host

  init() throws {
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

    anchorPath = try anchor.namespace.run { try KernelDatapath(anchorConfiguration()) }
    let coas = ["2001:db8:11::11", "2001:db8:12::12"]
    gatewayPaths = try zip(gateways, coas).map { gateway, coa in
      try gateway.namespace.run { try KernelDatapath(gatewayConfiguration(local: coa)) }
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

  private func interface(_ name: String) throws -> UInt32 { try node.run { try $0.link(named: name).index } }

  @Test("A session works both ways through the tunnel of its binding")
  func session() throws {
    nodeSocket.send("up", from: nodeAddress, to: correspondentAddress)
    let up = try #require(try correspondentSocket.receive(), "uplink")
    #expect(up.text == "up" && up.source == nodeAddress)
    correspondentSocket.send("down", from: correspondentAddress, to: nodeAddress)
    let down = try #require(try nodeSocket.receive(), "downlink")
    #expect(down.text == "down" && down.source == correspondentAddress)
    #expect(down.interface == (try interface("if1")))
  }

  @Test("A marked flow takes the other gateway, the rest of the session stays")
  func flowMobility() throws {
    let mark = MarkLayout.default.mark(of: tunnels[1].identifier)
    // Only datagrams with a payload of 5 octets ("moved") are marked; the upper bits belong to somebody else.
    try anchor.execute(
      "/usr/sbin/nft",
      [
        "table ip6 t { chain p { type filter hook prerouting priority mangle; "
          + "iifname cn0 udp length 13 meta mark set \(mark | 0x1000_0001) ; } ; }"
      ])
    for (text, name) in [("stays here", "if1"), ("moved", "if2"), ("stays too", "if1"), ("moved", "if2")] {
      correspondentSocket.send(text, from: correspondentAddress, to: nodeAddress)
      let datagram = try #require(try nodeSocket.receive(), "\(text)")
      #expect(datagram.text == text)
      #expect(datagram.interface == (try interface(name)), "\(text) on \(name)")
    }
  }

  @Test("Moving the prefix route moves the session without losing a packet")
  func handover() throws {
    // Resolve the neighbours on both ways first: their queues are short.
    for tunnel in tunnels.reversed() {
      #expect(anchorPath.apply([.setPrefixRoute(home, tunnel.identifier)]) == .applied)
      correspondentSocket.send("warm up", from: correspondentAddress, to: nodeAddress)
      #expect(try nodeSocket.receive()?.text == "warm up")
    }
    let count = 400
    for number in 0..<count {
      if number % 50 == 0 {
        let target = tunnels[number / 50 % 2].identifier
        #expect(anchorPath.apply([.setPrefixRoute(home, target)]) == .applied)
      }
      correspondentSocket.send("\(number)", from: correspondentAddress, to: nodeAddress)
    }
    var received: Set<String> = []
    while received.count < count, let datagram = try nodeSocket.receive() { received.insert(datagram.text) }
    #expect(received.count == count)
  }

  @Test("A gateway forwards nothing for a source without binding, and nothing after the binding is gone")
  func unboundSource() throws {
    try node.add("2001:db8:100:9::2", to: "if1")
    let unbound = try address("2001:db8:100:9::2")
    nodeSocket.send("unbound", from: unbound, to: correspondentAddress)
    nodeSocket.send("bound", from: nodeAddress, to: correspondentAddress)
    #expect(try correspondentSocket.receive()?.text == "bound")
    #expect(gatewayPaths[0].apply([.removeUplink(home)]) == .applied)
    nodeSocket.send("too late", from: nodeAddress, to: correspondentAddress)
    #expect(gatewayPaths[0].apply([.setUplink(home, TunnelIdentifier(rawValue: 1))]) == .applied)
    nodeSocket.send("again", from: nodeAddress, to: correspondentAddress)
    #expect(try correspondentSocket.receive()?.text == "again")
  }

  @Test("The anchor decapsulates for its gateways only")
  func strangers() throws {
    #expect(anchorPath.apply([.removeTunnel(tunnels[1].identifier)]) == .applied)
    // mag2 still encapsulates. A copy of the session through it must not come out.
    try node.run { netlink in
      let route = Route(
        to: .everything, protocolNumber: 4, metric: 10, interface: try netlink.link(named: "if2").index,
        gateway: try address("fe80::1"))
      try netlink.run(route.addition)
    }
    nodeSocket.send("by mag2", from: nodeAddress, to: correspondentAddress)
    #expect(try correspondentSocket.receive(within: .milliseconds(200)) == nil)
    #expect(anchorPath.apply([.addTunnel(tunnels[1])]) == .applied)
    nodeSocket.send("by mag2 again", from: nodeAddress, to: correspondentAddress)
    #expect(try correspondentSocket.receive()?.text == "by mag2 again")
  }

  @Test("The tunnel's end stays an ordinary address")
  func localAddress() throws {
    let onAnchor = try UDPEndpoint(in: anchor)
    let onGateway = try UDPEndpoint(in: gateways[0])
    onGateway.send("signalling", from: tunnels[0].remote, to: tunnels[0].local)
    #expect(try onAnchor.receive()?.text == "signalling")
    onAnchor.send("answer", from: tunnels[0].local, to: tunnels[0].remote)
    #expect(try onGateway.receive()?.text == "answer")
  }
}
