import DatapathModel
import NetTypes

/// Why a flow is where it is: what the standing orders and each rule of the policy say about it now, and what the ways
/// of its node are like.
public struct PolicyExplanation: Hashable, Sendable {
  public struct Rule: Hashable, Sendable {
    public var name: String
    public var action: SteeringAction.Word
    /// Why it does not match, its first condition that fails; nil: it matches.
    public var failure: String?
    /// It is the first that matches.
    public var decides: Bool
  }

  /// Running flows may move there when the time is over.
  public struct HoldDown: Hashable, Sendable {
    public var gateway: String
    public var tunnel: TunnelIdentifier
    public var remaining: Duration
  }

  /// nil: a flow that there is not yet.
  public var flow: Flow?
  public var tuple: FlowSixTuple
  public var node: String
  public var prefix: IPv6Prefix
  public var candidates: [PlacementCandidate]
  /// The standing order that goes before the policy.
  public var standingOrder: FlowSelectorEntry?
  public var rules: [Rule]
  public var decision: PolicyDecision
  /// Why the policy leaves the flow alone; nil: it does not.
  public var exemption: String?
  public var movesUsed: Int
  public var movesAllowed: Int
  public var holdDowns: [HoldDown]
}

extension FlowManagerEngine {
  /// Explains a flow, or where one that `reference` names in full would go.
  public mutating func explain(
    _ reference: FlowReference, at now: FlowMoment
  ) throws(FlowRefusal) -> PolicyExplanation {
    var flow: Flow?
    let tuple: FlowSixTuple
    if case .selector(let selector) = reference, let exact = selector.exactTuple(configuration.key) {
      flow = table.flow(exact)
      tuple = exact
    } else {
      let found = try self.flow(reference)
      flow = found
      tuple = found.tuple
    }
    let owner = try owner(of: tuple)
    let candidates = candidates(for: owner.prefix, of: owner.node)
    let facts =
      flow.map { self.facts($0, owner.node, now.localTime) }
      ?? FlowFacts(tuple: tuple, node: mirror.name(of: owner.node) ?? "", dscp: 0, time: now.localTime)
    let policy = steering.policy
    let decision = policy.decide(facts, candidates, current: flow.map(\.tunnel))
    let rules = policy.rules.indices.map { index in
      let rule = policy.rules[index]
      let failure = rule.match.firstFailure(facts).map { rule.match.reason($0, facts) }
      return PolicyExplanation.Rule(
        name: rule.name, action: rule.action.word, failure: failure, decides: index == decision.rule)
    }
    let order = selectors.first { entry in
      entry.selector.matches(tuple) && candidates.contains { $0.isNamed(entry.target) && $0.isUsable }
    }
    let rule = decision.rule.map { policy.rules[$0] }
    var used = 0
    if let flow { used = steering.moves.count(flow.identifier, at: now.monotonic) }
    return PolicyExplanation(
      flow: flow, tuple: tuple, node: facts.node, prefix: owner.prefix, candidates: candidates, standingOrder: order,
      rules: rules, decision: decision, exemption: flow.flatMap(exemption), movesUsed: used,
      movesAllowed: rule?.maximumMoves ?? FlowPolicy.defaultMaximumMoves,
      holdDowns: rule?.moveBack.map { pendingHoldDowns($0, candidates, now) } ?? [])
  }

  private func exemption(_ flow: Flow) -> String? {
    switch flow.placer {
    case .operatorRequest: "an operator has moved or added it"
    case .standingOrder: "a standing order has placed it"
    case .unknown, .defaultBinding, .policy, .trigger: flow.isPinned ? "it is pinned" : nil
    }
  }

  private func pendingHoldDowns(
    _ holdDown: Duration, _ candidates: [PlacementCandidate], _ now: FlowMoment
  ) -> [PolicyExplanation.HoldDown] {
    candidates.compactMap { way in
      steering.holdDowns.remaining(way.binding, holdDown, at: now.monotonic).map {
        PolicyExplanation.HoldDown(gateway: way.gateway, tunnel: way.tunnel, remaining: $0)
      }
    }
  }
}

extension PlacementCandidate {
  /// The name of its access type, else the number.
  public var accessName: String {
    SteeringTarget.accessTypes.first { $0.types == [accessTechnology] }?.name ?? "\(accessTechnology)"
  }

  /// In words, what keeps flows from going there.
  public var obstacle: String? {
    if !isAnswering { return "its gateway does not answer heartbeats" }
    if isDegraded { return "its path is degraded, see `show degraded`" }
    if let refusal, !servesPrefix { return "its gateway does not serve the prefix: \(refusal)" }
    if !servesPrefix { return "its gateway does not serve the prefix yet" }
    return isCongested ? "congested" : nil
  }
}
