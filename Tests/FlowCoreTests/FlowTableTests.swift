import DatapathModel
import NetTypes
import SeededRandom
import Testing

@testable import FlowCore

@Suite("Flow table") struct FlowTableTests {
  static func tuple(_ number: Int) -> FlowSixTuple {
    FlowSixTuple(
      source: IPv6Address(high: 1, low: UInt64(number)), destination: IPv6Address(high: 2, low: UInt64(number % 7)),
      flowLabel: UInt32(number), transport: .tcp, sourcePort: UInt16(number & 0xffff), destinationPort: 80)
  }

  static let start = FlowMoment(monotonic: .zero, secondsSince1970: 0)

  @Test("Agrees with a dictionary through 50,000 random changes") func model() {
    var generator = SplitMix64(seed: 2026)
    var table = FlowTable(maximum: 500)
    var model: [FlowSixTuple: (FlowIdentifier, TunnelIdentifier, NodeIndex?)] = [:]
    for round in 0..<50_000 {
      let tuple = Self.tuple(Int.random(in: 0..<800, using: &generator))
      let tunnel = TunnelIdentifier(rawValue: .random(in: 1...5, using: &generator))
      let node = Bool.random(using: &generator) ? NodeIndex(rawValue: .random(in: 1...9, using: &generator)) : nil
      if let slot = table.slot(of: tuple) {
        switch Int.random(in: 0..<3, using: &generator) {
        case 0:
          table.remove(slot)
          model[tuple] = nil
        case 1:
          table.setPlacement(Placement(tunnel: tunnel, placer: .unknown), of: slot)
          model[tuple]?.1 = tunnel
        default:
          table.setNode(node, of: slot)
          model[tuple]?.2 = node
        }
      } else {
        let slot = table.insert(
          tuple, Placement(tunnel: tunnel, placer: .unknown), node: node, count: .zero, at: Self.start)
        #expect((slot == nil) == (model.count == 500))
        if let slot { model[tuple] = (table[slot].identifier, tunnel, node) }
      }
      #expect(table.count == model.count)
      guard round % 500 == 0 else { continue }
      for number in 0..<800 {
        let tuple = Self.tuple(number)
        #expect(table.flow(tuple)?.identifier == model[tuple]?.0)
      }
      for tunnel in (1...5).map(TunnelIdentifier.init(rawValue:)) {
        let expected = Set(model.filter { $0.value.1 == tunnel }.keys)
        #expect(Set(table.slots(on: tunnel).map { table[$0].tuple }) == expected)
        #expect(table.count(on: tunnel) == expected.count)
      }
      for node in [nil] + (1...9).map(NodeIndex.init(rawValue:)) {
        let expected = Set(model.filter { $0.value.2 == node }.keys)
        #expect(Set(table.slots(ofNode: node).map { table[$0].tuple }) == expected)
      }
    }
    #expect(table.sorted.map(\.identifier) == model.values.map(\.0).sorted())
  }

  @Test("A connection is found by its 5-tuple, newest label first, whatever is removed in which order")
  func connections() throws {
    var table = FlowTable(maximum: 1_000)
    let placement = Placement(tunnel: TunnelIdentifier(rawValue: 1), placer: .unknown)
    func labelled(_ number: Int, _ label: UInt32) -> FlowSixTuple {
      var tuple = Self.tuple(number)
      tuple.flowLabel = label
      return tuple
    }
    func newest(_ number: Int) -> UInt32? { table.newestFlow(ofConnection: labelled(number, 99))?.tuple.flowLabel }
    for label in 1...4 as ClosedRange<UInt32> {
      for number in 0..<50 {
        #expect(table.insert(labelled(number, label), placement, node: nil, count: .zero, at: Self.start) != nil)
      }
    }
    #expect((0..<50).allSatisfy { newest($0) == 4 })
    #expect(newest(50) == nil)
    // From the front, from the middle, from the end.
    for (label, expected) in [(4, 3), (2, 3), (3, 1), (1, nil)] as [(UInt32, UInt32?)] {
      for number in 0..<50 { table.remove(try #require(table.slot(of: labelled(number, label)))) }
      #expect((0..<50).allSatisfy { newest($0) == expected })
    }
  }

  @Test("Restored identifiers stay, new ones do not repeat them") func identifiers() {
    var table = FlowTable(maximum: 10)
    let tunnel = TunnelIdentifier(rawValue: 1)
    func flow(_ number: UInt32, _ tuple: FlowSixTuple) -> Flow {
      Flow(
        identifier: FlowIdentifier(rawValue: number), tuple: tuple, placer: .unknown, tunnel: tunnel, node: nil,
        createdAt: 0,
        lastActive: 0, count: .zero)
    }
    #expect(table.insert(flow(7, Self.tuple(1))) != nil)
    #expect(table.insert(flow(.max, Self.tuple(2))) != nil)
    #expect(table.insert(flow(7, Self.tuple(3))) == nil, "the identifier is taken")
    #expect(table.insert(flow(8, Self.tuple(1))) == nil, "the tuple is taken")
    let slot = table.insert(
      Self.tuple(4), Placement(tunnel: tunnel, placer: .unknown), node: nil, count: .zero, at: Self.start)
    #expect(slot.map { table[$0].identifier.rawValue } == 1, "after the greatest number comes 1")
  }
}
