import Glibc
import LinuxNet
import NetTypes
import Testing

/// Every kind of kernel object: create, read back, remove, in a private namespace.
@Suite("Route netlink", .enabled(if: isRoot, needsRoot))
struct RouteNetlinkTests {
  let ours: UInt8 = 113

  @Test("Interfaces are created, found, changed and deleted")
  func links() throws {
    try NetworkNamespace().run {
      let netlink = try RouteNetlink()
      let (left, right) = try makePair(netlink)
      #expect(left.kind == "veth" && left.isUp && left.hasCarrier)
      #expect(try Set(netlink.links().map(\.name)).isSuperset(of: ["lo", "left", "right"]))
      #expect(try netlink.link(index: right.index).name == "right")

      let change = LinkChange(mtu: 1_600, linkLayerAddress: .fixedGateway, alias: "flowmob:test")
      try netlink.run(.changeLink(index: left.index, name: "left", change))
      let changed = try netlink.link(named: "left")
      #expect(changed.mtu == 1_600 && changed.linkLayerAddress == .fixedGateway && changed.alias == "flowmob:test")

      try netlink.run(.changeLink(index: right.index, name: "right", LinkChange(up: false)))
      #expect(try eventually { try !netlink.link(named: "left").hasCarrier })

      try netlink.run(.deleteLink(index: left.index, name: "left"))
      try netlink.run(.deleteLink(index: left.index, name: "left"))
      let error = #expect(throws: LinuxError.self) { try netlink.link(named: "left") }
      #expect(error?.code == ENODEV && error?.object == "left")
    }
  }

  @Test("Addresses are added without detection and are usable at once")
  func addresses() throws {
    try NetworkNamespace().run {
      let netlink = try RouteNetlink()
      let (left, _) = try makePair(netlink)
      let own = InterfaceAddress(
        interface: left.index, address: try address("2001:db8:1::1"), prefixLength: 64, withoutDetection: true)
      try netlink.run(own.addition)
      try netlink.run(own.addition)
      let read = try #require(try netlink.addresses().first { $0.address == own.address })
      #expect(read.interface == left.index && read.prefixLength == 64 && !read.isTentative)
      try netlink.run(own.removal)
      try netlink.run(own.removal)
      #expect(try netlink.addresses().allSatisfy { $0.address != own.address })
    }
  }

  @Test("Routes of every kind read back as they were set")
  func routes() throws {
    try NetworkNamespace().run {
      let netlink = try RouteNetlink()
      let (left, _) = try makePair(netlink)
      let nodes = try prefix("2001:db8:a:1::/64")
      let everything = try prefix("::/0")
      let peer = try address("2001:db8:1::11")
      let routes = [
        Route(to: nodes, protocolNumber: ours, metric: 100, interface: left.index),
        Route(to: nodes, protocolNumber: ours, kind: .unreachable),
        Route(to: everything, table: 52_130, protocolNumber: ours, metric: 4_000, kind: .blackhole),
        Route(
          to: everything, from: nodes, table: 52_130, protocolNumber: ours, interface: left.index,
          encapsulation: .segments([peer])),
        Route(to: .host(peer), from: .host(.allNodes), table: 52_130, protocolNumber: ours, kind: .throw),
        Route(
          to: .host(peer), table: 60, protocolNumber: ours, interface: left.index,
          encapsulation: .decapsulate(table: 254)),
        Route(
          to: try prefix("2001:db8:b::/64"), protocolNumber: ours, interface: left.index,
          gateway: try address("fe80::1"), mtu: 1_460),
        Route(to: try prefix("2001:db8:c::1/128"), table: 60, protocolNumber: ours, kind: .local, interface: 1),
      ]
      let loopback = try netlink.link(named: "lo")
      try netlink.run(.changeLink(index: loopback.index, name: "lo", LinkChange(up: true)))
      #expect(try netlink.batch(routes.map(\.replacement)) == [])
      #expect(try Set(netlink.routes(protocolNumber: ours)) == Set(routes))
      #expect(try netlink.routes(table: 52_130).count == 3)
      #expect(try netlink.routes(table: 4_711).isEmpty)

      #expect(try netlink.batch(routes.map(\.replacement)) == [], "again")
      #expect(try netlink.routes(protocolNumber: ours).count == routes.count)
      #expect(try netlink.batch((routes + routes).map(\.removal)) == [], "twice")
      #expect(try netlink.routes(protocolNumber: ours).isEmpty)
    }
  }

  @Test("Replacing swaps output, encapsulation and gateway without a second route")
  func replacement() throws {
    try NetworkNamespace().run {
      let netlink = try RouteNetlink()
      let (left, right) = try makePair(netlink)
      let nodes = try prefix("2001:db8:a:1::/64")
      let onLink = Route(to: nodes, protocolNumber: ours, metric: 100, interface: left.index)
      let forms = [
        onLink,
        Route(to: nodes, protocolNumber: ours, metric: 100, interface: right.index),
        Route(
          to: nodes, protocolNumber: ours, metric: 100, interface: right.index, gateway: try address("fe80::1")),
        Route(
          to: nodes, protocolNumber: ours, metric: 100, interface: left.index, gateway: try address("fe80::2")),
        Route(
          to: nodes, protocolNumber: ours, metric: 100, interface: left.index,
          encapsulation: .segments([try address("2001:db8:1::11")])),
        Route(
          to: nodes, protocolNumber: ours, metric: 100, interface: left.index,
          encapsulation: .segments([try address("2001:db8:1::12")])),
        onLink,
      ]
      for form in forms {
        try netlink.run(form.replacement)
        #expect(try netlink.routes(protocolNumber: ours) == [form])
      }
    }
  }

  @Test("A batch reports each refusal with its object and does the rest")
  func batchErrors() throws {
    try NetworkNamespace().run {
      let netlink = try RouteNetlink()
      let (left, _) = try makePair(netlink)
      let pool = try prefix("2001:db8:100::/48")
      var requests: [KernelRequest] = []
      for number in 0..<200 {
        let subnet = try #require(pool.subnet(UInt64(number), length: 64))
        // Interface 9999 does not exist.
        let interface: UInt32 = number % 70 == 0 ? 9_999 : left.index
        requests.append(Route(to: subnet, protocolNumber: ours, interface: interface).replacement)
      }
      let failures = try netlink.batch(requests)
      #expect(failures.map(\.index) == [0, 70, 140])
      #expect(failures.allSatisfy { $0.error.code == ENODEV && $0.error.object.contains("dev 9999") })
      #expect(try netlink.routes(protocolNumber: ours).count == 197)
    }
  }

  @Test("Rules are added once, read back and removed by content")
  func rules() throws {
    try NetworkNamespace().run {
      let netlink = try RouteNetlink()
      let rules = [
        RoutingRule(
          priority: 5_213, .lookup(table: 52_131), mark: .init(value: 0x10000, mask: 0x0fff_0000), protocolNumber: ours),
        RoutingRule(priority: 5_213, .lookup(table: 52_130), inputInterface: "acc0", protocolNumber: ours),
        RoutingRule(
          priority: 5_212, .lookup(table: 60), destination: try prefix("2001:db8:1::1/128"), ipProtocol: 41,
          protocolNumber: ours),
        RoutingRule(priority: 5_214, .unreachable, source: try prefix("2001:db8:a::/48"), protocolNumber: ours),
        RoutingRule(
          priority: 5_215, .goTo(priority: 5_216), mark: .init(value: 0, mask: 0x0fff_0000), protocolNumber: ours),
        RoutingRule(priority: 5_216, .nop, protocolNumber: ours),
      ]
      #expect(try netlink.batch((rules + rules).map(\.addition)) == [])
      #expect(try Set(netlink.rules().filter { $0.protocolNumber == ours }) == Set(rules))
      #expect(try netlink.rules().filter { $0.protocolNumber == ours }.count == rules.count)
      #expect(try netlink.rules().contains { $0.priority == 0 && $0.action == .lookup(table: Route.localTable) })
      #expect(try netlink.batch((rules + rules).map(\.removal)) == [])
      #expect(try netlink.rules().allSatisfy { $0.protocolNumber != ours })
    }
  }

  @Test("A probed neighbour that answers becomes reachable, one that does not fails")
  func neighbours() throws {
    try NetworkNamespace().run {
      let netlink = try RouteNetlink()
      let monitor = try InterfaceMonitor()
      let (left, right) = try makePair(netlink)
      let there = try #require(right.linkLayerAddress).linkLocalAddress
      // The solicitation needs a source address that is no longer tentative.
      #expect(
        try eventually { try netlink.addresses().filter { $0.address.isLinkLocal && !$0.isTentative }.count == 2 })
      let present = Neighbour(
        interface: left.index, address: there, linkLayerAddress: right.linkLayerAddress, state: .stale)
      let absent = Neighbour(
        interface: left.index, address: try address("fe80::dead"),
        linkLayerAddress: LinkLayerAddress(rawValue: 0x0200_0000_0001),
        state: .stale)
      _ = try monitor.resynchronize()
      try netlink.run(present.probe)
      try netlink.run(absent.probe)
      var states: [IPv6Address: [Neighbour.State]] = [:]
      let complete = try eventually {
        try monitor.receive { event in
          if case .neighbour(let neighbour) = event { states[neighbour.address, default: []].append(neighbour.state) }
        }
        return states[present.address]?.last == .reachable && states[absent.address]?.last == .failed
      }
      #expect(complete, "\(states)")
      try netlink.run(absent.removal)
      #expect(try netlink.neighbours(interface: left.index).allSatisfy { $0.address != absent.address })
    }
  }

  @Test("The source of segment routing is set and read per namespace")
  func segmentRoutingSource() throws {
    try NetworkNamespace().run {
      let segments = try SegmentRoutingNetlink()
      #expect(try segments.encapsulationSource() == .unspecified)
      try segments.setEncapsulationSource(try address("2001:db8:1::1"))
      #expect(try segments.encapsulationSource() == (try address("2001:db8:1::1")))
      try segments.setEncapsulationSource(.unspecified)
      #expect(try segments.encapsulationSource() == .unspecified)
    }
  }

  @Test("Kernel parameters belong to the namespace; an unknown one is an error that names it")
  func kernelParameters() throws {
    try NetworkNamespace().run {
      try KernelParameter.ipv6Forwarding.write("1")
      #expect(try KernelParameter.ipv6Forwarding.read() == "1")
      try KernelParameter.ipv6(interface: "lo", "accept_ra").write("0")
      let error = #expect(throws: LinuxError.self) { try KernelParameter("net.ipv6.nonsense").read() }
      #expect(error?.code == ENOENT && error?.object == "sysctl net.ipv6.nonsense")
    }
  }
}
