import DatapathModel
import LinuxNet

/// The requests of one `apply`, collected so that they go out together, and what became of each list of changes.
struct ChangeRun {
  let netlink: RouteNetlink
  /// What each of `requests` is for.
  private var pending: [Pending] = []
  private var requests: [KernelRequest] = []
  private var indexes: [String: UInt32] = [:]
  /// Of each list so far.
  private(set) var results: [DatapathResult] = []

  private struct Pending {
    var list: Int
    var change: DatapathChange
  }

  init(netlink: RouteNetlink) { self.netlink = netlink }

  /// What is added from now on belongs to the next list.
  mutating func beginList() { results.append(.applied) }

  mutating func add(_ change: DatapathChange, _ request: KernelRequest) {
    pending.append(Pending(list: results.count - 1, change: change))
    requests.append(request)
  }

  mutating func fail(_ change: DatapathChange, _ error: LinuxError) {
    fail(Pending(list: results.count - 1, change: change), error)
  }

  private mutating func fail(_ item: Pending, _ error: LinuxError) {
    let failure = DatapathFailure(change: item.change, error: error)
    switch results[item.list] {
    case .applied: results[item.list] = .failed([failure])
    case .failed(let earlier): results[item.list] = .failed(earlier + [failure])
    }
  }

  /// Executes what has been collected.
  mutating func flush() {
    guard !pending.isEmpty else { return }
    do {
      for failure in try netlink.batch(requests) { fail(pending[failure.index], failure.error) }
    } catch {
      // The dialogue with the kernel broke: nobody knows how far it came.
      for item in pending { fail(item, error) }
    }
    pending = []
    requests = []
  }

  /// A tunnel device has come or gone.
  mutating func forgetIndexes() { indexes = [:] }

  /// The interface's index; asked once for all changes.
  mutating func index(of name: String) throws(LinuxError) -> UInt32 {
    if let index = indexes[name] { return index }
    let index = try netlink.index(ofLink: name)
    indexes[name] = index
    return index
  }
}
