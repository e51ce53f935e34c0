import HeapModule

/// What will happen, by time; what happens at the same time, in the order in which it was scheduled.
struct EventQueue<Event> {
  private struct Item: Comparable {
    var time: Duration
    var ordinal: UInt64
    var event: Event
    static func < (a: Self, b: Self) -> Bool { a.time == b.time ? a.ordinal < b.ordinal : a.time < b.time }
    static func == (a: Self, b: Self) -> Bool { a.ordinal == b.ordinal }
  }

  private var items = Heap<Item>()
  private var nextOrdinal: UInt64 = 0

  mutating func schedule(_ event: Event, at time: Duration) {
    items.insert(Item(time: time, ordinal: nextOrdinal, event: event))
    nextOrdinal += 1
  }

  /// The first event not after `end`, and when it happens.
  mutating func next(until end: Duration) -> (time: Duration, event: Event)? {
    guard let first = items.min, first.time <= end else { return nil }
    items.removeMin()
    return (first.time, first.event)
  }
}
