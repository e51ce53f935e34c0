/// Finds elements by key that stand elsewhere under a position: a hash table of positions.
///
/// Linear hashing (Litwin 1980): the table is a list of small segments, and when they are full on average one of them is
/// divided. So no call moves more than a few hundred places, however many elements there are, where an array that doubles
/// stops everything for as long as it takes to move them all. A place keeps the hash beside the position: moving places
/// and passing over those of other keys touch no element.
///
/// Keys may repeat: a lookup meets every position with that hash. The owner says which of them it means; it also has the
/// order of what it stores, which here depends on the hash function's seed and must not be seen outside.
struct HashIndex: Sendable {
  /// Bits of a key's hash. Low ones choose the segment, high ones the place in it.
  typealias Hash = UInt32

  /// Places in use on average before one segment is divided; none holds many times as much.
  private static let load = 64

  private var segments = SegmentedArray<Segment>()
  private(set) var count = 0

  init() { segments.append(Segment()) }

  static func hash(_ key: some Hashable) -> Hash {
    var hasher = Hasher()
    key.hash(into: &hasher)
    let hash = hasher.finalize()
    return Hash(truncatingIfNeeded: hash ^ hash >> 32)
  }

  /// The first position with that hash that fits.
  @inline(__always)
  func first(_ hash: Hash, where fits: (Int) -> Bool) -> Int? {
    let segment = address(of: hash)
    var slot = segments[segment].home(of: hash)
    while true {
      let place = segments[segment].places[slot]
      if place.isFree { return nil }
      if place.hash == hash, fits(place.position) { return place.position }
      slot = segments[segment].slot(behind: slot)
    }
  }

  @inline(__always)
  func forEach(_ hash: Hash, _ body: (Int) -> Void) {
    _ = first(hash) {
      body($0)
      return false
    }
  }

  mutating func insert(_ position: Int, _ hash: Hash) {
    segments[address(of: hash)].insert(Place(hash, position))
    count += 1
    if count > segments.count * Self.load { divide() }
  }

  /// The position must be there.
  mutating func remove(_ position: Int, _ hash: Hash) {
    segments[address(of: hash)].remove(Place(hash, position))
    count -= 1
  }

  /// The element has moved. Its old position must be there.
  mutating func move(_ hash: Hash, from old: Int, to new: Int) {
    segments[address(of: hash)].replace(Place(hash, old), with: Place(hash, new))
  }

  /// The number of segments lies in 2^n...2^(n+1) - 1: segments that have not been divided on the way to 2^(n+1) still
  /// hold what will be another's.
  private func address(of hash: Hash) -> Int {
    let bits = Int.bitWidth - segments.count.leadingZeroBitCount
    let address = Int(hash) & ((1 << bits) - 1)
    return address < segments.count ? address : address & ((1 << (bits - 1)) - 1)
  }

  private mutating func divide() {
    let highestBit = 1 << (Int.bitWidth - 1 - segments.count.leadingZeroBitCount)
    let source = segments.count - highestBit
    let places = segments[source].places
    segments[source] = Segment()
    segments.append(Segment())
    for place in places where !place.isFree { segments[address(of: place.hash)].insert(place) }
  }

  private struct Place: Hashable, Sendable {
    private var bits: UInt64

    static let free = Place(bits: 0)

    private init(bits: UInt64) { self.bits = bits }
    init(_ hash: Hash, _ position: Int) { bits = UInt64(hash) << 32 | UInt64(UInt32(position + 1)) }

    var isFree: Bool { bits == 0 }
    var hash: Hash { Hash(truncatingIfNeeded: bits >> 32) }
    var position: Int { Int(UInt32(truncatingIfNeeded: bits)) - 1 }
  }

  /// Open addressing; at least a quarter of the places is free.
  private struct Segment: Sendable {
    private(set) var places = [Place](repeating: .free, count: 4)
    private var mask: UInt32 = 3
    private var used: UInt32 = 0

    func home(of hash: Hash) -> Int { Int(hash >> 20 & mask) }
    func slot(behind slot: Int) -> Int { (slot + 1) & Int(mask) }

    mutating func insert(_ place: Place) {
      if (used + 1) * 4 > (mask + 1) * 3 { enlarge() }
      put(place)
      used += 1
    }

    mutating func replace(_ old: Place, with new: Place) { places[find(old)] = new }

    mutating func remove(_ place: Place) {
      var hole = find(place)
      var slot = slot(behind: hole)
      // Whatever could not stand at the hole's place before, but belongs there or in front of it, moves up.
      while !places[slot].isFree {
        let distance = (slot - home(of: places[slot].hash)) & Int(mask)
        if distance >= (slot - hole) & Int(mask) {
          places[hole] = places[slot]
          hole = slot
        }
        slot = self.slot(behind: slot)
      }
      places[hole] = .free
      used -= 1
    }

    private func find(_ place: Place) -> Int {
      var slot = home(of: place.hash)
      while places[slot] != place {
        precondition(!places[slot].isFree, "position not in the index")
        slot = self.slot(behind: slot)
      }
      return slot
    }

    private mutating func put(_ place: Place) {
      var slot = home(of: place.hash)
      while !places[slot].isFree { slot = self.slot(behind: slot) }
      places[slot] = place
    }

    private mutating func enlarge() {
      let old = places
      places = [Place](repeating: .free, count: old.count * 2)
      mask = UInt32(places.count - 1)
      for place in old where !place.isFree { put(place) }
    }
  }
}
