import Datapath
import DatapathModel
import LinuxNet
import NetTypes
import Testing

/// Real packets through the data plane of an anchor and two gateways, with every encapsulation that the kernel has.
@Suite("Packet path", .enabled(if: isRoot, needsRoot))
struct PacketPathTests {
  @Test("A session works both ways through the tunnel of its binding", arguments: EncapsulationChoice.available)
  func session(encapsulation: EncapsulationChoice) throws {
    let domain = try MobilityDomain(encapsulation)
    domain.nodeSocket.send("up", from: domain.nodeAddress, to: domain.correspondentAddress)
    let up = try #require(try domain.correspondentSocket.receive(), "uplink")
    #expect(up.text == "up" && up.source == domain.nodeAddress)
    domain.correspondentSocket.send("down", from: domain.correspondentAddress, to: domain.nodeAddress)
    let down = try #require(try domain.nodeSocket.receive(), "downlink")
    #expect(down.text == "down" && down.source == domain.correspondentAddress)
    #expect(down.interface == (try domain.interface("if1")))
  }

  @Test(
    "A marked flow takes the other gateway, the rest of the session stays", arguments: EncapsulationChoice.available)
  func flowMobility(encapsulation: EncapsulationChoice) throws {
    let domain = try MobilityDomain(encapsulation)
    let mark = MarkLayout.default.mark(of: domain.tunnels[1].identifier)
    // Only datagrams with a payload of 5 octets ("moved") are marked; the upper bits belong to somebody else.
    try domain.anchor.execute(
      "/usr/sbin/nft",
      [
        "table ip6 t { chain p { type filter hook prerouting priority mangle; "
          + "iifname cn0 udp length 13 meta mark set \(mark | 0x1000_0001) ; } ; }"
      ])
    for (text, name) in [("stays here", "if1"), ("moved", "if2"), ("stays too", "if1"), ("moved", "if2")] {
      domain.correspondentSocket.send(text, from: domain.correspondentAddress, to: domain.nodeAddress)
      let datagram = try #require(try domain.nodeSocket.receive(), "\(text)")
      #expect(datagram.text == text)
      #expect(datagram.interface == (try domain.interface(name)), "\(text) on \(name)")
    }
  }

  @Test("Moving the prefix route moves the session without losing a packet", arguments: EncapsulationChoice.available)
  func handover(encapsulation: EncapsulationChoice) throws {
    let domain = try MobilityDomain(encapsulation)
    // Resolve the neighbours on both ways first: their queues are short.
    for tunnel in domain.tunnels.reversed() {
      #expect(domain.anchorPath.apply([.setPrefixRoute(domain.home, tunnel.identifier)]) == .applied)
      domain.correspondentSocket.send("warm up", from: domain.correspondentAddress, to: domain.nodeAddress)
      #expect(try domain.nodeSocket.receive()?.text == "warm up")
    }
    let count = 400
    for number in 0..<count {
      if number % 50 == 0 {
        let target = domain.tunnels[number / 50 % 2].identifier
        #expect(domain.anchorPath.apply([.setPrefixRoute(domain.home, target)]) == .applied)
      }
      domain.correspondentSocket.send("\(number)", from: domain.correspondentAddress, to: domain.nodeAddress)
    }
    var received: Set<String> = []
    while received.count < count, let datagram = try domain.nodeSocket.receive() { received.insert(datagram.text) }
    #expect(received.count == count)
  }

  @Test(
    "A gateway forwards nothing for a source without binding, and nothing after the binding is gone",
    arguments: EncapsulationChoice.available)
  func unboundSource(encapsulation: EncapsulationChoice) throws {
    let domain = try MobilityDomain(encapsulation)
    try domain.node.add("2001:db8:100:9::2", to: "if1")
    let unbound = try address("2001:db8:100:9::2")
    domain.nodeSocket.send("unbound", from: unbound, to: domain.correspondentAddress)
    domain.nodeSocket.send("bound", from: domain.nodeAddress, to: domain.correspondentAddress)
    #expect(try domain.correspondentSocket.receive()?.text == "bound")
    #expect(domain.gatewayPaths[0].apply([.removeUplink(domain.home)]) == .applied)
    domain.nodeSocket.send("too late", from: domain.nodeAddress, to: domain.correspondentAddress)
    #expect(domain.gatewayPaths[0].apply([.setUplink(domain.home, TunnelIdentifier(rawValue: 1))]) == .applied)
    domain.nodeSocket.send("again", from: domain.nodeAddress, to: domain.correspondentAddress)
    #expect(try domain.correspondentSocket.receive()?.text == "again")
  }

  @Test("The anchor decapsulates for its gateways only", arguments: EncapsulationChoice.available)
  func strangers(encapsulation: EncapsulationChoice) throws {
    let domain = try MobilityDomain(encapsulation)
    #expect(domain.anchorPath.apply([.removeTunnel(domain.tunnels[1].identifier)]) == .applied)
    // mag2 still encapsulates. A copy of the session through it must not come out.
    try domain.node.run { netlink in
      let route = Route(
        to: .everything, protocolNumber: 4, metric: 10, interface: try netlink.link(named: "if2").index,
        gateway: try address("fe80::1"))
      try netlink.run(route.addition)
    }
    domain.nodeSocket.send("by mag2", from: domain.nodeAddress, to: domain.correspondentAddress)
    #expect(try domain.correspondentSocket.receive(within: .milliseconds(200)) == nil)
    #expect(domain.anchorPath.apply([.addTunnel(domain.tunnels[1])]) == .applied)
    domain.nodeSocket.send("by mag2 again", from: domain.nodeAddress, to: domain.correspondentAddress)
    #expect(try domain.correspondentSocket.receive()?.text == "by mag2 again")
  }

  @Test("The tunnel's end stays an ordinary address", arguments: EncapsulationChoice.available)
  func localAddress(encapsulation: EncapsulationChoice) throws {
    let domain = try MobilityDomain(encapsulation)
    let onAnchor = try UDPEndpoint(in: domain.anchor)
    let onGateway = try UDPEndpoint(in: domain.gateways[0])
    onGateway.send("signalling", from: domain.tunnels[0].remote, to: domain.tunnels[0].local)
    #expect(try onAnchor.receive()?.text == "signalling")
    onAnchor.send("answer", from: domain.tunnels[0].local, to: domain.tunnels[0].remote)
    #expect(try onGateway.receive()?.text == "answer")
  }
}
