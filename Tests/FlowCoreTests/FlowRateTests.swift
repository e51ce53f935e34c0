import DatapathModel
import NetTypes
import SeededRandom
import Testing

@testable import FlowCore

@Suite struct FlowRateTests {
  private struct Meter {
    var table = FlowTable(maximum: 1)
    var clock = Duration.zero
    var octets: UInt64 = 0
    let slot: FlowTable.Slot

    init() throws {
      let inserted = table.insert(
        FlowWorld.tuple(1), Placement(tunnel: FlowWorld.one, placer: .unknown), node: nil, count: .zero,
        at: FlowMoment(monotonic: .zero, secondsSince1970: 0))
      slot = try #require(inserted)
    }

    @discardableResult
    mutating func read(after interval: Duration, _ more: UInt64) -> UInt32 {
      clock += interval
      octets += more
      return set(octets)
    }

    mutating func set(_ octets: UInt64) -> UInt32 {
      table.setReading(
        TrafficCount(packets: octets, octets: octets), at: FlowMoment(monotonic: clock, secondsSince1970: 0), of: slot)
      return table[slot].rate
    }
  }

  @Test("A steady flow has its rate, however far apart the readings are", arguments: [1, 20, 500, 2_000, 20_000])
  func steady(milliseconds: Int) throws {
    var meter = try Meter()
    for _ in 0..<(30_000 / milliseconds + 1) {
      meter.read(after: .milliseconds(milliseconds), UInt64(1_250 * milliseconds))
    }
    #expect((1_240_000...1_260_000).contains(meter.table[meter.slot].rate))
  }

  @Test("Readings at mixed distances agree") func mixed() throws {
    var meter = try Meter()
    var generator = SplitMix64(seed: 7)
    for _ in 0..<200 {
      let milliseconds = Int.random(in: 0...3_000, using: &generator)
      meter.read(after: .milliseconds(milliseconds), UInt64(1_000 * milliseconds))
    }
    #expect((980_000...1_020_000).contains(meter.table[meter.slot].rate))
  }

  @Test("The first reading gives a rate, silence takes it away") func startAndEnd() throws {
    var meter = try Meter()
    #expect(meter.read(after: .seconds(2), 2_000_000) == 1_000_000)
    #expect(meter.read(after: .seconds(2), 0) == 500_000)
    for _ in 0..<50 { meter.read(after: .seconds(2), 0) }
    #expect(meter.table[meter.slot].rate == 0)
    #expect(meter.read(after: .milliseconds(1), 1_500) == 1_500, "one packet is no flood")
  }

  @Test("A counter that was reset leaves the rate alone, the next reading goes on from there") func reset() throws {
    var meter = try Meter()
    meter.read(after: .seconds(2), 2_000_000)
    meter.octets = 0
    #expect(meter.read(after: .seconds(2), 500) == 1_000_000)
    #expect(meter.table[meter.slot].count.octets == 500)
    #expect(meter.read(after: .seconds(2), 2_000_000) == 1_000_000)
  }

  @Test("The clock of readings may wrap, counters may jump") func extremes() throws {
    var meter = try Meter()
    meter.read(after: .milliseconds(4_294_967_290), 0)
    #expect(meter.read(after: .seconds(2), 4_000_000) == 2_000_000)
    #expect(meter.set(.max) == .max)
  }
}
