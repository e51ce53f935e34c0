import MobilityWire
import PMIPCore

/// Monotonic time that passes, and a wall clock that somebody may set.
struct FuzzedClock {
  private(set) var now = Moment(
    monotonic: .seconds(1_000), wallClock: NTPTimestamp(seconds: 1_767_225_600, nanoseconds: 0))

  private static let steps: [Duration] = [
    .milliseconds(1), .milliseconds(10), .milliseconds(100), .seconds(1), .seconds(10), .seconds(100), .seconds(1_000),
  ]

  mutating func pass(_ input: inout FuzzInput) {
    pass(input.choose(Self.steps) * Int(input.octet() & 0xf))
    if input.seldom() { now.wallClock = Self.anyTime(now.wallClock, &input) }
  }

  mutating func pass(to deadline: Duration) {
    if deadline > now.monotonic { pass(deadline - now.monotonic) }
  }

  private mutating func pass(_ duration: Duration) {
    now = Moment(monotonic: now.monotonic + duration, wallClock: now.wallClock.advanced(by: duration))
  }

  /// Near `time`, or far from it, or at an end of the range.
  static func anyTime(_ time: NTPTimestamp, _ input: inout FuzzInput) -> NTPTimestamp {
    switch input.octet() % 6 {
    case 0: .zero
    case 1: NTPTimestamp(rawValue: .max)
    case 2: NTPTimestamp(rawValue: time.rawValue &- UInt64(input.uint16()))
    case 3: NTPTimestamp(rawValue: time.rawValue &+ UInt64(input.uint16()))
    case 4: NTPTimestamp(rawValue: time.rawValue &- UInt64(input.uint16()) << 20)
    default: NTPTimestamp(rawValue: time.rawValue &+ UInt64(input.uint16()) << 20)
    }
  }
}
