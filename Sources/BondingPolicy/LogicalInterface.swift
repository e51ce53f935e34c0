import Glibc
import LinuxNet
import NetTypes

/// A way to make the logical interface; what is common to all is in `BondingKernel`.
///
/// Whatever it makes carries our alias, so that we never touch an interface of somebody else.
protocol LogicalInterface {
  var plan: BondingPlan { get }
  var tables: RouteNetlink { get }

  /// Makes the logical interface, down. `links`: the interfaces that there are.
  func create(_ address: LinkLayerAddress, _ links: [Link]) throws(LinuxError)

  /// Whether it is there, whole. Throws when another interface has one of its names.
  func exists(_ links: [Link]) throws(LinuxError) -> Bool

  /// Gives it the address, and an MTU that all slaves carry.
  func adjust(_ links: [Link], _ address: LinkLayerAddress) throws(LinuxError)

  /// Makes `link` a slave; does nothing when it is one already.
  func adopt(_ link: Link, as address: LinkLayerAddress, _ slaves: SlaveKeeper) throws(LinuxError)

  /// What has to change in the interface itself, before the chains, when its slaves, or their carriers, are others than
  /// before.
  func follow(_ links: BondingPlan.Links, after earlier: BondingPlan.Links?) throws(LinuxError)

  /// Sets it up.
  func activate(_ links: [Link]) throws(LinuxError)

  /// Gives the number of interfaces deleted.
  func delete() throws(LinuxError) -> Int
}

extension LogicalInterface {
  static var alias: String { "flowmob:bonding-policy" }

  /// Octets; an IPv6 link must carry as much (RFC 8200 section 5).
  static var minimumMTU: UInt32 { 1280 }

  /// The smallest MTU of the slaves, so that whatever the logical interface sends fits them all.
  func smallestMTU(_ links: [Link]) -> UInt32? {
    links.filter { link in plan.slaves.contains { $0.name == link.name } }.map(\.mtu).min()
      .map { max($0, Self.minimumMTU) }
  }

  /// Throws when one of them is somebody else's.
  func refuseForeign(_ present: [Link]) throws(LinuxError) {
    guard let other = present.first(where: { $0.alias != Self.alias }) else { return }
    throw LinuxError(
      "create interface", other.name, code: EEXIST,
      advice: "it is not ours; choose another name for 'interface', or delete it with `ip link delete \(other.name)`")
  }

  func change(_ link: Link, _ change: LinkChange) throws(LinuxError) {
    try tables.run(.changeLink(index: link.index, name: link.name, change))
  }
}
