import Datapath
import DatapathModel
import LinuxNet
import NetTypes
import Testing

/// Rules of RFC 5213 about packets, with every encapsulation that the kernel has.
@Suite("RFC 5213 sections 5.6 and 6.10: packets", .enabled(if: isRoot, needsRoot))
struct RFC5213PathTests {
  @Test("5.3.6, 6.9.1.5: a Mobility Header stands right behind the IPv6 header: no home address, no routing header")
  func signallingWithoutExtensionHeaders() throws {
    let (gateway, anchor) = (try Host(), try Host())
    try gateway.connect("core0", to: anchor, "core0")
    try gateway.add("2001:db8:1::11", to: "core0")
    try anchor.add("2001:db8:1::1", to: "core0")
    for host in [gateway, anchor] {
      try host.filter("type filter hook input priority 0; ip6 nexthdr != { 58, 135 } drop;")
    }
    let near = try gateway.namespace.run { try MobilityHeaderSocket() }
    let far = try anchor.namespace.run { try MobilityHeaderSocket() }
    // Binding Update, 16 octets, checksum left empty; sent back as it came.
    let message: [UInt8] = [59, 1, 5, 0, 0, 0, 0, 7] + [UInt8](repeating: 0, count: 8)
    var received = 0
    try near.send(message, source: try address("2001:db8:1::11"), destination: try address("2001:db8:1::1"))
    _ = try eventually {
      try far.receive { datagram in
        received += 1
        try? far.send(datagram.payload, source: datagram.destination, destination: datagram.source)
      }
      return received == 1
    }
    #expect(
      try eventually {
        try near.receive { _ in received += 1 }
        return received == 2
      })
  }

  @Test("6.10.2: between anchor and gateway there is IPv6 in IPv6 only", arguments: EncapsulationChoice.available)
  func encapsulation(encapsulation: EncapsulationChoice) throws {
    let domain = try MobilityDomain(encapsulation)
    // Between the two headers is nothing: the first half octet behind the outer one is the inner version.
    try domain.router.filter(
      "type filter hook forward priority 0; policy drop; ip6 nexthdr 41 @th,0,4 6 ip6 saddr "
        + "{ 2001:db8:1::1, 2001:db8:11::11 } ip6 daddr { 2001:db8:1::1, 2001:db8:11::11 } accept;")
    try domain.expectSession()
  }

  @Test("5.6.3: ECT is copied to the outer header", arguments: EncapsulationChoice.available)
  func congestionCopiedOut(encapsulation: EncapsulationChoice) throws {
    let domain = try MobilityDomain(encapsulation)
    try domain.sendECT()
    try domain.router.filter("type filter hook forward priority 0; ip6 ecn != ect0 drop;")
    try domain.expectSession()
  }

  @Test("5.6.3: CE in the outer header comes back to the inner one", .enabled(if: hasTunnelDevices, needsTunnelDevices))
  func congestionNotification() throws {
    let domain = try MobilityDomain(.ip6tnl)
    try domain.sendECT()
    try domain.router.filter("type filter hook forward priority 0; ip6 ecn set ce;")
    for host in [domain.node, domain.correspondent] {
      try host.filter("type filter hook input priority 0; udp dport 7000 ip6 ecn != ce drop;")
    }
    try domain.expectSession()
  }

  @Test("6.10.3: packets between nodes of one gateway pass the anchor", arguments: EncapsulationChoice.available)
  func noLocalRouting(encapsulation: EncapsulationChoice) throws {
    let domain = try MobilityDomain(encapsulation)
    // For the gateway the neighbour is a node of its own; the anchor says that it is the correspondent.
    let neighbour = try prefix("2001:db8:100:7::/64")
    let next = try domain.node.linkLocalAddress("if1")
    #expect(
      domain.gatewayPaths[0].apply([
        .setUplink(neighbour, TunnelIdentifier(rawValue: 1)), .setDownlink(neighbour, link: "acc0", via: next),
      ]) == .applied)
    try domain.correspondent.add("2001:db8:100:7::2", to: "eth0")
    try domain.anchor.route("2001:db8:100:7::/64", via: "2001:db8:c::2", dev: "cn0")
    domain.nodeSocket.send("neighbour", from: domain.nodeAddress, to: try address("2001:db8:100:7::2"))
    #expect(try domain.correspondentSocket.receive()?.text == "neighbour")
  }

  @Test("6.10.5: a tunnelled packet for nobody here is dropped silently", arguments: EncapsulationChoice.available)
  func unknownDestination(encapsulation: EncapsulationChoice) throws {
    let domain = try MobilityDomain(encapsulation)
    try domain.expectSession()
    #expect(domain.gatewayPaths[0].apply([.removeDownlink(domain.home)]) == .applied)
    // Whatever the gateway sends now would be the packet itself, on its way back, or an error about it.
    try domain.router.filter("type filter hook forward priority 0; iifname r1 counter;")
    domain.correspondentSocket.send("lost", from: domain.correspondentAddress, to: domain.nodeAddress)
    #expect(try domain.nodeSocket.receive(within: .milliseconds(200)) == nil)
    try domain.router.execute("/bin/sh", ["-c", "/usr/sbin/nft list ruleset | grep -q 'counter packets 0 '"])
    #expect(domain.gatewayPaths[0].apply([.setDownlink(domain.home, link: "acc0", via: nil)]) == .applied)
    try domain.expectSession()
  }

  @Test("6.10.5: nothing from a link-local source is forwarded", arguments: EncapsulationChoice.available)
  func linkLocalSource(encapsulation: EncapsulationChoice) throws {
    let domain = try MobilityDomain(encapsulation)
    let interface = try domain.interface("if1")
    let local = try domain.node.linkLocalAddress("if1")
    domain.nodeSocket.send("link-local", from: local, to: domain.correspondentAddress, interface: interface)
    domain.nodeSocket.send("global", from: domain.nodeAddress, to: domain.correspondentAddress)
    #expect(try domain.correspondentSocket.receive()?.text == "global")
    #expect(try domain.correspondentSocket.receive(within: .milliseconds(200)) == nil)
  }
}

extension MobilityDomain {
  /// Both ends send ECN-capable datagrams from now on.
  fileprivate func sendECT() throws {
    for host in [node, correspondent] {
      try host.filter("type filter hook output priority 0; udp dport 7000 ip6 ecn set ect0;")
    }
  }

  /// One datagram each way.
  fileprivate func expectSession() throws {
    nodeSocket.send("up", from: nodeAddress, to: correspondentAddress)
    #expect(try correspondentSocket.receive(within: .seconds(2))?.text == "up")
    correspondentSocket.send("down", from: correspondentAddress, to: nodeAddress)
    #expect(try nodeSocket.receive(within: .seconds(2))?.text == "down")
  }
}

extension Host {
  /// Adds a chain to the host's packet filter.
  fileprivate func filter(_ chain: String) throws {
    let name = "c\(chain.utf8.reduce(0) { ($0 &* 31 &+ UInt32($1)) % 1_000_003 })"
    try execute("/usr/sbin/nft", ["table ip6 rules { chain \(name) { \(chain) } ; }"])
  }
}
