import SeededRandom
import Testing

@testable import FlowCore

@Suite("Congestion detector") struct CongestionDetectorTests {
  /// A queue that is read every half second.
  private struct Queue {
    var detector = CongestionDetector()
    var settings = CongestionSettings()
    var capacity: UInt64?
    var clock = Duration.seconds(100)
    var total = QueueReading(packets: 0, octets: 0, drops: 0, backlog: 0)

    /// `seconds` of `packets` of 1,000 octets a second that are sent, and `drops` that are not.
    mutating func run(seconds: Double, packets: UInt64, drops: UInt32 = 0, backlog: UInt32 = 0) {
      for _ in 0..<Int(seconds * 2) {
        clock += .milliseconds(500)
        total.packets += packets / 2
        total.octets += packets * 500
        total.drops &+= drops / 2
        total.backlog = backlog
        detector.take(total, capacity: capacity, settings, at: clock)
      }
    }
  }

  struct Load: Sendable, CustomTestStringConvertible {
    var what: String
    var packets: UInt64 = 250
    var drops: UInt32 = 0
    var backlog: UInt32 = 0
    var capacity: UInt64?
    var state: CongestionDetector.State
    var testDescription: String { what }
  }

  @Test(
    "Each measure by itself, for ten seconds",
    arguments: [
      Load(what: "nothing wrong", state: .normal),
      Load(what: "TCP through a narrow tunnel: 3 %", drops: 8, state: .congested),
      Load(what: "1.6 % is below the threshold", drops: 4, state: .normal),
      Load(what: "UDP at twice the rate", drops: 250, state: .congested),
      Load(what: "120 ms wait", backlog: 30_000, state: .congested),
      Load(what: "80 ms wait", backlog: 20_000, state: .normal),
      Load(what: "nothing is sent, something waits", packets: 0, backlog: 1_500, state: .congested),
      Load(what: "96 % of the capacity", capacity: 260_000, state: .congested),
      Load(what: "90 % of the capacity", capacity: 278_000, state: .normal),
      Load(what: "half of very few packets", packets: 2, drops: 2, state: .normal),
    ]) func measures(_ load: Load)
  {
    var queue = Queue()
    queue.capacity = load.capacity
    queue.run(seconds: 10, packets: load.packets, drops: load.drops, backlog: load.backlog)
    #expect(queue.detector.state == load.state)
    #expect(load.packets == 0 || (225_000...260_000).contains(queue.detector.rate) || load.packets == 2)
  }

  @Test("A burst is no congestion") func burst() {
    var queue = Queue()
    queue.run(seconds: 5, packets: 250)
    queue.run(seconds: 1, packets: 250, drops: 100)
    #expect(queue.detector.state == .rising)
    queue.settings.time = .seconds(60)
    queue.run(seconds: 30, packets: 250)
    #expect(queue.detector.state == .normal)
  }

  @Test("What waits at one reading and not at the next has come in a burst: a slow flow on a fast tunnel") func bursts()
  {
    var queue = Queue()
    for _ in 0..<30 {
      queue.run(seconds: 0.5, packets: 20, backlog: 5_000)
      #expect(queue.detector.queueDelay == .zero && queue.detector.state == .normal)
      queue.run(seconds: 0.5, packets: 20)
    }
    queue.run(seconds: 4, packets: 20, backlog: 5_000)
    #expect(queue.detector.state == .congested)
  }

  @Test("Between the thresholds congestion goes on; it ends after the quiet time and begins anew within it")
  func hysteresis() {
    var queue = Queue()
    queue.run(seconds: 10, packets: 250, drops: 25)
    #expect(queue.detector.state == .congested)
    queue.run(seconds: 60, packets: 250, drops: 2)
    #expect(queue.detector.state == .congested, "0.8 % is between the thresholds")
    queue.run(seconds: 8, packets: 250)
    #expect(queue.detector.state == .cooling)
    queue.run(seconds: 3, packets: 250, drops: 50)
    #expect(queue.detector.state == .congested, "above again: at once")
    queue.run(seconds: 40, packets: 250)
    #expect(queue.detector.state == .normal)
  }

  @Test("Counters that jump back are another queue's") func replaced() {
    var queue = Queue()
    queue.run(seconds: 10, packets: 250, drops: 25)
    queue.total = QueueReading(packets: 0, octets: 0, drops: 0, backlog: 0)
    queue.run(seconds: 0.5, packets: 250)
    #expect(queue.detector.state == .normal && queue.detector.rate == 0)
    queue.run(seconds: 10, packets: 250)
    #expect(queue.detector.state == .normal)
    queue.total.drops &-= 10
    queue.run(seconds: 0.5, packets: 250)
    #expect(queue.detector.dropRatio == 0)
    queue.detector.take(nil, capacity: nil, queue.settings, at: queue.clock)
    #expect(queue.detector == CongestionDetector())
  }

  @Test("The counter of drops has 32 bits and goes round") func wraps() {
    var queue = Queue()
    queue.total.drops = .max - 10
    queue.run(seconds: 10, packets: 250, drops: 25)
    #expect(queue.total.drops < 1_000)
    #expect(queue.detector.state == .congested && (85...95).contains(queue.detector.dropRatio))
  }

  @Test("The capacity is what an overfull queue sends, and more once more got through") func capacity() {
    var queue = Queue()
    queue.run(seconds: 10, packets: 900)
    #expect(queue.detector.measuredCapacity == nil, "nobody knows how much more it could be")
    queue.run(seconds: 30, packets: 250, drops: 50)
    queue.run(seconds: 60, packets: 100)
    #expect((240_000...260_000).contains(queue.detector.measuredCapacity ?? 0))
    queue.run(seconds: 20, packets: 1_200)
    #expect(queue.detector.measuredCapacity ?? 0 > 1_100_000)
  }

  @Test("Whatever is read, a tunnel is never congested before its time, and no state is skipped", arguments: [1, 2, 3])
  func random(seed: UInt64) {
    var generator = SplitMix64(seed: seed)
    var queue = Queue()
    var before = CongestionDetector.State.normal
    var risingSince: Duration?
    let ways: [CongestionDetector.State: Set<CongestionDetector.State>] = [
      .normal: [.normal, .rising], .rising: [.rising, .normal, .congested],
      .congested: [.congested, .cooling, .normal], .cooling: [.cooling, .congested, .normal],
    ]
    for _ in 0..<5_000 {
      if Int.random(in: 0..<200, using: &generator) == 0 {
        queue.total = QueueReading(packets: 0, octets: 0, drops: .random(in: 0 ... .max, using: &generator), backlog: 0)
      }
      queue.run(
        seconds: 0.5, packets: .random(in: 0...500, using: &generator),
        drops: Bool.random(using: &generator) ? .random(in: 0...40, using: &generator) : 0,
        backlog: .random(in: 0...30_000, using: &generator))
      let state = queue.detector.state
      #expect(ways[before]?.contains(state) == true, "\(before) to \(state), seed \(seed)")
      if state == .rising, before != .rising { risingSince = queue.clock }
      if before == .rising, state == .congested {
        #expect(risingSince.map { queue.clock - $0 >= queue.settings.time } == true)
      }
      before = state
    }
  }
}

@Suite("Quality detector") struct QualityDetectorTests {
  struct Course: Sendable, CustomTestStringConvertible {
    var what: String
    /// Seconds, and octets in each.
    var phases: [(Int, UInt64)]
    var isPoor: Bool
    var testDescription: String { what }
  }

  @Test(
    "Courses of a flow",
    arguments: [
      Course(what: "steady", phases: [(60, 500_000)], isPoor: false),
      Course(what: "to a tenth", phases: [(60, 500_000), (10, 50_000)], isPoor: true),
      Course(what: "to a tenth for a short time", phases: [(60, 500_000), (4, 50_000), (60, 500_000)], isPoor: false),
      Course(what: "to a half", phases: [(60, 500_000), (60, 250_000)], isPoor: false),
      Course(what: "stops", phases: [(60, 500_000), (60, 0)], isPoor: false),
      Course(what: "stops but for keepalives", phases: [(60, 500_000), (60, 200)], isPoor: false),
      Course(what: "pauses, then goes on", phases: [(60, 500_000), (20, 0), (60, 500_000)], isPoor: false),
      Course(what: "slow from the beginning", phases: [(60, 50_000), (60, 5_000)], isPoor: false),
      Course(what: "too short to have an average", phases: [(5, 500_000), (20, 50_000)], isPoor: false),
    ]) func courses(_ course: Course)
  {
    var detector = QualityDetector()
    var poor = 0
    for (seconds, octets) in course.phases {
      for _ in 0..<seconds where detector.take(octets: octets, seconds: 1, QualitySettings()) { poor += 1 }
    }
    #expect((poor > 0) == course.isPoor)
  }

  @Test("Readings so often that most are between two packets change nothing") func oftenRead() {
    var detector = QualityDetector()
    for _ in 0..<60 { _ = detector.take(octets: 500_000, seconds: 1, QualitySettings()) }
    let poor = (0..<1_000).count { number in
      detector.take(octets: number % 3 == 0 ? 1_500 : 0, seconds: 0.01, QualitySettings())
    }
    #expect(poor > 0)
  }
}
