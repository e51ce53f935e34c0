import DatapathModel
import NetTypes
import Testing

@testable import FlowCore

/// Flows with rates over tunnels with capacities: what does not fit is dropped, and each half second all is read.
private struct LoadedWorld {
  var world: FlowWorld
  /// Octets a second.
  var rates: [FlowSixTuple: UInt64] = [:]
  var capacities: [TunnelIdentifier: UInt64]
  /// What the operator has said.
  var configured: [TunnelIdentifier: UInt64] = [:]
  private var queues: [TunnelIdentifier: QueueReading] = [:]
  private var steps = 0

  init(
    _ capacities: [UInt64], _ bindings: [AnchorBinding]? = nil,
    _ configure: (inout FlowManagerEngine.Configuration) -> Void = { _ in }
  ) {
    world = FlowWorld(configure)
    self.capacities = Dictionary(
      uniqueKeysWithValues: capacities.enumerated().map { (TunnelIdentifier(rawValue: UInt32($0 + 1)), $1) })
    world.handle(
      .anchorSnapshot(
        FlowWorld.snapshot(
          bindings ?? [
            FlowWorld.logicalBinding(1, isDefault: true), FlowWorld.logicalBinding(2, isDefault: false),
          ])))
  }

  mutating func begin(_ port: UInt16, rate: UInt64) -> FlowSixTuple {
    let tuple = FlowWorld.tuple(port)
    world.packet(.flow(tuple))
    rates[tuple] = rate
    return tuple
  }

  mutating func run(seconds: Int) {
    for _ in 0..<(2 * seconds) {
      world.clock += .milliseconds(500)
      var offered: [TunnelIdentifier: UInt64] = [:]
      for (tuple, rate) in rates {
        guard let tunnel = world.tunnel(of: tuple) else { continue }
        offered[tunnel, default: 0] += rate / 2
        world.count(tuple, octets: rate / 2)
      }
      var readings: [TunnelReading] = []
      for tunnel in capacities.keys.sorted() {
        let load = offered[tunnel] ?? 0
        let sent = min(load, (capacities[tunnel] ?? 0) / 2)
        var queue = queues[tunnel] ?? QueueReading(packets: 0, octets: 0, drops: 0, backlog: 0)
        queue.octets += sent
        queue.packets += sent / 1_000
        queue.drops &+= UInt32((load - sent) / 1_000)
        queues[tunnel] = queue
        readings.append(TunnelReading(tunnel: tunnel, queue: queue, capacity: configured[tunnel]))
      }
      world.handle(.tunnelReadings(readings))
      steps += 1
      if steps % 4 == 0 { world.pollCounters() }
      if let deadline = world.engine.nextDeadline, deadline <= world.clock { world.handle(.deadlineReached) }
    }
  }

  /// Nothing is read for a time, at whose begin a tunnel drops.
  mutating func pause(seconds: Int, drops: UInt32, on tunnel: TunnelIdentifier) {
    world.clock += .seconds(seconds)
    queues[tunnel]?.drops &+= drops
  }

  /// Flows that have moved, with their causes.
  var moves: [(flow: FlowSixTuple, to: TunnelIdentifier, cause: FlowNotification.MoveCause)] {
    world.notifications.compactMap {
      if case .flowMoved(let flow, _, let cause) = $0 { (flow.tuple, flow.tunnel, cause) } else { nil }
    }
  }

  var changes: [TunnelChange] {
    world.notifications.compactMap { if case .tunnel(let change) = $0 { change } else { nil } }
  }
}

@Suite("Triggers") struct TriggerTests {
  private static func exactly(_ tuple: FlowSixTuple) -> FlowSelector {
    FlowSelector(
      source: IPv6Prefix(tuple.source, length: 128), destination: IPv6Prefix(tuple.destination, length: 128),
      flowLabel: tuple.flowLabel, transport: tuple.transport, sourcePort: tuple.sourcePort,
      destinationPort: tuple.destinationPort)
  }

  // MARK: Congestion

  @Test("The fastest flow of a congested tunnel moves, the drops end, and nothing else happens") func fastest() {
    var domain = LoadedWorld([500_000, 1_000_000])
    let slow = domain.begin(1, rate: 100_000)
    let fast = domain.begin(2, rate: 400_000)
    let middle = domain.begin(3, rate: 200_000)
    domain.run(seconds: 90)
    #expect(domain.moves.map(\.flow) == [fast] && domain.moves.first?.cause == .congestion)
    #expect(domain.world.tunnel(of: fast) == FlowWorld.two)
    #expect(domain.world.tunnel(of: slow) == FlowWorld.one && domain.world.tunnel(of: middle) == FlowWorld.one)
    #expect(domain.changes == [.congested(FlowWorld.one), .relieved(FlowWorld.one)])
    #expect(domain.world.engine.counters.flowsMovedByCongestion == 1)
    #expect(domain.world.isConsistent)
  }

  @Test("One at a time: the next only after the effect of the one before was measured") func pace() {
    var domain = LoadedWorld([300_000, 2_000_000])
    for port in 1...4 { _ = domain.begin(UInt16(port), rate: 250_000) }
    domain.run(seconds: 4)
    #expect(domain.moves.count == 1)
    domain.run(seconds: 1)
    #expect(domain.moves.count == 1)
    domain.run(seconds: 60)
    #expect(domain.moves.count == 3, "one fits")
  }

  @Test("A reading that comes late tells of drops from before the move: they move no other flow") func lateReading() {
    var domain = LoadedWorld([500_000, 1_000_000])
    for (port, rate) in [(1, 100_000), (2, 400_000), (3, 200_000)] {
      _ = domain.begin(UInt16(port), rate: UInt64(rate))
    }
    while domain.moves.isEmpty { domain.run(seconds: 1) }
    domain.pause(seconds: 4, drops: 500, on: FlowWorld.one)
    domain.run(seconds: 60)
    #expect(domain.moves.count == 1)
  }

  @Test("No tunnel has room: one event, one count, shown until it ends") func noRoom() {
    var domain = LoadedWorld([300_000, 300_000])
    domain.configured = [FlowWorld.two: 300_000]
    _ = domain.begin(1, rate: 250_000)
    _ = domain.begin(2, rate: 250_000)
    let other = FlowWorld.tuple(3)
    _ = domain.world.command(.add(Self.exactly(other), target: "mag2"))
    domain.rates[other] = 200_000
    domain.run(seconds: 60)
    #expect(domain.moves.isEmpty)
    #expect(domain.changes == [.congested(FlowWorld.one), .withoutWay(FlowWorld.one)])
    #expect(domain.world.engine.counters.congestionWithoutWay == 1)
    #expect(domain.world.engine.load(of: FlowWorld.one)?.isWithoutWay == true)
    domain.rates[other] = 0
    domain.run(seconds: 30)
    #expect(domain.moves.count == 1)
    #expect(domain.world.engine.load(of: FlowWorld.one)?.isWithoutWay == false)
  }

  @Test("A pinned flow stays, the next one goes") func pinned() throws {
    var domain = LoadedWorld([500_000, 1_000_000])
    let fast = domain.begin(1, rate: 400_000)
    let slow = domain.begin(2, rate: 200_000)
    let identifier = try #require(domain.world.engine.table.flow(fast)?.identifier)
    _ = domain.world.command(.pin(.identifier(identifier), true))
    domain.run(seconds: 30)
    #expect(domain.moves.map(\.flow) == [slow])
  }

  @Test("A flow does not go back while it is held down, and not more often than the limit") func holdDown() {
    var domain = LoadedWorld([500_000, 1_000_000]) { $0.moveLimits.holdDown = .seconds(600) }
    let fast = domain.begin(1, rate: 400_000)
    _ = domain.begin(2, rate: 200_000)
    domain.run(seconds: 30)
    #expect(domain.world.tunnel(of: fast) == FlowWorld.two)
    domain.capacities[FlowWorld.two] = 100_000
    domain.rates[FlowWorld.tuple(2)] = 0
    domain.run(seconds: 120)
    #expect(domain.moves.count == 1)
    #expect(domain.world.engine.counters.movesHeldBack > 0)
    domain.run(seconds: 600)
    #expect(domain.world.tunnel(of: fast) == FlowWorld.one)
  }

  @Test("Two tunnels that are too narrow: a flow moves at most as often as the limit says") func bothNarrow() {
    var domain = LoadedWorld([100_000, 100_000]) {
      $0.moveLimits = MoveLimits()
      $0.moveLimits.holdDown = .zero
      $0.moveLimits.perMinute = 3
      $0.congestion.quietTime = .seconds(1)
      $0.congestion.time = .seconds(1)
    }
    // Nobody knows how narrow they are.
    domain.configured = [FlowWorld.one: 10_000_000, FlowWorld.two: 10_000_000]
    _ = domain.begin(1, rate: 400_000)
    for minute in 1...5 {
      let before = domain.moves.count
      domain.run(seconds: 60)
      #expect(domain.moves.count - before <= 3, "minute \(minute)")
    }
    #expect(domain.moves.count > 3)
  }

  @Test("The gateway with room does not serve the prefix: the anchor is asked, then the flow moves") func offLink() {
    let bindings = [
      FlowWorld.interfaceBinding(1, offLink: false), FlowWorld.interfaceBinding(2, offLink: false),
    ]
    var domain = LoadedWorld([500_000, 1_000_000], bindings)
    let fast = domain.begin(1, rate: 600_000)
    domain.run(seconds: 10)
    #expect(
      domain.world.questions.map(\.1) == [
        ServePrefixesRequest(binding: 2, prefixes: [FlowWorld.mn1Prefix])
      ])
    #expect(domain.moves.isEmpty && domain.world.engine.counters.congestionWithoutWay == 0)
    domain.world.handle(
      .anchorEvent(.bindingChanged(AnchorBindingChange(binding: FlowWorld.interfaceBinding(2)))))
    domain.world.answer(.granted)
    domain.run(seconds: 5)
    #expect(domain.moves.map(\.flow) == [fast])
  }

  @Test("An anchor that refuses is not asked again for a while") func offLinkRefused() {
    let bindings = [
      FlowWorld.interfaceBinding(1, offLink: false), FlowWorld.interfaceBinding(2, offLink: false),
    ]
    var domain = LoadedWorld([500_000, 1_000_000], bindings)
    _ = domain.begin(1, rate: 600_000)
    domain.run(seconds: 5)
    domain.world.answer(.refused("no"))
    domain.run(seconds: 50)
    #expect(domain.world.questions.isEmpty)
    #expect(domain.world.engine.counters.congestionWithoutWay == 1)
    #expect(domain.world.engine.counters.prefixesRefused == 1)
    domain.run(seconds: 20)
    #expect(domain.world.questions.count == 1)
  }

  @Test("An anchor that does not answer is not waited for without end") func offLinkUnanswered() {
    let bindings = [
      FlowWorld.interfaceBinding(1, offLink: false), FlowWorld.interfaceBinding(2, offLink: false),
    ]
    var domain = LoadedWorld([500_000, 1_000_000], bindings)
    _ = domain.begin(1, rate: 600_000)
    domain.run(seconds: 35)
    #expect(domain.world.engine.counters.congestionWithoutWay == 0)
    domain.run(seconds: 10)
    #expect(domain.world.engine.counters.prefixesUnanswered == 1)
    #expect(domain.world.engine.counters.congestionWithoutWay == 1)
  }

  // MARK: Outage

  @Test("A gateway that stops answering and comes back 20 times moves a flow once: it stays where it is well")
  func flappingGateway() {
    var domain = LoadedWorld([1_000_000, 1_000_000])
    let flow = domain.begin(1, rate: 100_000)
    for _ in 0..<20 {
      domain.world.handle(.anchorEvent(.gatewayChanged(FlowWorld.gateway(1, path: "unreachable"))))
      domain.run(seconds: 1)
      domain.world.handle(.anchorEvent(.gatewayChanged(FlowWorld.gateway(1, path: "reachable"))))
      domain.run(seconds: 1)
    }
    #expect(domain.moves.map(\.flow) == [flow] && domain.moves.first?.cause == .gatewayUnreachable)
  }

  @Test("A binding that goes and comes 20 times moves the flows of a logical interface once, in one transaction")
  func flappingBinding() {
    var domain = LoadedWorld([1_000_000, 1_000_000])
    for port in 1...50 { _ = domain.begin(UInt16(port), rate: 1_000) }
    let binding = FlowWorld.logicalBinding(1, isDefault: true)
    var rest = FlowWorld.logicalBinding(2, isDefault: true)
    for _ in 0..<20 {
      let before = domain.world.transactions
      domain.world.handle(.anchorEvent(.bindingRemoved(AnchorBindingChange(binding: binding))))
      #expect(domain.world.transactions - before <= 1)
      domain.world.handle(.anchorEvent(.bindingChanged(AnchorBindingChange(binding: rest))))
      domain.run(seconds: 1)
      rest.isDefault = false
      domain.world.handle(.anchorEvent(.bindingChanged(AnchorBindingChange(binding: rest))))
      domain.world.handle(.anchorEvent(.bindingChanged(AnchorBindingChange(binding: binding))))
      rest.isDefault = true
      domain.run(seconds: 1)
    }
    #expect(domain.moves.count == 50)
    #expect(domain.moves.allSatisfy { $0.to == FlowWorld.two && $0.cause == .bindingLost })
    #expect(domain.world.isConsistent)
  }

  @Test(
    "Nobody serves the prefix of a gateway that is away: the anchor is asked once, and all flows move at its answer")
  func outageOffLink() {
    let bindings = [
      FlowWorld.interfaceBinding(1, offLink: false), FlowWorld.interfaceBinding(2, offLink: false),
    ]
    var domain = LoadedWorld([1_000_000, 1_000_000], bindings)
    for port in 1...20 { _ = domain.begin(UInt16(port), rate: 1_000) }
    domain.world.handle(.anchorEvent(.gatewayChanged(FlowWorld.gateway(1, path: "unreachable"))))
    #expect(
      domain.world.questions.map(\.1) == [
        ServePrefixesRequest(binding: 2, prefixes: [FlowWorld.mn1Prefix])
      ])
    #expect(domain.moves.isEmpty)
    let before = domain.world.transactions
    domain.world.handle(
      .anchorEvent(.bindingChanged(AnchorBindingChange(binding: FlowWorld.interfaceBinding(2)))))
    domain.world.answer(.granted)
    #expect(domain.world.transactions - before == 1)
    #expect(domain.moves.count == 20 && domain.moves.allSatisfy { $0.cause == .gatewayUnreachable })
  }

  // MARK: External triggers

  private static func trigger(
    _ gateway: String = "mag1", node: String? = nil, _ state: ExternalTrigger.State = .degraded, seconds: Int = 60
  ) -> ExternalTrigger {
    ExternalTrigger(
      path: ExternalTrigger.Path(gateway: gateway, node: node), state: state, reason: "radio",
      lifetime: .seconds(seconds))
  }

  @Test("A degraded path gets no new flows and loses its own; restored or expired, new ones come and old ones stay")
  func degraded() {
    for isExpiring in [true, false] {
      var domain = LoadedWorld([1_000_000, 1_000_000])
      let early = domain.begin(1, rate: 1_000)
      domain.world.handle(.externalTrigger(Self.trigger(seconds: 30)))
      #expect(domain.world.tunnel(of: early) == FlowWorld.two)
      #expect(domain.moves.first?.cause == .externalTrigger)
      let during = domain.begin(2, rate: 1_000)
      #expect(domain.world.tunnel(of: during) == FlowWorld.two)
      if isExpiring {
        domain.run(seconds: 31)
      } else {
        domain.world.handle(.externalTrigger(Self.trigger("mag1", .restored)))
      }
      #expect(domain.changes.last == .restored(ExternalTrigger.Path(gateway: "mag1")))
      #expect(domain.world.engine.degradations.isEmpty)
      let late = domain.begin(3, rate: 1_000)
      #expect(domain.world.tunnel(of: late) == FlowWorld.one)
      #expect(domain.moves.count == 1)
    }
  }

  @Test("With every path degraded the default binding is as good as any") func allDegraded() {
    var domain = LoadedWorld([1_000_000, 1_000_000])
    domain.world.handle(.externalTrigger(Self.trigger("mag1")))
    domain.world.handle(.externalTrigger(Self.trigger("2")))
    let flow = domain.begin(1, rate: 1_000)
    #expect(domain.world.tunnel(of: flow) == FlowWorld.one)
    domain.run(seconds: 5)
    #expect(domain.moves.isEmpty)
  }

  @Test("Flows leave a degraded path some at a time") func leaving() {
    var domain = LoadedWorld([1_000_000, 1_000_000])
    for port in 1...2_500 { _ = domain.begin(UInt16(port), rate: 0) }
    domain.world.handle(.externalTrigger(Self.trigger()))
    #expect(domain.moves.count == 1_000)
    domain.run(seconds: 1)
    #expect(domain.moves.count == 2_500)
    #expect(domain.world.engine.nextDeadline.map { $0 > domain.world.clock + .seconds(50) } == true)
  }

  @Test("Of one node only") func ofNode() {
    var domain = LoadedWorld([1_000_000, 1_000_000])
    let flow = domain.begin(1, rate: 1_000)
    var trigger = Self.trigger(node: "mn2@example.net")
    #expect(domain.world.engine.refusal(of: trigger)?.reason == .noBinding)
    domain.world.handle(.externalTrigger(trigger))
    #expect(domain.world.tunnel(of: flow) == FlowWorld.one)
    trigger.path.node = "mn1@example.net"
    #expect(domain.world.engine.refusal(of: trigger) == nil)
    domain.world.handle(.externalTrigger(trigger))
    #expect(domain.world.tunnel(of: flow) == FlowWorld.two)
  }

  @Test("A gateway that nobody knows, and too many paths, are refused with words that help") func refused() {
    var domain = LoadedWorld([1_000_000, 1_000_000])
    #expect(
      domain.world.engine.refusal(of: Self.trigger("mag9"))?.message
        == "the anchor has no tunnel to 'mag9'; it has mag1 (tunnel 1), mag2 (tunnel 2)")
    #expect(TriggerState.maximumDegradations == 1_024)
    domain.world.handle(.externalTrigger(Self.trigger("mag9")))
    #expect(domain.world.engine.counters.externalTriggers == 0)
  }

  // MARK: Quality

  @Test("A flow that falls to a tenth of its average moves; one that stops does not; none when it is off")
  func quality() {
    for (isEnabled, rate, moves) in [(true, UInt64(50_000), 1), (true, 0, 0), (false, 50_000, 0)] {
      var domain = LoadedWorld([10_000_000, 10_000_000]) { $0.quality.isEnabled = isEnabled }
      _ = domain.begin(1, rate: 500_000)
      domain.run(seconds: 60)
      domain.rates[FlowWorld.tuple(1)] = rate
      domain.run(seconds: 30)
      #expect(domain.moves.count == moves)
      #expect(domain.moves.allSatisfy { $0.cause == .quality })
    }
  }

  @Test("The other gateway does not serve the prefix: the anchor is asked, then the flow moves though it is slow still")
  func qualityOffLink() {
    let bindings = [FlowWorld.interfaceBinding(1, offLink: false), FlowWorld.interfaceBinding(2, offLink: false)]
    var domain = LoadedWorld([10_000_000, 10_000_000], bindings) { $0.quality.isEnabled = true }
    _ = domain.begin(1, rate: 500_000)
    domain.run(seconds: 60)
    domain.rates[FlowWorld.tuple(1)] = 50_000
    domain.run(seconds: 10)
    #expect(domain.world.questions.count == 1 && domain.moves.isEmpty)
    domain.world.handle(
      .anchorEvent(.bindingChanged(AnchorBindingChange(binding: FlowWorld.interfaceBinding(2)))))
    domain.world.answer(.granted)
    domain.run(seconds: 10)
    #expect(domain.moves.map(\.cause) == [.quality])
  }
}
