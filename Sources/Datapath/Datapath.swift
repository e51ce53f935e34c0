import DatapathModel
import LinuxNet
import NetTypes

/// The data plane of an anchor or a gateway: tunnels and the routes into and out of them.
///
/// `KernelDatapath` programs the Linux kernel, `RecordedDatapath` keeps the same state in memory. Both treat a list of
/// changes the same way: in order, each change idempotent, a refused change does not stop the later ones and the
/// refusal names the object. A route is replaced in one step (make before break), so moving a prefix from one tunnel to
/// another loses no packet.
///
/// A daemon calls `reconcile` once at start and again whenever an interface comes back, the configuration changes or
/// `apply` has failed: it reads what the kernel has, changes only what differs from the wanted snapshot, and removes
/// what carries our tags and is not wanted. Objects of others are never touched, and equal ones are not rewritten, so
/// a restart interrupts nothing.
public protocol Datapath: AnyObject {
  /// What `auto` became.
  var encapsulation: EncapsulationMode { get }
  /// The largest packet that fits the tunnels: MTU of the core interface - 40 octets of IPv6 header.
  func tunnelMTU() throws(LinuxError) -> UInt32
  /// Executes lists of changes in their order, in one dialogue with the kernel as far as possible, and answers each.
  func apply(_ lists: [[DatapathChange]]) -> [DatapathResult]
  /// Makes the kernel's state that of `snapshot`, standing routes and rules included. Throws when the kernel's state
  /// cannot even be read; single refusals are in the report.
  func reconcile(to snapshot: DatapathSnapshot) throws(LinuxError) -> ReconcileReport
  /// Takes over another configuration and reconciles under it.
  func reconfigure(
    _ configuration: DatapathConfiguration, snapshot: DatapathSnapshot
  ) throws(LinuxError) -> ReconcileReport
  /// Removes everything of ours and restores what was rearranged. Gives what could not be removed.
  func teardown() throws(LinuxError) -> [LinuxError]
}

extension Datapath {
  /// Executes the changes in their order.
  public func apply(_ changes: [DatapathChange]) -> DatapathResult { apply([changes])[0] }
}

/// The answer to a list of changes.
public enum DatapathResult: Hashable, Sendable {
  case applied
  /// What was refused and why, in the order of the changes. The other changes are in effect.
  case failed([DatapathFailure])
}

/// A change that the kernel refused.
public struct DatapathFailure: Error, Hashable, Sendable, CustomStringConvertible {
  public var change: DatapathChange
  public var error: LinuxError

  public init(change: DatapathChange, error: LinuxError) {
    self.change = change
    self.error = error
  }

  public var description: String { error.description }
}

/// What a reconciliation has done.
public struct ReconcileReport: Hashable, Sendable {
  /// Objects (devices, routes, rules) that were as wanted and stay untouched.
  public var kept = 0
  /// Missing or different ones that were set.
  public var set = 0
  /// Ours, but not wanted.
  public var removed = 0
  public var failures: [LinuxError] = []

  public init() {}
}
