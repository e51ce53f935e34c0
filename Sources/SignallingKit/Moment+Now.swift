import LinuxNet
import PMIPCore

extension Moment {
  /// By the clocks of this host.
  public static var now: Moment { Moment(monotonic: SystemClock.monotonic, wallClock: SystemClock.wallClock) }
}
