import DaemonKit
import DatapathModel
import FlowCore
import NetTypes

// What `policy show`, `policy check`, `policy reload` and `explain` print. The keys are documented in docs/json.md.

struct PolicyDocument: Codable {
  struct Rule: Codable {
    var name: String
    /// In the policy file.
    var line: Int
    var action: String
    var to: [String]
    /// Of load-balance, one for each of `to`.
    var weights: [UInt32]?
    /// Milliseconds; absent: running flows stay.
    var moveBackMilliseconds: Int64?
    var maximumMovesPerMinute: Int
    /// What it has decided since the rule was loaded; absent in `policy check`.
    var hits: UInt64?
  }

  /// Absent: no file, all flows take the default binding.
  var file: String?
  var rules: [Rule]
  /// Flows that no rule has matched; absent in `policy check`.
  var defaultHits: UInt64?
  var warnings: [String]
  /// Flows are still being compared with a policy that was loaded a moment ago.
  var isComparing: Bool?

  init(_ loaded: PolicyFile.Loaded, hits: [UInt64]? = nil, isComparing: Bool? = nil) {
    file = loaded.file
    rules = loaded.policy.rules.enumerated().map { index, rule in
      Rule(
        name: rule.name, line: loaded.lines[index], action: rule.action.word.rawValue,
        to: rule.action.targets.map(\.description), weights: rule.action.weights.isEmpty ? nil : rule.action.weights,
        moveBackMilliseconds: rule.moveBack.map { $0.components.seconds * 1_000 },
        maximumMovesPerMinute: rule.maximumMoves, hits: hits?[index])
    }
    defaultHits = hits?.last
    warnings = loaded.warnings
    self.isComparing = isComparing
  }
}

struct ExplanationDocument: Codable {
  struct Rule: Codable {
    var name: String
    var action: String
    /// The first condition that fails; absent: it matches.
    var failure: String?
    var decides: Bool
  }

  struct Candidate: Codable {
    var gateway: String
    var tunnel: TunnelIdentifier
    var binding: UInt32
    var accessTechnology: UInt8
    var access: String
    var isDefault: Bool
    var isUsable: Bool
    /// What keeps flows from going there, or speaks against it.
    var obstacle: String?
    var roundTripMicroseconds: Int64?
  }

  struct HoldDown: Codable {
    var gateway: String
    var tunnel: TunnelIdentifier
    var remainingMilliseconds: Int64
  }

  /// Absent: there is no such flow; this is what would become of it.
  var flow: FlowDocument?
  var tuple: String
  var node: String
  var prefix: IPv6Prefix
  /// Who has put the flow where it is.
  var placedBy: String?
  /// A standing order that goes before the policy.
  var standingOrder: SelectorDocument?
  /// Why the policy does not move the flow.
  var exemption: String?
  var rules: [Rule]
  /// Of the rule that decides; absent: none matches.
  var rule: String?
  /// Number of a tunnel, `drop`, or absent: nothing carries the flow.
  var decision: String?
  var reason: String
  /// A gateway that the rule would rather take, if it served the prefix.
  var wish: String?
  var candidates: [Candidate]
  var movesUsed: Int
  var movesAllowed: Int
  var holdDowns: [HoldDown]

  init(_ explanation: PolicyExplanation, in engine: FlowManagerEngine, now: FlowMoment) {
    flow = explanation.flow.map { FlowDocument($0, in: engine, now: now) }
    tuple = explanation.tuple.description
    node = explanation.node
    prefix = explanation.prefix
    placedBy = explanation.flow?.placer.rawValue
    standingOrder = explanation.standingOrder.map(SelectorDocument.init)
    exemption = explanation.exemption
    rules = explanation.rules.map {
      Rule(name: $0.name, action: $0.action.rawValue, failure: $0.failure, decides: $0.decides)
    }
    rule = explanation.decision.rule.map { explanation.rules[$0].name }
    decision =
      switch explanation.decision.way {
      case .tunnel(let tunnel): tunnel.description
      case .drop: "drop"
      case .none: nil
      }
    reason = explanation.decision.reason.rawValue
    wish = explanation.candidates.first { $0.binding == explanation.decision.wish }?.gateway
    candidates = explanation.candidates.map { way in
      Candidate(
        gateway: way.gateway, tunnel: way.tunnel, binding: way.binding, accessTechnology: way.accessTechnology,
        access: way.accessName, isDefault: way.isDefault, isUsable: way.isUsable, obstacle: way.obstacle,
        roundTripMicroseconds: way.roundTrip.map { $0.microseconds })
    }
    movesUsed = explanation.movesUsed
    movesAllowed = explanation.movesAllowed
    holdDowns = explanation.holdDowns.map {
      HoldDown(gateway: $0.gateway, tunnel: $0.tunnel, remainingMilliseconds: $0.remaining.microseconds / 1_000)
    }
  }
}

// MARK: Text

extension PolicyDocument {
  var text: String {
    var lines: [String] = []
    if rules.isEmpty {
      lines.append("no rules\(file.map { " in \($0)" } ?? ": there is no policy file"); flows take the default binding")
    } else {
      var table = TextTable(
        ["RULE", "LINE", "ACTION", "TO", "MOVE-BACK", "MOVES/MIN", "HITS"], right: ["LINE", "MOVES/MIN", "HITS"])
      for rule in rules {
        let to = rule.to.enumerated().map { index, target in rule.weights.map { "\(target)=\($0[index])" } ?? target }
        table.add([
          rule.name, "\(rule.line)", rule.action, to.isEmpty ? nil : to.joined(separator: ","),
          rule.moveBackMilliseconds.map { "\($0 / 1_000)s" }, "\(rule.maximumMovesPerMinute)",
          rule.hits.map { "\($0)" },
        ])
      }
      if let defaultHits {
        table.add(["(no rule)", nil, "default binding", nil, nil, nil, "\(defaultHits)"])
      }
      lines.append(table.text)
    }
    lines += warnings.map { "warning: \($0)" }
    if isComparing == true { lines.append("flows are still being compared with this policy") }
    return lines.joined(separator: "\n")
  }
}

extension ExplanationDocument {
  var text: String {
    var lines: [String] = []
    if let flow {
      lines.append(
        "flow \(flow.id): \(tuple), node \(node), \(flow.gateway ?? "-") (tunnel \(flow.tunnel)), placed by "
          + (placedBy ?? "-"))
    } else {
      lines.append("no such flow yet: \(tuple), node \(node); its first packet would be treated like this")
    }
    if let standingOrder {
      lines.append("standing order \(standingOrder.id) goes before the policy: to \(standingOrder.to)")
    }
    if let exemption { lines.append("the policy leaves it alone: \(exemption)") }
    lines.append("policy: \(rule.map { "rule '\($0)'" } ?? "no rule") -> \(way); \(reason)")
    if let wish { lines.append("it would rather take \(wish), which does not serve \(prefix) yet") }
    if !rules.isEmpty {
      var table = TextTable(["RULE", "ACTION", "VERDICT"])
      for rule in rules {
        table.add([rule.name, rule.action, rule.decides ? "decides" : rule.failure ?? "matches, but is not the first"])
      }
      lines.append(table.text)
    }
    var table = TextTable(["GATEWAY", "TUNNEL", "ACCESS", "USABLE", "DELAY", "NOTE"], right: ["TUNNEL", "DELAY"])
    for way in candidates {
      let notes = [way.isDefault ? "default" : nil, way.obstacle].compactMap { $0 }
      table.add([
        way.gateway, "\(way.tunnel)", way.access, way.isUsable ? "yes" : "no",
        way.roundTripMicroseconds.map { "\($0 / 1_000).\($0 % 1_000 / 100)ms" },
        notes.isEmpty ? nil : notes.joined(separator: ", "),
      ])
    }
    lines.append(table.text)
    lines.append("moves in the last minute: \(movesUsed) of \(movesAllowed)")
    for pending in holdDowns {
      lines.append(
        "flows may move to \(pending.gateway) (tunnel \(pending.tunnel)) in \(pending.remainingMilliseconds) ms")
    }
    return lines.joined(separator: "\n")
  }

  private var way: String {
    guard let decision else { return "nothing carries it" }
    guard let way = candidates.first(where: { $0.tunnel.description == decision }) else { return decision }
    return "\(way.gateway) (tunnel \(decision))"
  }
}
