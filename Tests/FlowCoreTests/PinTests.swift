import DatapathModel
import NetTypes
import Testing

@testable import FlowCore

@Suite("Pinned flows") struct PinTests {
  typealias World = FlowWorld

  static let flow = FlowReference.identifier(FlowIdentifier(rawValue: 1))

  static func world() -> World {
    var world = World()
    world.handle(
      .anchorSnapshot(
        World.snapshot([World.logicalBinding(1, isDefault: true), World.logicalBinding(2, isDefault: false)])))
    world.packet(.flow(World.tuple(80)))
    return world
  }

  @Test("pin and unpin change the flow and its element, and tell of it once") func pin() throws {
    var world = Self.world()
    for isPinned in [true, true, false, false] {
      let before = world.transactions
      let was = world.map[World.tuple(80)]?.isPinned
      guard case .success(.flow(let flow))? = world.command(.pin(Self.flow, isPinned)) else {
        Issue.record("pin is not answered")
        return
      }
      #expect(flow.isPinned == isPinned && world.map[World.tuple(80)]?.isPinned == isPinned)
      #expect(world.transactions == before + (was == isPinned ? 0 : 1))
    }
    let told = world.notifications.compactMap { if case .flowPinned(let flow) = $0 { flow.isPinned } else { nil } }
    #expect(told == [true, false])
  }

  @Test("The pin survives a move by the operator, an outage and kill -9") func survives() {
    var world = Self.world()
    #expect(world.refusal(.pin(Self.flow, true)) == "")
    #expect(world.refusal(.move(Self.flow, target: "mag2")) == "")
    #expect(world.tunnel(of: World.tuple(80)) == World.two)
    world.handle(.anchorEvent(.gatewayChanged(World.gateway(2, path: "unreachable"))))
    #expect(world.tunnel(of: World.tuple(80)) == World.one)
    world.restart()
    #expect(world.engine.table.flow(FlowIdentifier(rawValue: 1))?.isPinned == true)
    #expect(world.map[World.tuple(80)]?.isPinned == true)
  }

  @Test("A pin that the kernel refuses is undone and answered") func refused() {
    var world = Self.world()
    world.refuses = { if case .set = $0 { true } else { false } }
    #expect(world.refusal(.pin(Self.flow, true)) == "the kernel does not take the pin: No space left on device")
    #expect(world.engine.table.flow(FlowIdentifier(rawValue: 1))?.isPinned == false)
  }

  @Test("A connection that goes on under another flow label stays pinned") func continued() {
    var world = Self.world()
    #expect(world.refusal(.pin(Self.flow, true)) == "")
    var tuple = World.tuple(80)
    tuple.flowLabel ^= 1
    world.packet(.flow(tuple))
    #expect(world.map[tuple]?.isPinned == true)
  }

  @Test("Only flows that are there can be pinned") func unknown() {
    var world = Self.world()
    #expect(world.refusal(.pin(.identifier(FlowIdentifier(rawValue: 9)), true)).contains("no flow 9"))
  }
}
