import DatapathModel

/// What a policy says about a flow.
public struct PolicyDecision: Hashable, Sendable {
  public enum Way: Hashable, Sendable {
    case tunnel(TunnelIdentifier)
    case drop
    /// Nothing carries the flow.
    case none
  }

  /// Why it is this way and no other.
  public enum Reason: String, Hashable, Sendable {
    case noRule = "no rule matches: the default binding"
    case firstUsable = "the first target that is usable"
    case notCongested = "the first usable target that is not congested"
    case allCongested = "all usable targets are congested: the first of them"
    case share = "its share of the split"
    case staysInSplit = "one of the targets already"
    case smallestDelay = "the usable target with the smallest delay"
    case noDelayKnown = "no delay is known yet: the first target that is usable"
    case noTarget = "no target is usable: the default binding"
    case stays = "it stays where it is"
    case drops = "dropped"
  }

  /// Index of the rule that decided; nil: none matches.
  public var rule: Int?
  public var way: Way
  public var reason: Reason
  /// A binding that the rule would rather take, if its gateway served the prefix.
  public var wish: UInt32?
}

extension FlowPolicy {
  /// Decides about one flow. The same arguments give the same decision, in every process.
  ///
  /// - Parameters:
  ///   - candidates: by tunnel and binding.
  ///   - current: the tunnel of a running flow.
  public func decide(
    _ facts: FlowFacts, _ candidates: [PlacementCandidate], current: TunnelIdentifier? = nil
  ) -> PolicyDecision {
    guard let index = rule(for: facts) else {
      return PolicyDecision(rule: nil, way: candidates.standard, reason: .noRule)
    }
    var choice = Choice(candidates: candidates, current: current)
    let (way, reason) = choice.choose(rules[index].action, facts.tuple)
    return PolicyDecision(rule: index, way: way, reason: reason, wish: choice.wish)
  }
}

/// One choice among candidates, and what it would have taken if the gateway served the prefix.
private struct Choice {
  let candidates: [PlacementCandidate]
  let current: TunnelIdentifier?
  var wish: UInt32?

  mutating func choose(
    _ action: SteeringAction, _ tuple: FlowSixTuple
  ) -> (PolicyDecision.Way, PolicyDecision.Reason) {
    switch action {
    case .activeStandby(let targets): return firstUsable(targets, .firstUsable)
    case .priority(let targets):
      if let way = first(targets, where: { !$0.isCongested }) { return (.tunnel(way.tunnel), .notCongested) }
      return firstUsable(targets, .allCongested)
    case .loadBalance(let targets, let weights): return split(targets, weights, tuple)
    case .smallestDelay(let targets):
      let usable = candidates.filter { way in
        way.isUsable && (targets.isEmpty || targets.contains { $0.matches(way) })
      }
      let known = usable.filter { $0.roundTrip != nil }
      if let best = known.min(by: { ($0.roundTrip ?? .zero) < ($1.roundTrip ?? .zero) }) {
        return (.tunnel(best.tunnel), .smallestDelay)
      }
      return firstUsable(targets, .noDelayKnown)
    case .stick:
      if let current, candidates.carry(current) { return (.tunnel(current), .stays) }
      return (candidates.standard, .stays)
    case .drop: return (.drop, .drops)
    }
  }

  private mutating func firstUsable(
    _ targets: [SteeringTarget], _ reason: PolicyDecision.Reason
  ) -> (PolicyDecision.Way, PolicyDecision.Reason) {
    if let way = first(targets, where: { _ in true }) { return (.tunnel(way.tunnel), reason) }
    return (candidates.standard, .noTarget)
  }

  private mutating func first(
    _ targets: [SteeringTarget], where isWanted: (PlacementCandidate) -> Bool
  ) -> PlacementCandidate? {
    for target in targets { if let way = best(of: target, where: isWanted) { return way } }
    return nil
  }

  /// Of the candidates that `target` means: the one the flow is on, the default binding, the first.
  private mutating func best(
    of target: SteeringTarget, where isWanted: (PlacementCandidate) -> Bool
  ) -> PlacementCandidate? {
    var first: Int?
    var standard: Int?
    var asked: UInt32?
    for index in candidates.indices where target.matches(candidates[index]) && isWanted(candidates[index]) {
      let way = candidates[index]
      if way.isUsable {
        if way.tunnel == current { return way }
        if way.isDefault { standard = standard ?? index }
        first = first ?? index
      } else if way.isAnswering, !way.servesPrefix, way.refusal == nil {
        asked = asked ?? way.binding
      }
    }
    if let index = standard ?? first { return candidates[index] }
    wish = wish ?? asked
    return nil
  }

  /// The hash of the tuple points into the sum of the weights. When the target there is not usable, the rest is split
  /// the same way: only the flows of a target that goes have to move.
  private mutating func split(
    _ targets: [SteeringTarget], _ weights: [UInt32], _ tuple: FlowSixTuple
  ) -> (PolicyDecision.Way, PolicyDecision.Reason) {
    var shares = zip(targets, weights).filter { $0.1 > 0 }
    if let current,
      candidates.contains(where: { way in
        way.tunnel == current && way.isUsable && shares.contains { $0.0.matches(way) }
      })
    {
      return (.tunnel(current), .staysInSplit)
    }
    var hash = tuple.splitHash
    while !shares.isEmpty {
      let sum = shares.reduce(UInt64(0)) { $0 + UInt64($1.1) }
      var point = hash.multipliedFullWidth(by: sum).high
      let index = shares.firstIndex { share in
        if point < UInt64(share.1) { return true }
        point -= UInt64(share.1)
        return false
      }
      guard let index else { break }
      if let way = best(of: shares[index].0, where: { _ in true }) { return (.tunnel(way.tunnel), .share) }
      shares.remove(at: index)
      hash = hash.scrambled
    }
    return (candidates.standard, .noTarget)
  }
}

extension FlowSixTuple {
  /// Without the flow label, so that a connection that changes it keeps its share.
  var splitHash: UInt64 {
    let ports = UInt64(sourcePort) << 24 | UInt64(destinationPort) << 8 | UInt64(transport.rawValue)
    return [source.low, destination.high, destination.low, ports].reduce(source.high.scrambled) {
      ($0 ^ $1).scrambled
    }
  }
}

extension UInt64 {
  /// The finalizer of SplitMix64: every bit of the input changes each of the output with probability 1/2.
  fileprivate var scrambled: UInt64 {
    var z = self &+ 0x9e37_79b9_7f4a_7c15
    z = (z ^ z >> 30) &* 0xbf58_476d_1ce4_e5b9
    z = (z ^ z >> 27) &* 0x94d0_49bb_1331_11eb
    return z ^ z >> 31
  }
}

extension [PlacementCandidate] {
  var standard: PolicyDecision.Way { fallback.map(PolicyDecision.Way.tunnel) ?? .none }
}
