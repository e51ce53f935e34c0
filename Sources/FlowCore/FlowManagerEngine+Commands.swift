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
          return try askIfPossible(request, WaitingCommand(.command(command), token, now), &work)
        }
        try add(tuple, target, token, now, &work)
      case .move(let reference, let target, let isTrial):
        if isTrial || reference.meansSeveral {
          return try moveAll(slots(reference), to: target, isTrial: isTrial, token, now, &work)
        }
        let slot = try find(reference)
        let flow = table[slot]
        if mayAsk, let request = try service(for: flow.tuple, target, current: flow.tunnel) {
          // The flow that the reference means now, whatever else it may mean when the answer is there.
          let named = FlowCommand.move(.identifier(flow.identifier), target: target)
          return try askIfPossible(request, WaitingCommand(.command(named), token, now), &work)
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
      case .remove(let reference, let isTrial):
        if isTrial || reference.meansSeveral {
          return try removeAll(slots(reference), isTrial: isTrial, token, now, &work)
        }
        let slot = try find(reference)
        counters.flowsRemovedByOperator += 1
        remove(slot, cause: .operatorRequest, command: token, &work)
      case .pin(let reference, let isPinned):
        if reference.meansSeveral { return try pinAll(slots(reference), isPinned, token, now, &work) }
        let slot = try find(reference)
        if table[slot].isPinned == isPinned {
          work.effects.append(.reply(token, .success(.flow(table[slot]))))
        } else {
          pin(slot, isPinned, token, &work)
        }
      case .removeSelector(let identifier):
        guard let index = selectors.firstIndex(where: { $0.identifier == identifier }) else {
          throw FlowRefusal(
            reason: .noSuchSelector,
            message: "there is no selector \(identifier); `flow-manager show selectors` lists them")
        }
        let entry = selectors.remove(at: index)
        work.effects.append(.forgetSelector(identifier))
        work.effects.append(.reply(token, .success(.selector(entry))))
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
        consequence: .admission(table[slot].identifier, packet: nil, more: [], command: token)))
  }

  mutating func add(
    _ selector: FlowSelector, _ target: String, _ token: CommandToken, _ work: inout Work
  ) throws(FlowRefusal) {
    guard selectors.count < configuration.maximumSelectors else {
      throw FlowRefusal(
        reason: .limitReached,
        message: "there are \(configuration.maximumSelectors) selectors already; remove one with `del --selector`")
    }
    guard mirror.tunnels.values.contains(where: { $0.isNamed(target) }) else { throw noSuchTunnel(target) }
    let entry = FlowSelectorEntry(identifier: nextSelector, selector: selector, target: target)
    nextSelector &+= 1
    selectors.append(entry)
    work.effects.append(.storeSelector(entry))
    work.effects.append(.reply(token, .success(.selector(entry))))
  }

  /// Standing orders of an earlier run.
  mutating func restore(_ entries: [FlowSelectorEntry]) {
    let known = entries.sorted { $0.identifier < $1.identifier }
    selectors = Array(known.prefix(configuration.maximumSelectors))
    counters.restoredSelectorsRefused += UInt64(known.count - selectors.count)
    nextSelector = (known.last?.identifier ?? 0) &+ 1
  }

  private func slots(_ reference: FlowReference) throws(FlowRefusal) -> [FlowTable.Slot] {
    guard case .all(let filter) = reference else { return [try find(reference)] }
    var slots: [FlowTable.Slot] = []
    try forEachSlot(of: filter) { slots.append($0) }
    return slots
  }

  /// The one flow that `reference` means.
  func find(_ reference: FlowReference) throws(FlowRefusal) -> FlowTable.Slot {
    switch reference {
    case .identifier(let identifier):
      guard let slot = table.slot(of: identifier) else {
        throw FlowRefusal(
          reason: .noSuchFlow, message: "there is no flow \(identifier); `flow-manager list` shows those there are")
      }
      return slot
    case .all(let filter): return try only(filter)
    case .selector(let selector):
      if let tuple = selector.exactTuple(configuration.key), let slot = table.slot(of: tuple) { return slot }
      return try only(FlowFilter(selector: selector))
    }
  }

  private func only(_ filter: FlowFilter) throws(FlowRefusal) -> FlowTable.Slot {
    var found: [FlowTable.Slot] = []
    var total = 0
    try forEachSlot(of: filter) { slot in
      total += 1
      if found.count < Self.ambiguousNamed { found.append(slot) }
    }
    let fields = (filter.selector ?? FlowSelector()).description
    guard let first = found.first else {
      throw FlowRefusal(
        reason: .noSuchFlow, message: "there is no flow with \(fields); `flow-manager list` shows those there are")
    }
    guard total == 1 else {
      let names = found.map { table[$0].identifier }.sorted().map(\.description).joined(separator: ", ")
      throw FlowRefusal(
        reason: .ambiguousFlow,
        message: "\(total) flows have \(fields): \(names)\(total > found.count ? ", ..." : ""); name one by its id, or "
          + "say --all")
    }
    return first
  }
}
