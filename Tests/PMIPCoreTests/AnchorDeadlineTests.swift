import SeededRandom
import Testing

@testable import PMIPCore

@Suite("Deadlines")
struct AnchorDeadlineTests {
  @Test("Due in order; equal ones in the order they were set; nothing before its time")
  func order() {
    var table = DeadlineTable<String>()
    table.set("late", to: .seconds(3))
    table.set("first", to: .seconds(1))
    table.set("second", to: .seconds(1))
    #expect(table.next == .seconds(1))
    #expect(table.popDue(at: .milliseconds(999)) == nil)
    #expect(table.popDue(at: .seconds(1)) == "first")
    #expect(table.popDue(at: .seconds(1)) == "second")
    #expect(table.popDue(at: .seconds(2)) == nil)
    #expect(table.popDue(at: .seconds(9)) == "late")
    #expect(table.isEmpty && table.next == nil)
  }

  @Test("A cancelled deadline is gone, a moved one comes due once, at its new time")
  func cancelAndMove() {
    var table = DeadlineTable<Int>()
    for key in 0..<10 { table.set(key, to: .seconds(key)) }
    table.cancel(0)
    table.cancel(0)
    table.set(1, to: .seconds(100))
    table.set(9, to: .milliseconds(1_500))
    #expect(table.next == .milliseconds(1_500) && table.count == 9)
    #expect(table.deadline(of: 1) == .seconds(100) && table.deadline(of: 0) == nil)
    var due: [Int] = []
    while let key = table.popDue(at: .seconds(99)) { due.append(key) }
    #expect(due == [9, 2, 3, 4, 5, 6, 7, 8])
    #expect(table.popDue(at: .seconds(100)) == 1)
  }

  @Test("Against a plain list, through many random changes")
  func model() {
    var random = SplitMix64(seed: 42)
    var table = DeadlineTable<UInt64>()
    var model: [UInt64: (Duration, Int)] = [:]
    for round in 0..<4_000 {
      let key = random.next() % 100
      switch random.next() % 4 {
      case 0, 1:
        let deadline = Duration.milliseconds(Int64(round) + Int64(random.next() % 500))
        table.set(key, to: deadline)
        model[key] = (deadline, round)
      case 2:
        table.cancel(key)
        model[key] = nil
      default:
        let now = Duration.milliseconds(Int64(round))
        let due = model.filter { $0.value.0 <= now }.min { $0.value < $1.value }?.key
        #expect(table.popDue(at: now) == due)
        if let due { model[due] = nil }
      }
      #expect(table.count == model.count && table.next == model.values.map(\.0).min())
    }
  }
}
