import DatapathModel
import NetTypes

/// The Flow Manager of the paper (section 3.3, annex A.1) without I/O: events in, effects out.
///
/// A flow's first packet comes by the queue. Its destination must lie in a prefix of an active binding; the flow takes
/// the default binding's tunnel (or the one a standing order names), gets an element in the kernel's map, and only then
/// is the packet let go, so that the second one already finds the element. From there on the kernel forwards alone; we
/// hear of the flow again through its counter, and move or remove it when an operator says so or when its binding goes.
///
/// The table is changed at once and the kernel asked in the same breath; the kernel's answer comes back as an event.
/// A refused transaction is tried again change by change, so that one bad element does not take others with it, and
/// what is refused then is taken back: a new flow is forgotten (its packets take the default binding unmarked), an
/// ordered move is undone and answered with the kernel's words.
///
/// A gateway that has the node may not serve the flow's prefix yet. Then the anchor is asked to bring it to do so
/// (RFC 7864 section 3.2.2), and the command waits for the answer; the flow stays where it is, and nothing else waits.
public struct FlowManagerEngine: Sendable {
  public struct Configuration: Hashable, Sendable {
    public var maximumFlows = 1_000_000
    /// Standing orders are tried one by one for each new flow.
    public var maximumSelectors = 256
    public var idleTimeout = Duration.seconds(300)
    public var key = FlowKeyKind.sixTuple
    /// Changes in one kernel transaction. A transaction is one datagram to the kernel, which must fit a socket buffer;
    /// more changes, such as those of a gateway with very many flows, become several.
    public var maximumChanges = 50_000
    /// So many flows to one prefix that an outage moves together are diverted first.
    public var divertedTogether = 256
    /// Their elements are rewritten in transactions of so many, a quarter of a millisecond each, with rests between them in
    /// which everything else is served.
    public var rewrittenAtOnce = 32
    public var restBetweenRewrites = Duration.milliseconds(1)
    public var congestion = CongestionSettings()
    public var quality = QualitySettings()
    public var moveLimits = MoveLimits()

    public init() {}
  }

  /// Commands that may wait for the anchor at once.
  public static let maximumWaitingCommands = 1_024
  /// An anchor that has not answered by then does not answer any more: its own waiting for a gateway ends within 30 s
  /// (six transmissions, 5 s apart, are the most that RFC 7077 section 7 allows).
  public static let anchorAnswerTimeout = Duration.seconds(35)

  /// Flows named in the refusal of an ambiguous reference.
  static let ambiguousNamed = 8
  /// Tunnels named in the refusal of one that is not there.
  static let tunnelsNamed = 16
  /// Prefixes whose candidates are kept; beyond, they are gathered anew.
  static let maximumKnownCandidates = 65_536

  public let configuration: Configuration
  public internal(set) var table: FlowTable
  public internal(set) var mirror = AnchorMirror() { didSet { knownCandidates.removeAll(keepingCapacity: true) } }
  public internal(set) var selectors: [FlowSelectorEntry] = []
  public internal(set) var counters = FlowCounters()
  public internal(set) var history = FlowHistory()

  var ruleset: FlowRuleset?
  /// Tunnels that have a chain in the kernel, as far as we have asked for one; the mark in it where we know.
  var chains: [TunnelIdentifier: UInt32?] = [:]
  var transactions: [TransactionIdentifier: [Step]] = [:]
  var nextTransaction: UInt64 = 1
  var diversions: [Diversion] = []
  var nextRewrite = Duration.zero
  var nextSelector: UInt32 = 1
  var waiting: [AnchorQuestion: WaitingCommand] = [:]
  var nextQuestion: UInt64 = 1
  var orders: [CommandToken: FlowOrder] = [:]
  /// Of prefixes that flows went to since the mirror changed.
  var knownCandidates: [IPv6Prefix: [PlacementCandidate]] = [:]
  var steering = SteeringState()

  var triggers = TriggerState()

  public init(_ configuration: Configuration) {
    self.configuration = configuration
    table = FlowTable(maximum: configuration.maximumFlows)
  }

  public mutating func handle(_ event: FlowEvent, at now: FlowMoment) -> [FlowEffect] {
    var work = Work(now: now)
    noticeTime(&work)
    switch event {
    case .kernelState(let flows, let kernelChains): restore(flows, kernelChains, now, &work)
    case .kernelTableLost: writeAgain(&work)
    case .selectors(let entries): restore(entries)
    case .anchorSnapshot(let snapshot): takeSnapshot(snapshot, &work)
    case .anchorEvent(let event): take(event, &work)
    case .anchorLost:
      counters.anchorLost += 1
      mirror.isStale = true
      forgetTriggerQuestions()
      steering.forgetQuestions()
      for question in waiting.keys.sorted(by: { $0.rawValue < $1.rawValue }) {
        giveUp(question, .anchorAway, "the anchor went away before it had answered", &work)
      }
    case .anchorAnswer(let question, let answer):
      if !takePolicyAnswer(answer, to: question, &work) { take(answer, to: question, now, &work) }
    case .policy(let policy): take(policy, &work)
    case .deadlineReached:
      rewriteFurther(&work)
      takeTriggerDeadline(&work)
      steeringDeadlineReached(&work)
      for question in waiting.keys.sorted(by: { $0.rawValue < $1.rawValue }) {
        guard let command = waiting[question], command.deadline <= now.monotonic else { continue }
        giveUp(
          question, .anchorTimeout,
          "the anchor has not answered for \(Self.anchorAnswerTimeout.components.seconds) s; see the log of lmad", &work
        )
      }
    case .queuedPackets(let packets): admit(packets, now, &work)
    case .command(let token, let command): carryOut(command, token, mayAsk: true, now, &work)
    case .counters(let readings): take(readings, now, &work)
    case .tunnelReadings(let readings): take(readings, &work)
    case .externalTrigger(let trigger): take(trigger, &work)
    case .kernelOutcome(let identifier, .applied):
      for step in transactions.removeValue(forKey: identifier) ?? [] { settle(step, &work) }
    case .kernelOutcome(let identifier, .refused(let reason)):
      takeRefusal(transactions.removeValue(forKey: identifier) ?? [], reason, &work)
    }
    submitSteps(&work)
    note(work.effects, now)
    return work.effects
  }

  /// Monotonic time of the next `.deadlineReached`; nil: nothing to wait for.
  public var nextDeadline: Duration? {
    let rewrite = diversions.isEmpty ? nil : nextRewrite
    return [waiting.values.map(\.deadline).min(), steeringDeadline, nextTriggerDeadline, rewrite]
      .compactMap(\.self).min()
  }

  public func nodeName(of flow: Flow) -> String? { flow.node.flatMap { mirror.name(of: $0) } }

  /// The one flow that `reference` names.
  public func flow(_ reference: FlowReference) throws(FlowRefusal) -> Flow { table[try find(reference)] }

  /// Whether the node has bindings.
  public func isKnown(node name: String) -> Bool { mirror.node(named: name) != nil }

  public func flowCount(ofNode name: String) -> Int {
    mirror.node(named: name).map { table.count(ofNode: $0) } ?? 0
  }

  // MARK: Kernel transactions

  /// A change in the kernel, and what hangs on its outcome.
  struct Step: Sendable {
    enum Consequence: Sendable {
      case none
      /// `packet`: the first one, `more`: others of the flow that came with it.
      case admission(FlowIdentifier, packet: WaitingPacket?, more: [WaitingPacket], command: CommandToken?)
      case move(FlowIdentifier, from: Placement, cause: FlowNotification.MoveCause, command: CommandToken?)
      case pin(FlowIdentifier, was: Bool, command: CommandToken?)
      case removal(Flow, cause: FlowNotification.RemovalCause, command: CommandToken?)
      /// These steps would do the same one by one.
      indirect case diversion(IPv6Prefix, from: TunnelIdentifier, [Step])
      /// The element says now what a diversion said before.
      case rewriting(FlowIdentifier)
    }

    var change: FlowMapChange
    var consequence: Consequence
  }

  struct WaitingPacket: Sendable {
    var token: PacketToken
    var mark: UInt32
  }

  /// What handling one event gathers: effects, and the steps of one transaction.
  struct Work {
    let now: FlowMoment
    var effects: [FlowEffect] = []
    var steps: [Step] = []
    /// Where the admission of a flow stands in `steps`, for further packets of the same flow.
    var admissions: [FlowIdentifier: Int] = [:]

    init(now: FlowMoment) { self.now = now }

    mutating func expect(packets: Int) {
      effects.reserveCapacity(packets)
      steps.reserveCapacity(packets)
      admissions.reserveCapacity(packets)
    }

    mutating func change(_ change: FlowMapChange) { steps.append(Step(change: change, consequence: .none)) }
  }

  func owner(of tuple: FlowSixTuple) throws(FlowRefusal) -> (prefix: IPv6Prefix, node: NodeIndex) {
    guard let owner = mirror.owner(of: tuple.destination) else {
      throw FlowRefusal(
        reason: .noBinding,
        message: "no active binding covers \(tuple.destination); `lmad show bindings` lists them"
          + (mirror.isStale ? " (the anchor is away: this is its last known state)" : ""))
    }
    return owner
  }

  /// The tunnel that `target`, a gateway name or a tunnel number, means for this node and prefix.
  func choose(
    _ target: String, _ prefix: IPv6Prefix, _ node: NodeIndex, current: TunnelIdentifier?
  ) -> Result<TunnelIdentifier, FlowRefusal> {
    let active = mirror.activeBindings(of: node)
    func text(_ bindings: [AnchorBinding]) -> String {
      var seen: Set<TunnelIdentifier> = []
      return list(bindings.filter { seen.insert($0.tunnel).inserted }.map { "\($0.gateway) (tunnel \($0.tunnel))" })
    }
    let name = mirror.name(of: node) ?? "the node"
    let named = active.filter { $0.isNamed(target) }
    guard let first = named.first else {
      return .failure(
        FlowRefusal(reason: .noSuchTunnel, message: "\(name) has no tunnel to '\(target)'; it has \(text(active))"))
    }
    let serving = named.filter { $0.serves(prefix) && mirror.tunnels[$0.tunnel] != nil }
    guard let chosen = serving.first(where: { $0.tunnel == current }) ?? serving.first else {
      let able = active.filter { $0.serves(prefix) && mirror.tunnels[$0.tunnel] != nil }
      return .failure(
        FlowRefusal(
          reason: .prefixNotServed,
          message: "\(first.gateway) (tunnel \(first.tunnel)) has \(name), but does not serve \(prefix); "
            + "the prefix can take \(text(able))"))
    }
    return .success(chosen.tunnel)
  }

  func list(_ names: [String]) -> String { names.isEmpty ? "none" : names.joined(separator: ", ") }

  mutating func refuse(
    _ command: CommandToken?, _ reason: FlowRefusal.Reason, _ message: String, _ work: inout Work
  ) {
    guard let command else { return }
    counters.commandsRefused += 1
    work.effects.append(.reply(command, .failure(FlowRefusal(reason: reason, message: message))))
  }

  // MARK: Changes of one flow

  mutating func move(
    _ slot: FlowTable.Slot, to placement: Placement, cause: FlowNotification.MoveCause, command: CommandToken?,
    _ work: inout Work
  ) {
    work.steps.append(moving(slot, to: placement, cause: cause, command: command, work.now))
  }

  /// The table has the flow in its new place already.
  mutating func moving(
    _ slot: FlowTable.Slot, to placement: Placement, cause: FlowNotification.MoveCause, command: CommandToken?,
    _ now: FlowMoment
  ) -> Step {
    let from = table[slot].placement
    if placement.placer == .trigger {
      triggers.departures.note(
        table[slot].identifier, from: from.tunnel, at: now.monotonic,
        holdDown: configuration.moveLimits.holdDown)
    }
    table.setPlacement(placement, of: slot)
    if cause != .operatorRequest { steering.moves.note(table[slot].identifier, at: now.monotonic) }
    return Step(
      change: .set(kernelFlow(table[slot]), replacing: true),
      consequence: .move(table[slot].identifier, from: from, cause: cause, command: command))
  }

  mutating func pin(_ slot: FlowTable.Slot, _ isPinned: Bool, _ command: CommandToken, _ work: inout Work) {
    let was = table[slot].isPinned
    table.setPinned(isPinned, of: slot)
    work.steps.append(
      Step(
        change: .set(kernelFlow(table[slot]), replacing: true),
        consequence: .pin(table[slot].identifier, was: was, command: command)))
  }

  mutating func remove(
    _ slot: FlowTable.Slot, cause: FlowNotification.RemovalCause, command: CommandToken?, _ work: inout Work
  ) {
    let flow = table.remove(slot)
    work.steps.append(
      Step(change: .remove(flow.tuple), consequence: .removal(flow, cause: cause, command: command)))
  }
}

extension AnchorBinding {
  /// By the gateway's name or the tunnel's number.
  func isNamed(_ target: String) -> Bool { gateway == target || tunnel.description == target }
}
