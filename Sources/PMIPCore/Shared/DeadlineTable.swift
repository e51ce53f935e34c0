/// All timers of one core value: at most one deadline for each key, the earliest one known at once.
///
/// A heap whose items are found by their key, so that moving or cancelling a deadline really moves or removes it:
/// nothing stale stays behind to fire later or to fill memory, and no call costs more than O(log n), growth included.
/// Deadlines are monotonic times (`Moment.monotonic`). Equal ones come due in the order they were set, so a run is
/// repeatable.
///
/// An owner cancels its key when it goes away; then its deadline is gone with it.
struct DeadlineTable<Key: Hashable & Sendable>: Sendable {
  private struct Item: Sendable {
    var deadline: Duration
    var ordinal: UInt64
    var key: Key
    var hash: HashIndex.Hash

    func isBefore(_ other: Item) -> Bool {
      deadline == other.deadline ? ordinal < other.ordinal : deadline < other.deadline
    }
  }

  /// Children of an item. Four stand in two cache lines, and most items have none: a refresh, which moves a deadline
  /// back, seldom touches more than its own item.
  private static var width: Int { 4 }

  /// Heap order: no item is before its parent at `(index - 1) / width`.
  private var items = SegmentedArray<Item>()
  private var places = HashIndex()
  private var nextOrdinal: UInt64 = 0

  var isEmpty: Bool { items.isEmpty }
  var count: Int { items.count }

  /// The earliest deadline.
  var next: Duration? { isEmpty ? nil : items[0].deadline }

  func deadline(of key: Key) -> Duration? { place(of: key, HashIndex.hash(key)).map { items[$0].deadline } }

  /// Sets the deadline of `key`, or moves it.
  mutating func set(_ key: Key, to deadline: Duration) {
    let hash = HashIndex.hash(key)
    let item = Item(deadline: deadline, ordinal: nextOrdinal, key: key, hash: hash)
    nextOrdinal += 1
    if let place = place(of: key, hash) {
      settle(item, at: place)
    } else {
      items.append(item)
      places.insert(items.count - 1, hash)
      rise(item, from: items.count - 1)
    }
  }

  mutating func cancel(_ key: Key) {
    if isEmpty { return }
    let hash = HashIndex.hash(key)
    if let place = place(of: key, hash) { remove(at: place, hash) }
  }

  /// Removes and returns the key with the earliest deadline if that is not after `now`.
  mutating func popDue(at now: Duration) -> Key? {
    guard let next, next <= now else { return nil }
    let key = items[0].key
    remove(at: 0, items[0].hash)
    return key
  }

  /// The same among some keys only.
  mutating func popDue(at now: Duration, of keys: [Key]) -> Key? {
    var due: (place: Int, item: Item)?
    for key in keys {
      guard let place = place(of: key, HashIndex.hash(key)), items[place].deadline <= now else { continue }
      if let due, due.item.isBefore(items[place]) { continue }
      due = (place, items[place])
    }
    guard let due else { return nil }
    remove(at: due.place, due.item.hash)
    return due.item.key
  }

  private func place(of key: Key, _ hash: HashIndex.Hash) -> Int? {
    places.first(hash) { items[$0].key == key }
  }

  private mutating func remove(at place: Int, _ hash: HashIndex.Hash) {
    places.remove(place, hash)
    let last = items.removeLast()
    guard place < items.count else { return }
    places.move(last.hash, from: items.count, to: place)
    settle(last, at: place)
  }

  /// Puts an item into `place`, where the index has it, and from there to where it belongs.
  private mutating func settle(_ item: Item, at place: Int) {
    if place > 0, item.isBefore(items[(place - 1) / Self.width]) {
      rise(item, from: place)
    } else {
      sink(item, from: place)
    }
  }

  private mutating func rise(_ item: Item, from start: Int) {
    var place = start
    while place > 0 {
      let parent = (place - 1) / Self.width
      guard item.isBefore(items[parent]) else { break }
      move(parent, to: place)
      place = parent
    }
    put(item, at: place, from: start)
  }

  private mutating func sink(_ item: Item, from start: Int) {
    var place = start
    while let child = earliestChild(of: place), items[child].isBefore(item) {
      move(child, to: place)
      place = child
    }
    put(item, at: place, from: start)
  }

  private func earliestChild(of place: Int) -> Int? {
    let first = place * Self.width + 1
    guard first < items.count else { return nil }
    var earliest = first
    for child in first + 1..<min(first + Self.width, items.count) where items[child].isBefore(items[earliest]) {
      earliest = child
    }
    return earliest
  }

  private mutating func move(_ old: Int, to new: Int) {
    let item = items[old]
    items[new] = item
    places.move(item.hash, from: old, to: new)
  }

  private mutating func put(_ item: Item, at place: Int, from start: Int) {
    items[place] = item
    if place != start { places.move(item.hash, from: start, to: place) }
  }
}
