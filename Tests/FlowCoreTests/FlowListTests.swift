import DatapathModel
import NetTypes
import Testing

@testable import FlowCore

@Suite("Pages of the flow table") struct FlowListTests {
  typealias World = FlowWorld

  /// Flow n is of source port 79 + n and has sent n × 10 packets.
  static func world() -> World {
    var world = FlowManagerEngineTests.attached()
    for number in UInt16(1)...9 {
      world.packet(.flow(World.tuple(79 + number)))
      for _ in 0..<Int(number) * 10 - 1 { world.countPacket(World.tuple(79 + number)) }
    }
    world.pollCounters()
    return world
  }

  private func identifiers(_ query: FlowQuery, _ world: World) throws -> [UInt32] {
    try world.engine.list(query).flows.map(\.identifier.rawValue)
  }

  @Test("Pages by identifier follow each other and say how many flows are left") func pages() throws {
    let world = Self.world()
    var seen: [UInt32] = []
    var left: [Int] = []
    var query = FlowQuery(limit: 4)
    repeat {
      let page = try world.engine.list(query)
      seen += page.flows.map(\.identifier.rawValue)
      left.append(page.more)
      query.after = page.flows.last?.identifier
    } while left.last != 0
    #expect(seen == Array(1...9) && left == [5, 1, 0])
  }

  @Test("Pages of nodes follow each other by name; a node without bindings is none") func nodePages() {
    var mirror = AnchorMirror()
    for number in UInt32(1)...9 {
      var binding = World.logicalBinding(1, isDefault: true)
      binding.id = number
      binding.node = "mn\(number * 7 % 10)"
      mirror.set(binding)
    }
    mirror.remove(binding: 9)  // mn3
    let first = mirror.nodeNames(after: nil, limit: 3)
    #expect(first.names == ["mn1", "mn2", "mn4"] && first.more == 5)
    let next = mirror.nodeNames(after: "mn4", limit: 100)
    #expect(next.names == ["mn5", "mn6", "mn7", "mn8", "mn9"] && next.more == 0)
    #expect(mirror.nodeNames(after: "mn9", limit: 3).names.isEmpty)
    #expect(mirror.bindings(ofNode: "mn4").map(\.id) == [2] && mirror.bindings(ofNode: "mn3").isEmpty)
  }

  @Test("By anything but the identifier the largest come first") func order() throws {
    let world = Self.world()
    #expect(try identifiers(FlowQuery(order: .packets, limit: 3), world) == [9, 8, 7])
    #expect(try identifiers(FlowQuery(order: .age, limit: 2), world) == [1, 2], "equal ones by identifier")
    #expect(try world.engine.list(FlowQuery(order: .packets, limit: 3)).more == 6)
  }

  @Test("Filters are met all at once") func filters() throws {
    var world = Self.world()
    _ = world.command(.move(.identifier(FlowIdentifier(rawValue: 2)), target: "mag2"))
    _ = world.command(.pin(.identifier(FlowIdentifier(rawValue: 3)), true))
    #expect(try identifiers(FlowQuery(FlowFilter(gateway: "mag2")), world) == [2])
    #expect(try identifiers(FlowQuery(FlowFilter(node: "mn1@example.net", isPinned: true)), world) == [3])
    #expect(try identifiers(FlowQuery(FlowFilter(tunnel: World.one, isPinned: false)), world).count == 7)
    #expect(
      try identifiers(FlowQuery(FlowFilter(selector: FlowSelector(sourcePort: 84), tunnel: World.one)), world) == [5])
    #expect(try identifiers(FlowQuery(FlowFilter(gateway: "mag1", tunnel: World.one)), world).count == 8)
    #expect(throws: FlowRefusal.self) {
      try identifiers(FlowQuery(FlowFilter(gateway: "mag1", tunnel: World.two)), world)
    }
    #expect(throws: FlowRefusal.self) { try identifiers(FlowQuery(FlowFilter(node: "mn2")), world) }
  }

  @Test("No page is larger than the bound") func bound() throws {
    let world = Self.world()
    #expect(try identifiers(FlowQuery(limit: .max), world).count == 9)
    #expect(try world.engine.list(FlowQuery(limit: 0)).more == 9)
  }
}
