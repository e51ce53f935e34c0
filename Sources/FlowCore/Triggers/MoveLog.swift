import DatapathModel

/// The moves of flows in the last minutes, so that triggers do not move one too often or back too soon.
struct MoveLog: Sendable {
  static let window = Duration.seconds(60)
  /// Flows remembered. Those beyond are not moved by triggers until others are forgotten.
  static let maximumFlows = 65_536

  struct Entry: Sendable {
    /// Oldest first.
    var moves: [(from: TunnelIdentifier, at: Duration)] = []
  }

  private var entries: [FlowIdentifier: Entry] = [:]
  private var nextSweep = Duration.zero

  var count: Int { entries.count }

  /// Whether a trigger may move the flow to `target`.
  func allows(_ flow: FlowIdentifier, to target: TunnelIdentifier, _ limits: MoveLimits, at now: Duration) -> Bool {
    guard let moves = entries[flow]?.moves else { return entries.count < Self.maximumFlows }
    return moves.count(where: { now - $0.at < Self.window }) < limits.perMinute
      && !moves.contains { $0.from == target && now - $0.at < limits.holdDown }
  }

  mutating func record(_ flow: FlowIdentifier, from: TunnelIdentifier, _ limits: MoveLimits, at now: Duration) {
    let memory = max(Self.window, limits.holdDown)
    if now >= nextSweep {
      entries = entries.filter { now - ($0.value.moves.last?.at ?? .zero) < memory }
      nextSweep = now + Self.window
    }
    guard entries.count < Self.maximumFlows || entries[flow] != nil else { return }
    var moves = entries[flow]?.moves.filter { now - $0.at < memory } ?? []
    // Of moves back and forth the last ones say all.
    if moves.count > limits.perMinute { moves.removeFirst() }
    moves.append((from, now))
    entries[flow] = Entry(moves: moves)
  }
}
