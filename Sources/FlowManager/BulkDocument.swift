import DatapathModel
import FlowCore

/// What has become of a command about several flows, or what would (`isTrial`).
struct BulkDocument: Codable, Hashable {
  /// Nothing was changed.
  var isTrial: Bool
  /// Flows that the command was about; the next four add up to it.
  var chosen: Int
  var done: Int
  /// Were already as ordered.
  var already: Int
  /// In a trial: the anchor would be asked first.
  var toAsk: Int
  /// By reason.
  var refused: [String: Int]
  /// The first of them.
  var refusals: [Refusal]
  /// In a trial: the first flows that would be changed.
  var moves: [Move]

  private enum CodingKeys: String, CodingKey {
    case chosen, done, already, toAsk, refused, refusals, moves
    case isTrial = "dryRun"
  }

  struct Refusal: Codable, Hashable {
    var flow: FlowIdentifier
    var reason: String
    var message: String
  }

  struct Move: Codable, Hashable {
    var flow: FlowDocument
    /// Absent when it would be removed.
    var to: TunnelIdentifier?
    var toGateway: String?
    /// The gateway does not serve the prefix of the flow yet.
    var asksAnchor: Bool
  }

  init(_ report: FlowOrderReport, in engine: FlowManagerEngine, now: FlowMoment) {
    isTrial = report.isTrial
    chosen = report.chosen
    done = report.done
    already = report.already
    toAsk = report.toAsk
    refused = Dictionary(uniqueKeysWithValues: report.refused.map { ($0.rawValue, $1) })
    refusals = report.refusals.map {
      Refusal(flow: $0.flow, reason: $0.refusal.reason.rawValue, message: $0.refusal.message)
    }
    moves = report.moves.map { move in
      Move(
        flow: FlowDocument(move.flow, in: engine, now: now), to: move.to,
        toGateway: move.to.flatMap { engine.mirror.tunnels[$0]?.gateway }, asksAnchor: move.asksAnchor)
    }
  }
}

extension BulkDocument {
  /// `done` is the past participle of what was ordered.
  func text(_ done: String) -> String {
    guard chosen > 0 else { return "no flow is chosen" }
    var lines: [String] = []
    for move in moves {
      let target = move.to.map { " to \(move.toGateway ?? "unknown gateway") (tunnel \($0))" } ?? ""
      lines.append(
        "flow \(move.flow.id) would be \(done)\(target): \(move.flow.protocol) \(move.flow.from) > \(move.flow.to), now "
          + "\(move.flow.gateway ?? "unknown gateway") (tunnel \(move.flow.tunnel))"
          + (move.asksAnchor ? ", after asking the anchor" : ""))
    }
    if self.done + toAsk > moves.count, isTrial { lines.append("and \(self.done + toAsk - moves.count) more") }
    for refusal in refusals {
      lines.append("flow \(refusal.flow) \(isTrial ? "would not be" : "not") \(done): \(refusal.message)")
    }
    var counts = ["\(self.done + toAsk) of \(chosen) flows \(isTrial ? "would be " : "")\(done)"]
    if already > 0 { counts.append("\(already) already so") }
    for (reason, count) in refused.sorted(by: { $0.key < $1.key }) { counts.append("\(count) refused (\(reason))") }
    lines.append(counts.joined(separator: ", "))
    return lines.joined(separator: "\n")
  }
}
