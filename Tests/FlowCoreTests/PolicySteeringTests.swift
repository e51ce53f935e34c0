import DatapathModel
import NetTypes
import Testing

@testable import FlowCore

@Suite("Policy: flows of the engine") struct PolicySteeringTests {
  typealias World = FlowWorld

  static func binding(_ number: UInt32, _ access: UInt8, isDefault: Bool) -> AnchorBinding {
    var binding = World.logicalBinding(number, isDefault: isDefault)
    binding.accessTechnology = access
    return binding
  }
  static let wlan = binding(1, 4, isDefault: true)
  static let lte = binding(2, 8, isDefault: false)

  static func rule(
    _ name: String, _ action: SteeringAction, moveBack: Duration? = nil, moves: Int = FlowPolicy.defaultMaximumMoves,
    _ change: (inout TrafficMatch) -> Void = { _ in }
  ) -> PolicyRule {
    var match = TrafficMatch()
    change(&match)
    return PolicyRule(name: name, match: match, action: action, moveBack: moveBack, maximumMoves: moves)
  }

  static func prefer(_ names: String...) -> SteeringAction { .activeStandby(names.map { SteeringTarget($0) }) }

  /// A node with a logical interface on wlan (the default, tunnel 1) and lte (tunnel 2).
  static func world(_ rules: [PolicyRule], _ bindings: [AnchorBinding] = [wlan, lte]) -> World {
    var world = World()
    world.handle(.policy(FlowPolicy(rules: rules)))
    world.handle(.anchorSnapshot(World.snapshot(bindings)))
    return world
  }

  static func udp(_ port: UInt16) -> FlowSixTuple {
    var tuple = World.tuple(port)
    tuple.transport = .udp
    return tuple
  }

  func change(_ binding: AnchorBinding) -> FlowEvent {
    .anchorEvent(.bindingChanged(AnchorBindingChange(binding: binding)))
  }

  func gone(_ binding: AnchorBinding) -> FlowEvent {
    .anchorEvent(.bindingRemoved(AnchorBindingChange(binding: binding, cause: "deregistered")))
  }

  // MARK: First packets

  @Test("The first packet takes the way of the rule that matches it") func firstPacket() {
    var world = Self.world([
      Self.rule("udp", Self.prefer("lte")) { $0.protocols = [.udp] },
      Self.rule("voice", Self.prefer("lte")) { $0.dscps = [46] },
    ])
    #expect(world.packet(.flow(World.tuple(80))) == 0x1_0000)
    #expect(world.packet(.flow(Self.udp(80))) == 0x2_0000)
    #expect(world.packet(.flow(World.tuple(81)), dscp: 46) == 0x2_0000)
    #expect(world.engine.policyHits == [1, 1, 1])
    #expect(world.engine.table.sorted.map(\.placer) == [.defaultBinding, .policy, .policy])
    #expect(world.isConsistent)
  }

  @Test("drop: the packets that wait are dropped, the element drops the others; a reload lets them pass") func drop() {
    var world = Self.world([Self.rule("none", .drop) { $0.protocols = [.udp] }])
    world.packet(.flow(Self.udp(80)))
    world.packet(.flow(Self.udp(80)))
    #expect(world.dropped.count == 2)
    #expect(world.map[Self.udp(80)]?.tunnel == .drop)
    // Neither bindings nor a restart change that.
    world.handle(change(Self.lte))
    world.handle(.anchorSnapshot(World.snapshot([Self.wlan, Self.lte])))
    #expect(world.map[Self.udp(80)]?.tunnel == .drop)
    world.handle(.policy(FlowPolicy()))
    #expect(world.map[Self.udp(80)]?.tunnel == World.one)
    #expect(world.packet(.flow(Self.udp(80))) == 0x1_0000)
    #expect(world.isConsistent)
  }

  @Test("A standing order goes before the policy") func standingOrder() {
    var world = Self.world([Self.rule("all", Self.prefer("lte"))])
    #expect(world.refusal(.add(FlowSelector(transport: .tcp), target: "mag1")) == "")
    #expect(world.packet(.flow(World.tuple(80))) == 0x1_0000)
    #expect(world.packet(.flow(Self.udp(80))) == 0x2_0000)
    #expect(world.engine.table.sorted.map(\.placer) == [.standingOrder, .policy])
    world.handle(.policy(FlowPolicy()))
    #expect(world.map[Self.udp(80)]?.tunnel == World.one)
  }

  @Test("A lost binding: the policy says which of the others") func bindingLost() {
    var third = Self.binding(3, 3, isDefault: false)
    third.tunnel = TunnelIdentifier(rawValue: 3)
    var world = World()
    world.handle(
      .policy(FlowPolicy(rules: [Self.rule("udp", Self.prefer("lte", "ethernet")) { $0.protocols = [.udp] }])))
    world.handle(.anchorSnapshot(World.snapshot([Self.wlan, Self.lte, third], tunnels: [1, 2, 3])))
    world.packet(.flow(Self.udp(80)))
    world.handle(gone(Self.lte))
    #expect(world.map[Self.udp(80)]?.tunnel.rawValue == 3)
    #expect(world.engine.counters.flowsMovedByBinding == 1)
  }

  @Test("smallest-delay follows what the anchor's heartbeats measure") func delay() {
    var world = Self.world([Self.rule("all", .smallestDelay([]))])
    func measured(_ number: UInt32, _ microseconds: Int64) {
      var gateway = World.gateway(number, path: "reachable")
      gateway.change = "delay"
      gateway.roundTripMicroseconds = microseconds
      world.handle(.anchorEvent(.gatewayChanged(gateway)))
    }
    #expect(world.packet(.flow(World.tuple(80))) == 0x1_0000, "nothing is known: the default binding")
    measured(1, 30_000)
    measured(2, 20_000)
    #expect(world.packet(.flow(World.tuple(81))) == 0x2_0000)
    measured(1, 10_000)
    #expect(world.packet(.flow(World.tuple(82))) == 0x1_0000)
  }

  // MARK: Reload

  @Test("A reload moves the flows whose decision has changed, and no other") func reload() {
    var world = Self.world([Self.rule("udp", Self.prefer("lte")) { $0.protocols = [.udp] }])
    let operators = FlowReference.selector(FlowSelector(sourcePort: 90))
    for tuple in [World.tuple(80), World.tuple(90), World.tuple(91), Self.udp(80)] { world.packet(.flow(tuple)) }
    _ = world.command(.move(operators, target: "mag2"))
    _ = world.command(.pin(.selector(FlowSelector(sourcePort: 91)), true))
    let before = world.transactions
    world.handle(.policy(world.engine.policy))
    world.handle(
      .policy(
        FlowPolicy(rules: [
          Self.rule("telnet", .drop) { $0.sourcePorts = [PortRange(first: 23, last: 23)] },
          Self.rule("udp", Self.prefer("3gpp")) { $0.protocols = [.udp] },
        ])))
    #expect(world.transactions == before, "no decision has changed")
    world.handle(.policy(FlowPolicy(rules: [Self.rule("tcp", Self.prefer("lte")) { $0.protocols = [.tcp] }])))
    #expect(world.tunnel(of: World.tuple(80)) == World.two)
    #expect(world.tunnel(of: World.tuple(91)) == World.one, "pinned")
    #expect(world.tunnel(of: Self.udp(80)) == World.one)
    world.handle(.policy(FlowPolicy()))
    #expect(world.tunnel(of: World.tuple(80)) == World.one)
    #expect(world.tunnel(of: World.tuple(90)) == World.two, "an operator has moved it")
    #expect(world.engine.counters.flowsMovedByPolicy == 3)
    #expect(world.notifications.contains { if case .flowMoved(_, _, .policy) = $0 { true } else { false } })
    #expect(world.isConsistent)
  }

  @Test("Who has placed a flow, and its DSCP, are known after a restart") func remembered() {
    var world = Self.world([])
    world.packet(.flow(World.tuple(80)))
    world.packet(.flow(World.tuple(81)))
    #expect(world.refusal(.move(.identifier(FlowIdentifier(rawValue: 1)), target: "mag2")) == "")
    let before = world.engine.table.sorted
    world.restart()
    #expect(world.engine.table.sorted.map(\.placer) == [.operatorRequest, .defaultBinding])
    #expect(world.engine.table.sorted.map(\.dscp) == before.map(\.dscp))
    world.handle(.anchorSnapshot(World.snapshot([Self.wlan, Self.lte])))
    world.handle(.policy(FlowPolicy(rules: [Self.rule("all", Self.prefer("wlan"))])))
    #expect(world.map[World.tuple(80)]?.tunnel == World.two, "the policy leaves the operator's flow alone")
    #expect(world.isConsistent)
  }

  @Test("Flows that a restart has found stay, until a reload changes their decision") func restart() {
    var world = Self.world([Self.rule("all", Self.prefer("lte"))])
    world.packet(.flow(World.tuple(80)))
    world.restart()
    world.handle(.anchorSnapshot(World.snapshot([Self.wlan, Self.lte])))
    #expect(world.tunnel(of: World.tuple(80)) == World.two)
    world.handle(.policy(FlowPolicy(rules: [Self.rule("tcp", Self.prefer("lte")) { $0.protocols = [.tcp] }])))
    #expect(world.tunnel(of: World.tuple(80)) == World.two)
  }

  @Test("Many flows are compared slice by slice; packets and commands go between") func slices() {
    var world = Self.world([])
    let count = FlowManagerEngine.steeringSlice * 5 / 2
    world.handle(
      .queuedPackets(
        (0..<count).map { number in
          QueuedPacket(
            token: PacketToken(rawValue: UInt32(number)), mark: 0,
            dissection: .success(.flow(World.tuple(UInt16(number)))), length: 1)
        }))
    world.handle(.policy(FlowPolicy(rules: [Self.rule("all", Self.prefer("lte"), moves: 60)])))
    func moved() -> Int { world.map.values.count { $0.tunnel == World.two } }
    #expect(moved() == FlowManagerEngine.steeringSlice)
    #expect(world.engine.isSteering)
    #expect(world.packet(.flow(Self.udp(1))) == 0x2_0000)
    // A second reload before the first is through: every flow ends where the last policy wants it.
    world.handle(.policy(FlowPolicy(rules: [Self.rule("all", Self.prefer("wlan"), moves: 60)])))
    world.handle(.policy(FlowPolicy(rules: [Self.rule("low", Self.prefer("lte"), moves: 60)])))
    for _ in 0..<4 {
      guard let deadline = world.engine.nextDeadline else { break }
      world.clock = deadline
      world.handle(.deadlineReached)
    }
    #expect(!world.engine.isSteering && world.engine.nextDeadline == nil)
    #expect(moved() == count + 1)
    #expect(world.isConsistent)
  }

  @Test("A rule's hours begin and end: its flows move") func hours() {
    var world = Self.world([Self.rule("night", Self.prefer("lte")) { $0.hours = [HourRange(start: 0, end: 360)] }])
    world.localTime = LocalTime(weekday: .monday, minute: 359)
    world.packet(.flow(World.tuple(80)))
    #expect(world.tunnel(of: World.tuple(80)) == World.two)
    world.localTime = LocalTime(weekday: .monday, minute: 360)
    world.pollCounters()
    #expect(world.tunnel(of: World.tuple(80)) == World.one)
    world.localTime = LocalTime(weekday: .tuesday, minute: 0)
    world.pollCounters()
    #expect(world.tunnel(of: World.tuple(80)) == World.two)
  }

  // MARK: A better access

  @Test("Running flows move back when the better access has been there for the hold-down") func moveBack() {
    var world = Self.world(
      [
        Self.rule("udp", Self.prefer("lte"), moveBack: .seconds(30)) { $0.protocols = [.udp] },
        Self.rule("rest", Self.prefer("lte")),
      ], [Self.wlan])
    for tuple in [World.tuple(80), Self.udp(80)] { world.packet(.flow(tuple)) }
    world.handle(change(Self.lte))
    #expect(world.map.values.allSatisfy { $0.tunnel == World.one })
    #expect(world.engine.nextDeadline == world.clock + .seconds(30))
    // It goes and comes: the hold-down begins anew.
    world.clock += .seconds(20)
    world.handle(gone(Self.lte))
    world.clock += .seconds(1)
    world.handle(change(Self.lte))
    world.clock += .seconds(29)
    world.handle(.deadlineReached)
    #expect(world.tunnel(of: Self.udp(80)) == World.one)
    world.clock += .seconds(1)
    world.handle(.deadlineReached)
    #expect(world.tunnel(of: Self.udp(80)) == World.two)
    #expect(world.tunnel(of: World.tuple(80)) == World.one, "its rule does not move back")
    #expect(world.engine.nextDeadline == nil)
    // New flows do not wait.
    #expect(world.packet(.flow(World.tuple(81))) == 0x2_0000)
  }

  @Test("An access that came while the anchor was away has come when the anchor is back") func snapshotArrival() {
    var world = Self.world([Self.rule("all", Self.prefer("lte"), moveBack: .seconds(5))], [Self.wlan])
    world.packet(.flow(World.tuple(80)))
    world.handle(.anchorLost)
    world.handle(.anchorSnapshot(World.snapshot([Self.wlan, Self.lte])))
    #expect(world.tunnel(of: World.tuple(80)) == World.one)
    world.clock += .seconds(5)
    world.handle(.deadlineReached)
    #expect(world.tunnel(of: World.tuple(80)) == World.two)
  }

  @Test("explain: which rule, why not the others, what keeps flows from the other ways") func explain() throws {
    var world = Self.world(
      [
        Self.rule("voice", .drop) { $0.dscps = [46] },
        Self.rule("udp", Self.prefer("wlan")) { $0.protocols = [.udp] },
        Self.rule("tcp", Self.prefer("lte"), moveBack: .seconds(30), moves: 3) { $0.protocols = [.tcp] },
        Self.rule("rest", .stick),
      ], [Self.wlan])
    world.packet(.flow(World.tuple(80)), dscp: 0)
    world.handle(change(Self.lte))
    world.clock += .seconds(10)
    func explain(_ reference: FlowReference) throws -> PolicyExplanation {
      try world.engine.explain(reference, at: FlowMoment(monotonic: world.clock, secondsSince1970: 0))
    }
    let flow = FlowReference.identifier(FlowIdentifier(rawValue: 1))
    var explanation = try explain(flow)
    #expect(explanation.rules.map(\.failure) == ["DSCP 0 is not in 46", "protocol tcp is not in udp", nil, nil])
    #expect(explanation.rules.map(\.decides) == [false, false, true, false])
    #expect(explanation.decision.way == .tunnel(World.two))
    #expect(explanation.flow?.placer == .policy && explanation.exemption == nil)
    #expect(explanation.movesUsed == 0 && explanation.movesAllowed == 3)
    #expect(explanation.holdDowns.map(\.remaining) == [.seconds(20)])
    #expect(explanation.candidates.map(\.accessName) == ["wlan", "lte"])
    world.clock += .seconds(20)
    world.handle(.deadlineReached)
    _ = world.command(.pin(flow, true))
    explanation = try explain(flow)
    #expect(explanation.movesUsed == 1 && explanation.holdDowns.isEmpty && explanation.exemption == "it is pinned")
    // A flow that there is not yet.
    world.handle(.anchorEvent(.gatewayChanged(World.gateway(2, path: "unreachable"))))
    let tuple = World.tuple(99)
    let selector = FlowSelector(
      source: .host(tuple.source), destination: .host(tuple.destination), flowLabel: tuple.flowLabel, transport: .tcp,
      sourcePort: 99, destinationPort: tuple.destinationPort)
    explanation = try explain(.selector(selector))
    #expect(explanation.flow == nil && explanation.decision.reason == .noTarget)
    #expect(explanation.candidates.map(\.obstacle) == [nil, "its gateway does not answer heartbeats"])
    #expect(throws: FlowRefusal.self) { try explain(.identifier(FlowIdentifier(rawValue: 9))) }
  }

  @Test("A gateway that answers again is an access that has come back") func gatewayBack() {
    var world = Self.world([Self.rule("all", Self.prefer("lte"), moveBack: .seconds(5))])
    world.packet(.flow(World.tuple(80)))
    world.handle(.anchorEvent(.gatewayChanged(World.gateway(2, path: "unreachable"))))
    #expect(world.tunnel(of: World.tuple(80)) == World.one)
    world.handle(.anchorEvent(.gatewayChanged(World.gateway(2, path: "reachable"))))
    world.clock += .seconds(5)
    world.handle(.deadlineReached)
    #expect(world.tunnel(of: World.tuple(80)) == World.two)
  }

  @Test("An access that flaps 20 times: the flow moves as often as it may, then stays") func flapping() {
    let moves = 4
    var world = Self.world([Self.rule("all", Self.prefer("lte"), moveBack: .seconds(1), moves: moves)])
    world.packet(.flow(World.tuple(80)))
    for _ in 0..<20 {
      world.handle(gone(Self.lte))
      world.handle(change(Self.lte))
      world.clock += .seconds(1)
      world.handle(.deadlineReached)
    }
    // Each move back is followed by a loss of the tunnel at most.
    #expect(world.engine.counters.flowsMovedByPolicy + world.engine.counters.flowsMovedByBinding <= UInt64(moves + 1))
    #expect(world.engine.counters.policyMovesLimited > 0)
    #expect(world.tunnel(of: World.tuple(80)) == World.one)
    // A minute later it may again.
    world.clock += .seconds(61)
    world.handle(.deadlineReached)
    #expect(world.tunnel(of: World.tuple(80)) == World.two)
  }

  // MARK: A gateway that does not serve the prefix yet

  static func interfaces(_ rules: [PolicyRule]) -> World {
    var bindings = [World.interfaceBinding(1, offLink: false), World.interfaceBinding(2, offLink: false)]
    bindings[1].accessTechnology = 8
    return world(rules, bindings)
  }

  @Test("The anchor is asked once; when it has granted, the flows that want to move do") func wishGranted() {
    var world = Self.interfaces([Self.rule("udp", Self.prefer("lte")) { $0.protocols = [.udp] }])
    for tuple in [World.tuple(80), Self.udp(80), Self.udp(81)] { world.packet(.flow(tuple)) }
    #expect(world.map.values.allSatisfy { $0.tunnel == World.one })
    #expect(world.questions.map(\.1) == [ServePrefixesRequest(binding: 2, prefixes: [World.mn1Prefix])])
    var served = World.interfaceBinding(2, offLink: true)
    served.accessTechnology = 8
    world.handle(change(served))
    world.answer(.granted)
    #expect(world.tunnel(of: World.tuple(80)) == World.one)
    #expect(world.tunnel(of: Self.udp(80)) == World.two)
    #expect(world.tunnel(of: Self.udp(81)) == World.two)
    #expect(world.packet(.flow(Self.udp(82))) == 0x2_0000)
    #expect(world.engine.counters.policyPrefixesGranted == 1)
  }

  @Test("A refusal is remembered for a while; so is silence") func wishRefused() {
    var world = Self.interfaces([Self.rule("all", Self.prefer("lte", "wlan"))])
    world.packet(.flow(World.tuple(80)))
    world.answer(.refused("not here"))
    world.packet(.flow(World.tuple(81)))
    #expect(world.questions.isEmpty)
    #expect(world.engine.counters.policyPrefixesRefused == 1)
    world.clock += FlowManagerEngine.refusalMemory
    #expect(world.engine.nextDeadline == world.clock)
    world.handle(.deadlineReached)
    world.packet(.flow(World.tuple(82)))
    #expect(world.questions.count == 1)
    world.clock += FlowManagerEngine.anchorAnswerTimeout
    world.handle(.deadlineReached)
    #expect(world.engine.counters.policyPrefixesRefused == 2)
    // The answer comes after all.
    world.answer(.granted)
    #expect(world.engine.counters.policyPrefixesGranted == 0)
    world.packet(.flow(World.tuple(83)))
    #expect(world.questions.isEmpty)
    world.handle(.anchorLost)
    world.clock += FlowManagerEngine.refusalMemory
    world.handle(.deadlineReached)
    world.packet(.flow(World.tuple(84)))
    #expect(world.questions.isEmpty, "nobody to ask")
  }
}
