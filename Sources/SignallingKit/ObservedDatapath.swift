import Datapath
import DatapathModel
import LinuxNet
import Logging
import PMIPCore

/// The data plane of a daemon. What fails in it is logged and counted.
public final class ObservedDatapath {
  public let kernel: KernelDatapath
  /// Changes that the kernel has refused.
  public private(set) var failures: UInt64 = 0
  private let log: Logger

  public init(_ configuration: DatapathConfiguration, log: Logger) throws(LinuxError) {
    kernel = try KernelDatapath(configuration)
    self.log = log
  }

  /// Makes the kernel hold exactly `snapshot`.
  public func reconcile(to snapshot: DatapathSnapshot) throws(LinuxError) {
    let report = try kernel.reconcile(to: snapshot)
    log.info("data plane: \(report.kept) objects kept, \(report.set) set, \(report.removed) removed")
    note(report.failures)
  }

  /// What the kernel says to each list, in one dialogue with it.
  public func apply(_ lists: [[DatapathChange]]) -> [DatapathOutcome] {
    kernel.apply(lists).map { result in
      switch result {
      case .applied: return .installed
      case .failed(let failures):
        note(failures)
        return .failed(failures.map(\.description).joined(separator: "; "))
      }
    }
  }

  public func apply(_ changes: [DatapathChange]) -> DatapathOutcome { apply([changes])[0] }

  private func note(_ failures: [some CustomStringConvertible]) {
    self.failures += UInt64(failures.count)
    for failure in failures { log.error("\(failure)") }
  }
}
