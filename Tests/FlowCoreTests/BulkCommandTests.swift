import DatapathModel
import NetTypes
import Testing

@testable import FlowCore

@Suite("Commands about many flows") struct BulkCommandTests {
  typealias World = FlowWorld

  static let node = "mn1@example.net"

  /// Ten flows of the first prefix on MAG1, and one of the second on MAG2.
  static func world(offLink: Bool = true, _ configure: (inout FlowManagerEngine.Configuration) -> Void = { _ in })
    -> World
  {
    var world = World(configure)
    world.handle(
      .anchorSnapshot(World.snapshot([World.interfaceBinding(1), World.interfaceBinding(2, offLink: offLink)])))
    for port in UInt16(80)...89 { world.packet(.flow(World.tuple(port))) }
    world.packet(.flow(World.tuple(90, to: World.mn1Second)))
    return world
  }

  private func report(_ result: Result<FlowReply, FlowRefusal>?) throws -> FlowOrderReport {
    guard case .report(let report)? = try result?.get() else { throw Missing() }
    return report
  }

  private struct Missing: Error {}

  @Test("All flows of a node move in one transaction; those that are there already are counted") func node() throws {
    var world = Self.world()
    let before = world.transactions
    let answer = try report(world.command(.move(.all(FlowFilter(node: Self.node)), target: "mag2")))
    #expect((answer.chosen, answer.done, answer.already) == (11, 10, 1))
    #expect(answer.refused.isEmpty && !answer.isTrial)
    #expect(world.transactions == before + 1 && world.lastTransaction.count == 10)
    #expect(world.map.values.allSatisfy { $0.tunnel == World.two } && world.isConsistent)
    #expect(world.engine.counters.flowsMovedByOperator == 10)
  }

  @Test("More than `maximumChanges` become several transactions and one answer") func severalTransactions() throws {
    var world = Self.world { $0.maximumChanges = 4 }
    let before = world.transactions
    let answer = try report(world.command(.move(.all(FlowFilter(gateway: "mag1")), target: "2")))
    #expect((answer.chosen, answer.done) == (10, 10) && world.transactions == before + 3)
    #expect(world.isConsistent)
  }

  @Test("A trial says what would move and changes nothing") func trial() throws {
    var world = Self.world()
    let before = (world.map, world.transactions)
    let answer = try report(
      world.command(.move(.all(FlowFilter(tunnel: World.one)), target: "mag2", isTrial: true)))
    #expect(answer.isTrial && answer.done == 10 && answer.moves.count == 10)
    #expect(answer.moves.allSatisfy { $0.to == World.two && $0.flow.tunnel == World.one && !$0.asksAnchor })
    #expect(world.map == before.0 && world.transactions == before.1)
    let one = try report(
      world.command(.move(.identifier(FlowIdentifier(rawValue: 3)), target: "mag2", isTrial: true)))
    #expect(one.moves.map(\.flow.identifier.rawValue) == [3])
    let removal = try report(world.command(.remove(.all(FlowFilter(node: Self.node)), isTrial: true)))
    #expect(removal.done == 11 && world.map == before.0)
  }

  @Test("The anchor is asked once for a prefix; what need not wait does not") func asks() throws {
    var world = Self.world(offLink: false)
    let token = world.issue(.move(.all(FlowFilter()), target: "mag2"))
    #expect(world.questions.map(\.1) == [ServePrefixesRequest(binding: 2, prefixes: [World.mn1Prefix])])
    #expect(world.replies[token] == nil)
    world.handle(.anchorEvent(.bindingChanged(AnchorBindingChange(binding: World.interfaceBinding(2)))))
    // One flow ends while the order waits.
    _ = world.command(.remove(.identifier(FlowIdentifier(rawValue: 4))))
    let before = world.transactions
    world.answer(.granted)
    let answer = try report(world.replies[token])
    #expect((answer.done, answer.already) == (9, 1) && answer.refused == [.noSuchFlow: 1])
    #expect(answer.refusals.map(\.flow.rawValue) == [4])
    #expect(world.transactions == before + 1 && world.isConsistent)
    #expect(world.engine.nextDeadline == nil && world.engine.orders.isEmpty)
  }

  @Test("A trial says for which flows the anchor would be asked, and does not ask") func trialAsks() throws {
    var world = Self.world(offLink: false)
    let answer = try report(world.command(.move(.all(FlowFilter()), target: "mag2", isTrial: true)))
    #expect((answer.toAsk, answer.already, answer.done) == (10, 1, 0))
    #expect(answer.moves.allSatisfy(\.asksAnchor) && world.questions.isEmpty)
  }

  enum Ending: CaseIterable { case refused, away, timeout }

  @Test(
    "The anchor refuses, goes away or does not answer: the flows stay, counted by reason", arguments: Ending.allCases)
  func anchorFails(_ ending: Ending) throws {
    var world = Self.world(offLink: false)
    let token = world.issue(.move(.all(FlowFilter(node: Self.node)), target: "mag2"))
    let reason: FlowRefusal.Reason
    switch ending {
    case .refused:
      world.answer(.refused("mag2 did not acknowledge"))
      reason = .prefixNotServed
    case .away:
      world.handle(.anchorLost)
      reason = .anchorAway
    case .timeout:
      world.clock = try #require(world.engine.nextDeadline)
      world.handle(.deadlineReached)
      reason = .anchorTimeout
    }
    let answer = try report(world.replies[token])
    #expect(answer.refused == [reason: 10] && answer.refusals.count == FlowOrderReport.maximumRefusalsNamed)
    #expect(world.tunnel(of: World.tuple(80)) == World.one && world.engine.orders.isEmpty)
  }

  @Test("An order asks for no more than `questionsOfOrder` prefixes at a time, and for all in the end")
  func manyPrefixes() throws {
    let count = UInt32(FlowManagerEngine.questionsOfOrder + 3)
    func binding(_ number: UInt32, _ gateway: UInt32, serves: Bool) -> AnchorBinding {
      let prefix = IPv6Prefix.slash64(IPv6Address(high: 0x2001_0db8_0100_1000 + UInt64(number), low: 0))
      return AnchorBinding(
        id: 2 * number + gateway, node: "node\(number)", kind: "interfaces", gateway: "mag\(gateway)",
        tunnel: TunnelIdentifier(rawValue: gateway), accessTechnology: 4, prefixes: gateway == 1 ? [prefix] : [],
        offLinkPrefixes: serves && gateway == 2 ? [prefix] : [], isDefault: gateway == 1, state: "active")
    }
    var world = World()
    world.handle(
      .anchorSnapshot(
        World.snapshot((0..<count).flatMap { [binding($0, 1, serves: false), binding($0, 2, serves: false)] })))
    for number in 0..<count {
      world.packet(.flow(World.tuple(80, to: IPv6Address(high: 0x2001_0db8_0100_1000 + UInt64(number), low: 5))))
    }
    let token = world.issue(.move(.all(FlowFilter(gateway: "mag1")), target: "mag2"))
    #expect(world.questions.count == FlowManagerEngine.questionsOfOrder)
    var asked = 0
    while !world.questions.isEmpty {
      #expect(world.questions.count <= FlowManagerEngine.questionsOfOrder)
      let number = (world.questions[0].1.binding - 2) / 2
      world.handle(.anchorEvent(.bindingChanged(AnchorBindingChange(binding: binding(number, 2, serves: true)))))
      world.answer(.granted)
      asked += 1
    }
    let answer = try report(world.replies[token])
    #expect(asked == Int(count) && answer.done == Int(count) && world.isConsistent)
  }

  @Test("What the kernel refuses is counted with its flow; the others move") func kernelRefuses() throws {
    var world = Self.world()
    world.refuses = { if case .set(let flow, _) = $0 { flow.tuple.sourcePort == 83 } else { false } }
    let answer = try report(world.command(.move(.all(FlowFilter(node: Self.node)), target: "mag2")))
    #expect(answer.done == 9 && answer.refused == [.kernelRefused: 1])
    #expect(answer.refusals.map(\.flow.rawValue) == [4])
    #expect(world.tunnel(of: World.tuple(83)) == World.one && world.isConsistent)
    #expect(world.engine.counters.bulkFlowsRefused == 1)
  }

  @Test("del and pin of many") func removeAndPin() throws {
    var world = Self.world()
    let pinned = try report(world.command(.pin(.all(FlowFilter(selector: FlowSelector(sourcePort: 85))), true)))
    #expect(pinned.done == 1)
    let all = try report(world.command(.pin(.all(FlowFilter(node: Self.node)), true)))
    #expect((all.done, all.already) == (10, 1))
    let removed = try report(world.command(.remove(.all(FlowFilter(tunnel: World.one, isPinned: true)))))
    #expect(removed.done == 10)
    #expect(world.map.keys.map(\.sourcePort) == [90] && world.isConsistent)
  }

  @Test("No flow is chosen: an answer at once") func none() throws {
    var world = Self.world()
    let answer = try report(
      world.command(.move(.all(FlowFilter(selector: FlowSelector(sourcePort: 1))), target: "mag2")))
    #expect(answer == FlowOrderReport(isTrial: false))
  }

  @Test("Unknown nodes, gateways and tunnels are refused, with those there are") func unknown() {
    var world = Self.world()
    #expect(world.refusal(.move(.all(FlowFilter(node: "mn9")), target: "mag2")).contains("no node 'mn9'"))
    for filter in [FlowFilter(gateway: "mag9"), FlowFilter(tunnel: TunnelIdentifier(rawValue: 9))] {
      #expect(world.refusal(.move(.all(filter), target: "mag2")).contains("mag1 (tunnel 1), mag2 (tunnel 2)"))
    }
    #expect(world.refusal(.move(.all(FlowFilter()), target: "mag9")).contains("no tunnel to 'mag9'"))
    #expect(world.engine.orders.isEmpty)
  }

  // MARK: Standing orders

  @Test("Standing orders are stored before their command is answered, and restored") func selectors() {
    var world = Self.world()
    for target in ["mag2", "mag1"] { _ = world.command(.add(FlowSelector(transport: .udp), target: target)) }
    _ = world.command(.removeSelector(1))
    #expect(world.stored.map(\.target) == ["mag1"])
    let stored = world.stored
    world.restart()
    world.handle(.selectors(stored))
    #expect(world.engine.selectors == stored)
    world.handle(.anchorSnapshot(World.snapshot([World.interfaceBinding(1), World.interfaceBinding(2)])))
    _ = world.command(.add(FlowSelector(transport: .tcp), target: "mag2"))
    #expect(world.engine.selectors.map(\.identifier) == [2, 3])
  }

  @Test("More stored orders than the limit of now: the first stay, the rest is counted") func tooManyStored() {
    var world = Self.world { $0.maximumSelectors = 1 }
    let entry = { FlowSelectorEntry(identifier: $0, selector: FlowSelector(), target: "mag1") }
    world.handle(.selectors([entry(7), entry(3)]))
    #expect(world.engine.selectors.map(\.identifier) == [3])
    #expect(world.engine.counters.restoredSelectorsRefused == 1)
  }
}
