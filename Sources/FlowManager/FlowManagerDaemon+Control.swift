import DaemonKit
import DatapathModel
import FlowCore
import LinuxNet
import NetTypes

// What the control socket asks for.
extension FlowManagerDaemon {
  func serve() {
    control.handleSubscription("subscribe", topic: Self.topic, NoArguments.self) { [unowned self] _, _ in flows }
    control.handle("list", NoArguments.self) { [unowned self] _, _ in
      refreshCounters()
      return flows
    }
    control.handle("show flow", FlowArguments.self) { [unowned self] arguments, _ throws(ControlError) in
      refreshCounters()
      do throws(FlowRefusal) {
        return FlowDocument(try engine.flow(reference(arguments.flow, arguments.selector)), in: engine, now: Self.now)
      } catch {
        throw ControlError(error)
      }
    }
    control.handle("show selectors", NoArguments.self) { [unowned self] _, _ in
      SelectorsDocument(selectors: engine.selectors.map(SelectorDocument.init))
    }
    control.handle("show tunnels", NoArguments.self) { [unowned self] _, _ in tunnels }
    control.handle("show nodes", NoArguments.self) { [unowned self] _, _ in nodes }
    control.handle("show counters", NoArguments.self) { [unowned self] _, _ in counters }
    control.handleDeferred("add", AddArguments.self) { [unowned self] arguments, _, answer in
      carryOut(.add(arguments.selector, target: arguments.to), answer)
    }
    control.handleDeferred("move", MoveArguments.self) { [unowned self] arguments, _, answer in
      // The element's counter goes along, so it should be read as late as possible.
      refreshCounter(of: reference(arguments.flow, arguments.selector))
      carryOut(.move(reference(arguments.flow, arguments.selector), target: arguments.to), answer)
    }
    control.handleDeferred("del", FlowArguments.self) { [unowned self] arguments, _, answer in
      carryOut(.remove(reference(arguments.flow, arguments.selector)), answer)
    }
    for (command, isPinned) in [("pin", true), ("unpin", false)] {
      control.handleDeferred(command, FlowArguments.self) { [unowned self] arguments, _, answer in
        // The element is written anew, with its counter.
        refreshCounters()
        carryOut(.pin(reference(arguments.flow, arguments.selector), isPinned), answer)
      }
    }
    control.handleDeferred("del selector", SelectorArguments.self) { [unowned self] arguments, _, answer in
      carryOut(.removeSelector(arguments.id), answer)
    }
  }

  func reference(_ flow: FlowIdentifier?, _ selector: FlowSelector?) -> FlowReference {
    flow.map(FlowReference.identifier) ?? .selector(selector ?? FlowSelector())
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
      client(.success(ChangeDocument(flow: FlowDocument(flow, in: engine, now: Self.now), selector: nil)))
    case .success(.selector(let entry)):
      client(.success(ChangeDocument(flow: nil, selector: SelectorDocument(entry))))
    case .failure(let refusal): client(.failure(ControlError(refusal)))
    }
  }

  // MARK: Documents

  var flows: FlowsDocument {
    let now = Self.now
    return FlowsDocument(
      flows: engine.table.sorted.map { FlowDocument($0, in: engine, now: now) },
      anchorConnected: !engine.mirror.isStale)
  }

  var tunnels: TunnelsDocument {
    let counters = chainCounters()
    return TunnelsDocument(
      tunnels: engine.mirror.tunnels.values.sorted { $0.id < $1.id }.map { tunnel in
        let count = counters.tunnels[tunnel.id] ?? .zero
        return TunnelsDocument.Tunnel(
          id: tunnel.id, gateway: tunnel.gateway, local: tunnel.local, remote: tunnel.remote,
          mark: "0x" + String(tunnel.mark, radix: 16), interface: tunnel.interface,
          flows: engine.table.count(on: tunnel.id), packets: count.packets, octets: count.octets)
      }, anchorConnected: !engine.mirror.isStale)
  }

  var nodes: NodesDocument {
    NodesDocument(
      nodes: engine.mirror.bindingsByNode.map { node, bindings in
        NodesDocument.Node(
          node: node, kind: bindings.first?.kind ?? "", flows: engine.flowCount(ofNode: node), bindings: bindings)
      }, anchorConnected: !engine.mirror.isStale)
  }

  func chainCounters() -> KernelFlowTable.ChainCounters {
    do throws(LinuxError) {
      return try kernel.chainCounters()
    } catch {
      kernelReadFailures += 1
      log.error("\(error)")
      return KernelFlowTable.ChainCounters()
    }
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
    return CountersDocument(counters: result)
  }
}

extension ControlError {
  init(_ refusal: FlowRefusal) { self.init(code: refusal.reason.rawValue, message: refusal.message) }
}
