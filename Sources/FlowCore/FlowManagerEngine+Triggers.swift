import DatapathModel
import NetTypes

// What moves flows without an order: congestion, bad quality, and what others tell of paths.
extension FlowManagerEngine {
  /// Fastest flows of a congested tunnel whose counters are read, and that are tried, each time.
  static let watchedFlows = 64
  /// Flows of degraded paths that move at once, and the time to the next ones.
  static let leavingFlows = 1_000
  static let leavingInterval = Duration.milliseconds(500)

  public func load(of tunnel: TunnelIdentifier) -> TunnelLoad? { triggers.loads[tunnel] }

  /// Paths that are degraded, by gateway and node.
  public var degradations: [(path: ExternalTrigger.Path, degradation: Degradation)] {
    triggers.degradations.sorted { ($0.key.gateway, $0.key.node ?? "") < ($1.key.gateway, $1.key.node ?? "") }
      .map { ($0.key, $0.value) }
  }

  // MARK: Congestion

  mutating func take(_ readings: [TunnelReading], _ work: inout Work) {
    var loads: [TunnelIdentifier: TunnelLoad] = [:]
    for reading in readings where mirror.tunnels[reading.tunnel] != nil {
      var load = triggers.loads[reading.tunnel] ?? TunnelLoad()
      let before = load.detector.state
      load.configuredCapacity = reading.capacity
      load.detector.take(
        reading.queue, capacity: reading.capacity, configuration.congestion, at: work.now.monotonic)
      // What this reading adds may be from before the move as well, when the one before it is.
      if let settled = load.settledAt, settled <= work.now.monotonic {
        load.settledAt = nil
        load.detector.forgetDrops()
      }
      switch load.detector.state {
      case before: break
      case .congested where before == .rising:
        counters.tunnelsCongested += 1
        work.effects.append(.notify(.tunnel(.congested(reading.tunnel))))
      case .normal where before == .cooling || before == .congested:
        load.isWithoutWay = false
        work.effects.append(.notify(.tunnel(.relieved(reading.tunnel))))
      default: break
      }
      loads[reading.tunnel] = load
    }
    let congested = { (loads: [TunnelIdentifier: TunnelLoad]) in
      Set(loads.filter { $0.value.detector.state == .congested }.keys)
    }
    if congested(loads) != congested(triggers.loads) { placementChanged() }
    triggers.loads = loads
    for reading in readings {
      guard let load = triggers.loads[reading.tunnel], load.detector.state != .normal else { continue }
      relieve(reading.tunnel, &work)
      let watched = fastest(on: reading.tunnel).map { table[$0].identifier }
      if load.detector.state != .cooling, !watched.isEmpty { work.effects.append(.readCounters(watched)) }
    }
  }

  /// Moves the fastest flow of a congested tunnel that can go elsewhere, and then waits for the effect.
  private mutating func relieve(_ tunnel: TunnelIdentifier, _ work: inout Work) {
    guard var load = triggers.loads[tunnel], load.detector.state == .congested, load.detector.isOverloaded,
      work.now.monotonic >= load.nextMove
    else { return }
    let waitsForAnchor = !triggers.questions.isEmpty || !triggers.services.isEmpty
    for slot in fastest(on: tunnel) where table[slot].rate > 0 && !table[slot].isPinned {
      let rate = table[slot].rate
      switch way(for: slot, rate: rate, at: work.now.monotonic) {
      case .tunnel(let target):
        counters.flowsMovedByCongestion += 1
        move(slot, to: Placement(tunnel: target, placer: .trigger), cause: .congestion, command: nil, &work)
        load.nextMove = work.now.monotonic + configuration.congestion.pause
        load.settledAt = work.now.monotonic + configuration.congestion.pause / 2
        load.isWithoutWay = false
        load.detector.forgetDrops()
        triggers.loads[tunnel] = load
        triggers.loads[target]?.reserve(rate, until: load.nextMove, at: work.now.monotonic)
        return
      case .afterService(let service):
        guard wantService(service, &work) else { continue }
        load.nextMove = work.now.monotonic + configuration.congestion.pause
        triggers.loads[tunnel] = load
        return
      case .nowhere: continue
      }
    }
    guard !waitsForAnchor, !load.isWithoutWay else { return }
    load.isWithoutWay = true
    counters.congestionWithoutWay += 1
    triggers.loads[tunnel] = load
    work.effects.append(.notify(.tunnel(.withoutWay(tunnel))))
  }

  /// The fastest flows on a tunnel, and the newest, whose rate is not known yet.
  private func fastest(on tunnel: TunnelIdentifier) -> [FlowTable.Slot] {
    let slots = table.slots(on: tunnel)
    guard slots.count > Self.watchedFlows else {
      return slots.sorted { (table[$0].rate, $1) > (table[$1].rate, $0) }
    }
    // The chain begins with the newest. Of the others, those that beat the slowest of the best so far.
    var best = Array(slots.prefix(Self.watchedFlows / 4))
    var ranked: [FlowTable.Slot] = []
    var least: UInt32 = 0
    for slot in slots.dropFirst(best.count) where table[slot].rate > least {
      ranked.append(slot)
      guard ranked.count >= 2 * Self.watchedFlows else { continue }
      ranked.sort { table[$0].rate > table[$1].rate }
      ranked.removeLast(ranked.count - (Self.watchedFlows - best.count))
      least = ranked.last.map { table[$0].rate } ?? 0
    }
    ranked.sort { table[$0].rate > table[$1].rate }
    best += ranked.prefix(Self.watchedFlows - best.count)
    return best.sorted { (table[$0].rate, $1) > (table[$1].rate, $0) }
  }

  // MARK: Ways out

  private enum Way {
    case tunnel(TunnelIdentifier)
    /// A gateway would do if it served the prefix.
    case afterService(PrefixWish)
    case nowhere
  }

  /// Where a trigger may move the flow: another tunnel of its node that answers, is not degraded, has room for `rate`
  /// (nil: any has), and was not left by the flow a short time ago.
  private mutating func way(for slot: FlowTable.Slot, rate: UInt32? = nil, at now: Duration) -> Way {
    let flow = table[slot]
    guard let owner = mirror.owner(of: flow.tuple.destination) else { return .nowhere }
    var candidates = candidates(for: owner.prefix, of: owner.node)
    candidates.removeAll { $0.tunnel == flow.tunnel || !$0.isAnswering || $0.isDegraded }
    if let rate {
      candidates.removeAll {
        triggers.loads[$0.tunnel]?.hasRoom(for: rate, configuration.congestion, at: now) == false
      }
    }
    guard !candidates.isEmpty else { return .nowhere }
    let allowed = candidates.filter { !triggers.departures.forbid(flow.identifier, $0.tunnel, at: now) }
    guard !allowed.isEmpty, !triggers.departures.isFull,
      steering.moves.count(flow.identifier, at: now) < configuration.moveLimits.perMinute
    else {
      counters.movesHeldBack += 1
      return .nowhere
    }
    if let way = allowed.first(where: \.servesPrefix) { return .tunnel(way.tunnel) }
    guard let way = allowed.first(where: { $0.refusal == nil }) else { return .nowhere }
    return .afterService(PrefixWish(binding: way.binding, prefix: owner.prefix))
  }

  // MARK: What the anchor must do first

  /// Has the anchor make a gateway serve a prefix; the flow moves when it does. false: that was tried a short time ago.
  @discardableResult
  mutating func wantService(_ service: PrefixWish, _ work: inout Work) -> Bool {
    guard !mirror.isStale, triggers.services.count < TriggerState.maximumServices else { return false }
    // Policy may have asked already.
    guard steering.wishes[service] == nil else { return false }
    if let until = triggers.asked[service], work.now.monotonic < until { return false }
    if triggers.asked.count >= TriggerState.maximumServices {
      triggers.asked = triggers.asked.filter { work.now.monotonic < $0.value }
    }
    triggers.asked[service] = work.now.monotonic + configuration.moveLimits.holdDown
    triggers.services.append(service)
    askNext(&work)
    return true
  }

  /// The gateway of flows to `prefix` does not answer: another one that has the node is to serve the prefix.
  mutating func askForWay(out candidates: [PlacementCandidate], _ prefix: IPv6Prefix, _ work: inout Work) {
    guard let other = candidates.first(where: { $0.isAnswering && !$0.isDegraded && !$0.servesPrefix }) else { return }
    wantService(PrefixWish(binding: other.binding, prefix: prefix), &work)
  }

  private mutating func askNext(_ work: inout Work) {
    while triggers.questions.count < TriggerState.maximumQuestions, let service = triggers.services.popLast() {
      counters.prefixesAsked += 1
      triggers.questions[pose(service, &work)] = work.now.monotonic + Self.anchorAnswerTimeout
    }
  }

  /// The answer to a question of ours. What has changed came as an event before, and flows moved with it.
  mutating func takeTriggerAnswer(_ answer: AnchorAnswer, to question: AnchorQuestion, _ work: inout Work) {
    guard triggers.questions.removeValue(forKey: question) != nil else { return }
    switch answer {
    case .granted: counters.prefixesGranted += 1
    case .refused: counters.prefixesRefused += 1
    }
    questionEnded(&work)
  }

  private mutating func questionEnded(_ work: inout Work) {
    askNext(&work)
    guard triggers.questions.isEmpty else { return }
    // All are answered: flows of degraded paths try again.
    triggers.leaving += triggers.leavingAfterService
    triggers.leavingAfterService = []
    triggers.nextLeaving = work.now.monotonic
  }

  mutating func forgetTriggerQuestions() {
    counters.prefixesUnanswered += UInt64(triggers.questions.count)
    triggers.questions.removeAll()
    triggers.services.removeAll()
    triggers.leavingAfterService.removeAll()
  }

  // MARK: Quality

  /// A reading of a flow whose counter has gone on by `octets` in `milliseconds`.
  mutating func judgeQuality(
    of slot: FlowTable.Slot, octets: UInt64, milliseconds: UInt32, _ work: inout Work
  ) {
    let flow = table[slot]
    let settings = configuration.quality
    guard
      var detector = triggers.quality[flow.identifier]
        ?? (flow.rate >= settings.floor && triggers.quality.count < settings.maximumFlows ? QualityDetector() : nil)
    else { return }
    let isPoor = detector.take(octets: octets, seconds: Double(milliseconds) / 1_000, settings)
    triggers.quality[flow.identifier] = detector.isForgotten ? nil : detector
    guard isPoor, !flow.isPinned, flow.tunnel != .drop else { return }
    switch way(for: slot, rate: flow.rate, at: work.now.monotonic) {
    case .tunnel(let target):
      counters.flowsMovedByQuality += 1
      triggers.quality[flow.identifier] = nil
      move(slot, to: Placement(tunnel: target, placer: .trigger), cause: .quality, command: nil, &work)
    case .afterService(let service): wantService(service, &work)
    case .nowhere: break
    }
  }

  // MARK: What others tell

  /// Whether something outside has said that the path of the node over the tunnel is bad.
  func isDegraded(_ tunnel: TunnelIdentifier, node: NodeIndex) -> Bool {
    guard !triggers.degradations.isEmpty, let gateway = mirror.tunnels[tunnel]?.gateway else { return false }
    return [gateway, tunnel.description].contains { name in
      triggers.degradations[ExternalTrigger.Path(gateway: name)] != nil
        || triggers.degradations[ExternalTrigger.Path(gateway: name, node: mirror.name(of: node))] != nil
    }
  }

  /// Why `trigger` cannot be taken; nil: it can.
  public func refusal(of trigger: ExternalTrigger) -> FlowRefusal? {
    let tunnels = mirror.tunnels.values.sorted { $0.id < $1.id }
    if !tunnels.contains(where: { $0.gateway == trigger.path.gateway || $0.id.description == trigger.path.gateway }),
      triggers.degradations[trigger.path] == nil
    {
      return FlowRefusal(
        reason: .noSuchTunnel,
        message: "the anchor has no tunnel to '\(trigger.path.gateway)'; it has "
          + list(tunnels.map { "\($0.gateway) (tunnel \($0.id))" }))
    }
    if let node = trigger.path.node, mirror.node(named: node) == nil, triggers.degradations[trigger.path] == nil {
      return FlowRefusal(
        reason: .noBinding, message: "there is no node '\(node)'; `flow-manager show nodes` lists those there are")
    }
    if trigger.state == .degraded, triggers.degradations[trigger.path] == nil,
      triggers.degradations.count >= TriggerState.maximumDegradations
    {
      return FlowRefusal(
        reason: .limitReached,
        message: "\(TriggerState.maximumDegradations) paths are degraded already; restore some")
    }
    return nil
  }

  mutating func take(_ trigger: ExternalTrigger, _ work: inout Work) {
    guard refusal(of: trigger) == nil else { return }
    counters.externalTriggers += 1
    let known = triggers.degradations[trigger.path]
    switch trigger.state {
    case .restored:
      guard known != nil else { return }
      restore(trigger.path, &work)
    case .degraded:
      triggers.degradations[trigger.path] = Degradation(
        reason: trigger.reason, until: work.now.monotonic + trigger.lifetime)
      guard known == nil else { return }
      placementChanged()
      work.effects.append(.notify(.tunnel(.degraded(trigger.path, reason: trigger.reason))))
      let node = trigger.path.node.flatMap { mirror.node(named: $0) }
      for tunnel in mirror.tunnels.values.sorted(by: { $0.id < $1.id })
      where tunnel.gateway == trigger.path.gateway || tunnel.id.description == trigger.path.gateway {
        triggers.leaving += table.slots(on: tunnel.id).filter { node == nil || table[$0].node == node }
          .map { table[$0].identifier }
      }
      moveLeaving(&work)
    }
  }

  private mutating func restore(_ path: ExternalTrigger.Path, _ work: inout Work) {
    triggers.degradations[path] = nil
    placementChanged()
    work.effects.append(.notify(.tunnel(.restored(path))))
  }

  /// The next flows of degraded paths go elsewhere, if another tunnel can carry them. Some at a time: all at once would
  /// overrun where they go before its congestion can be seen.
  private mutating func moveLeaving(_ work: inout Work) {
    triggers.nextLeaving = work.now.monotonic + Self.leavingInterval
    var moved = 0
    while moved < Self.leavingFlows, let identifier = triggers.leaving.popLast() {
      guard let slot = table.slot(of: identifier), !table[slot].isPinned, let node = table[slot].node,
        isDegraded(table[slot].tunnel, node: node)
      else { continue }
      switch way(for: slot, at: work.now.monotonic) {
      case .tunnel(let target):
        moved += 1
        counters.flowsMovedByTrigger += 1
        move(slot, to: Placement(tunnel: target, placer: .trigger), cause: .externalTrigger, command: nil, &work)
      case .afterService(let service):
        if wantService(service, &work) || !triggers.questions.isEmpty {
          triggers.leavingAfterService.append(identifier)
        }
      case .nowhere: continue
      }
    }
  }

  // MARK: Time

  var nextTriggerDeadline: Duration? {
    let leaving = triggers.leaving.isEmpty ? nil : triggers.nextLeaving
    return [leaving, triggers.degradations.values.map(\.until).min(), triggers.questions.values.min()]
      .compactMap(\.self).min()
  }

  mutating func takeTriggerDeadline(_ work: inout Work) {
    for (path, degradation) in degradations where degradation.until <= work.now.monotonic { restore(path, &work) }
    let unanswered = triggers.questions.filter { $0.value <= work.now.monotonic }
    if !unanswered.isEmpty {
      counters.prefixesUnanswered += UInt64(unanswered.count)
      triggers.questions = triggers.questions.filter { unanswered[$0.key] == nil }
      questionEnded(&work)
    }
    if !triggers.leaving.isEmpty, triggers.nextLeaving <= work.now.monotonic { moveLeaving(&work) }
  }
}
