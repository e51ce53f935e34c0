import Datapath
import DatapathModel
import Glibc
import LinuxNet
import NetTypes
import Testing

@Suite("The testbed's guest", .enabled(if: isInGuest, "runs in the guest only"))
struct GuestTests {
  @Test("Its kernel has tunnel devices: no test is left out there")
  func tunnelDevices() { #expect(hasTunnelDevices) }
}

@Suite("Tunnel devices", .enabled(if: hasTunnelDevices, needsTunnelDevices))
struct DeviceTunnelTests {
  private func snapshot() throws -> DatapathSnapshot {
    var snapshot = DatapathSnapshot()
    for number in 1...2 as ClosedRange<UInt32> {
      snapshot.apply(.addTunnel(try tunnel(number, to: "2001:db8:1::1\(number)")))
    }
    snapshot.apply(.setPrefixRoute(try prefix("2001:db8:100:1::/64"), TunnelIdentifier(rawValue: 1)))
    return snapshot
  }

  @Test("A tunnel is a device with our name and alias, up, with the MTU of the core less one header")
  func device() throws {
    let host = try AnchorHost()
    try host.run { netlink in
      let datapath = try KernelDatapath(try anchorConfiguration(.auto))
      #expect(datapath.encapsulation == .ip6tnl)
      let first = try tunnel(3, to: "2001:db8:1::11")
      #expect(datapath.apply([.addTunnel(first)]) == .applied)
      let link = try netlink.link(named: "flm3")
      #expect(link.kind == "ip6tnl" && link.alias == "flowmob:lmad" && link.isUp && link.mtu == 1_460)
      #expect(link.tunnel == IPv6Tunnel(local: first.local, remote: first.remote))
      #expect(try netlink.addresses().allSatisfy { $0.interface != link.index })
      // Same again, and the same number for another gateway.
      #expect(datapath.apply([.addTunnel(first)]) == .applied)
      #expect(try netlink.link(named: "flm3").index == link.index)
      let moved = try tunnel(3, to: "2001:db8:1::12")
      #expect(datapath.apply([.addTunnel(moved)]) == .applied)
      #expect(try netlink.link(named: "flm3").tunnel?.remote == moved.remote)
      #expect(datapath.apply([.removeTunnel(first.identifier), .removeTunnel(first.identifier)]) == .applied)
      let error = #expect(throws: LinuxError.self) { try netlink.link(named: "flm3") }
      #expect(error?.code == ENODEV)
    }
  }

  private func tunnel(_ number: UInt32, to remote: String) throws -> TunnelDescription {
    TunnelDescription(
      identifier: TunnelIdentifier(rawValue: number), local: try address("2001:db8:1::1"), remote: try address(remote))
  }

  @Test("A restart keeps the devices; a device that is not wanted goes, a foreign one stays")
  func restart() throws {
    let host = try AnchorHost()
    try host.run { netlink in
      let foreign = IPv6Tunnel(local: try address("2001:db8:1::1"), remote: try address("2001:db8:1::77"))
      try netlink.run(.createTunnel(name: "vpn0", foreign, mtu: 1_400))
      let configuration = try anchorConfiguration(.ip6tnl)
      #expect(try KernelDatapath(configuration).reconcile(to: try snapshot()).failures == [])
      let index = try netlink.link(named: "flm1").index
      let datapath = try KernelDatapath(configuration)
      let second = try datapath.reconcile(to: try snapshot())
      #expect(second.set == 0 && second.removed == 0 && second.failures == [])
      #expect(try netlink.link(named: "flm1").index == index)

      var fewer = try snapshot()
      fewer.apply(.removeTunnel(TunnelIdentifier(rawValue: 2)))
      // Device and rule; the device's route goes with it or before.
      #expect(try datapath.reconcile(to: fewer).removed >= 2)
      func names() throws -> [String] { try netlink.links().filter { $0.tunnel != nil }.map(\.name).sorted() }
      #expect(try names().filter { $0 != "ip6tnl0" } == ["flm1", "vpn0"])
      #expect(try datapath.teardown() == [])
      #expect(try names().filter { $0 != "ip6tnl0" } == ["vpn0"])
    }
  }

  @Test("Tunnel numbers may be exchanged between two runs")
  func exchangedNumbers() throws {
    let host = try AnchorHost()
    try host.run { netlink in
      let datapath = try KernelDatapath(try anchorConfiguration(.ip6tnl))
      #expect(try datapath.reconcile(to: try snapshot()).failures == [])
      var exchanged = DatapathSnapshot()
      exchanged.apply(.addTunnel(try tunnel(1, to: "2001:db8:1::12")))
      exchanged.apply(.addTunnel(try tunnel(2, to: "2001:db8:1::11")))
      #expect(try datapath.reconcile(to: exchanged).failures == [])
      #expect(try netlink.link(named: "flm1").tunnel?.remote == (try address("2001:db8:1::12")))
      #expect(try netlink.link(named: "flm2").tunnel?.remote == (try address("2001:db8:1::11")))
      let again = try datapath.reconcile(to: exchanged)
      #expect(again.set == 0 && again.removed == 0)
    }
  }

  @Test("A device of our name that is somebody else's is refused, not replaced")
  func nameCollision() throws {
    let host = try AnchorHost()
    try host.run { netlink in
      let foreign = IPv6Tunnel(local: try address("2001:db8:1::1"), remote: try address("2001:db8:1::77"))
      try netlink.run(.createTunnel(name: "flm1", foreign, mtu: 1_400))
      let datapath = try KernelDatapath(try anchorConfiguration(.ip6tnl))
      let result = datapath.apply([.addTunnel(try tunnel(1, to: "2001:db8:1::11"))])
      guard case .failed(let failures) = result else {
        Issue.record("not refused")
        return
      }
      #expect(failures.first?.description.contains("belongs to somebody else") == true)
      #expect(try netlink.link(named: "flm1").tunnel == foreign)
    }
  }

  @Test("Changing the encapsulation between two runs leaves nothing of the other one", arguments: [false, true])
  func changeOfEncapsulation(toDevices: Bool) throws {
    let host = try AnchorHost()
    let (first, second): (EncapsulationChoice, EncapsulationChoice) = toDevices ? (.srv6, .ip6tnl) : (.ip6tnl, .srv6)
    try host.run { netlink in
      #expect(try KernelDatapath(try anchorConfiguration(first)).reconcile(to: try snapshot()).failures == [])
      let report = try KernelDatapath(try anchorConfiguration(second)).reconcile(to: try snapshot())
      #expect(report.failures == [])
      let devices = try netlink.links().filter { $0.alias == "flowmob:lmad" }
      #expect(devices.count == (toDevices ? 2 : 0))
      let diverted = try netlink.rules().contains { $0.priority == 0 && $0.ipProtocol == 41 }
      #expect(diverted == !toDevices)
      let encapsulating = try netlink.routes(protocolNumber: 113).filter { $0.encapsulation != nil }
      #expect(encapsulating.isEmpty == toDevices)
    }
  }
}
