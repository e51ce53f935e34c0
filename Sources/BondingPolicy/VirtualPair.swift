import Glibc
import LinuxNet
import NetTypes

/// The logical interface of the back end `veth`: one end of a veth pair. What the slaves receive is sent on the other
/// end, the peer, which has no other use.
struct VirtualPair: LogicalInterface {
  let plan: BondingPlan
  let tables: RouteNetlink

  static let kind = "veth"

  func exists(_ links: [Link]) throws(LinuxError) -> Bool {
    let present = links.filter { $0.name == plan.interface || $0.name == plan.peer }
    if let other = present.first(where: { $0.alias != Self.alias }) {
      throw LinuxError(
        "create interface", other.name, code: EEXIST,
        advice: "it is not ours; choose another name for 'interface', or delete it with `ip link delete \(other.name)`")
    }
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
    let mtu = smallestMTU(plan, links)
    for link in links where link.name == plan.interface || link.name == plan.peer {
      var wanted = LinkChange()
      if let mtu, mtu != link.mtu { wanted.mtu = mtu }
      if link.name == plan.interface, link.linkLayerAddress != address { wanted.linkLayerAddress = address }
      if wanted != LinkChange() { try change(link, wanted) }
    }
  }

  func adopt(_ link: Link, as address: LinkLayerAddress, _ slaves: SlaveKeeper) throws(LinuxError) {
    try slaves.adopt(link, as: address)
  }

  /// The nftables chains of the slaves are all there is.
  func follow(_ links: BondingPlan.Links, after earlier: BondingPlan.Links?) throws(LinuxError) {}

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

  private func change(_ link: Link, _ change: LinkChange) throws(LinuxError) {
    try tables.run(.changeLink(index: link.index, name: link.name, change))
  }
}
