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

    public init() {}
  }

  /// How many flows of a node an ICMPv6 error is compared with. Errors carry the uplink's flow label, so there is no
  /// index to find theirs by.
  public static let icmpErrorSearchLimit = 1_024
  /// Flows of a node, newest first, among which one is looked for that goes on under another label.
  public static let labelChangeSearchLimit = 64

  /// Commands that may wait for the anchor at once.
  public static let maximumWaitingCommands = 1_024
  /// An anchor that has not answered by then does not answer any more: its own waiting for a gateway ends within 30 s
  /// (six transmissions, 5 s apart, are the most that RFC 7077 section 7 allows).
  public static let anchorAnswerTimeout = Duration.seconds(35)

  /// Flows named in the refusal of an ambiguous reference.
  static let ambiguousNamed = 8

  public let configuration: Configuration
  public private(set) var table: FlowTable
  public private(set) var mirror = AnchorMirror()
  public private(set) var selectors: [FlowSelectorEntry] = []
  public private(set) var counters = FlowCounters()

  private var ruleset: FlowRuleset?
  /// Tunnels that have a chain in the kernel, as far as we have asked for one; the mark in it where we know.
  private var chains: [TunnelIdentifier: UInt32?] = [:]
  private var transactions: [TransactionIdentifier: [Step]] = [:]
  private var nextTransaction: UInt64 = 1
  private var nextSelector: UInt32 = 1
  private var waiting: [AnchorQuestion: WaitingCommand] = [:]
  private var nextQuestion: UInt64 = 1

  public init(_ configuration: Configuration) {
    self.configuration = configuration
    table = FlowTable(maximum: configuration.maximumFlows)
  }

  public mutating func handle(_ event: FlowEvent, at now: FlowMoment) -> [FlowEffect] {
    var work = Work()
    switch event {
    case .kernelState(let flows, let kernelChains): restore(flows, kernelChains, now, &work)
    case .kernelTableLost: writeAgain(&work)
    case .anchorSnapshot(let snapshot): takeSnapshot(snapshot, &work)
    case .anchorEvent(let event): take(event, &work)
    case .anchorLost:
      counters.anchorLost += 1
      mirror.isStale = true
      for question in waiting.keys.sorted(by: { $0.rawValue < $1.rawValue }) {
        giveUp(question, .anchorAway, "the anchor went away before it had answered", &work)
      }
    case .anchorAnswer(let question, let answer): take(answer, to: question, now, &work)
    case .deadlineReached:
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
    case .kernelOutcome(let identifier, .applied):
      for step in transactions.removeValue(forKey: identifier) ?? [] { settle(step, &work) }
    case .kernelOutcome(let identifier, .refused(let reason)):
      takeRefusal(transactions.removeValue(forKey: identifier) ?? [], reason, &work)
    }
    var rest = work.steps[...]
    while !rest.isEmpty {
      submit(Array(rest.prefix(configuration.maximumChanges)), &work)
      rest = rest.dropFirst(configuration.maximumChanges)
    }
    return work.effects
  }

  /// Monotonic time of the next `.deadlineReached`; nil: nothing to wait for.
  public var nextDeadline: Duration? { waiting.values.map(\.deadline).min() }

  private mutating func submit(_ steps: [Step], _ work: inout Work) {
    let identifier = TransactionIdentifier(rawValue: nextTransaction)
    nextTransaction += 1
    transactions[identifier] = steps
    work.effects.append(.apply(identifier, steps.map(\.change)))
  }

  public func nodeName(of flow: Flow) -> String? { flow.node.flatMap { mirror.name(of: $0) } }

  /// The one flow that `reference` names.
  public func flow(_ reference: FlowReference) throws(FlowRefusal) -> Flow { table[try find(reference)] }

  public func flowCount(ofNode name: String) -> Int {
    mirror.node(named: name).map { table.count(ofNode: $0) } ?? 0
  }

  // MARK: Kernel transactions

  /// A change in the kernel, and what hangs on its outcome.
  private struct Step: Sendable {
    enum Consequence: Sendable {
      case none
      case admission(FlowIdentifier, waiting: [WaitingPacket], command: CommandToken?)
      case move(FlowIdentifier, from: TunnelIdentifier, cause: FlowNotification.MoveCause, command: CommandToken?)
      case removal(Flow, cause: FlowNotification.RemovalCause, command: CommandToken?)
    }

    var change: FlowMapChange
    var consequence: Consequence
  }

  private struct WaitingPacket: Sendable {
    var token: PacketToken
    var mark: UInt32
  }

  /// What handling one event gathers: effects, and the steps of one transaction.
  private struct Work {
    var effects: [FlowEffect] = []
    var steps: [Step] = []
    /// Where the admission of a flow stands in `steps`, for further packets of the same flow.
    var admissions: [FlowIdentifier: Int] = [:]

    mutating func change(_ change: FlowMapChange) { steps.append(Step(change: change, consequence: .none)) }
  }

  private mutating func settle(_ step: Step, _ work: inout Work) {
    switch step.consequence {
    case .none: break
    case .admission(let identifier, let waiting, let command):
      guard let flow = table.flow(identifier) else {
        waiting.forEach { work.effects.append(.verdict($0.token, mark: nil)) }
        return
      }
      for packet in waiting { work.effects.append(.verdict(packet.token, mark: mark(packet.mark, flow.tunnel))) }
      if let command { work.effects.append(.reply(command, .success(.flow(flow)))) }
      work.effects.append(.notify(.flowAdded(flow)))
    case .move(let identifier, let from, let cause, let command):
      guard let flow = table.flow(identifier) else { return }
      if let command { work.effects.append(.reply(command, .success(.flow(flow)))) }
      work.effects.append(.notify(.flowMoved(flow, from: from, cause: cause)))
    case .removal(let flow, let cause, let command):
      if let command { work.effects.append(.reply(command, .success(.flow(flow)))) }
      work.effects.append(.notify(.flowRemoved(flow, cause: cause)))
    }
  }

  private mutating func takeRefusal(_ steps: [Step], _ reason: String, _ work: inout Work) {
    if steps.count > 1 {
      counters.transactionsSplit += 1
      for step in steps { submit([step], &work) }
      return
    }
    guard let step = steps.first else { return }
    counters.refusedByKernel += 1
    work.effects.append(.notify(.kernelRefused(reason)))
    switch step.consequence {
    case .none:
      // Tried again with the next snapshot.
      switch step.change {
      case .ruleset: ruleset = nil
      case .setTunnelChain(let tunnel, _, _): chains[tunnel] = nil
      case .removeTunnelChain(let tunnel): chains.updateValue(nil, forKey: tunnel)
      case .set, .remove: break
      }
    case .admission(let identifier, let waiting, let command):
      waiting.forEach { work.effects.append(.verdict($0.token, mark: nil)) }
      if let slot = table.slot(of: identifier) { table.remove(slot) }
      refuse(command, .kernelRefused, "the kernel does not take the flow: \(reason)", &work)
    case .move(let identifier, let from, let cause, let command):
      guard let slot = table.slot(of: identifier) else { return }
      switch cause {
      case .operatorRequest, .gatewayUnreachable:
        table.setTunnel(from, of: slot)
        refuse(command, .kernelRefused, "the kernel does not take the move, the flow stays: \(reason)", &work)
      case .bindingLost:
        // Its old tunnel no longer leads to the node: without an element it takes the default binding.
        remove(slot, cause: .kernelRefused, command: nil, &work)
      }
    case .removal(let flow, let cause, let command):
      // Mostly an element that somebody else has removed; either way the flow is no longer ours.
      refuse(command, .kernelRefused, "the kernel does not remove the flow's element: \(reason)", &work)
      work.effects.append(.notify(.flowRemoved(flow, cause: cause)))
    }
  }

  /// The packet's mark with the tunnel in our bits.
  private func mark(_ packetMark: UInt32, _ tunnel: TunnelIdentifier) -> UInt32? {
    mirror.tunnels[tunnel].map { packetMark & ~mirror.markMask | $0.mark & mirror.markMask }
  }

  private func kernelFlow(_ flow: Flow) -> KernelFlow {
    KernelFlow(
      identifier: flow.identifier, tuple: flow.tuple, tunnel: flow.tunnel, createdAt: flow.createdAt, count: flow.count)
  }

  // MARK: Start

  private mutating func restore(
    _ flows: [KernelFlow], _ kernelChains: [TunnelIdentifier], _ now: FlowMoment, _ work: inout Work
  ) {
    for tunnel in kernelChains { chains.updateValue(nil, forKey: tunnel) }
    for flow in flows {
      // A dump may show an element twice when the kernel's hash table grows meanwhile.
      if table.flow(flow.identifier)?.tuple == flow.tuple { continue }
      let slot = table.insert(
        Flow(
          identifier: flow.identifier, tuple: flow.tuple, tunnel: flow.tunnel, node: nil, createdAt: flow.createdAt,
          lastActive: now.monotonicSeconds, count: flow.count))
      if slot == nil {
        counters.restoredFlowsRefused += 1
        work.change(.remove(flow.tuple))
      } else {
        counters.flowsRestored += 1
      }
    }
  }

  /// Somebody has removed our table (a firewall that flushed all rules): everything again, flows included.
  private mutating func writeAgain(_ work: inout Work) {
    counters.kernelTableLost += 1
    chains = [:]
    guard let ruleset else { return }
    work.change(.ruleset(ruleset))
    for tunnel in mirror.tunnels.values.sorted(by: { $0.id < $1.id }) { setChain(tunnel, &work) }
    table.forEach { work.change(.set(kernelFlow($0), replacing: false)) }
  }

  // MARK: Anchor

  private mutating func takeSnapshot(_ snapshot: AnchorSnapshot, _ work: inout Work) {
    counters.anchorSnapshots += 1
    mirror.replace(with: snapshot)
    let wanted = FlowRuleset(markMask: mirror.markMask, homePrefixes: mirror.homePrefixes)
    if ruleset != wanted {
      if ruleset?.markMask != wanted.markMask { for tunnel in chains.keys { chains.updateValue(nil, forKey: tunnel) } }
      ruleset = wanted
      work.change(.ruleset(wanted))
    }
    for tunnel in mirror.tunnels.values.sorted(by: { $0.id < $1.id }) { setChain(tunnel, &work) }
    var slots: [FlowTable.Slot] = []
    table.forEachSlot { slots.append($0) }
    reconsider(slots, &work)
    mirror.forgetNodesWithoutBindings()
    for tunnel in chains.keys.sorted() where mirror.tunnels[tunnel] == nil { removeChain(tunnel, &work) }
  }

  private mutating func take(_ event: AnchorEvent, _ work: inout Work) {
    counters.anchorEvents += 1
    switch event {
    case .tunnelAdded(let tunnel):
      mirror.set(tunnel)
      setChain(tunnel, &work)
    case .tunnelRemoved(let tunnel):
      mirror.remove(tunnel: tunnel.id)
      reconsider(table.slots(on: tunnel.id), &work)
      removeChain(tunnel.id, &work)
    case .bindingChanged(let change):
      // Its node may be another than before.
      let before = mirror.bindings[change.binding.id].flatMap { mirror.node(named: $0.node) }
      mirror.set(change.binding)
      let after = mirror.node(named: change.binding.node)
      reconsider(table.slots(ofNode: after), &work)
      guard let before, before != after else { return }
      reconsider(table.slots(ofNode: before), &work)
      mirror.forgetIfWithoutBindings(before)
    case .bindingRemoved(let change):
      let node = mirror.node(named: change.binding.node)
      mirror.remove(binding: change.binding.id)
      guard let node else { return }
      reconsider(table.slots(ofNode: node), &work)
      mirror.forgetIfWithoutBindings(node)
    case .gatewayChanged(let gateway):
      for tunnel in mirror.set(gateway) where !mirror.isAnswering(tunnel) {
        reconsider(table.slots(on: tunnel), &work)
      }
    }
  }

  private mutating func setChain(_ tunnel: AnchorTunnel, _ work: inout Work) {
    guard chains[tunnel.id] != .some(.some(tunnel.mark)) else { return }
    chains[tunnel.id] = .some(tunnel.mark)
    work.change(.setTunnelChain(tunnel.id, mark: tunnel.mark, mask: mirror.markMask))
  }

  private mutating func removeChain(_ tunnel: TunnelIdentifier, _ work: inout Work) {
    guard chains.removeValue(forKey: tunnel) != nil else { return }
    work.change(.removeTunnelChain(tunnel))
  }

  /// Bindings have changed: flows that their tunnel cannot carry any more move to the preferred one of their node, all
  /// in one transaction, or lose their element when there is none. Flows to a gateway that does not answer move as
  /// well, if another one can carry them; they do not come back by themselves.
  private mutating func reconsider(_ slots: [FlowTable.Slot], _ work: inout Work) {
    struct Ways {
      var tunnels: Set<TunnelIdentifier>
      var preferred: TunnelIdentifier?
    }
    var known: [IPv6Prefix: Ways] = [:]
    for slot in slots {
      let flow = table[slot]
      guard let owner = mirror.owner(of: flow.tuple.destination) else {
        counters.flowsRemovedWithoutTunnel += 1
        remove(slot, cause: .bindingLost, command: nil, &work)
        continue
      }
      if flow.node != owner.node { table.setNode(owner.node, of: slot) }
      let ways: Ways
      if let found = known[owner.prefix] {
        ways = found
      } else {
        let carriers = mirror.activeBindings(of: owner.node).filter { $0.serves(owner.prefix) }.map(\.tunnel)
        ways = Ways(
          tunnels: Set(carriers.filter { mirror.tunnels[$0] != nil }),
          preferred: mirror.preferredTunnel(for: owner.prefix, of: owner.node))
        known[owner.prefix] = ways
      }
      if ways.tunnels.contains(flow.tunnel) {
        guard !mirror.isAnswering(flow.tunnel), let preferred = ways.preferred, mirror.isAnswering(preferred) else {
          continue
        }
        counters.flowsMovedByOutage += 1
        move(slot, to: preferred, cause: .gatewayUnreachable, command: nil, &work)
        continue
      }
      if let preferred = ways.preferred {
        counters.flowsMovedByBinding += 1
        move(slot, to: preferred, cause: .bindingLost, command: nil, &work)
      } else {
        counters.flowsRemovedWithoutTunnel += 1
        remove(slot, cause: .bindingLost, command: nil, &work)
      }
    }
  }

  // MARK: Packets

  private mutating func admit(_ packets: [QueuedPacket], _ now: FlowMoment, _ work: inout Work) {
    for packet in packets {
      counters.queuedPackets += 1
      switch packet.dissection {
      case .failure(let error):
        count(error)
        work.effects.append(.verdict(packet.token, mark: nil))
      case .success(.laterFragment):
        counters.laterFragments += 1
        work.effects.append(.verdict(packet.token, mark: nil))
      case .success(.icmpError(let flow)):
        work.effects.append(.verdict(packet.token, mark: markOfError(about: flow, packet)))
      case .success(.flow(let tuple)):
        admit(packet, configuration.key.normalize(tuple), now, &work)
      }
    }
  }

  private mutating func admit(
    _ packet: QueuedPacket, _ tuple: FlowSixTuple, _ now: FlowMoment, _ work: inout Work
  ) {
    if let flow = table.flow(tuple) {
      counters.packetsOfKnownFlows += 1
      if let index = work.admissions[flow.identifier],
        case .admission(let identifier, var waiting, let command) = work.steps[index].consequence,
        let slot = table.slot(of: identifier)
      {
        waiting.append(WaitingPacket(token: packet.token, mark: packet.mark))
        // The element begins with what came before it.
        let count = TrafficCount(
          packets: flow.count.packets + 1, octets: flow.count.octets + UInt64(packet.length))
        table.setCount(count, lastActive: now.monotonicSeconds, of: slot)
        work.steps[index] = Step(
          change: .set(kernelFlow(table[slot]), replacing: false),
          consequence: .admission(identifier, waiting: waiting, command: command))
      } else {
        work.effects.append(.verdict(packet.token, mark: mark(packet.mark, flow.tunnel)))
      }
      return
    }
    guard let owner = mirror.owner(of: tuple.destination) else {
      counters.packetsWithoutBinding += 1
      work.effects.append(.verdict(packet.token, mark: nil))
      return
    }
    guard
      let tunnel = orderedTunnel(for: tuple, owner.prefix, owner.node)
        ?? continuedTunnel(for: tuple, owner.prefix, owner.node)
        ?? mirror.preferredTunnel(for: owner.prefix, of: owner.node)
    else {
      counters.packetsWithoutTunnel += 1
      work.effects.append(.verdict(packet.token, mark: nil))
      return
    }
    guard
      let slot = table.insert(
        tuple, tunnel: tunnel, node: owner.node, createdAt: now.secondsSince1970, lastActive: now.monotonicSeconds,
        count: TrafficCount(packets: 1, octets: UInt64(packet.length)))
    else {
      counters.refusedTableFull += 1
      work.effects.append(.verdict(packet.token, mark: nil))
      return
    }
    counters.flowsAdded += 1
    let flow = table[slot]
    work.admissions[flow.identifier] = work.steps.count
    work.steps.append(
      Step(
        change: .set(kernelFlow(flow), replacing: false),
        consequence: .admission(
          flow.identifier, waiting: [WaitingPacket(token: packet.token, mark: packet.mark)], command: nil)))
  }

  /// The tunnel of the flow that `tuple` continues under another flow label. Linux gives a TCP connection a new label
  /// after a retransmission timeout; on the default binding a loss would undo what the operator has decided.
  private mutating func continuedTunnel(
    for tuple: FlowSixTuple, _ prefix: IPv6Prefix, _ node: NodeIndex
  ) -> TunnelIdentifier? {
    guard tuple.transport == .tcp,
      let earlier = table.first(
        ofNode: node, limit: Self.labelChangeSearchLimit, where: { $0.tuple.matchesIgnoringLabel(tuple) }),
      mirror.canCarry(prefix, of: node, on: earlier.tunnel)
    else { return nil }
    counters.flowsContinued += 1
    return earlier.tunnel
  }

  private func orderedTunnel(for tuple: FlowSixTuple, _ prefix: IPv6Prefix, _ node: NodeIndex) -> TunnelIdentifier? {
    for entry in selectors where entry.selector.matches(tuple) {
      if case .success(let tunnel) = choose(entry.target, prefix, node, current: nil) { return tunnel }
    }
    return nil
  }

  private mutating func markOfError(about tuple: FlowSixTuple?, _ packet: QueuedPacket) -> UInt32? {
    if let tuple, let owner = mirror.owner(of: tuple.destination),
      let flow = table.first(
        ofNode: owner.node, limit: Self.icmpErrorSearchLimit, where: { $0.tuple.matchesIgnoringLabel(tuple) })
    {
      counters.icmpErrorsMatched += 1
      return mark(packet.mark, flow.tunnel)
    }
    counters.icmpErrorsUnmatched += 1
    return nil
  }

  private mutating func count(_ error: DissectionError) {
    switch error {
    case .truncated: counters.malformedTruncated += 1
    case .notIPv6: counters.malformedNotIPv6 += 1
    case .tooManyExtensionHeaders: counters.malformedTooManyExtensionHeaders += 1
    }
  }

  // MARK: Activity

  private mutating func take(_ readings: [KernelCounter], _ now: FlowMoment, _ work: inout Work) {
    let idleSeconds = UInt32(clamping: configuration.idleTimeout.components.seconds)
    for reading in readings {
      guard let slot = table.slot(of: reading.flow) else { continue }
      let flow = table[slot]
      if flow.count != reading.count {
        table.setCount(reading.count, lastActive: now.monotonicSeconds, of: slot)
      } else if now.monotonicSeconds &- flow.lastActive >= idleSeconds {
        counters.flowsRemovedIdle += 1
        remove(slot, cause: .idle, command: nil, &work)
      }
    }
  }

  // MARK: Commands

  /// `mayAsk`: if the gateway does not serve the prefix, ask the anchor and carry the command out later.
  private mutating func carryOut(
    _ command: FlowCommand, _ token: CommandToken, mayAsk: Bool, _ now: FlowMoment, _ work: inout Work
  ) {
    do throws(FlowRefusal) {
      switch command {
      case .add(let selector, let target):
        guard let tuple = selector.exactTuple(configuration.key) else {
          return try add(selector, target, token, &work)
        }
        if mayAsk, table.flow(tuple) == nil, let request = try service(for: tuple, target, current: nil) {
          return try ask(request, WaitingCommand(command, token, now), &work)
        }
        try add(tuple, target, token, now, &work)
      case .move(let reference, let target):
        let slot = try find(reference)
        let flow = table[slot]
        if mayAsk, let request = try service(for: flow.tuple, target, current: flow.tunnel) {
          // The flow that the reference means now, whatever else it may mean when the answer is there.
          let named = FlowCommand.move(.identifier(flow.identifier), target: target)
          return try ask(request, WaitingCommand(named, token, now), &work)
        }
        let owner = try owner(of: flow.tuple)
        let tunnel = try choose(target, owner.prefix, owner.node, current: flow.tunnel).get()
        if tunnel == flow.tunnel {
          work.effects.append(.reply(token, .success(.flow(flow))))
        } else {
          counters.flowsMovedByOperator += 1
          move(slot, to: tunnel, cause: .operatorRequest, command: token, &work)
        }
      case .remove(let reference):
        let slot = try find(reference)
        counters.flowsRemovedByOperator += 1
        remove(slot, cause: .operatorRequest, command: token, &work)
      case .removeSelector(let identifier):
        guard let index = selectors.firstIndex(where: { $0.identifier == identifier }) else {
          throw FlowRefusal(
            reason: .noSuchSelector,
            message: "there is no selector \(identifier); `flow-manager show selectors` lists them")
        }
        work.effects.append(.reply(token, .success(.selector(selectors.remove(at: index)))))
      }
    } catch {
      refuse(token, error.reason, error.message, &work)
    }
  }

  // MARK: Waiting for the anchor

  /// A command that waits until a gateway serves the prefix of its flow.
  private struct WaitingCommand: Sendable {
    let command: FlowCommand
    let token: CommandToken
    let deadline: Duration

    init(_ command: FlowCommand, _ token: CommandToken, _ now: FlowMoment) {
      self.command = command
      self.token = token
      deadline = now.monotonic + FlowManagerEngine.anchorAnswerTimeout
    }
  }

  /// What the anchor must do before `target` can carry the flow; nil: nothing that it could do.
  private func service(
    for tuple: FlowSixTuple, _ target: String, current: TunnelIdentifier?
  ) throws(FlowRefusal) -> ServePrefixesRequest? {
    let owner = try owner(of: tuple)
    guard case .failure(let refusal) = choose(target, owner.prefix, owner.node, current: current),
      refusal.reason == .prefixNotServed,
      let binding = mirror.activeBindings(of: owner.node).first(where: { $0.isNamed(target) })
    else { return nil }
    return ServePrefixesRequest(binding: binding.id, prefixes: [owner.prefix])
  }

  private mutating func ask(
    _ request: ServePrefixesRequest, _ command: WaitingCommand, _ work: inout Work
  ) throws(FlowRefusal) {
    guard !mirror.isStale else {
      throw FlowRefusal(
        reason: .anchorAway,
        message: "the gateway does not serve \(list(request.prefixes.map(\.description))) yet, and the anchor, which "
          + "could change that, is away; try again when it is back")
    }
    guard waiting.count < Self.maximumWaitingCommands else {
      throw FlowRefusal(
        reason: .limitReached,
        message: "\(Self.maximumWaitingCommands) commands wait for the anchor already; try again in a moment")
    }
    counters.prefixesAsked += 1
    let question = AnchorQuestion(rawValue: nextQuestion)
    nextQuestion += 1
    waiting[question] = command
    work.effects.append(.askAnchor(question, request))
  }

  private mutating func take(
    _ answer: AnchorAnswer, to question: AnchorQuestion, _ now: FlowMoment, _ work: inout Work
  ) {
    guard let command = waiting.removeValue(forKey: question) else { return }
    switch answer {
    case .granted:
      counters.prefixesGranted += 1
      carryOut(command.command, command.token, mayAsk: false, now, &work)
    case .refused(let reason):
      counters.prefixesRefused += 1
      refuse(command.token, .prefixNotServed, "the anchor: \(reason)\(stays(command))", &work)
    }
  }

  private mutating func giveUp(
    _ question: AnchorQuestion, _ reason: FlowRefusal.Reason, _ message: String, _ work: inout Work
  ) {
    guard let command = waiting.removeValue(forKey: question) else { return }
    counters.prefixesUnanswered += 1
    refuse(command.token, reason, message + stays(command), &work)
  }

  private func stays(_ command: WaitingCommand) -> String {
    guard case .move(.identifier(let identifier), _) = command.command, let flow = table.flow(identifier) else {
      return ""
    }
    let gateway = mirror.tunnels[flow.tunnel].map { "\($0.gateway) (tunnel \(flow.tunnel))" } ?? "tunnel \(flow.tunnel)"
    return "; flow \(identifier) stays on \(gateway)"
  }

  // MARK: What commands do

  private mutating func add(
    _ tuple: FlowSixTuple, _ target: String, _ token: CommandToken, _ now: FlowMoment, _ work: inout Work
  ) throws(FlowRefusal) {
    if let flow = table.flow(tuple) {
      throw FlowRefusal(
        reason: .flowExists,
        message: "this is flow \(flow.identifier); to send it elsewhere use `flow-manager move \(flow.identifier)`")
    }
    let owner = try owner(of: tuple)
    let tunnel = try choose(target, owner.prefix, owner.node, current: nil).get()
    guard
      let slot = table.insert(
        tuple, tunnel: tunnel, node: owner.node, createdAt: now.secondsSince1970, lastActive: now.monotonicSeconds,
        count: .zero)
    else {
      throw FlowRefusal(
        reason: .limitReached,
        message: "the table holds flows.maximum = \(configuration.maximumFlows) flows; delete some or raise the limit")
    }
    counters.flowsAdded += 1
    work.steps.append(
      Step(
        change: .set(kernelFlow(table[slot]), replacing: false),
        consequence: .admission(table[slot].identifier, waiting: [], command: token)))
  }

  private mutating func add(
    _ selector: FlowSelector, _ target: String, _ token: CommandToken, _ work: inout Work
  ) throws(FlowRefusal) {
    guard selectors.count < configuration.maximumSelectors else {
      throw FlowRefusal(
        reason: .limitReached,
        message: "there are \(configuration.maximumSelectors) selectors already; remove one with `del --selector`")
    }
    guard
      mirror.tunnels.values.contains(where: { $0.gateway == target || $0.id.description == target })
    else {
      throw FlowRefusal(
        reason: .noSuchTunnel,
        message: "the anchor has no tunnel to '\(target)'; it has "
          + list(mirror.tunnels.values.sorted { $0.id < $1.id }.map { "\($0.gateway) (tunnel \($0.id))" }))
    }
    let entry = FlowSelectorEntry(identifier: nextSelector, selector: selector, target: target)
    nextSelector &+= 1
    selectors.append(entry)
    work.effects.append(.reply(token, .success(.selector(entry))))
  }

  private func find(_ reference: FlowReference) throws(FlowRefusal) -> FlowTable.Slot {
    switch reference {
    case .identifier(let identifier):
      guard let slot = table.slot(of: identifier) else {
        throw FlowRefusal(
          reason: .noSuchFlow, message: "there is no flow \(identifier); `flow-manager list` shows those there are")
      }
      return slot
    case .selector(let selector):
      if let tuple = selector.exactTuple(configuration.key), let slot = table.slot(of: tuple) { return slot }
      var found: [Flow] = []
      var total = 0
      table.forEach { flow in
        guard selector.matches(flow.tuple) else { return }
        total += 1
        if found.count < Self.ambiguousNamed { found.append(flow) }
      }
      guard let first = found.first, let slot = table.slot(of: first.identifier) else {
        throw FlowRefusal(
          reason: .noSuchFlow,
          message: "there is no flow with \(selector); `flow-manager list` shows those there are")
      }
      guard total == 1 else {
        let names = found.map(\.identifier).sorted().map(\.description).joined(separator: ", ")
        throw FlowRefusal(
          reason: .ambiguousFlow,
          message: "\(total) flows have \(selector): \(names)\(total > found.count ? ", ..." : ""); name one by its id")
      }
      return slot
    }
  }

  private func owner(of tuple: FlowSixTuple) throws(FlowRefusal) -> (prefix: IPv6Prefix, node: NodeIndex) {
    guard let owner = mirror.owner(of: tuple.destination) else {
      throw FlowRefusal(
        reason: .noBinding,
        message: "no active binding covers \(tuple.destination); `lmad show bindings` lists them"
          + (mirror.isStale ? " (the anchor is away: this is its last known state)" : ""))
    }
    return owner
  }

  /// The tunnel that `target`, a gateway name or a tunnel number, means for this node and prefix.
  private func choose(
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

  private func list(_ names: [String]) -> String { names.isEmpty ? "none" : names.joined(separator: ", ") }

  private mutating func refuse(
    _ command: CommandToken?, _ reason: FlowRefusal.Reason, _ message: String, _ work: inout Work
  ) {
    guard let command else { return }
    counters.commandsRefused += 1
    work.effects.append(.reply(command, .failure(FlowRefusal(reason: reason, message: message))))
  }

  // MARK: Changes of one flow

  private mutating func move(
    _ slot: FlowTable.Slot, to tunnel: TunnelIdentifier, cause: FlowNotification.MoveCause, command: CommandToken?,
    _ work: inout Work
  ) {
    let from = table[slot].tunnel
    table.setTunnel(tunnel, of: slot)
    work.steps.append(
      Step(
        change: .set(kernelFlow(table[slot]), replacing: true),
        consequence: .move(table[slot].identifier, from: from, cause: cause, command: command)))
  }

  private mutating func remove(
    _ slot: FlowTable.Slot, cause: FlowNotification.RemovalCause, command: CommandToken?, _ work: inout Work
  ) {
    let flow = table.remove(slot)
    work.steps.append(
      Step(change: .remove(flow.tuple), consequence: .removal(flow, cause: cause, command: command)))
  }
}

extension AnchorBinding {
  /// By the gateway's name or the tunnel's number.
  fileprivate func isNamed(_ target: String) -> Bool { gateway == target || tunnel.description == target }
}
