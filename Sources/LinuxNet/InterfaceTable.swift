import NetTypes

/// What has happened to interfaces, their IPv6 addresses or their neighbours. Only changes: the kernel repeats itself.
public enum InterfaceEvent: Hashable, Sendable {
  /// New, or something about it (up, carrier, name, MTU, link-layer address) is different.
  case link(Link)
  case linkRemoved(Link)
  case address(InterfaceAddress)
  case addressRemoved(InterfaceAddress)
  case neighbour(Neighbour)
  case neighbourRemoved(Neighbour)
}

/// The last known state, so that repeated messages are no events and so that the difference is known after events
/// were lost.
struct InterfaceTable {
  struct Key: Hashable {
    var interface: UInt32
    var address: IPv6Address
  }

  private(set) var links: [UInt32: Link] = [:]
  private(set) var addresses: [Key: InterfaceAddress] = [:]
  private(set) var neighbours: [Key: Neighbour] = [:]

  mutating func update(_ link: Link) -> InterfaceEvent? {
    links.updateValue(link, forKey: link.index) == link ? nil : .link(link)
  }

  mutating func update(_ address: InterfaceAddress) -> InterfaceEvent? {
    addresses.updateValue(address, forKey: Self.key(address)) == address ? nil : .address(address)
  }

  mutating func update(_ neighbour: Neighbour) -> InterfaceEvent? {
    neighbours.updateValue(neighbour, forKey: Self.key(neighbour)) == neighbour ? nil : .neighbour(neighbour)
  }

  mutating func remove(_ link: Link) -> InterfaceEvent? {
    links.removeValue(forKey: link.index).map { .linkRemoved($0) }
  }

  mutating func remove(_ address: InterfaceAddress) -> InterfaceEvent? {
    addresses.removeValue(forKey: Self.key(address)).map { .addressRemoved($0) }
  }

  mutating func remove(_ neighbour: Neighbour) -> InterfaceEvent? {
    neighbours.removeValue(forKey: Self.key(neighbour)).map { .neighbourRemoved($0) }
  }

  /// Takes over a whole reading of the kernel: what is missing in it was removed. Removals come first, and a link goes after
  /// what stands on it.
  mutating func resynchronize(
    links newLinks: [Link], addresses newAddresses: [InterfaceAddress], neighbours newNeighbours: [Neighbour]
  ) -> [InterfaceEvent] {
    let linkKeys = Set(newLinks.map(\.index))
    let addressKeys = Set(newAddresses.map(Self.key))
    let neighbourKeys = Set(newNeighbours.map(Self.key))
    var events: [InterfaceEvent] = []
    events += neighbours.filter { !neighbourKeys.contains($0.key) }.values.compactMap { remove($0) }
    events += addresses.filter { !addressKeys.contains($0.key) }.values.compactMap { remove($0) }
    events += links.filter { !linkKeys.contains($0.key) }.values.compactMap { remove($0) }
    events += newLinks.compactMap { update($0) }
    events += newAddresses.compactMap { update($0) }
    events += newNeighbours.compactMap { update($0) }
    return events
  }

  private static func key(_ address: InterfaceAddress) -> Key {
    Key(interface: address.interface, address: address.address)
  }

  private static func key(_ neighbour: Neighbour) -> Key {
    Key(interface: neighbour.interface, address: neighbour.address)
  }
}
