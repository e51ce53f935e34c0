import DatapathModel
import LinuxNet

/// The requests of one `apply`, collected so that they go out together, and what became of them.
struct ChangeRun {
  let netlink: RouteNetlink
  private var pending: [(change: DatapathChange, request: KernelRequest)] = []
  private var indexes: [String: UInt32] = [:]
  private(set) var failures: [DatapathFailure] = []

  init(netlink: RouteNetlink) { self.netlink = netlink }

  mutating func add(_ change: DatapathChange, _ request: KernelRequest) { pending.append((change, request)) }

  mutating func fail(_ change: DatapathChange, _ error: LinuxError) {
    failures.append(DatapathFailure(change: change, error: error))
  }

  /// Executes what has been collected.
  mutating func flush() {
    guard !pending.isEmpty else { return }
    do {
      for failure in try netlink.batch(pending.map(\.request)) { fail(pending[failure.index].change, failure.error) }
    } catch {
      // The dialogue with the kernel broke: nobody knows how far it came.
      for item in pending { fail(item.change, error) }
    }
    pending = []
    // A tunnel device may have come or gone.
    indexes = [:]
  }

  /// The interface's index; asked once for all changes.
  mutating func index(of name: String) throws(LinuxError) -> UInt32 {
    if let index = indexes[name] { return index }
    let index = try netlink.link(named: name).index
    indexes[name] = index
    return index
  }
}
