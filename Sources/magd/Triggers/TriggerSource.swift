import AccessTriggers
import LinuxNet
import NetTypes

/// A source of attachment outside neighbour discovery: watches its descriptors in the daemon's loop and reports.
protocol TriggerSource: AnyObject {
  /// Monotonic; nil: nothing to wait for.
  var nextDeadline: Duration? { get }
  func deadlineReached(at now: Duration)
  /// An interface has appeared or changed.
  func changed(_ link: Link)
  func removed(_ link: Link)
  /// The access link has got its carrier back: whoever is on it is to be reported again.
  func resynchronize(link: String)
  var statuses: [TriggerStatus] { get }
  /// For `show counters`.
  var counters: [String: UInt64] { get }
}

extension TriggerSource {
  var nextDeadline: Duration? { nil }
  func deadlineReached(at now: Duration) {}
  func changed(_ link: Link) {}
  func removed(_ link: Link) {}
  func resynchronize(link: String) {}
}

/// How a source does.
struct TriggerStatus {
  var origin: TriggerOrigin
  var state: String
  /// Why it does not work.
  var problem: String?
  var counters: [String: UInt64] = [:]
}

extension [String: UInt64] {
  func prefixed(_ prefix: String) -> [String: UInt64] {
    Dictionary(uniqueKeysWithValues: map { ("\(prefix)-\($0.key)", $0.value) })
  }
}
