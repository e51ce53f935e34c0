/// A hash index from something to its place in a slab: open addressing with linear probing, 8 octets an entry. It keeps
/// the hash beside the place, so neither growing nor removing looks at the slab, and a lookup does so once.
///
/// It grows by and by: a new flow must not wait until a million others have found new places. `Dictionary` would also
/// store every key a second time: 48 octets for a 6-tuple.
struct SlotIndex {
  /// hash (32 bits) << 32 | slot + 1; 0 is empty.
  private var entries: [UInt64]
  /// The entries from before the last growth, as long as some of them are there alone; otherwise empty. Those before
  /// `taken` are in `entries` as well.
  private var previous: [UInt64] = []
  private var taken = 0
  private(set) var count = 0

  /// Places of `previous` that go over with each new entry. Two would be enough to be done before the next growth.
  private static let takenAtOnce = 8
  /// What was removed from `previous`: no slot is that large.
  private static let removed = UInt64(UInt32.max)

  init() { entries = Array(repeating: 0, count: 16) }

  /// The slot with this hash that `isMatch` accepts.
  func find(hash: UInt32, where isMatch: (Int32) -> Bool) -> Int32? {
    if let slot = Self.find(in: entries, hash: hash, where: isMatch) { return slot }
    return previous.isEmpty ? nil : Self.find(in: previous, hash: hash, where: isMatch)
  }

  /// `slot` must not be in the index.
  mutating func insert(_ slot: Int32, hash: UInt32) {
    if (count + 1) * 4 > entries.count * 3 { grow() }
    takeOver(Self.takenAtOnce)
    place(Self.entry(slot, hash))
    count += 1
  }

  /// `slot` must be in the index with this hash.
  mutating func remove(_ slot: Int32, hash: UInt32) {
    let wanted = Self.entry(slot, hash)
    let earlier = removeFromPrevious(wanted)
    if let hole = Self.position(of: wanted, in: entries) {
      close(hole)
      count -= 1
    } else if earlier {
      count -= 1
    }
  }

  /// `slot` must be in the index with this hash; `other`, with the same hash, takes its place.
  mutating func replace(_ slot: Int32, with other: Int32, hash: UInt32) {
    let wanted = Self.entry(slot, hash)
    let earlier = removeFromPrevious(wanted)
    if let position = Self.position(of: wanted, in: entries) {
      entries[position] = Self.entry(other, hash)
    } else if earlier {
      place(Self.entry(other, hash))
    }
  }

  private static func entry(_ slot: Int32, _ hash: UInt32) -> UInt64 { UInt64(hash) << 32 | UInt64(UInt32(slot) + 1) }
  private static func slot(_ entry: UInt64) -> Int32 { Int32(truncatingIfNeeded: entry & 0xffff_ffff) - 1 }

  private static func find(in entries: [UInt64], hash: UInt32, where isMatch: (Int32) -> Bool) -> Int32? {
    let mask = entries.count - 1
    var position = Int(hash) & mask
    while entries[position] != 0 {
      let entry = entries[position]
      if UInt32(entry >> 32) == hash, entry != removed {
        let slot = slot(entry)
        if isMatch(slot) { return slot }
      }
      position = (position + 1) & mask
    }
    return nil
  }

  private static func position(of entry: UInt64, in entries: [UInt64]) -> Int? {
    let mask = entries.count - 1
    var position = Int(entry >> 32) & mask
    while entries[position] != 0 {
      if entries[position] == entry { return position }
      position = (position + 1) & mask
    }
    return nil
  }

  private mutating func place(_ entry: UInt64) {
    let mask = entries.count - 1
    var position = Int(entry >> 32) & mask
    while entries[position] != 0 { position = (position + 1) & mask }
    entries[position] = entry
  }

  /// An entry moves into the hole unless its own place lies between the hole and itself.
  private mutating func close(_ hole: Int) {
    let mask = entries.count - 1
    var hole = hole, position = hole
    while true {
      position = (position + 1) & mask
      let entry = entries[position]
      if entry == 0 { break }
      let home = Int(entry >> 32) & mask
      if (position - home) & mask >= (position - hole) & mask {
        entries[hole] = entry
        hole = position
      }
    }
    entries[hole] = 0
  }

  // MARK: Growth

  private mutating func grow() {
    takeOver(previous.count)
    previous = entries
    taken = 0
    entries = Array(repeating: 0, count: previous.count * 2)
  }

  private mutating func takeOver(_ places: Int) {
    guard !previous.isEmpty else { return }
    let end = min(taken + places, previous.count)
    for position in taken..<end {
      let entry = previous[position]
      if entry != 0, entry != Self.removed { place(entry) }
    }
    taken = end
    if taken == previous.count { previous = [] }
  }

  /// Whether it was there. Others are looked for beyond it, so its place does not become empty.
  private mutating func removeFromPrevious(_ entry: UInt64) -> Bool {
    guard !previous.isEmpty, let position = Self.position(of: entry, in: previous) else { return false }
    previous[position] = Self.removed
    return true
  }
}
