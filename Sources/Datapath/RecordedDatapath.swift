import DatapathModel
import Glibc
import LinuxNet
import NetTypes

/// The data plane in memory, for tests: keeps the state that a kernel would have and every list of changes, refuses what
/// a kernel would refuse, and, when told, more.
public final class RecordedDatapath: Datapath {
  public private(set) var configuration: DatapathConfiguration
  public let encapsulation: EncapsulationMode
  /// What is installed.
  public private(set) var state = DatapathSnapshot()
  /// All lists of changes, in their order.
  public private(set) var history: [[DatapathChange]] = []
  /// Refuses changes: gives the error for those that shall fail.
  public var refusal: (DatapathChange) -> LinuxError? = { _ in nil }
  public var coreMTU: UInt32 = 1_500

  public init(_ configuration: DatapathConfiguration) {
    self.configuration = configuration
    encapsulation = configuration.encapsulation == .srv6 ? .srv6 : .ip6tnl
  }

  public func tunnelMTU() throws(LinuxError) -> UInt32 { coreMTU - DatapathConfiguration.tunnelOverhead }

  public func apply(_ lists: [[DatapathChange]]) -> [DatapathResult] { lists.map(applyList) }

  private func applyList(_ changes: [DatapathChange]) -> DatapathResult {
    history.append(changes)
    var failures: [DatapathFailure] = []
    for change in changes {
      if let error = refusal(change) ?? missingTunnel(change) ?? wrongRole(change) {
        failures.append(DatapathFailure(change: change, error: error))
      } else {
        state.apply(change)
      }
    }
    return failures.isEmpty ? .applied : .failed(failures)
  }

  private func missingTunnel(_ change: DatapathChange) -> LinuxError? {
    switch change {
    case .setPrefixRoute(let prefix, let tunnel), .setUplink(let prefix, let tunnel):
      state.tunnels[tunnel] == nil
        ? LinuxError(
          "set route", "\(prefix) into tunnel \(tunnel)", code: ENOENT, advice: "the tunnel was not installed") : nil
    default: nil
    }
  }

  private func wrongRole(_ change: DatapathChange) -> LinuxError? {
    guard case .anchor = configuration.role else { return nil }
    switch change {
    case .setUplink(let prefix, _), .removeUplink(let prefix):
      return LinuxError("set uplink", "\(prefix)", code: EINVAL, advice: "uplinks belong to gateways")
    default: return nil
    }
  }

  public func reconcile(to snapshot: DatapathSnapshot) throws(LinuxError) -> ReconcileReport {
    var report = ReconcileReport()
    func compare<Key: Hashable, Value: Equatable>(_ path: KeyPath<DatapathSnapshot, [Key: Value]>) {
      let (old, new) = (state[keyPath: path], snapshot[keyPath: path])
      report.kept += new.count { old[$0.key] == $0.value }
      report.set += new.count { old[$0.key] != $0.value }
      report.removed += old.keys.count { new[$0] == nil }
    }
    compare(\.tunnels)
    compare(\.prefixRoutes)
    compare(\.uplinks)
    compare(\.downlinks)
    state = snapshot
    return report
  }

  public func reconfigure(
    _ configuration: DatapathConfiguration, snapshot: DatapathSnapshot
  ) throws(LinuxError) -> ReconcileReport {
    self.configuration = configuration
    return try reconcile(to: snapshot)
  }

  public func teardown() throws(LinuxError) -> [LinuxError] {
    state = DatapathSnapshot()
    return []
  }
}
