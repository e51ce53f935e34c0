import MobilityWire
import NetTypes

/// The binding cache of an anchor (RFC 5213 section 5.1), found by number, by node and by prefix. No operation costs
/// more for a larger cache: an entry's neighbours are those of its node or its prefix.
struct BindingCache: Sendable {
  private var entries: [BindingIdentifier: BindingCacheEntry] = [:]
  private var groups: [MobileNodeIdentifier: MobileNodeGroup] = [:]
  /// More than one binding only when attachments of one node share the prefix.
  private var holders: [IPv6Prefix: [BindingIdentifier]] = [:]

  var count: Int { entries.count }
  var all: some Collection<BindingCacheEntry> { entries.values }

  subscript(identifier: BindingIdentifier) -> BindingCacheEntry? { entries[identifier] }

  /// Oldest registration first.
  func bindings(of node: MobileNodeIdentifier) -> [BindingCacheEntry] {
    groups[node]?.bindings.compactMap { entries[$0] } ?? []
  }

  /// Every binding with this prefix; they all belong to one node.
  func bindings(with prefix: IPv6Prefix) -> [BindingCacheEntry] {
    holders[prefix]?.compactMap { entries[$0] } ?? []
  }

  /// Adds or replaces the entry of that number.
  mutating func store(_ entry: BindingCacheEntry) {
    let old = entries.updateValue(entry, forKey: entry.identifier)
    if old == nil { groups[entry.node, default: MobileNodeGroup()].add(entry.identifier) }
    guard old?.prefixes != entry.prefixes else { return }
    for prefix in old?.prefixes ?? [] { removeHolder(entry.identifier, of: prefix) }
    for prefix in entry.prefixes { holders[prefix, default: []].append(entry.identifier) }
  }

  @discardableResult
  mutating func remove(_ identifier: BindingIdentifier) -> BindingCacheEntry? {
    guard let entry = entries.removeValue(forKey: identifier) else { return nil }
    for prefix in entry.prefixes { removeHolder(identifier, of: prefix) }
    groups[entry.node]?.remove(identifier)
    if groups[entry.node]?.bindings.isEmpty == true { groups[entry.node] = nil }
    return entry
  }

  private mutating func removeHolder(_ identifier: BindingIdentifier, of prefix: IPv6Prefix) {
    holders[prefix]?.removeAll { $0 == identifier }
    if holders[prefix]?.isEmpty == true { holders[prefix] = nil }
  }
}
