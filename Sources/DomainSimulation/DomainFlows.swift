import DatapathModel
import FlowCore
import NetTypes
import PMIPCore

/// The flow manager beside the anchor, and the kernel's map from flows to tunnels. The socket between the two daemons
/// takes no time here; the kernel's map takes every transaction.
struct DomainFlows {
  private(set) var engine = FlowManagerEngine(FlowManagerEngine.Configuration())
  var isUp = true
  /// It knows what the anchor knows.
  private(set) var followsAnchor = false
  private(set) var map: [FlowSixTuple: KernelFlow] = [:]
  private(set) var chains: Set<TunnelIdentifier> = []
  private var flowsOnTunnel: [TunnelIdentifier: Int] = [:]
  private var nextToken: UInt32 = 1
  private static let mostFlows = 5_000

  /// Tunnels that some flow is marked for.
  var markedTunnels: some Collection<TunnelIdentifier> { flowsOnTunnel.keys }

  mutating func start(anchor: AnchorSnapshot?, at now: FlowMoment) {
    engine = FlowManagerEngine(FlowManagerEngine.Configuration())
    isUp = true
    followsAnchor = anchor != nil
    let flows = map.values.sorted { $0.identifier.rawValue < $1.identifier.rawValue }
    handle(.kernelState(flows: flows, chains: chains.sorted()), at: now)
    if let anchor { handle(.anchorSnapshot(anchor), at: now) }
  }

  mutating func anchorLost(at now: FlowMoment) {
    followsAnchor = false
    if isUp { handle(.anchorLost, at: now) }
  }

  mutating func anchorIsBack(_ snapshot: AnchorSnapshot, at now: FlowMoment) {
    guard isUp else { return }
    followsAnchor = true
    handle(.anchorSnapshot(snapshot), at: now)
  }

  mutating func notified(_ notification: LMANotification, at now: FlowMoment) {
    guard isUp else { return }
    switch notification {
    case .tunnelAdded(let tunnel): handle(.anchorEvent(.tunnelAdded(AnchorTunnel(tunnel))), at: now)
    case .tunnelRemoved(let tunnel): handle(.anchorEvent(.tunnelRemoved(AnchorTunnel(tunnel))), at: now)
    case .bindingChanged(let binding):
      handle(.anchorEvent(.bindingChanged(AnchorBindingChange(binding: AnchorBinding(binding)))), at: now)
    case .bindingRemoved(let binding, let cause):
      let change = AnchorBindingChange(binding: AnchorBinding(binding), cause: cause.rawValue)
      handle(.anchorEvent(.bindingRemoved(change)), at: now)
    case .notificationFailed: break
    case .gatewayChanged(let gateway, let change):
      handle(
        .anchorEvent(
          .gatewayChanged(
            AnchorGateway(
              name: gateway.name, address: gateway.address, path: gateway.path.rawValue, change: change.rawValue))),
        at: now)
    }
  }

  /// The first packet of a new flow to some node, or an operator's move of a flow to some tunnel.
  mutating func traffic(in domain: DomainSimulation, at now: FlowMoment, _ random: inout DomainRandom) {
    guard isUp, let pool = DomainSimulation.pool else { return }
    if random.chance(0.5), let flow = map.values.min(by: { $0.identifier.rawValue < $1.identifier.rawValue }),
      let tunnel = engine.mirror.tunnels.keys.sorted().randomElement(using: &random)
    {
      let number = flow.identifier.rawValue + FlowIdentifier.RawValue(Int.random(in: 0..<map.count, using: &random))
      let reference = FlowReference.identifier(FlowIdentifier(rawValue: number))
      handle(.command(CommandToken(rawValue: UInt64(nextToken)), .move(reference, target: "\(tunnel)")), at: now)
    } else if map.count < Self.mostFlows {
      let prefixes = UInt64(max(1, domain.interfaces.count))
      let tuple = FlowSixTuple(
        source: IPv6Address(high: 0x2001_0db8_000c_0000, low: 2),
        destination: IPv6Address(high: pool.address.high + .random(in: 0..<prefixes, using: &random), low: 0x10),
        flowLabel: 0, transport: .tcp, sourcePort: 80, destinationPort: .random(in: 0 ... .max, using: &random))
      let packet = QueuedPacket(
        token: PacketToken(rawValue: nextToken), mark: 0, dissection: .success(.flow(tuple)), length: 60)
      handle(.queuedPackets([packet]), at: now)
    }
    nextToken += 1
  }

  private mutating func handle(_ event: FlowEvent, at now: FlowMoment) {
    for effect in engine.handle(event, at: now) {
      guard case .apply(let transaction, let changes) = effect else { continue }
      for change in changes { apply(change) }
      handle(.kernelOutcome(transaction, .applied), at: now)
    }
  }

  private mutating func apply(_ change: FlowMapChange) {
    switch change {
    case .ruleset: break
    case .setTunnelChain(let tunnel, _, _): chains.insert(tunnel)
    case .removeTunnelChain(let tunnel): chains.remove(tunnel)
    case .set(let flow, _):
      if let old = map.updateValue(flow, forKey: flow.tuple) { count(old.tunnel, by: -1) }
      count(flow.tunnel, by: 1)
    case .remove(let tuple): if let old = map.removeValue(forKey: tuple) { count(old.tunnel, by: -1) }
    }
  }

  private mutating func count(_ tunnel: TunnelIdentifier, by step: Int) {
    let sum = flowsOnTunnel[tunnel, default: 0] + step
    flowsOnTunnel[tunnel] = sum == 0 ? nil : sum
  }
}

extension AnchorTunnel {
  init(_ tunnel: TunnelDescription) {
    self.init(
      id: tunnel.identifier, gateway: tunnel.remote.description, local: tunnel.local, remote: tunnel.remote,
      mark: MarkLayout.default.mark(of: tunnel.identifier), interface: nil)
  }
}

extension AnchorBinding {
  init(_ binding: BindingSummary) {
    self.init(
      id: binding.identifier.rawValue, node: String(decoding: binding.node.identifier, as: UTF8.self),
      kind: binding.kind.rawValue, gateway: binding.gatewayName, tunnel: binding.tunnel,
      accessTechnology: binding.accessTechnology.rawValue, prefixes: binding.prefixes,
      offLinkPrefixes: binding.offLinkPrefixes, isDefault: binding.isDefault, state: binding.state.rawValue)
  }
}
