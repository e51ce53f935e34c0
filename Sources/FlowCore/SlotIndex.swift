/// A hash index from something to its place in a slab: open addressing with linear probing, 8 octets an entry. It keeps
/// the hash beside the place, so neither growing nor removing looks at the slab, and a lookup does so once.
///
/// `Dictionary` would store every key a second time: 48 octets for a 6-tuple.
struct SlotIndex {
  /// hash (32 bits) << 32 | slot + 1; 0 is empty.
  private var entries: [UInt64]
  private(set) var count = 0
  private var mask: Int { entries.count - 1 }

  init() { entries = Array(repeating: 0, count: 16) }

  /// The slot with this hash that `isMatch` accepts.
  func find(hash: UInt32, where isMatch: (Int32) -> Bool) -> Int32? {
    var position = Int(hash) & mask
    while entries[position] != 0 {
      let entry = entries[position]
      if UInt32(entry >> 32) == hash {
        let slot = Self.slot(entry)
        if isMatch(slot) { return slot }
      }
      position = (position + 1) & mask
    }
    return nil
  }

  /// `slot` must not be in the index.
  mutating func insert(_ slot: Int32, hash: UInt32) {
    if (count + 1) * 4 > entries.count * 3 { grow() }
    place(UInt64(hash) << 32 | UInt64(UInt32(slot) + 1))
    count += 1
  }

  /// `slot` must be in the index with this hash.
  mutating func remove(_ slot: Int32, hash: UInt32) {
    let wanted = UInt64(hash) << 32 | UInt64(UInt32(slot) + 1)
    var hole = Int(hash) & mask
    while entries[hole] != wanted {
      if entries[hole] == 0 { return }
      hole = (hole + 1) & mask
    }
    count -= 1
    // Close the gap: an entry moves into the hole unless its own place lies between the hole and itself.
    var position = hole
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

  /// `slot` must be in the index with this hash; `other`, with the same hash, takes its place.
  mutating func replace(_ slot: Int32, with other: Int32, hash: UInt32) {
    let wanted = UInt64(hash) << 32 | UInt64(UInt32(slot) + 1)
    var position = Int(hash) & mask
    while entries[position] != wanted {
      if entries[position] == 0 { return }
      position = (position + 1) & mask
    }
    entries[position] = UInt64(hash) << 32 | UInt64(UInt32(other) + 1)
  }

  private static func slot(_ entry: UInt64) -> Int32 { Int32(truncatingIfNeeded: entry & 0xffff_ffff) - 1 }

  private mutating func place(_ entry: UInt64) {
    var position = Int(entry >> 32) & mask
    while entries[position] != 0 { position = (position + 1) & mask }
    entries[position] = entry
  }

  private mutating func grow() {
    let old = entries
    entries = Array(repeating: 0, count: old.count * 2)
    for entry in old where entry != 0 { place(entry) }
  }
}
