import DatapathModel
import NetTypes

// What the policy does with flows.
extension FlowManagerEngine {
  /// Flows that are compared with a new policy at once; between such slices packets and commands have their turn.
  static let steeringSlice = 256
  static let steeringPause = Duration.milliseconds(1)
  /// Prefixes that gateways were asked to serve, or have refused, for the policy.
  static let maximumWishes = 4_096
  /// A gateway that has refused a prefix is not asked again for so long.
  static let refusalMemory = Duration.seconds(60)

  public var policy: FlowPolicy { steering.policy }
  /// What each rule has decided; the last one: flows that no rule matched.
  public var policyHits: [UInt64] { steering.hits }
  /// Flows are being compared with a new policy.
  public var isSteering: Bool { steering.walk != nil }

  // MARK: First packets and lost tunnels

  /// The policy's placement of a flow; nil: nothing carries it.
  mutating func placeByPolicy(
    _ facts: FlowFacts, _ owner: (prefix: IPv6Prefix, node: NodeIndex),
    _ candidates: [PlacementCandidate], _ work: inout Work
  ) -> Placement? {
    guard !steering.policy.rules.isEmpty else {
      return candidates.fallback.map { Placement(tunnel: $0, placer: .defaultBinding) }
    }
    let decision = steering.policy.decide(facts, candidates)
    steering.hit(decision.rule)
    if let wish = decision.wish { ask(PrefixWish(binding: wish, prefix: owner.prefix), &work) }
    return Placement(decision)
  }

  func facts(_ flow: Flow, _ owner: NodeIndex, _ time: LocalTime?) -> FlowFacts {
    FlowFacts(
      tuple: flow.tuple, node: mirror.name(of: owner) ?? "", dscp: flow.dscp, rate: flow.knownRate,
      octets: flow.count.octets > 0 ? flow.count.octets : nil, time: time)
  }

  // MARK: Running flows

  /// Whether policy may move the flow. Operators and their standing orders go first.
  func isSteerable(_ flow: Flow) -> Bool {
    switch flow.placer {
    case .operatorRequest, .standingOrder: false
    case .unknown, .defaultBinding, .policy, .trigger: !flow.isPinned
    }
  }

  /// Puts a running flow where `decision` wants it; false when it has used up its moves.
  @discardableResult
  mutating func steer(_ slot: FlowTable.Slot, _ decision: PolicyDecision, _ work: inout Work) -> Bool {
    guard let placement = Placement(decision) else { return true }
    guard placement.tunnel != table[slot].tunnel else {
      table.setPlacement(placement, of: slot)
      return true
    }
    let limit = decision.rule.map { steering.policy.rules[$0].maximumMoves } ?? FlowPolicy.defaultMaximumMoves
    let flow = table[slot].identifier
    guard steering.moves.count(flow, at: work.now.monotonic) < limit,
      !triggers.departures.forbid(flow, placement.tunnel, at: work.now.monotonic)
    else {
      counters.policyMovesLimited += 1
      return false
    }
    counters.flowsMovedByPolicy += 1
    move(slot, to: placement, cause: .policy, command: nil, &work)
    return true
  }

  /// The policy's present decision about a running flow. Where a split is to be restored, `current` does not count.
  private mutating func redecide(_ slot: FlowTable.Slot, _ work: inout Work) -> PolicyDecision? {
    let flow = table[slot]
    guard isSteerable(flow), let owner = mirror.owner(of: flow.tuple.destination) else { return nil }
    let candidates = candidates(for: owner.prefix, of: owner.node)
    let facts = facts(flow, owner.node, work.now.localTime)
    let decision = steering.policy.decide(facts, candidates, current: flow.tunnel)
    return decision.reason == .staysInSplit ? steering.policy.decide(facts, candidates) : decision
  }

  /// The counter of a flow was read: another rule may be for it now.
  mutating func lookAgain(_ slot: FlowTable.Slot, _ work: inout Work) {
    let flow = table[slot]
    guard steering.policy.looksAtVolume, steering.walk == nil, isSteerable(flow),
      let owner = mirror.owner(of: flow.tuple.destination)
    else { return }
    let facts = facts(flow, owner.node, work.now.localTime)
    let rule = steering.policy.rule(for: facts)
    guard Placement.number(rule) != flow.rule else { return }
    guard flow.rule != Placement.unknownRule else {
      table.setRule(Placement.number(rule), of: slot)
      return
    }
    let candidates = candidates(for: owner.prefix, of: owner.node)
    let decision = steering.policy.decide(facts, candidates, current: flow.tunnel)
    steering.hit(rule)
    if let wish = decision.wish { ask(PrefixWish(binding: wish, prefix: owner.prefix), &work) }
    steer(slot, decision, &work)
  }

  // MARK: Another policy, another hour

  mutating func take(_ policy: FlowPolicy, _ work: inout Work) {
    counters.policiesLoaded += 1
    guard policy != steering.policy else { return }
    let before = (steering.policy, work.now.localTime)
    steering.replace(policy)
    steering.localTime = work.now.localTime
    compareAll(with: before, &work)
  }

  mutating func noticeTime(_ work: inout Work) {
    guard steering.policy.looksAtTime, work.now.localTime != steering.localTime else { return }
    let before = (steering.policy, steering.localTime)
    steering.localTime = work.now.localTime
    let changes = steering.policy.rules.contains {
      $0.match.holds(at: before.1) != $0.match.holds(at: work.now.localTime)
    }
    if changes { compareAll(with: before, &work) }
  }

  /// Flows whose decision has changed move; the others are left alone, wherever they are.
  private mutating func compareAll(with before: (FlowPolicy, LocalTime?), _ work: inout Work) {
    // Some flows have not been compared with what was valid until now: for those it is not what they were placed by.
    let known = steering.walk == nil ? before : nil
    steering.walk = SteeringState.Walk(before: known, deadline: work.now.monotonic)
    walkOn(&work)
  }

  mutating func walkOn(_ work: inout Work) {
    guard var walk = steering.walk, walk.deadline <= work.now.monotonic else { return }
    let end = min(walk.next + Self.steeringSlice, table.slotCount)
    for slot in table.slots(in: walk.next..<end) { compare(slot, walk.before, &work) }
    walk.next = end
    walk.deadline = work.now.monotonic + Self.steeringPause
    steering.walk = end < table.slotCount ? walk : nil
  }

  private mutating func compare(
    _ slot: FlowTable.Slot, _ before: (policy: FlowPolicy, time: LocalTime?)?, _ work: inout Work
  ) {
    let flow = table[slot]
    guard isSteerable(flow), let owner = mirror.owner(of: flow.tuple.destination) else { return }
    let candidates = candidates(for: owner.prefix, of: owner.node)
    let facts = facts(flow, owner.node, work.now.localTime)
    var decision = steering.policy.decide(facts, candidates)
    if let before {
      var earlier = facts
      earlier.time = before.time
      if before.policy.decide(earlier, candidates).way == decision.way {
        return table.setRule(Placement.number(decision.rule), of: slot)
      }
    }
    if decision.reason == .stays { decision = steering.policy.decide(facts, candidates, current: flow.tunnel) }
    steering.hit(decision.rule)
    if let wish = decision.wish { ask(PrefixWish(binding: wish, prefix: owner.prefix), &work) }
    steer(slot, decision, &work)
  }

  // MARK: Better accesses

  /// The tunnel that packets of the binding can take.
  func usableTunnel(_ binding: AnchorBinding?) -> TunnelIdentifier? {
    guard let binding, binding.isActive, mirror.tunnels[binding.tunnel] != nil, mirror.isAnswering(binding.tunnel)
    else { return nil }
    return binding.tunnel
  }

  /// Hold-downs begin for an access that was not there before, and end for one that goes.
  mutating func noticeAccess(_ binding: UInt32, before: TunnelIdentifier?, _ now: FlowMoment) {
    let after = usableTunnel(mirror.bindings[binding])
    guard before != after else { return }
    if after == nil {
      steering.holdDowns.left(binding)
    } else {
      steering.holdDowns.arrived(binding, at: now.monotonic)
    }
  }

  /// The gateway of these tunnels has begun or ceased to answer.
  mutating func noticeAccesses(on tunnels: Set<TunnelIdentifier>, _ now: FlowMoment) {
    guard !tunnels.isEmpty else { return }
    for binding in mirror.bindings.values.sorted(by: { $0.id < $1.id }) where tunnels.contains(binding.tunnel) {
      noticeAccess(binding.id, before: mirror.isAnswering(binding.tunnel) ? nil : binding.tunnel, now)
    }
  }

  mutating func endHoldDowns(_ work: inout Work) {
    for (arrival, holdDown) in steering.holdDowns.due(work.now.monotonic) {
      guard let binding = mirror.bindings[arrival.binding], let tunnel = usableTunnel(binding),
        let node = mirror.node(named: binding.node)
      else { continue }
      var isLimited = false
      for slot in table.slots(ofNode: node) where table[slot].tunnel != tunnel {
        guard let decision = redecide(slot, &work), decision.way == .tunnel(tunnel), let rule = decision.rule,
          steering.policy.rules[rule].moveBack == holdDown
        else { continue }
        if !steer(slot, decision, &work) { isLimited = true }
      }
      if isLimited { steering.holdDowns.postpone(arrival, holdDown, at: work.now.monotonic) }
    }
  }

  // MARK: Gateways that do not serve a prefix yet

  /// Asks the anchor once; flows stay where they are meanwhile.
  private mutating func ask(_ wish: PrefixWish, _ work: inout Work) {
    guard !mirror.isStale, steering.wishes[wish] == nil else { return }
    guard steering.wishes.count < Self.maximumWishes else {
      counters.policyPrefixesNotAsked += 1
      return
    }
    counters.policyPrefixesAsked += 1
    steering.asked(pose(wish, &work), wish, until: work.now.monotonic + Self.anchorAnswerTimeout)
  }

  /// false: it was no question of the policy.
  mutating func takePolicyAnswer(
    _ answer: AnchorAnswer, to question: AnchorQuestion, _ work: inout Work
  ) -> Bool {
    guard let wish = steering.answered(question) else { return false }
    switch answer {
    case .granted:
      counters.policyPrefixesGranted += 1
      guard let binding = mirror.bindings[wish.binding], let node = mirror.node(named: binding.node) else { break }
      for slot in table.slots(ofNode: node) where wish.prefix.contains(table[slot].tuple.destination) {
        if let decision = redecide(slot, &work), decision.way == .tunnel(binding.tunnel) {
          steer(slot, decision, &work)
        }
      }
    case .refused(let reason): refused(wish, reason, work.now)
    }
    return true
  }

  private mutating func refused(_ wish: PrefixWish, _ reason: String, _ now: FlowMoment) {
    counters.policyPrefixesRefused += 1
    steering.set(wish, .refused(reason, until: now.monotonic + Self.refusalMemory))
    knownCandidates[wish.prefix] = nil
  }

  private mutating func endWishes(_ work: inout Work) {
    guard let deadline = steering.nextWishDeadline, deadline <= work.now.monotonic else { return }
    for wish in steering.endWishes(work.now.monotonic) {
      refused(wish, "the anchor has not answered", work.now)
    }
    knownCandidates.removeAll(keepingCapacity: true)
  }

  // MARK: Time

  mutating func steeringDeadlineReached(_ work: inout Work) {
    endWishes(&work)
    endHoldDowns(&work)
    walkOn(&work)
  }

  var steeringDeadline: Duration? {
    [steering.walk?.deadline, steering.holdDowns.nextDeadline, steering.nextWishDeadline].compactMap { $0 }.min()
  }
}

extension Flow {
  /// Octets a second; nil: not measured yet, nothing but the first packet was counted.
  var knownRate: UInt32? { rate > 0 || count.packets > 1 ? rate : nil }
}

extension Placement {
  /// nil: the flow can go nowhere.
  init?(_ decision: PolicyDecision) {
    let placer = decision.rule == nil ? FlowPlacer.defaultBinding : .policy
    switch decision.way {
    case .tunnel(let tunnel): self.init(tunnel: tunnel, placer: placer, rule: Self.number(decision.rule))
    case .drop: self.init(tunnel: .drop, placer: placer, rule: Self.number(decision.rule))
    case .none: return nil
    }
  }

  static let noRule = UInt16.max
  /// Of a flow that was found in the kernel at start.
  static let unknownRule = UInt16.max - 1

  static func number(_ rule: Int?) -> UInt16 { rule.flatMap { UInt16(exactly: $0) } ?? noRule }
}

extension TunnelIdentifier {
  /// Instead of a tunnel: the packets are dropped. The anchor's numbers begin with 1.
  public static let drop = TunnelIdentifier(rawValue: 0)
}
