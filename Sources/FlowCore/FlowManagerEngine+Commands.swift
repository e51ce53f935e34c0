import DatapathModel
import NetTypes

// What operators order.
extension FlowManagerEngine {
  /// `mayAsk`: if the gateway does not serve the prefix, ask the anchor and carry the command out later.
  mutating func carryOut(
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
          let placement = Placement(tunnel: tunnel, placer: .operatorRequest)
          move(slot, to: placement, cause: .operatorRequest, command: token, &work)
        }
      case .remove(let reference):
        let slot = try find(reference)
        counters.flowsRemovedByOperator += 1
        remove(slot, cause: .operatorRequest, command: token, &work)
      case .pin(let reference, let isPinned):
        let slot = try find(reference)
        let was = table[slot].isPinned
        guard was != isPinned else { return work.effects.append(.reply(token, .success(.flow(table[slot])))) }
        table.setPinned(isPinned, of: slot)
        work.steps.append(
          Step(
            change: .set(kernelFlow(table[slot]), replacing: true),
            consequence: .pin(table[slot].identifier, was: was, command: token)))
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

  mutating func add(
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
        tuple, Placement(tunnel: tunnel, placer: .operatorRequest), node: owner.node, count: .zero, at: now)
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

  mutating func add(
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

  func find(_ reference: FlowReference) throws(FlowRefusal) -> FlowTable.Slot {
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
}
