import DatapathModel
import FlowCore
import NetTypes

/// What a policy costs: decisions about first packets, and a reload while many flows run.
struct Steering {
  var flows = 1_000_000
  var nodes = 10_000
  var admitted = 200_000
  var rules = 100
  var runs = 5

  func measure() throws -> [Figure] {
    var plain: [Double] = []
    var ruled: [Double] = []
    for _ in 0..<runs {
      plain.append(admission(FlowPolicy()))
      ruled.append(admission(policy(access: "lte")))
    }
    var unchanged = Pauses(pieces: 0)
    var moving = Pauses(pieces: 0)
    var domain = FlowDomain(nodes: nodes, flows: flows, policy: policy(access: "wlan"))
    var ways = ["lte", "wlan"].makeIterator()
    for access in (0..<runs).map({ _ in ways.next() ?? "lte" }) {
      moving.startRun()
      domain.reload(policy(access: access), &moving)
      unchanged.startRun()
      domain.reload(policy(access: access, extra: true), &unchanged)
    }
    return [
      Figure(name: "new flow without a policy, median", value: Measurement.median(plain), unit: .nanoseconds),
      Figure(
        name: "new flow under \(rules) rules, median", value: Measurement.median(ruled), unit: .nanoseconds,
        bound: 10_000),
      Figure(name: "turns of a reload", value: Double(unchanged.count), unit: .one),
      unchanged.longest("reload that moves no flow, longest turn"),
      moving.longest("reload that moves every flow, longest turn"),
    ]
  }

  /// Nanoseconds a flow.
  private func admission(_ policy: FlowPolicy) -> Double {
    var domain = FlowDomain(nodes: nodes, flows: 0, policy: policy)
    return Measurement.time { domain.admit(admitted) }.inNanoseconds / Double(admitted)
  }

  /// The last rule is the first that matches.
  private func policy(access: String, extra: Bool = false) -> FlowPolicy {
    var result = (1..<rules).map { number in
      var match = TrafficMatch()
      switch number % 3 {
      case 0: match.protocols = [.udp]
      case 1: match.sourcePorts = ["\(number)"].compactMap { PortRange($0) }
      default: match.nodes = [NamePattern("*@realm\(number).example")]
      }
      return PolicyRule(name: "\(number)", match: match, action: .drop)
    }
    if extra { result.append(PolicyRule(name: "none", match: result[0].match, action: .drop)) }
    result.append(
      PolicyRule(name: "last", action: .activeStandby([SteeringTarget(access)]), maximumMoves: 1_000))
    return FlowPolicy(rules: result)
  }
}

/// Nodes with a logical interface on two accesses, and a kernel that takes everything.
private struct FlowDomain {
  private static let batch = 64
  private static let pool = IPv6Address(high: 0x2001_0db8_0100_0000, low: 0)

  private var engine = FlowManagerEngine(FlowManagerEngine.Configuration())
  private var now = FlowMoment(monotonic: .seconds(1), secondsSince1970: 1_700_000_000)
  private let nodes: Int
  private var created = 0

  init(nodes: Int, flows: Int, policy: FlowPolicy) {
    self.nodes = nodes
    handle(.policy(policy))
    let tunnels = (1...2).map { number in
      AnchorTunnel(
        id: .init(rawValue: UInt32(number)), gateway: "mag\(number)", local: Self.pool, remote: Self.pool,
        mark: UInt32(number) << 16, interface: nil)
    }
    let bindings = (0..<nodes).flatMap { node in
      tunnels.map { tunnel in
        AnchorBinding(
          id: UInt32(node) * 2 + tunnel.id.rawValue, node: "mn\(node)@example.net", kind: "logical",
          gateway: tunnel.gateway, tunnel: tunnel.id, accessTechnology: tunnel.id.rawValue == 1 ? 4 : 8,
          prefixes: [.slash64(Self.address(node))], offLinkPrefixes: [], isDefault: tunnel.id.rawValue == 1,
          state: "active")
      }
    }
    handle(
      .anchorSnapshot(
        AnchorSnapshot(
          markMask: 0xfff_0000, homePrefixes: [.slash64(Self.pool)], tunnels: tunnels, bindings: bindings)))
    admit(flows)
  }

  private static func address(_ node: Int) -> IPv6Address { IPv6Address(high: pool.high + UInt64(node), low: 1) }

  mutating func admit(_ count: Int) {
    let end = created + count
    while created < end {
      let packets = (created..<min(created + Self.batch, end)).map { number in
        let tuple = FlowSixTuple(
          source: IPv6Address(high: 0x2001_0db8_000c_0000, low: UInt64(number >> 16)),
          destination: Self.address(number % nodes), flowLabel: 0, transport: .sctp,
          sourcePort: 40_000, destinationPort: UInt16(truncatingIfNeeded: number))
        return QueuedPacket(
          token: PacketToken(rawValue: UInt32(number)), mark: 0, dissection: .success(.flow(tuple)), length: 100)
      }
      created += packets.count
      handle(.queuedPackets(packets))
    }
  }

  mutating func reload(_ policy: FlowPolicy, _ turns: inout Pauses) {
    turns.add(Measurement.time { handle(.policy(policy)) })
    while engine.isSteering, let deadline = engine.nextDeadline {
      now.monotonic = deadline
      turns.add(Measurement.time { handle(.deadlineReached) })
    }
  }

  private mutating func handle(_ event: FlowEvent) {
    for effect in engine.handle(event, at: now) {
      if case .apply(let identifier, _) = effect { handle(.kernelOutcome(identifier, .applied)) }
    }
  }
}
