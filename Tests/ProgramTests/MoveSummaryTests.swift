import DatapathModel
import NetTypes
import Testing

@testable import FlowCore
@testable import FlowManager

@Suite("What the log tells of moves") struct MoveSummaryTests {
  private func flow(_ number: UInt32, on tunnel: UInt32) -> Flow {
    let address = IPv6Address(high: 0x2001_0db8_0001_0000, low: UInt64(number))
    return Flow(
      identifier: FlowIdentifier(rawValue: number),
      tuple: FlowSixTuple(
        source: address, destination: address, flowLabel: 0, transport: .udp, sourcePort: 1, destinationPort: 2),
      placer: .policy, tunnel: TunnelIdentifier(rawValue: tunnel), node: nil, createdAt: 0, lastActive: 0, count: .zero)
  }

  @Test("A single move is named, moves of one kind are one line") func lines() {
    var lines: [String] = []
    var summary = MoveSummary()
    let one = TunnelIdentifier(rawValue: 1)
    summary.end { lines.append($0) }
    for number in UInt32(1)...3 { summary.add(flow(number, on: 2), from: one, .bindingLost) { lines.append($0) } }
    summary.add(flow(4, on: 3), from: one, .bindingLost) { lines.append($0) }
    summary.end { lines.append($0) }
    summary.end { lines.append($0) }
    #expect(
      lines == [
        "3 flows, 1 first, moved from tunnel 1 to 2 (binding-lost)",
        "flow 4 moved from tunnel 1 to 3 (binding-lost): udp [2001:db8:1::4]:1 > [2001:db8:1::4]:2",
      ])
  }
}
