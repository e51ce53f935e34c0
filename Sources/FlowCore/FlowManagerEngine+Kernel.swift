import DatapathModel
import NetTypes

// What the kernel has, and what it answers.
extension FlowManagerEngine {
  /// All steps as one transaction, or as few as their number allows.
  mutating func submitSteps(_ work: inout Work) {
    if !diversions.isEmpty {
      // A flow that goes to the tunnel that they lead out of must not be diverted.
      for case .set(let flow, _) in work.steps.lazy.map(\.change) {
        endDiversions(&work) { $0.from == flow.tunnel && $0.way.prefix.contains(flow.tuple.destination) }
      }
    }
    submitAll(work.steps, &work)
  }

  mutating func submitAll(_ steps: [Step], _ work: inout Work) {
    if steps.isEmpty { return }
    if steps.count <= configuration.maximumChanges { return submit(steps, &work) }
    var rest = steps[...]
    while !rest.isEmpty {
      submit(Array(rest.prefix(configuration.maximumChanges)), &work)
      rest = rest.dropFirst(configuration.maximumChanges)
    }
  }

  mutating func submit(_ steps: [Step], _ work: inout Work) {
    let identifier = TransactionIdentifier(rawValue: nextTransaction)
    nextTransaction += 1
    transactions[identifier] = steps
    work.effects.append(.apply(identifier, steps.map(\.change)))
  }

  mutating func settle(_ step: Step, _ work: inout Work) {
    switch step.consequence {
    case .none: break
    case .admission(let identifier, let packet, let more, let command):
      guard let flow = table.flow(identifier) else { return letGo(packet, more, &work) }
      if let packet { work.effects.append(verdict(packet.token, packet.mark, flow.tunnel)) }
      for packet in more { work.effects.append(verdict(packet.token, packet.mark, flow.tunnel)) }
      answer(command, flow, &work)
      work.effects.append(.notify(.flowAdded(flow)))
    case .move(let identifier, let from, let cause, let command):
      guard let flow = table.flow(identifier) else { return }
      answer(command, flow, &work)
      work.effects.append(.notify(.flowMoved(flow, from: from.tunnel, cause: cause)))
    case .pin(let identifier, _, let command):
      guard let flow = table.flow(identifier) else { return }
      answer(command, flow, &work)
      work.effects.append(.notify(.flowPinned(flow)))
    case .removal(let flow, let cause, let command):
      answer(command, flow, &work)
      work.effects.append(.notify(.flowRemoved(flow, cause: cause)))
    case .diversion(_, _, let steps): for step in steps { settle(step, &work) }
    case .rewriting: break
    }
  }

  mutating func takeRefusal(_ steps: [Step], _ reason: String, _ work: inout Work) {
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
      case .setTunnelChain(let tunnel, _, _, _): chains[tunnel] = nil
      case .removeTunnelChain(let tunnel): chains.updateValue(nil, forKey: tunnel)
      case .set, .remove: break
      }
    case .admission(let identifier, let packet, let more, let command):
      letGo(packet, more, &work)
      if let slot = table.slot(of: identifier) { table.remove(slot) }
      refuse(command, .kernelRefused, "the kernel does not take the flow: \(reason)", &work)
    case .move(let identifier, let from, let cause, let command):
      guard let slot = table.slot(of: identifier) else { return }
      switch cause {
      case .operatorRequest, .gatewayUnreachable, .policy, .congestion, .quality, .externalTrigger:
        table.setPlacement(from, of: slot)
        answer(
          command, identifier, kernelRefused: "the kernel does not take the move, the flow stays: \(reason)", &work)
      case .bindingLost:
        // Its old tunnel no longer leads to the node: without an element it takes the default binding.
        remove(slot, cause: .kernelRefused, command: nil, &work)
      }
    case .pin(let identifier, let was, let command):
      guard let slot = table.slot(of: identifier) else { return }
      table.setPinned(was, of: slot)
      answer(command, identifier, kernelRefused: "the kernel does not take the pin: \(reason)", &work)
    case .diversion(let prefix, let from, let steps):
      diversions.removeAll { $0.from == from && $0.way.prefix == prefix }
      work.steps += steps
    case .rewriting(let identifier):
      // Its old tunnel no longer leads to the node.
      if let slot = table.slot(of: identifier) { remove(slot, cause: .kernelRefused, command: nil, &work) }
    case .removal(let flow, let cause, let command):
      // Mostly an element that somebody else has removed; either way the flow is no longer ours.
      answer(
        command, flow.identifier, kernelRefused: "the kernel does not remove the flow's element: \(reason)", &work)
      work.effects.append(.notify(.flowRemoved(flow, cause: cause)))
    }
  }

  /// Packets without a flow take the default binding.
  private func letGo(_ packet: WaitingPacket?, _ more: [WaitingPacket], _ work: inout Work) {
    if let packet { work.effects.append(.verdict(packet.token, mark: nil)) }
    for packet in more { work.effects.append(.verdict(packet.token, mark: nil)) }
  }

  /// What becomes of a queued packet of a flow.
  func verdict(_ packet: PacketToken, _ packetMark: UInt32, _ tunnel: TunnelIdentifier) -> FlowEffect {
    tunnel == .drop ? .drop(packet) : .verdict(packet, mark: mark(packetMark, tunnel))
  }

  /// The packet's mark with the tunnel in our bits.
  func mark(_ packetMark: UInt32, _ tunnel: TunnelIdentifier) -> UInt32? {
    mirror.tunnels[tunnel].map { packetMark & ~mirror.markMask | $0.mark & mirror.markMask }
  }

  func kernelFlow(_ flow: Flow) -> KernelFlow {
    KernelFlow(
      identifier: flow.identifier, tuple: flow.tuple, tunnel: flow.tunnel, createdAt: flow.createdAt,
      isPinned: flow.isPinned, placer: flow.placer, dscp: flow.dscp, count: flow.count)
  }

  mutating func restore(
    _ flows: [KernelFlow], _ kernelChains: [TunnelIdentifier], _ now: FlowMoment, _ work: inout Work
  ) {
    for tunnel in kernelChains { chains.updateValue(nil, forKey: tunnel) }
    for flow in flows {
      // A dump may show an element twice when the kernel's hash table grows meanwhile.
      if table.flow(flow.identifier)?.tuple == flow.tuple { continue }
      let slot = table.insert(
        Flow(
          identifier: flow.identifier, tuple: flow.tuple, placer: flow.placer, dscp: flow.dscp, tunnel: flow.tunnel,
          node: nil, isPinned: flow.isPinned, rule: Placement.unknownRule, createdAt: flow.createdAt,
          lastActive: now.monotonicSeconds, count: flow.count, readAt: now.milliseconds))
      if slot == nil {
        counters.restoredFlowsRefused += 1
        work.change(.remove(flow.tuple))
      } else {
        counters.flowsRestored += 1
      }
    }
  }

  /// Somebody has removed our table (a firewall that flushed all rules): everything again, flows included.
  mutating func writeAgain(_ work: inout Work) {
    counters.kernelTableLost += 1
    diversions = []
    chains = [:]
    guard let ruleset else { return }
    work.change(.ruleset(ruleset))
    for tunnel in mirror.tunnels.values.sorted(by: { $0.id < $1.id }) { setChain(tunnel, &work) }
    table.forEach { work.change(.set(kernelFlow($0), replacing: false)) }
  }
}
