import DatapathModel
import PMIPCore

/// A kernel that answers when it likes to, in any order, and sometimes refuses.
struct FuzzedKernel {
  private(set) var datapath = DatapathSnapshot()
  /// It has refused something, so it holds something else than it was told.
  private(set) var isBroken = false
  private var unanswered: [(effect: EffectID, outcome: DatapathOutcome)] = []
  private var lastEffect: EffectID?

  var isIdle: Bool { unanswered.isEmpty }

  mutating func install(_ effect: EffectID, _ changes: [DatapathChange], refusing: Bool) throws(FuzzFailure) {
    try require(lastEffect.map { $0 < effect } ?? true, "the number of install \(effect.rawValue) was used before")
    try require(!changes.isEmpty, "install \(effect.rawValue) is empty")
    lastEffect = effect
    unanswered.append((effect, refusing ? .failed("ENOBUFS") : .installed))
    guard !refusing else {
      isBroken = true
      return
    }
    for change in changes {
      switch change {
      case .setPrefixRoute(_, let tunnel), .setUplink(_, let tunnel):
        try require(isBroken || datapath.tunnels[tunnel] != nil, "\(change), but there is no such tunnel")
      default: break
      }
      datapath.apply(change)
    }
  }

  /// It is not idle.
  mutating func answer(_ choice: UInt8) -> (EffectID, DatapathOutcome) {
    unanswered.remove(at: Int(choice) % unanswered.count)
  }

  /// What the shell does at its start and after a failure.
  mutating func reconcile(_ desired: DatapathSnapshot) {
    datapath = desired
    isBroken = false
  }

  /// The daemon was killed: nobody waits for answers any more, and its successor counts anew.
  mutating func forget() {
    unanswered = []
    lastEffect = nil
  }
}
