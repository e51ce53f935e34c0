import SeededRandom
import Testing

@testable import PMIPCore

@Suite("Containers that grow in small steps")
struct SegmentedContainerTests {
  @Test("An array keeps its elements where they were put, across segments")
  func array() {
    var array = SegmentedArray<Int>()
    for value in 0..<1_000 { array.append(value) }
    #expect(Array(array) == Array(0..<1_000))
    array[256] = -1
    #expect(array.swapRemove(at: 256) == -1 && array[256] == 999)
    #expect(array.swapRemove(at: 998) == 998)
    for _ in 0..<998 { array.removeLast() }
    #expect(array.isEmpty && array.count == 0)
    array.append(7)
    #expect(Array(array) == [7])
  }

  @Test("A copy does not see what happens to the original")
  func copies() {
    var dictionary = SegmentedDictionary<Int, Int>()
    for key in 0..<500 { dictionary[key] = key }
    let copy = dictionary
    for key in 0..<500 { dictionary[key] = key.isMultiple(of: 2) ? nil : -key }
    #expect(dictionary.count == 250 && dictionary[1] == -1 && dictionary[2] == nil)
    #expect(copy.count == 500 && copy[1] == 1 && copy[2] == 2)
  }

  @Test("A dictionary against the standard one, through growth, shrinking and growth again")
  func dictionaryModel() {
    var random = SplitMix64(seed: 7)
    var dictionary = SegmentedDictionary<UInt64, UInt64>()
    var model: [UInt64: UInt64] = [:]
    for round in UInt64(0)..<60_000 {
      let isShrinking = (20_000..<40_000).contains(round)
      let key = random.next() % 8_000
      switch random.next() % (isShrinking ? 2 : 5) {
      case 0:
        #expect(dictionary.removeValue(forKey: key) == model.removeValue(forKey: key))
      case 1:
        let changed: UInt64? = dictionary.change(key) {
          $0 += 1
          return $0
        }
        if let value = model[key] { model[key] = value + 1 }
        #expect(changed == model[key])
      case 2:
        dictionary[key, default: 5] += round
        model[key, default: 5] += round
      default:
        dictionary[key] = round
        model[key] = round
      }
      if dictionary.count != model.count || dictionary[key] != model[key] { Issue.record("differs at \(round)") }
    }
    #expect(Dictionary(uniqueKeysWithValues: dictionary.elements.map { ($0.key, $0.value) }) == model)
  }

  @Test("Keys of equal hash are all found, and the right one is removed and moved")
  func equalHashes() {
    var index = HashIndex()
    for position in 0..<3_000 { index.insert(position, UInt32(position % 3)) }
    for position in stride(from: 0, to: 3_000, by: 2) { index.remove(position, UInt32(position % 3)) }
    index.move(1, from: 1, to: 9_000)
    var found: Set<Int> = []
    index.forEach(1) { found.insert($0) }
    #expect(found == Set(stride(from: 7, to: 3_000, by: 6)).union([9_000]))
    #expect(index.first(1) { $0 == 9_000 } == 9_000 && index.first(1) { $0 == 1 } == nil)
    #expect(index.first(77) { _ in true } == nil && index.count == 1_500)
  }

  @Test("The order of elements follows from the calls, whatever the seed of the hash function")
  func order() {
    var dictionary = SegmentedDictionary<String, Int>()
    for value in 0..<600 { dictionary["key \(value)"] = value }
    dictionary["key 0"] = nil
    dictionary["key 300"] = nil
    var expected = Array(0..<600)
    expected.swapAt(0, 599)
    expected.removeLast()
    expected.swapAt(300, 598)
    expected.removeLast()
    #expect(dictionary.elements.map(\.value) == expected)
  }
}
