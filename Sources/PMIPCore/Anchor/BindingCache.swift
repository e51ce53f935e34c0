import MobilityWire
import NetTypes

/// The binding cache of an anchor (RFC 5213 section 5.1), found by number, by node, by prefix and by gateway. No
/// operation costs more for a larger cache: an entry's neighbours are those of its node or its prefix.
struct BindingCache: Sendable {
  private struct Slot: Sendable {
    var entry: BindingCacheEntry
    /// Where it stands among the members of its gateway.
    var place: UInt32
  }

  private var entries: [BindingIdentifier: Slot] = [:]
  private var groups: [MobileNodeIdentifier: MobileNodeGroup] = [:]
  /// More than one binding only when attachments of one node share the prefix.
  private var holders: [IPv6Prefix: [BindingIdentifier]] = [:]
  /// By Proxy-CoA, in no order.
  private var members: [IPv6Address: [BindingIdentifier]] = [:]

  var count: Int { entries.count }
  var all: some Collection<BindingCacheEntry> { entries.values.lazy.map(\.entry) }

  subscript(identifier: BindingIdentifier) -> BindingCacheEntry? { entries[identifier]?.entry }

  /// Oldest registration first.
  func bindings(of node: MobileNodeIdentifier) -> [BindingCacheEntry] {
    groups[node]?.bindings.compactMap { entries[$0]?.entry } ?? []
  }

  /// Every binding with this prefix; they all belong to one node.
  func bindings(with prefix: IPv6Prefix) -> [BindingCacheEntry] {
    holders[prefix]?.compactMap { entries[$0]?.entry } ?? []
  }

  /// How many bindings a gateway has.
  func count(at gateway: IPv6Address) -> Int { members[gateway]?.count ?? 0 }

  /// The bindings of a gateway, in no order.
  func bindings(at gateway: IPv6Address) -> [BindingIdentifier] { members[gateway] ?? [] }

  /// Adds or replaces the entry of that number.
  mutating func store(_ entry: BindingCacheEntry) {
    let gateway = entry.attachment.proxyCareOfAddress
    let slot = entries[entry.identifier]
    let old = slot?.entry
    if let slot, old?.attachment.proxyCareOfAddress == gateway {
      entries[entry.identifier] = Slot(entry: entry, place: slot.place)
    } else {
      if let slot { removeMember(slot) }
      entries[entry.identifier] = Slot(entry: entry, place: UInt32(count(at: gateway)))
      members[gateway, default: []].append(entry.identifier)
    }
    if old == nil { groups[entry.node, default: MobileNodeGroup()].add(entry.identifier) }
    guard old?.prefixes != entry.prefixes else { return }
    for prefix in old?.prefixes ?? [] { removeHolder(entry.identifier, of: prefix) }
    for prefix in entry.prefixes { holders[prefix, default: []].append(entry.identifier) }
  }

  @discardableResult
  mutating func remove(_ identifier: BindingIdentifier) -> BindingCacheEntry? {
    guard let slot = entries.removeValue(forKey: identifier) else { return nil }
    removeMember(slot)
    let entry = slot.entry
    for prefix in entry.prefixes { removeHolder(identifier, of: prefix) }
    groups[entry.node]?.remove(identifier)
    if groups[entry.node]?.bindings.isEmpty == true { groups[entry.node] = nil }
    return entry
  }

  /// The last member takes the place that becomes free.
  private mutating func removeMember(_ slot: Slot) {
    let gateway = slot.entry.attachment.proxyCareOfAddress
    guard let last = members[gateway]?.popLast() else { return }
    if last != slot.entry.identifier {
      members[gateway]?[Int(slot.place)] = last
      entries[last]?.place = slot.place
    }
    if members[gateway]?.isEmpty == true { members[gateway] = nil }
  }

  private mutating func removeHolder(_ identifier: BindingIdentifier, of prefix: IPv6Prefix) {
    holders[prefix]?.removeAll { $0 == identifier }
    if holders[prefix]?.isEmpty == true { holders[prefix] = nil }
  }
}
