import MobilityWire
import NetTypes

/// The binding cache of an anchor (RFC 5213 section 5.1), found by number, by node, by prefix and by gateway. No
/// operation costs more for a larger cache: an entry's neighbours are those of its node or its prefix.
///
/// Entries stand densely and are indexed in place: a binding is there once, and a lookup touches it and the index only.
struct BindingCache: Sendable {
  private struct Place: Sendable {
    var entry: BindingCacheEntry
    /// Rises with every addition: the order of the bindings of a node.
    let ordinal: UInt64
    /// Among the members of its gateway.
    var member: UInt32
    /// When the owner looks at the entry, monotonic; never later than its deadline. nil: not at all.
    var alarm: Duration?
  }

  private var places = SegmentedArray<Place>()
  private var byNumber = HashIndex()
  private var byNode = HashIndex()
  /// Once for each prefix of a binding; more than one binding only when attachments of one node share the prefix.
  private var byPrefix = HashIndex()
  /// The bindings of each Proxy-CoA, in no order.
  private var members: [IPv6Address: SegmentedArray<BindingIdentifier>] = [:]
  private var nextOrdinal: UInt64 = 0

  var count: Int { places.count }

  /// In an order that follows from the calls made. A removal moves the last entry into the gap.
  var all: some RandomAccessCollection<BindingCacheEntry> { places.lazy.map(\.entry) }

  subscript(identifier: BindingIdentifier) -> BindingCacheEntry? {
    position(of: identifier, HashIndex.hash(identifier)).map { places[$0].entry }
  }

  /// Oldest registration first.
  func bindings(of node: MobileNodeIdentifier) -> [BindingCacheEntry] {
    entries(byNode, HashIndex.hash(node)) { $0.node == node }
  }

  /// The same without one of them.
  func bindings(of node: MobileNodeIdentifier, except identifier: BindingIdentifier) -> [BindingCacheEntry] {
    entries(byNode, HashIndex.hash(node)) { $0.identifier != identifier && $0.node == node }
  }

  /// Every binding with this prefix, oldest registration first; they all belong to one node.
  func bindings(with prefix: IPv6Prefix) -> [BindingCacheEntry] {
    entries(byPrefix, HashIndex.hash(prefix)) { $0.prefixes.contains(prefix) }
  }

  /// How many bindings a gateway has.
  func count(at gateway: IPv6Address) -> Int { members[gateway]?.count ?? 0 }

  /// The bindings of a gateway, in no order.
  func bindings(at gateway: IPv6Address) -> SegmentedArray<BindingIdentifier> {
    members[gateway] ?? SegmentedArray()
  }

  /// A binding of another node has this prefix.
  func isHeld(_ prefix: IPv6Prefix, byOtherThan node: MobileNodeIdentifier) -> Bool {
    byPrefix.first(HashIndex.hash(prefix)) {
      places[$0].entry.prefixes.contains(prefix) && places[$0].entry.node != node
    } != nil
  }

  /// Adds or replaces the entry of that number. Its node never changes.
  ///
  /// - Returns: the entry's deadline, if that comes before the owner's next look at the entry.
  mutating func store(_ entry: BindingCacheEntry) -> Duration? {
    // Found by its node: that is how it was looked up when the request came.
    let found = byNode.first(HashIndex.hash(entry.node)) { places[$0].entry.identifier == entry.identifier }
    guard let position = found else {
      add(entry)
      return entry.deadline
    }
    let gateway = entry.attachment.proxyCareOfAddress
    if places[position].entry.attachment.proxyCareOfAddress != gateway {
      removeMember(places[position])
      places[position].member = addMember(entry.identifier, of: gateway)
    }
    let old = places[position].entry.prefixes
    if old != entry.prefixes {
      for prefix in old { byPrefix.remove(position, HashIndex.hash(prefix)) }
      for prefix in entry.prefixes { byPrefix.insert(position, HashIndex.hash(prefix)) }
    }
    places[position].entry = entry
    let deadline = entry.deadline
    if let alarm = places[position].alarm, alarm <= deadline { return nil }
    places[position].alarm = deadline
    return deadline
  }

  /// The owner looks at an entry because its alarm has come.
  mutating func takeAlarm(of identifier: BindingIdentifier) -> BindingCacheEntry? {
    guard let position = position(of: identifier, HashIndex.hash(identifier)) else { return nil }
    places[position].alarm = nil
    return places[position].entry
  }

  @discardableResult
  mutating func remove(_ identifier: BindingIdentifier) -> BindingCacheEntry? {
    let hash = HashIndex.hash(identifier)
    guard let position = position(of: identifier, hash) else { return nil }
    removeMember(places[position])
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

  private mutating func add(_ entry: BindingCacheEntry) {
    let position = places.count
    let member = addMember(entry.identifier, of: entry.attachment.proxyCareOfAddress)
    places.append(Place(entry: entry, ordinal: nextOrdinal, member: member, alarm: entry.deadline))
    nextOrdinal += 1
    byNumber.insert(position, HashIndex.hash(entry.identifier))
    byNode.insert(position, HashIndex.hash(entry.node))
    for prefix in entry.prefixes { byPrefix.insert(position, HashIndex.hash(prefix)) }
  }

  private mutating func addMember(_ identifier: BindingIdentifier, of gateway: IPv6Address) -> UInt32 {
    members[gateway, default: SegmentedArray()].append(identifier)
    return UInt32(count(at: gateway) - 1)
  }

  /// The last member takes the place that becomes free.
  private mutating func removeMember(_ place: Place) {
    let gateway = place.entry.attachment.proxyCareOfAddress
    guard let last = members[gateway]?.removeLast() else { return }
    if last != place.entry.identifier, let position = position(of: last, HashIndex.hash(last)) {
      members[gateway]?[Int(place.member)] = last
      places[position].member = place.member
    }
    if members[gateway]?.isEmpty == true { members[gateway] = nil }
  }

  private func position(of identifier: BindingIdentifier, _ hash: HashIndex.Hash) -> Int? {
    byNumber.first(hash) { places[$0].entry.identifier == identifier }
  }

  @inline(__always)
  private func entries(
    _ index: HashIndex, _ hash: HashIndex.Hash, where fits: (BindingCacheEntry) -> Bool
  ) -> [BindingCacheEntry] {
    // Nearly always there is one or none: without others there is no order to find.
    guard let first = index.first(hash, where: { fits(places[$0].entry) }) else { return [] }
    var others: [Int] = []
    index.forEach(hash) { if $0 != first, fits(places[$0].entry) { others.append($0) } }
    if others.isEmpty { return [places[first].entry] }
    return ([first] + others).sorted { places[$0].ordinal < places[$1].ordinal }.map { places[$0].entry }
  }
}
