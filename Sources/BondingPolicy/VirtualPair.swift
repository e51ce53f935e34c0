import Glibc
import LinuxNet
import NetTypes

/// The logical interface of the back end `veth`: one end of a veth pair. What the slaves receive is sent on the other
/// end, the peer, which has no other use. Both carry our alias, so that we never touch an interface of somebody else.
struct VirtualPair {
  let plan: BondingPlan
  let tables: RouteNetlink

  static let alias = "flowmob:bonding-policy"
  static let kind = "veth"
  /// Octets; an IPv6 link must carry as much (RFC 8200 section 5).
  private static let minimumMTU: UInt32 = 1280

  /// Whether the pair is there. Throws when another interface has one of the names.
  func exists(_ links: [Link]) throws(LinuxError) -> Bool {
    let present = links.filter { $0.name == plan.interface || $0.name == plan.peer }
    if let other = present.first(where: { $0.kind != Self.kind || $0.alias != Self.alias }) {
      throw LinuxError(
        "create interface", other.name, code: EEXIST,
        advice: "it is not ours; choose another name for 'interface', or delete it with `ip link delete \(other.name)`")
    }
    return present.count == 2
  }

  /// The link-layer address of the logical interface and its slaves: the configured one, what it has already, or that
  /// of the first slave.
  func linkLayerAddress(_ links: [Link]) throws(LinuxError) -> LinkLayerAddress {
    if let address = plan.linkLayerAddress { return address }
    for name in [plan.interface] + plan.slaves.prefix(1).map(\.name) {
      if let address = links.first(where: { $0.name == name })?.linkLayerAddress { return address }
    }
    throw LinuxError(
      "take link-layer address of", plan.slaves.first?.name ?? "the first slave", code: ENODEV,
      advice: "the interface is not there; set link-layer-address to start without it")
  }

  /// Makes the pair, down.
  func create(_ address: LinkLayerAddress) throws(LinuxError) {
    try tables.run(.createVirtualPair(name: plan.interface, peer: plan.peer))
    let own = try tables.link(named: plan.interface)
    let peer = try tables.link(named: plan.peer)
    try KernelParameter.ipv6(interface: peer.name, "disable_ipv6").write("1")
    try change(own, LinkChange(linkLayerAddress: address, alias: Self.alias))
    try change(peer, LinkChange(alias: Self.alias))
  }

  /// The address, and the smallest MTU of the slaves, so that whatever the logical interface sends fits them all.
  func adjust(_ links: [Link], _ address: LinkLayerAddress) throws(LinuxError) {
    let mtu = links.filter { link in plan.slaves.contains { $0.name == link.name } }.map(\.mtu).min()
      .map { max($0, Self.minimumMTU) }
    for link in links where link.name == plan.interface || link.name == plan.peer {
      var wanted = LinkChange()
      if let mtu, mtu != link.mtu { wanted.mtu = mtu }
      if link.name == plan.interface, link.linkLayerAddress != address { wanted.linkLayerAddress = address }
      if wanted != LinkChange() { try change(link, wanted) }
    }
  }

  /// Sets both ends up.
  func activate(_ links: [Link]) throws(LinuxError) {
    for name in [plan.peer, plan.interface] {
      if let link = links.first(where: { $0.name == name }) { try change(link, LinkChange(up: true)) }
    }
  }

  /// Gives the number of interfaces deleted.
  func delete() throws(LinuxError) -> Int {
    let own = try tables.links().filter {
      ($0.name == plan.interface || $0.name == plan.peer) && $0.alias == Self.alias
    }
    // One end takes the other along.
    if let first = own.first { try tables.run(.deleteLink(index: first.index, name: first.name)) }
    return own.count
  }

  private func change(_ link: Link, _ change: LinkChange) throws(LinuxError) {
    try tables.run(.changeLink(index: link.index, name: link.name, change))
  }
}
