/// All timers of one core value: at most one deadline for each key, the earliest one known at once.
///
/// A binary heap whose items know their place, so that moving or cancelling a deadline really moves or removes it:
/// nothing stale stays behind to fire later or to fill memory, and no call costs more than O(log n). Deadlines are
/// monotonic times (`Moment.monotonic`). Equal ones come due in the order they were set, so a run is repeatable.
///
/// An owner cancels its key when it goes away; then its deadline is gone with it.
struct DeadlineTable<Key: Hashable & Sendable>: Sendable {
  private struct Item: Sendable {
    var key: Key
    var deadline: Duration
    var ordinal: UInt64

    func isBefore(_ other: Item) -> Bool {
      deadline == other.deadline ? ordinal < other.ordinal : deadline < other.deadline
    }
  }

  /// Heap order: no item is before its parent at `(index - 1) / 2`.
  private var items: [Item] = []
  private var places: [Key: Int] = [:]
  private var nextOrdinal: UInt64 = 0

  var isEmpty: Bool { items.isEmpty }
  var count: Int { items.count }

  /// The earliest deadline.
  var next: Duration? { items.first?.deadline }

  func deadline(of key: Key) -> Duration? { places[key].map { items[$0].deadline } }

  /// Sets the deadline of `key`, or moves it.
  mutating func set(_ key: Key, to deadline: Duration) {
    let item = Item(key: key, deadline: deadline, ordinal: nextOrdinal)
    nextOrdinal += 1
    if let place = places[key] {
      items[place] = item
      settle(place)
    } else {
      items.append(item)
      places[key] = items.count - 1
      rise(items.count - 1)
    }
  }

  mutating func cancel(_ key: Key) {
    guard let place = places.removeValue(forKey: key) else { return }
    let last = items.removeLast()
    guard place < items.count else { return }
    put(last, at: place)
    settle(place)
  }

  /// Removes and returns the key with the earliest deadline if that is not after `now`.
  mutating func popDue(at now: Duration) -> Key? {
    guard let first = items.first, first.deadline <= now else { return nil }
    cancel(first.key)
    return first.key
  }

  private mutating func put(_ item: Item, at place: Int) {
    items[place] = item
    places[item.key] = place
  }

  private mutating func settle(_ place: Int) {
    if !rise(place) { sink(place) }
  }

  /// True if the item moved.
  @discardableResult
  private mutating func rise(_ start: Int) -> Bool {
    let item = items[start]
    var place = start
    while place > 0 {
      let parent = (place - 1) / 2
      guard item.isBefore(items[parent]) else { break }
      put(items[parent], at: place)
      place = parent
    }
    if place != start { put(item, at: place) }
    return place != start
  }

  private mutating func sink(_ start: Int) {
    let item = items[start]
    var place = start
    while true {
      var child = 2 * place + 1
      guard child < items.count else { break }
      if child + 1 < items.count, items[child + 1].isBefore(items[child]) { child += 1 }
      guard items[child].isBefore(item) else { break }
      put(items[child], at: place)
      place = child
    }
    if place != start { put(item, at: place) }
  }
}
