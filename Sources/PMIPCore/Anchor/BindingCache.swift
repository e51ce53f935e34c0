import MobilityWire
import NetTypes

/// The binding cache of an anchor (RFC 5213 section 5.1), found by number, by node and by prefix. No operation costs
/// more for a larger cache: an entry's neighbours are those of its node or its prefix.
///
/// Entries stand densely and are indexed in place: a binding is there once, and a lookup touches it and the index only.
struct BindingCache: Sendable {
  private struct Place: Sendable {
    var entry: BindingCacheEntry
    /// Rises with every addition: the order of the bindings of a node.
    let ordinal: UInt64
  }

  private var places = SegmentedArray<Place>()
  private var byNumber = HashIndex()
  private var byNode = HashIndex()
  /// Once for each prefix of a binding; more than one binding only when attachments of one node share the prefix.
  private var byPrefix = HashIndex()
  private var nextOrdinal: UInt64 = 0

  var count: Int { places.count }

  /// In an order that follows from the calls made.
  var all: some Collection<BindingCacheEntry> { places.lazy.map(\.entry) }

  subscript(identifier: BindingIdentifier) -> BindingCacheEntry? {
    position(of: identifier, HashIndex.hash(identifier)).map { places[$0].entry }
  }

  /// Oldest registration first.
  func bindings(of node: MobileNodeIdentifier) -> [BindingCacheEntry] {
    entries(byNode, HashIndex.hash(node)) { $0.node == node }
  }

  /// Every binding with this prefix, oldest registration first; they all belong to one node.
  func bindings(with prefix: IPv6Prefix) -> [BindingCacheEntry] {
    entries(byPrefix, HashIndex.hash(prefix)) { $0.prefixes.contains(prefix) }
  }

  /// Adds or replaces the entry of that number. Its node never changes.
  mutating func store(_ entry: BindingCacheEntry) {
    let hash = HashIndex.hash(entry.identifier)
    guard let position = position(of: entry.identifier, hash) else { return add(entry, hash) }
    let old = places[position].entry.prefixes
    if old != entry.prefixes {
      for prefix in old { byPrefix.remove(position, HashIndex.hash(prefix)) }
      for prefix in entry.prefixes { byPrefix.insert(position, HashIndex.hash(prefix)) }
    }
    places[position].entry = entry
  }

  @discardableResult
  mutating func remove(_ identifier: BindingIdentifier) -> BindingCacheEntry? {
    let hash = HashIndex.hash(identifier)
    guard let position = position(of: identifier, hash) else { return nil }
    let entry = places[position].entry
    byNumber.remove(position, hash)
    byNode.remove(position, HashIndex.hash(entry.node))
    for prefix in entry.prefixes { byPrefix.remove(position, HashIndex.hash(prefix)) }
    let last = places.count - 1
    if position != last {
      let moved = places[last].entry
      byNumber.move(HashIndex.hash(moved.identifier), from: last, to: position)
      byNode.move(HashIndex.hash(moved.node), from: last, to: position)
      for prefix in moved.prefixes { byPrefix.move(HashIndex.hash(prefix), from: last, to: position) }
    }
    places.swapRemove(at: position)
    return entry
  }

  private mutating func add(_ entry: BindingCacheEntry, _ hash: HashIndex.Hash) {
    let position = places.count
    places.append(Place(entry: entry, ordinal: nextOrdinal))
    nextOrdinal += 1
    byNumber.insert(position, hash)
    byNode.insert(position, HashIndex.hash(entry.node))
    for prefix in entry.prefixes { byPrefix.insert(position, HashIndex.hash(prefix)) }
  }

  private func position(of identifier: BindingIdentifier, _ hash: HashIndex.Hash) -> Int? {
    byNumber.first(hash) { places[$0].entry.identifier == identifier }
  }

  @inline(__always)
  private func entries(
    _ index: HashIndex, _ hash: HashIndex.Hash, where fits: (BindingCacheEntry) -> Bool
  ) -> [BindingCacheEntry] {
    var found: [Int] = []
    index.forEach(hash) { position in if fits(places[position].entry) { found.append(position) } }
    if found.count > 1 { found.sort { places[$0].ordinal < places[$1].ordinal } }
    return found.map { places[$0].entry }
  }
}
