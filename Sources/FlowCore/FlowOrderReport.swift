import DatapathModel
import NetTypes

/// What has become of a command about many flows.
public struct FlowOrderReport: Hashable, Sendable {
  /// Refusals that are told with their flow and words.
  public static let maximumRefusalsNamed = 8
  /// Flows that a trial lists.
  public static let maximumMovesListed = 100

  /// Nothing was changed: what would be done.
  public var isTrial: Bool
  /// Flows that the command was about.
  public var chosen = 0
  /// Moved, removed, pinned or unpinned; in a trial, what would be at once.
  public var done = 0
  /// Were already as ordered.
  public var already = 0
  /// In a trial: flows whose prefix the gateway does not serve yet, so that the anchor would be asked first.
  public var toAsk = 0
  public var refused: [FlowRefusal.Reason: Int] = [:]
  /// The first of them.
  public var refusals: [Refusal] = []
  /// In a trial: the first flows that would move.
  public var moves: [Move] = []

  public struct Refusal: Hashable, Sendable {
    public var flow: FlowIdentifier
    public var refusal: FlowRefusal
  }

  public struct Move: Hashable, Sendable {
    public var flow: Flow
    /// nil: removed, or (un)pinned where it is.
    public var to: TunnelIdentifier?
    public var asksAnchor: Bool
  }

  init(isTrial: Bool) { self.isTrial = isTrial }

  mutating func refuse(_ flow: FlowIdentifier, _ refusal: FlowRefusal) {
    refused[refusal.reason, default: 0] += 1
    if refusals.count < Self.maximumRefusalsNamed { refusals.append(Refusal(flow: flow, refusal: refusal)) }
  }

  mutating func list(_ flow: Flow, to tunnel: TunnelIdentifier?, asksAnchor: Bool = false) {
    if moves.count < Self.maximumMovesListed { moves.append(Move(flow: flow, to: tunnel, asksAnchor: asksAnchor)) }
  }
}
