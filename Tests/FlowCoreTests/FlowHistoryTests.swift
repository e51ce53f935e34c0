import DatapathModel
import NetTypes
import Testing

@testable import FlowCore

@Suite("History of the nodes") struct FlowHistoryTests {
  typealias World = FlowWorld

  static let node = "mn1@example.net"

  @Test("Accesses that come and go, and moves with cause and stay, in order") func ladder() {
    var world = World()
    world.handle(.anchorSnapshot(World.snapshot([World.logicalBinding(1, isDefault: true)])))
    world.clock += .seconds(5)
    world.handle(
      .anchorEvent(.bindingChanged(AnchorBindingChange(binding: World.logicalBinding(2, isDefault: false)))))
    for port in UInt16(80)...89 { world.packet(.flow(World.tuple(port))) }
    world.clock += .seconds(7)
    _ = world.command(.move(.identifier(FlowIdentifier(rawValue: 1)), target: "mag2"))
    world.clock += .seconds(30)
    var gone = World.logicalBinding(2, isDefault: false)
    gone.state = "awaiting-deletion"
    world.handle(.anchorEvent(.bindingChanged(AnchorBindingChange(binding: gone, cause: "deregistered"))))
    world.handle(.anchorEvent(.bindingRemoved(AnchorBindingChange(binding: gone, cause: "deregistered"))))
    let events = world.engine.history.entries(ofNode: Self.node).map(\.event)
    func access(_ number: UInt32) -> FlowHistory.Access {
      FlowHistory.Access(
        binding: number, gateway: "mag\(number)", tunnel: TunnelIdentifier(rawValue: number), accessTechnology: 4)
    }
    func move(_ from: UInt32, _ to: UInt32, _ cause: FlowNotification.MoveCause, _ stayed: UInt32) -> FlowHistory.Move {
      FlowHistory.Move(
        count: 1, flows: [FlowIdentifier(rawValue: 1)], from: TunnelIdentifier(rawValue: from),
        to: TunnelIdentifier(rawValue: to), fromGateway: "mag\(from)", toGateway: "mag\(to)", cause: cause,
        stayedSeconds: stayed)
    }
    #expect(
      events == [
        .attached(access(1), isFound: true), .attached(access(2), isFound: false),
        .moved(move(1, 2, .operatorRequest, 7)), .detached(access(2), cause: "deregistered", lasted: .seconds(37)),
        .moved(move(2, 1, .bindingLost, 30)),
      ])
  }

  @Test("Flows that move together are one entry") func together() throws {
    var world = BulkCommandTests.world()
    _ = world.command(.move(.all(FlowFilter(node: Self.node)), target: "mag2"))
    guard case .moved(let move)? = world.engine.history.entries(ofNode: Self.node).last?.event else {
      Issue.record("no move")
      return
    }
    #expect(move.count == 10 && move.flows.count == FlowHistory.maximumFlowsNamed)
  }

  @Test(
    "An order about flows in two tunnels is an entry for each; a move tells the time since the last one that is kept")
  func gathered() throws {
    var world = BulkCommandTests.world()
    world.clock += .seconds(5)
    _ = world.command(.move(.identifier(FlowIdentifier(rawValue: 3)), target: "mag2"))
    world.clock += .seconds(7)
    _ = world.command(.move(.all(FlowFilter(node: Self.node)), target: "mag2"))
    world.clock += .seconds(11)
    _ = world.command(.move(.all(FlowFilter(node: Self.node)), target: "mag1"))
    let moves = world.engine.history.entries(ofNode: Self.node).compactMap { entry in
      if case .moved(let move) = entry.event { move } else { nil }
    }
    #expect(moves.map(\.count) == [1, 9, 11])
    #expect(moves.map(\.stayedSeconds).prefix(2) == [5, 12])
    let first = try #require(moves.last?.flows.first)
    #expect(moves.last?.stayedSeconds == (moves[1].flows.contains(first) || first.rawValue == 3 ? 11 : 23))
  }

  @Test("A handover to another gateway ends one access and begins another") func handover() {
    var world = World()
    world.handle(.anchorSnapshot(World.snapshot([World.logicalBinding(1, isDefault: true)])))
    var moved = World.logicalBinding(1, isDefault: true)
    (moved.tunnel, moved.gateway) = (World.two, "mag2")
    world.handle(.anchorEvent(.bindingChanged(AnchorBindingChange(binding: moved))))
    // A refreshed binding is no news, and neither is the same snapshot.
    world.handle(.anchorEvent(.bindingChanged(AnchorBindingChange(binding: moved))))
    world.handle(.anchorSnapshot(World.snapshot([moved])))
    let gateways = world.engine.history.entries(ofNode: Self.node).map { entry in
      switch entry.event {
      case .attached(let access, _): "+\(access.gateway)"
      case .detached(let access, _, _): "-\(access.gateway)"
      case .moved: "moved"
      }
    }
    #expect(gateways == ["+mag1", "-mag1", "+mag2"])
  }

  @Test("The bound of a node drops its oldest, the bound of all the oldest of all; both are counted") func bounds() {
    var history = FlowHistory(maximum: 400)
    let access = FlowHistory.Access(binding: 1, gateway: "mag1", tunnel: FlowWorld.one, accessTechnology: 4)
    func moment(_ second: UInt32) -> FlowMoment {
      FlowMoment(monotonic: .seconds(Int(second)), secondsSince1970: second)
    }
    history.attached(access, of: "quiet", isFound: false, at: moment(0))
    for second in UInt32(1)...10_000 { history.attached(access, of: "busy", isFound: false, at: moment(second)) }
    #expect(history.entries(ofNode: "quiet").count == 1, "one that flaps does not push out the others")
    #expect(history.entries(ofNode: "busy").count == FlowHistory.maximumOfNode)
    #expect(history.entries(ofNode: "busy").first?.at.secondsSince1970 == 10_001 - UInt32(FlowHistory.maximumOfNode))
    #expect(history.count == FlowHistory.maximumOfNode + 1)
    for second in UInt32(20_000)..<20_200 {
      history.attached(access, of: "n\(second)", isFound: false, at: moment(second))
    }
    #expect(history.count == 400 && history.entries(ofNode: "quiet").isEmpty)
    #expect(history.entries(ofNode: "busy").count == 200)
    #expect(history.dropped == UInt64(1 + 10_000 + 200 - 400))
  }
}
