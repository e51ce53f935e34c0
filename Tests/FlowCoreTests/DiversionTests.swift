import DatapathModel
import Testing

@testable import FlowCore

/// Many flows of one prefix leave a tunnel together: a rule diverts them at once, and their elements follow.
@Suite("Diversions") struct DiversionTests {
  typealias World = FlowWorld
  static let three = TunnelIdentifier(rawValue: 3)
  static let ports = UInt16(80)...89
  static let tuples = ports.map { World.tuple($0) }

  /// Ten flows on tunnel 1, the default; elements are rewritten by fours.
  static func attached() -> World {
    var world = World {
      $0.divertedTogether = 5
      $0.rewrittenAtOnce = 4
      $0.restBetweenRewrites = .zero
    }
    let bindings = (UInt32(1)...3).map { World.logicalBinding($0, isDefault: $0 == 1) }
    world.handle(.anchorSnapshot(World.snapshot(bindings, tunnels: [1, 2, 3])))
    for tuple in tuples { world.packet(.flow(tuple)) }
    return world
  }

  static func lost(_ number: UInt32) -> FlowEvent {
    .anchorEvent(
      .bindingRemoved(
        AnchorBindingChange(binding: World.logicalBinding(number, isDefault: number == 1), cause: "deregistered")))
  }

  static func found(_ number: UInt32) -> FlowEvent {
    .anchorEvent(.bindingChanged(AnchorBindingChange(binding: World.logicalBinding(number, isDefault: number == 1))))
  }

  static func marks(_ world: World) -> Set<UInt32> { Set(tuples.compactMap { world.mark(of: $0) }) }

  @Test("An outage is one change of one chain; the elements follow by fours, and then the rule goes") func ladder() {
    var world = Self.attached()
    var transactions = world.transactions
    world.handle(Self.lost(1))
    #expect(world.transactions == transactions + 1 && world.lastTransaction.count == 1)
    #expect(Self.marks(world) == [0x2_0000])
    #expect(world.map.values.allSatisfy { $0.tunnel == World.one })
    #expect(world.engine.counters.flowsDiverted == 10 && world.engine.counters.flowsMovedByBinding == 10)
    let moves = world.notifications.filter {
      if case .flowMoved(_, World.one, .bindingLost) = $0 { true } else { false }
    }
    #expect(moves.count == 10)
    for done in [4, 8] {
      #expect(world.engine.nextDeadline.map { $0 <= world.clock } == true)
      transactions = world.transactions
      world.handle(.deadlineReached)
      #expect(world.transactions == transactions + 1)
      #expect(world.map.values.count { $0.tunnel == World.two } == done)
      #expect(Self.marks(world) == [0x2_0000])
    }
    world.handle(.deadlineReached)
    #expect(world.diversions.isEmpty && world.engine.nextDeadline == nil)
    #expect(world.isConsistent)
  }

  @Test("The tunnel's chain goes with the last element, if the tunnel is gone by then") func chainGoes() {
    var world = Self.attached()
    world.handle(Self.lost(1))
    world.handle(.anchorEvent(.tunnelRemoved(World.tunnel(1))))
    #expect(world.chains[World.one] != nil)
    #expect(Self.marks(world) == [0x2_0000])
    for _ in 0..<3 { world.handle(.deadlineReached) }
    #expect(world.chains[World.one] == nil)
    #expect(world.isConsistent)
  }

  @Test("The new tunnel goes as well: elements are rewritten first, so that nothing leads into it") func twoOutages() {
    var world = Self.attached()
    world.handle(Self.lost(1))
    world.handle(.deadlineReached)
    world.handle(Self.lost(2))
    #expect(Self.marks(world) == [0x3_0000])
    #expect(world.diversions[World.one] == nil)
    while world.engine.nextDeadline != nil { world.handle(.deadlineReached) }
    #expect(world.map.values.allSatisfy { $0.tunnel == Self.three })
    #expect(world.diversions.isEmpty && world.isConsistent)
  }

  @Test("The access comes back meanwhile: moved flows stay, new ones to the old tunnel are not diverted")
  func comesBack() {
    var world = Self.attached()
    world.handle(Self.lost(1))
    world.handle(.deadlineReached)
    world.handle(Self.found(1))
    #expect(!world.diversions.isEmpty)
    #expect(world.packet(.flow(World.tuple(99))) == 0x1_0000)
    #expect(world.diversions.isEmpty)
    #expect(world.mark(of: World.tuple(99)) == 0x1_0000)
    #expect(Self.marks(world) == [0x2_0000])
    #expect(world.isConsistent)
  }

  @Test("An operator moves a flow back whose element still names the old tunnel") func movedBack() throws {
    var world = Self.attached()
    world.handle(.anchorEvent(.gatewayChanged(World.gateway(1, path: "unreachable"))))
    #expect(Self.marks(world) == [0x2_0000])
    let last = try #require(world.engine.table.flow(World.tuple(89)))
    #expect(world.refusal(.move(.identifier(last.identifier), target: "mag1")) == "")
    #expect(world.mark(of: last.tuple) == 0x1_0000)
    #expect(world.mark(of: World.tuple(80)) == 0x2_0000)
    #expect(world.isConsistent)
  }

  @Test("Flows that are deleted or moved elsewhere meanwhile are not written again") func changedMeanwhile() throws {
    var world = Self.attached()
    world.handle(Self.lost(1))
    let first = try #require(world.engine.table.flow(World.tuple(80)))
    let second = try #require(world.engine.table.flow(World.tuple(81)))
    #expect(world.refusal(.remove(.identifier(first.identifier))) == "")
    #expect(world.refusal(.move(.identifier(second.identifier), target: "mag3")) == "")
    while world.engine.nextDeadline != nil { world.handle(.deadlineReached) }
    #expect(world.tunnel(of: World.tuple(80)) == nil && world.tunnel(of: World.tuple(81)) == Self.three)
    #expect(world.isConsistent)
  }

  @Test("Flows that part are moved one by one") func several() {
    var world = Self.attached()
    _ = world.command(.add(FlowSelector(sourcePort: 85), target: "mag3"))
    world.handle(Self.lost(1))
    #expect(world.engine.counters.flowsDiverted == 0 && world.diversions.isEmpty)
    #expect(Self.marks(world) == [0x2_0000, 0x3_0000])
    #expect(world.isConsistent)
  }

  @Test("The kernel refuses the rule: the elements are rewritten at once") func ruleRefused() {
    var world = Self.attached()
    world.refuses = { if case .setTunnelChain = $0 { true } else { false } }
    world.handle(Self.lost(1))
    #expect(world.map.values.allSatisfy { $0.tunnel == World.two })
    #expect(world.engine.nextDeadline == nil)
    #expect(world.isConsistent)
  }

  @Test("The kernel refuses one element: that flow goes, the others are rewritten") func elementRefused() {
    var world = Self.attached()
    world.handle(Self.lost(1))
    world.refuses = { if case .set(let flow, _) = $0 { flow.tuple.sourcePort == 86 } else { false } }
    while world.engine.nextDeadline != nil { world.handle(.deadlineReached) }
    #expect(world.map.count == 9 && world.diversions.isEmpty)
    #expect(world.map.values.allSatisfy { $0.tunnel == World.two })
    #expect(world.isConsistent)
  }

  @Test("kill -9 meanwhile: the flows stay diverted, and the next start rewrites the rest") func killed() {
    var world = Self.attached()
    world.handle(Self.lost(1))
    world.handle(.deadlineReached)
    world.restart()
    #expect(Self.marks(world) == [0x2_0000])
    let left = [World.logicalBinding(2, isDefault: true), World.logicalBinding(3, isDefault: false)]
    world.handle(.anchorSnapshot(World.snapshot(left, tunnels: [2, 3])))
    #expect(Self.marks(world) == [0x2_0000])
    while world.engine.nextDeadline != nil { world.handle(.deadlineReached) }
    #expect(world.diversions.isEmpty && world.chains[World.one] == nil)
    #expect(world.isConsistent)
  }

  @Test("Somebody removes the table meanwhile: all is written as it should be") func tableLost() {
    var world = Self.attached()
    world.handle(Self.lost(1))
    world.loseTable()
    #expect(world.diversions.isEmpty && world.engine.nextDeadline == nil)
    #expect(world.map.values.allSatisfy { $0.tunnel == World.two })
    #expect(world.isConsistent)
  }
}
