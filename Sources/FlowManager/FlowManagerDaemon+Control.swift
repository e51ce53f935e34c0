import DaemonKit
import DatapathModel
import FlowCore
import LinuxNet
import NetTypes

// What the control socket asks for.
extension FlowManagerDaemon {
  func serve() {
    serveTriggers()
    control.handleSubscription("subscribe", topic: Self.topic, ListArguments.self) {
      [unowned self] arguments, _ throws(ControlError) in try flows(arguments)
    }
    control.handle("list", ListArguments.self) { [unowned self] arguments, _ throws(ControlError) in
      refreshCounters()
      return try flows(arguments)
    }
    control.handle("show flow", FlowArguments.self) { [unowned self] arguments, _ throws(ControlError) in
      try check(node: arguments.node)
      let reference = try arguments.reference()
      refreshCounters(of: reference)
      do throws(FlowRefusal) {
        return FlowDocument(try engine.flow(reference), in: engine, now: Self.now)
      } catch {
        throw ControlError(error)
      }
    }
    control.handle("show selectors", NoArguments.self) { [unowned self] _, _ in
      SelectorsDocument(selectors: engine.selectors.map(SelectorDocument.init))
    }
    control.handle("show tunnels", NoArguments.self) { [unowned self] _, _ in tunnels }
    control.handle("show nodes", NodesArguments.self) { [unowned self] arguments, _ throws(ControlError) in
      try nodes(arguments)
    }
    control.handle("history", NodeArguments.self) { [unowned self] arguments, _ throws(ControlError) in
      try history(arguments)
    }
    control.handle("show counters", NoArguments.self) { [unowned self] _, _ in counters }
    control.handleDeferred("add", AddArguments.self) { [unowned self] arguments, _, answer in
      carryOut(.add(arguments.selector, target: arguments.to), answer)
    }
    control.handleDeferred("move", MoveArguments.self) {
      [unowned self] arguments, _, answer throws(ControlError) in
      try check(node: arguments.flows.node)
      let reference = try arguments.flows.reference()
      // The element's counter goes along, so it should be read as late as possible.
      refreshCounters(of: reference)
      carryOut(.move(reference, target: arguments.to, isTrial: arguments.isTrial ?? false), answer)
    }
    control.handleDeferred("del", DelArguments.self) { [unowned self] arguments, _, answer throws(ControlError) in
      try check(node: arguments.flows.node)
      carryOut(.remove(try arguments.flows.reference(), isTrial: arguments.isTrial ?? false), answer)
    }
    for (command, isPinned) in [("pin", true), ("unpin", false)] {
      control.handleDeferred(command, FlowArguments.self) {
        [unowned self] arguments, _, answer throws(ControlError) in
        try check(node: arguments.node)
        let reference = try arguments.reference()
        // The element is written anew, with its counter.
        refreshCounters(of: reference)
        carryOut(.pin(reference, isPinned), answer)
      }
    }
    control.handleDeferred("del selector", SelectorArguments.self) { [unowned self] arguments, _, answer in
      carryOut(.removeSelector(arguments.id), answer)
    }
  }

  func carryOut(_ command: FlowCommand, _ answer: DeferredAnswer<ChangeDocument>) {
    let token = CommandToken(rawValue: nextCommand)
    nextCommand += 1
    clients[token] = answer
    handle(.command(token, command))
  }

  func answer(_ token: CommandToken, _ result: Result<FlowReply, FlowRefusal>) {
    guard let client = clients.removeValue(forKey: token) else { return }
    switch result {
    case .success(.flow(let flow)):
      client(.success(ChangeDocument(flow: FlowDocument(flow, in: engine, now: Self.now))))
    case .success(.selector(let entry)):
      client(.success(ChangeDocument(selector: SelectorDocument(entry))))
    case .success(.report(let report)):
      client(.success(ChangeDocument(flows: BulkDocument(report, in: engine, now: Self.now))))
    case .failure(let refusal): client(.failure(ControlError(refusal)))
    }
  }

  // MARK: Documents

  func flows(_ arguments: ListArguments) throws(ControlError) -> FlowsDocument {
    let now = Self.now
    try check(node: arguments.flows.node)
    let query = try arguments.query()
    do throws(FlowRefusal) {
      let page = try engine.list(query)
      return FlowsDocument(
        flows: page.flows.map { FlowDocument($0, in: engine, now: now) }, more: page.more,
        anchorConnected: !engine.mirror.isStale)
    } catch {
      throw ControlError(error)
    }
  }

  func history(_ arguments: NodeArguments) throws(ControlError) -> HistoryDocument {
    guard let node = arguments.node else {
      throw ControlError(
        code: ControlError.invalidArguments, message: "node: is missing", hint: "`flow-manager nodes` lists them")
    }
    let entries = engine.history.entries(ofNode: node)
    if entries.isEmpty { try check(node: node) }
    return HistoryDocument(node: node, entries: entries.map(HistoryDocument.Entry.init))
  }

  /// Refuses a node that has no binding, with the names that may have been meant.
  func check(node: String?) throws(ControlError) {
    guard let node, !engine.isKnown(node: node) else { return }
    let names = Set(engine.mirror.bindings.values.lazy.map(\.node).prefix(Self.nearestSearchLimit))
    let nearest = NearestName.list(node, among: names.sorted())
    throw ControlError(
      code: FlowRefusal.Reason.noSuchNode.rawValue,
      message: "no node '\(node)' is attached"
        + (engine.mirror.isStale ? " (as far as is known: the anchor is away)" : ""),
      hint: nearest.isEmpty
        ? "`flow-manager nodes` shows those that are" : "did you mean \(nearest.joined(separator: ", "))?")
  }

  var tunnels: TunnelsDocument {
    let counters = chainCounters()
    return TunnelsDocument(
      tunnels: engine.mirror.tunnels.values.sorted { $0.id < $1.id }.map { tunnel in
        let count = counters.tunnels[tunnel.id] ?? .zero
        return TunnelsDocument.Tunnel(
          id: tunnel.id, gateway: tunnel.gateway, local: tunnel.local, remote: tunnel.remote,
          mark: "0x" + String(tunnel.mark, radix: 16), interface: tunnel.interface,
          flows: engine.table.count(on: tunnel.id), packets: count.packets, octets: count.octets,
          load: engine.load(of: tunnel.id).map(TunnelLoadDocument.init))
      }, anchorConnected: !engine.mirror.isStale)
  }

  func nodes(_ arguments: NodesArguments) throws(ControlError) -> NodesDocument {
    try check(node: arguments.node)
    let limit = try arguments.checkedLimit()
    let page =
      if let node = arguments.node { (names: [node], more: 0) } else {
        engine.mirror.nodeNames(after: arguments.after, limit: limit)
      }
    return NodesDocument(
      nodes: page.names.map { node in
        let bindings = engine.mirror.bindings(ofNode: node)
        return NodesDocument.Node(
          node: node, kind: bindings.first?.kind ?? "", flows: engine.flowCount(ofNode: node), bindings: bindings)
      }, more: page.more, anchorConnected: !engine.mirror.isStale)
  }

  func chainCounters() -> KernelFlowTable.ChainCounters {
    reading { () throws(LinuxError) in try kernel.chainCounters() } ?? KernelFlowTable.ChainCounters()
  }

  var counters: CountersDocument {
    var result = engine.counters.named
    result.merge(control.counters.named) { own, _ in own }
    let chains = chainCounters()
    let offered = chains.offeredToQueue
    result["fragments-not-recorded"] = chains.fragmentsNotRecorded
    // The rules may have been written anew since, and their counter with them.
    let offeredToUs = offered >= offeredBefore ? offered - offeredBefore : offered
    let waiting = (try? queue.statistics()).flatMap { $0 }?.length ?? 0
    let taken = engine.counters.queuedPackets + UInt64(waiting)
    result["packets-offered-to-queue"] = offered
    result["packets-passed-undecided"] = offeredToUs > taken ? offeredToUs - taken : 0
    result["queue-overruns"] = queue.overruns
    result["queue-verdicts-refused"] = queue.refusedVerdicts
    result["queue-failures"] = queueFailures
    result["policy-files-refused"] = policyFilesRefused
    result["kernel-read-failures"] = kernelReadFailures
    result["anchor-connect-failures"] = anchor.failures
    result["anchor-events-not-understood"] = anchorEventsNotUnderstood
    result["flows"] = UInt64(engine.table.count)
    result["history-entries"] = UInt64(engine.history.count)
    result["history-entries-dropped"] = engine.history.dropped
    result["selector-writes-failed"] = selectorWritesFailed
    result.merge(selectors.counters.named) { own, _ in own }
    return CountersDocument(counters: result)
  }
}

extension ControlError {
  init(_ refusal: FlowRefusal) { self.init(code: refusal.reason.rawValue, message: refusal.message) }
}
