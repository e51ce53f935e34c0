import Glibc
import MobilityWire

/// The two clocks of the system. RFC 5213 timestamps need wall time; lifetimes and timers need monotonic time.
public enum SystemClock {
  /// CLOCK_MONOTONIC since its arbitrary start.
  public static var monotonic: Duration {
    let time = read(CLOCK_MONOTONIC)
    return Duration(
      secondsComponent: Int64(time.tv_sec), attosecondsComponent: Int64(time.tv_nsec) * 1_000_000_000)
  }

  /// CLOCK_REALTIME as an RFC 5213 section 8.8 timestamp.
  public static var wallClock: NTPTimestamp {
    let time = read(CLOCK_REALTIME)
    return NTPTimestamp(seconds: UInt64(max(0, time.tv_sec)), nanoseconds: UInt32(time.tv_nsec))
  }

  private static func read(_ clock: Int32) -> timespec {
    var time = timespec()
    clock_gettime(clock, &time)
    return time
  }
}
