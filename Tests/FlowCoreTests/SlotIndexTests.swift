import SeededRandom
import Testing

@testable import FlowCore

@Suite("Slot index") struct SlotIndexTests {
  @Test("Agrees with a dictionary at each step of growing", arguments: [UInt64(1), 2, 3])
  func growth(seed: UInt64) {
    var generator = SplitMix64(seed: seed)
    var index = SlotIndex()
    var hashes: [Int32: UInt32] = [:]
    var next = Int32(0)
    for round in 0..<6_000 {
      // Few hashes, so that entries collide; 0 is one of them.
      let hash = UInt32.random(in: 0..<3_000, using: &generator) &* 0x0010_0001
      let known = hashes.isEmpty ? nil : Int32.random(in: 0..<next, using: &generator)
      switch Int.random(in: 0..<8, using: &generator) {
      case 0:
        if let known, let hash = hashes.removeValue(forKey: known) { index.remove(known, hash: hash) }
      case 1:
        if let known, let hash = hashes.removeValue(forKey: known) {
          index.replace(known, with: next, hash: hash)
          hashes[next] = hash
          next += 1
        }
      default:
        index.insert(next, hash: hash)
        hashes[next] = hash
        next += 1
      }
      #expect(index.count == hashes.count, "round \(round)")
      guard let known else { continue }
      let wanted = hashes[known]
      #expect(index.find(hash: wanted ?? hash) { $0 == known } == (wanted == nil ? nil : known), "round \(round)")
    }
    for (slot, hash) in hashes { #expect(index.find(hash: hash) { $0 == slot } == slot) }
  }
}
