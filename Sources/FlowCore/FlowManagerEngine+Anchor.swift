import DatapathModel
import NetTypes

// What the anchor tells.
extension FlowManagerEngine {
  mutating func takeSnapshot(_ snapshot: AnchorSnapshot, _ work: inout Work) {
    counters.anchorSnapshots += 1
    endDiversions(&work) { _ in true }
    let before = mirror.bindings
    let usable = before.mapValues { usableTunnel($0) }
    // The first snapshot tells what there is, not what has come.
    let isFirst = counters.anchorSnapshots == 1
    mirror.replace(with: snapshot)
    for binding in Set(before.keys).union(mirror.bindings.keys).sorted() {
      tell(from: before[binding], to: mirror.bindings[binding], cause: nil, isFound: isFirst, &work)
      if !isFirst { noticeAccess(binding, before: usable[binding] ?? nil, work.now) }
    }
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

  mutating func take(_ event: AnchorEvent, _ work: inout Work) {
    counters.anchorEvents += 1
    switch event {
    case .tunnelAdded(let tunnel):
      endDiversions(&work) { $0.from == tunnel.id || $0.way.tunnel == tunnel.id }
      mirror.set(tunnel)
      setChain(tunnel, &work)
    case .tunnelRemoved(let tunnel):
      mirror.remove(tunnel: tunnel.id)
      reconsider(table.slots(on: tunnel.id), &work)
      removeChain(tunnel.id, &work)
    case .bindingChanged(let change):
      // Its node may be another than before.
      let old = mirror.bindings[change.binding.id]
      // A node's flows are many, and nothing is different for them.
      if old == change.binding { return }
      tell(from: old, to: change.binding, cause: change.cause, isFound: false, &work)
      let before = old.flatMap { mirror.node(named: $0.node) }
      let usable = usableTunnel(old)
      mirror.set(change.binding)
      noticeAccess(change.binding.id, before: usable, work.now)
      let after = mirror.node(named: change.binding.node)
      reconsider(table.slots(ofNode: after), &work)
      guard let before, before != after else { return }
      reconsider(table.slots(ofNode: before), &work)
      mirror.forgetIfWithoutBindings(before)
    case .bindingRemoved(let change):
      let node = mirror.node(named: change.binding.node)
      let old = mirror.bindings[change.binding.id]
      tell(from: old, to: nil, cause: change.cause, isFound: false, &work)
      let usable = usableTunnel(old)
      mirror.remove(binding: change.binding.id)
      noticeAccess(change.binding.id, before: usable, work.now)
      guard let node else { return }
      reconsider(table.slots(ofNode: node), &work)
      mirror.forgetIfWithoutBindings(node)
    case .gatewayChanged(let gateway):
      let changed = mirror.set(gateway)
      for tunnel in changed where !mirror.isAnswering(tunnel) { reconsider(table.slots(on: tunnel), &work) }
      noticeAccesses(on: Set(changed), work.now)
    }
  }

  /// An access attaches when a binding of it begins to carry traffic, and is detached when it ends to do so. A binding
  /// that goes to another gateway or node is both.
  private func tell(
    from old: AnchorBinding?, to new: AnchorBinding?, cause: String?, isFound: Bool, _ work: inout Work
  ) {
    let (old, new) = (old.flatMap { $0.isActive ? $0 : nil }, new.flatMap { $0.isActive ? $0 : nil })
    if let old, let new, old.node == new.node, old.tunnel == new.tunnel { return }
    if let old { work.effects.append(.notify(.accessDetached(old, cause: cause))) }
    if let new { work.effects.append(.notify(.accessAttached(new, isFound: isFound))) }
  }

  mutating func setChain(_ tunnel: AnchorTunnel, _ work: inout Work) {
    guard chains[tunnel.id] != .some(.some(tunnel.mark)) else { return }
    chains[tunnel.id] = .some(tunnel.mark)
    work.change(
      .setTunnelChain(tunnel.id, mark: tunnel.mark, mask: mirror.markMask, diversions: diversions(from: tunnel.id)))
  }

  mutating func removeChain(_ tunnel: TunnelIdentifier, _ work: inout Work) {
    // With the last diversion it goes by itself.
    guard diversions(from: tunnel).isEmpty, chains.removeValue(forKey: tunnel) != nil else { return }
    work.change(.removeTunnelChain(tunnel))
  }

  /// Bindings have changed: flows that their tunnel cannot carry any more are placed anew, all in one transaction, or
  /// lose their element when nothing can carry them. Flows to a gateway that does not answer move as well, if another
  /// one can carry them; they do not come back by themselves.
  mutating func reconsider(_ slots: [FlowTable.Slot], _ work: inout Work) {
    var moves = JointMoves()
    for slot in slots {
      let flow = table[slot]
      guard let owner = mirror.owner(of: flow.tuple.destination) else {
        counters.flowsRemovedWithoutTunnel += 1
        remove(slot, cause: .bindingLost, command: nil, &work)
        continue
      }
      if flow.node != owner.node { table.setNode(owner.node, of: slot) }
      let candidates = candidates(for: owner.prefix, of: owner.node)
      if !diversions.isEmpty { endDiversions(of: owner.prefix, except: candidates, &work) }
      if flow.tunnel == .drop { continue }
      let isCarried = candidates.carry(flow.tunnel)
      let way = JointMoves.Way(prefix: owner.prefix, from: flow.tunnel)
      if isCarried, mirror.isAnswering(flow.tunnel) {
        moves.stays(on: way)
        continue
      }
      let placement = placeRunning(flow, owner, candidates, &work)
      // Where it is, it is better off than with another gateway that does not answer either.
      if isCarried, placement.map({ mirror.isAnswering($0.tunnel) }) != true {
        askForWay(out: candidates, owner.prefix, &work)
        moves.stays(on: way)
        continue
      }
      guard let placement else {
        counters.flowsRemovedWithoutTunnel += 1
        remove(slot, cause: .bindingLost, command: nil, &work)
        continue
      }
      if isCarried { counters.flowsMovedByOutage += 1 } else { counters.flowsMovedByBinding += 1 }
      moves.add(
        moving(slot, to: placement, cause: isCarried ? .gatewayUnreachable : .bindingLost, command: nil, work.now),
        on: way, to: placement.tunnel)
    }
    moveJointly(moves, &work)
  }
}
