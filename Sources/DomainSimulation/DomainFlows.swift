import DatapathModel
import FlowCore
import NetTypes
import PMIPCore
import SeededRandom

/// The flow manager beside the anchor, and the kernel's map from flows to tunnels. The socket between the two daemons
/// takes no time here; the kernel's map takes every transaction.
struct DomainFlows {
  private(set) var engine = FlowManagerEngine(DomainFlows.configuration)
  var isUp = true
  /// It knows what the anchor knows.
  private(set) var followsAnchor = false
  private(set) var map: [FlowSixTuple: KernelFlow] = [:]
  private(set) var chains: [TunnelIdentifier: [TunnelDiversion]] = [:]
  private var flowsOnTunnel: [TunnelIdentifier: Int] = [:]
  private var nextToken: UInt32 = 0
  private static let mostFlows = 1_000
  private static let mostAtOnce = 12
  /// For the anchor, not yet asked.
  private var questions: [(AnchorQuestion, ServePrefixesRequest)] = []
  /// Grows with every start; an answer to an earlier one means nothing.
  private(set) var incarnation = 0

  /// Few flows are moved together here.
  private static let configuration = {
    var configuration = FlowManagerEngine.Configuration()
    (configuration.divertedTogether, configuration.rewrittenAtOnce) = (2, 1)
    return configuration
  }()

  /// Tunnels that some flow is marked for; those without a chain too.
  var markedTunnels: Set<TunnelIdentifier> {
    var tunnels = Set(flowsOnTunnel.keys.filter { chains[$0]?.isEmpty ?? true })
    guard tunnels.count < flowsOnTunnel.count else { return tunnels }
    for flow in map.values where !tunnels.contains(flow.tunnel) { tunnels.insert(tunnel(of: flow)) }
    return tunnels
  }

  /// Where the kernel sends the packets of a flow.
  func tunnel(of flow: KernelFlow) -> TunnelIdentifier {
    chains[flow.tunnel]?.first { $0.prefix.contains(flow.tuple.destination) }?.tunnel ?? flow.tunnel
  }

  mutating func start(anchor: AnchorSnapshot?, at now: FlowMoment) {
    engine = FlowManagerEngine(Self.configuration)
    isUp = true
    incarnation += 1
    questions = []
    followsAnchor = anchor != nil
    let flows = map.values.sorted { $0.identifier.rawValue < $1.identifier.rawValue }
    handle(.kernelState(flows: flows, chains: chains.keys.sorted()), at: now)
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
    case .revocationEnded: break
    }
  }

  mutating func popQuestions() -> [(AnchorQuestion, ServePrefixesRequest)] {
    defer { questions = [] }
    return questions
  }

  mutating func answered(_ question: AnchorQuestion, _ answer: AnchorAnswer, at now: FlowMoment) {
    if isUp { handle(.anchorAnswer(question, answer), at: now) }
  }

  mutating func deadlineReached(at now: FlowMoment) { if isUp { handle(.deadlineReached, at: now) } }

  /// First packets of new flows to nodes, and an operator's moves of flows to other tunnels.
  mutating func traffic(at now: FlowMoment, _ random: inout SplitMix64) {
    let bindings = engine.mirror.bindings.values.sorted { $0.id < $1.id }
    for _ in 0..<Int.random(in: 1...Self.mostAtOnce, using: &random) where isUp {
      nextToken += 1
      if random.chance(0.5) {
        if map.count < Self.mostFlows { begin(bindings, at: now, &random) }
      } else {
        move(bindings, at: now, &random)
      }
    }
  }

  /// Mostly to a prefix that some node has.
  private mutating func begin(_ bindings: [AnchorBinding], at now: FlowMoment, _ random: inout SplitMix64) {
    let known = random.chance(0.9) ? bindings.randomElement(using: &random)?.prefixes.first : nil
    guard let prefix = known ?? DomainSimulation.pool else { return }
    let tuple = FlowSixTuple(
      source: IPv6Address(high: 0x2001_0db8_000c_0000, low: 2),
      destination: IPv6Address(high: prefix.address.high, low: 0x10),
      flowLabel: 0, transport: .tcp, sourcePort: 80, destinationPort: .random(in: 0 ... .max, using: &random))
    let packet = QueuedPacket(
      token: PacketToken(rawValue: nextToken), mark: 0, dissection: .success(.flow(tuple)), length: 60)
    handle(.queuedPackets([packet]), at: now)
  }

  /// Mostly to a tunnel of the node that the flow goes to.
  private mutating func move(_ bindings: [AnchorBinding], at now: FlowMoment, _ random: inout SplitMix64) {
    let flows = map.values.sorted { $0.identifier.rawValue < $1.identifier.rawValue }
    guard let flow = flows.randomElement(using: &random) else { return }
    let owner = bindings.first { $0.prefixes.contains { $0.contains(flow.tuple.destination) } }?.node
    let candidates = random.chance(0.9) ? bindings.filter { $0.node == owner && $0.tunnel != flow.tunnel } : bindings
    guard let target = candidates.randomElement(using: &random)?.tunnel else { return }
    let token = CommandToken(rawValue: UInt64(nextToken))
    handle(.command(token, .move(.identifier(flow.identifier), target: "\(target)")), at: now)
  }

  private mutating func handle(_ event: FlowEvent, at now: FlowMoment) {
    for effect in engine.handle(event, at: now) {
      switch effect {
      case .apply(let transaction, let changes):
        for change in changes { apply(change) }
        handle(.kernelOutcome(transaction, .applied), at: now)
      case .askAnchor(let question, let request): questions.append((question, request))
      case .verdict, .drop, .reply, .readCounters, .notify, .storeSelector, .forgetSelector: break
      }
    }
  }

  private mutating func apply(_ change: FlowMapChange) {
    switch change {
    case .ruleset: break
    case .setTunnelChain(let tunnel, _, _, let diversions): chains[tunnel] = diversions
    case .removeTunnelChain(let tunnel): chains[tunnel] = nil
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
