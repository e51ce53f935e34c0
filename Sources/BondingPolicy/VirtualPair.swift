import Glibc
import LinuxNet
import NetTypes

/// The logical interface of the back end `veth`: one end of a veth pair. What the slaves receive is sent on the other
/// end, the peer, which has no other use.
///
/// Packets of a point-to-point slave have no Ethernet header, those of the pair do. On the way in, a filter of traffic
/// control on the peer puts one in front of packets with the mark of such a slave; on the way out, a filter on the slave
/// takes it off (`SlaveKeeper`).
struct VirtualPair: LogicalInterface {
  let plan: BondingPlan
  let tables: RouteNetlink

  static let kind = "veth"

  func exists(_ links: [Link]) throws(LinuxError) -> Bool {
    let present = links.filter { $0.name == plan.interface || $0.name == plan.peer }
    try refuseForeign(present)
    return present.count { $0.kind == Self.kind } == 2
  }

  func create(_ address: LinkLayerAddress, _ links: [Link]) throws(LinuxError) {
    try tables.run(.createVirtualPair(name: plan.interface, peer: plan.peer))
    let own = try tables.link(named: plan.interface)
    let peer = try tables.link(named: plan.peer)
    try KernelParameter.ipv6(interface: peer.name, "disable_ipv6").write("1")
    try change(own, LinkChange(linkLayerAddress: address, alias: Self.alias))
    try change(peer, LinkChange(alias: Self.alias))
  }

  func adjust(_ links: [Link], _ address: LinkLayerAddress) throws(LinuxError) {
    let mtu = smallestMTU(links)
    for link in links where link.name == plan.interface || link.name == plan.peer {
      var wanted = LinkChange()
      if let mtu, mtu != link.mtu { wanted.mtu = mtu }
      if link.name == plan.interface, link.linkLayerAddress != address { wanted.linkLayerAddress = address }
      if wanted != LinkChange() { try change(link, wanted) }
    }
  }

  func adopt(_ link: Link, as address: LinkLayerAddress, _ slaves: SlaveKeeper) throws(LinuxError) {
    if link.isPointToPoint {
      guard let slave = plan.slaves.first(where: { $0.name == link.name }) else { return }
      try slaves.adopt(pointToPoint: link, SlaveRecord.Filter(mark: slave.mark, mask: plan.markMask))
    } else {
      try slaves.adopt(link, as: address)
    }
  }

  /// The source address in front of packets that come without one: the one that all gateways of a domain may have (RFC 6543
  /// section 3.2), so that a router is the same neighbour on slaves of all kinds.
  static let gatewayAddress = LinkLayerAddress.fixedGateway

  /// The filters of the peer.
  func follow(_ links: BondingPlan.Links, after earlier: BondingPlan.Links?) throws(LinuxError) {
    guard let peer = links.peer, let address = links.linkLayerAddress else { return }
    for link in links.slaves {
      if link.isPointToPoint {
        try tables.run(.addFilterPoint(interface: peer, name: plan.peer))
        try tables.run(
          .setFilter(
            interface: peer, name: plan.peer, mark: link.slave.mark, mask: plan.markMask,
            .pushEthernet(destination: address, source: Self.gatewayAddress)))
      } else if earlier?.slaves.contains(where: { $0.index == link.index }) != true {
        // An interface of this name may have been another kind of link before.
        try tables.run(.removeFilter(interface: peer, name: plan.peer, mark: link.slave.mark))
      }
    }
  }

  /// Sets both ends up.
  func activate(_ links: [Link]) throws(LinuxError) {
    for name in [plan.peer, plan.interface] {
      if let link = links.first(where: { $0.name == name }) { try change(link, LinkChange(up: true)) }
    }
  }

  func delete() throws(LinuxError) -> Int {
    let own = try tables.links().filter {
      ($0.name == plan.interface || $0.name == plan.peer) && $0.kind == Self.kind && $0.alias == Self.alias
    }
    // One end takes the other along.
    if let first = own.first { try tables.run(.deleteLink(index: first.index, name: first.name)) }
    return own.count
  }
}
