import DatapathModel

/// The tunnels that triggers have moved flows away from, and until when these must not go back.
struct Departures: Sendable {
  /// Beyond, triggers move no flow until the hold-down of others is over.
  static let maximum = 65_536

  private struct Departure: Hashable {
    var flow: FlowIdentifier
    var tunnel: TunnelIdentifier
  }

  private var holdDowns: [Departure: Duration] = [:]
  private var nextSweep = Duration.zero

  var isFull: Bool { holdDowns.count >= Self.maximum }

  func forbid(_ flow: FlowIdentifier, _ tunnel: TunnelIdentifier, at now: Duration) -> Bool {
    holdDowns[Departure(flow: flow, tunnel: tunnel)].map { now < $0 } ?? false
  }

  mutating func note(_ flow: FlowIdentifier, from tunnel: TunnelIdentifier, at now: Duration, holdDown: Duration) {
    if now >= nextSweep {
      holdDowns = holdDowns.filter { now < $0.value }
      nextSweep = now + max(holdDown, .seconds(1))
    }
    guard holdDown > .zero, !isFull else { return }
    holdDowns[Departure(flow: flow, tunnel: tunnel)] = now + holdDown
  }
}
