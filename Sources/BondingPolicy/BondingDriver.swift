import Glibc
import LinuxNet
import NetTypes

/// The logical interface of the back end `bonding`: a bond in mode active-backup. The number of a packet's slave becomes
/// its queue number, by which the driver chooses the slave. It sends all other packets, and those of a slave without
/// carrier, by its active slave, whether we run or not.
struct BondingDriver: LogicalInterface {
  let plan: BondingPlan
  let tables: RouteNetlink

  func exists(_ links: [Link]) throws(LinuxError) -> Bool {
    guard let present = links.first(where: { $0.name == plan.interface }) else { return false }
    try refuseForeign([present])
    return present.kind == Bond.kind
  }

  func create(_ address: LinkLayerAddress, _ links: [Link]) throws(LinuxError) {
    try tables.run(.createBond(name: plan.interface, address))
    let bond = try tables.link(named: plan.interface)
    do {
      try change(bond, LinkChange(mtu: smallestMTU(links), alias: Self.alias))
      try setFilters(bond.index)
    } catch {
      _ = try? tables.run(.deleteLink(index: bond.index, name: bond.name))
      throw error
    }
  }

  /// A filter for each slave, that makes the mark of a packet its queue number.
  private func setFilters(_ bond: UInt32) throws(LinuxError) {
    do {
      try tables.run(.addFilterPoint(interface: bond, name: plan.interface))
      for slave in plan.slaves {
        try tables.run(
          .setFilter(
            interface: bond, name: plan.interface, mark: slave.mark, mask: plan.markMask, .queue(slave.queue)))
      }
    } catch {
      var refusal = error
      if error.code == ENOENT || error.code == EOPNOTSUPP {
        refusal.advice =
          "the kernel lacks traffic control for it; load the modules \(BackEndChoice.modules(for: [.queue(1)])), or set "
          + "backend to veth"
      }
      throw refusal
    }
  }

  func adjust(_ links: [Link], _ address: LinkLayerAddress) throws(LinuxError) {
    guard let bond = links.first(where: { $0.name == plan.interface }), bond.linkLayerAddress != address else { return }
    try change(bond, LinkChange(linkLayerAddress: address))
  }

  /// The driver gives its slaves the MTU of the bond.
  func adopt(_ link: Link, as address: LinkLayerAddress, _ slaves: SlaveKeeper) throws(LinuxError) {
    let bond = try tables.link(named: plan.interface)
    if link.mtu < bond.mtu { try change(bond, LinkChange(mtu: max(link.mtu, Self.minimumMTU))) }
    try slaves.enslave(link, to: bond)
  }

  /// Queue numbers, and the active slave: as long as we run, the first one with carrier, later any. An earlier run may
  /// have been killed before it had set all its filters.
  func follow(_ links: BondingPlan.Links, after earlier: BondingPlan.Links?) throws(LinuxError) {
    if earlier == nil { try setFilters(links.interface) }
    for link in links.slaves where earlier?.slaves.contains(where: { $0.index == link.index }) != true {
      try tables.run(.setQueue(ofSlave: link.index, name: link.slave.name, link.slave.queue))
    }
    if let wanted = links.defaultSlave, wanted.index != earlier?.defaultSlave?.index {
      try tables.run(.setPrimarySlave(ofBond: links.interface, name: plan.interface, wanted.index))
    }
  }

  func activate(_ links: [Link]) throws(LinuxError) {
    guard let bond = links.first(where: { $0.name == plan.interface }) else { return }
    try change(bond, LinkChange(up: true))
  }

  /// The driver releases the slaves, with the link-layer address and the MTU that they had.
  func delete() throws(LinuxError) -> Int {
    guard
      let bond = try tables.links().first(where: {
        $0.name == plan.interface && $0.kind == Bond.kind && $0.alias == Self.alias
      })
    else { return 0 }
    try tables.run(.deleteLink(index: bond.index, name: bond.name))
    return 1
  }
}

extension BondingPlan.Slave {
  fileprivate var queue: UInt16 { UInt16(number) }
}
