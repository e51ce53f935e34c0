import DatapathModel
import NetTypes

// First packets of flows.
extension FlowManagerEngine {
  mutating func admit(_ packets: [QueuedPacket], _ now: FlowMoment, _ work: inout Work) {
    work.expect(packets: packets.count)
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

  mutating func admit(
    _ packet: QueuedPacket, _ tuple: FlowSixTuple, _ now: FlowMoment, _ work: inout Work
  ) {
    let hash = FlowTable.hash(tuple)
    if let flow = table.slot(of: tuple, hash: hash).map({ table[$0] }) {
      counters.packetsOfKnownFlows += 1
      if let index = work.admissions[flow.identifier],
        case .admission(let identifier, let first, var more, let command) = work.steps[index].consequence,
        let slot = table.slot(of: identifier)
      {
        more.append(WaitingPacket(token: packet.token, mark: packet.mark))
        // The element begins with what came before it.
        let count = TrafficCount(
          packets: flow.count.packets + 1, octets: flow.count.octets + UInt64(packet.length))
        table.setCount(count, lastActive: now.monotonicSeconds, of: slot)
        work.steps[index] = Step(
          change: .set(kernelFlow(table[slot]), replacing: false),
          consequence: .admission(identifier, packet: first, more: more, command: command))
      } else {
        work.effects.append(verdict(packet.token, packet.mark, flow.tunnel))
      }
      return
    }
    guard let owner = mirror.owner(of: tuple.destination) else {
      counters.packetsWithoutBinding += 1
      work.effects.append(.verdict(packet.token, mark: nil))
      return
    }
    guard let placement = placeNew(tuple, owner, packet.dscp, &work) else {
      counters.packetsWithoutTunnel += 1
      work.effects.append(.verdict(packet.token, mark: nil))
      return
    }
    guard
      let slot = table.insertNew(
        tuple, hash: hash, placement, dscp: packet.dscp, node: owner.node,
        count: TrafficCount(packets: 1, octets: UInt64(packet.length)), at: now)
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
          flow.identifier, packet: WaitingPacket(token: packet.token, mark: packet.mark), more: [], command: nil)))
  }

  mutating func markOfError(about tuple: FlowSixTuple?, _ packet: QueuedPacket) -> UInt32? {
    if let tuple, let flow = table.newestFlow(ofConnection: tuple) {
      counters.icmpErrorsMatched += 1
      return mark(packet.mark, flow.tunnel)
    }
    counters.icmpErrorsUnmatched += 1
    return nil
  }

  mutating func count(_ error: DissectionError) {
    switch error {
    case .truncated: counters.malformedTruncated += 1
    case .notIPv6: counters.malformedNotIPv6 += 1
    case .tooManyExtensionHeaders: counters.malformedTooManyExtensionHeaders += 1
    }
  }
}
