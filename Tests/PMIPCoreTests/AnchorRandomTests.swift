import DatapathModel
import MobilityWire
import NetTypes
import SeededRandom
import Testing

@testable import PMIPCore

/// Thousands of events without a plan, with a kernel that is at times slow and at times refuses. The laboratory checks
/// after each one that subscribers, state file and bindings agree, that a prefix has one owner and one default
/// attachment, and, in quiet moments, that the kernel holds what it should.
@Suite("Anchor: random events")
struct AnchorRandomTests {
  typealias Lab = AnchorLab

  static let nodes = (1...4).map { MobileNodeIdentifier(nai: "n\($0)") }
  static let linkLayers = (1...3).map { MobileNodeLinkLayerIdentifier(identifier: [2, 0, 0, 0, 0, $0]) }
  static let gateways = [Lab.mag1, Lab.mag2, Lab.stranger]

  static func lab() -> Lab {
    Lab { configuration in
      configuration.prefixPools = [PrefixPool(prefix: prefix("2001:db8:100::/60"), quarantine: .seconds(5))]
      configuration.nodes = Self.nodes.enumerated().map { index, node in
        NodePolicy(identifier: node, kind: index % 2 == 0 ? .interfaces : .logical)
      }
      configuration.nodes[0].reservedPrefixes = [Lab.secondPrefix]
      configuration.gateways.append(GatewayPolicy(name: "mag3", address: Lab.stranger, ordering: .sequence))
      configuration.limits.bindingsPerNode = 4
      configuration.limits.pendingRegistrations = 12
    }
  }

  static func request(_ lab: Lab, _ random: inout SplitMix64) -> PBU {
    let node = nodes.randomElement(using: &random) ?? Lab.mn1
    let known = lab.anchor.bindings(of: node).randomElement(using: &random)
    let access: AccessTechnologyType = Bool.random(using: &random) ? .wlan : .eutran
    let update = PBU(
      node: node, handoff: HandoffIndicator(rawValue: UInt8.random(in: 1...6, using: &random)),
      access: Bool.random(using: &random) ? known?.accessTechnology ?? access : access,
      linkLayer: UInt8.random(in: 0...4, using: &random) == 0 ? nil : linkLayers.randomElement(using: &random),
      prefixes: Bool.random(using: &random) ? known?.prefixes ?? [] : [],
      lifetime: .seconds([0, 0, 8, 60, 300][Int.random(in: 0..<5, using: &random)]),
      clockError: .milliseconds(Int64.random(in: -4...2, using: &random) * 5))
    return update
  }

  static func run(seed: UInt64, events: Int) -> Lab {
    var random = SplitMix64(seed: seed)
    var lab = lab()
    for _ in 0..<events {
      switch Int.random(in: 0..<20, using: &random) {
      case 0: lab.pass(.milliseconds(Int64.random(in: 0...8_000, using: &random)))
      case 1:
        if let binding = lab.anchor.bindings.randomElement(using: &random) {
          lab.step(.deleteBinding(binding.identifier))
        }
      case 2: lab.kernel = .isSlow
      case 3, 4:
        lab.answer(Int.random(in: 0..<4, using: &random) == 0 ? .failed("busy") : .installed, removesAll: true)
      case 5 where lab.unanswered.isEmpty: lab.kernel = .obeys
      case 6 where lab.unanswered.isEmpty && Int.random(in: 0..<20, using: &random) == 0:
        lab = lab.restarted(after: .seconds(1))
      default: lab.send(request(lab, &random), from: gateways.randomElement(using: &random) ?? Lab.mag1)
      }
    }
    return lab
  }

  @Test(
    "Everything agrees at every moment, and nothing is left when all is over", arguments: 1...12 as ClosedRange<UInt64>)
  func invariants(seed: UInt64) {
    var lab = Self.run(seed: seed, events: 600)
    while !lab.unanswered.isEmpty { lab.answer() }
    lab.kernel = .obeys
    lab.pass(.seconds(400))
    #expect(lab.anchor.bindings.isEmpty && lab.anchor.tunnels.isEmpty && lab.anchor.pendingRegistrations == 0)
    #expect(lab.anchor.nextDeadline == nil && lab.anchor.desiredDatapath == DatapathSnapshot())
    #expect(lab.records.isEmpty && lab.subscriber.isEmpty && lab.subscribedTunnels.isEmpty)
    // Every prefix can be given out again.
    lab.step(
      .configurationChanged(
        Lab.configuration {
          $0.prefixPools = lab.anchor.configuration.prefixPools
          $0.unknownNodes = .accept
        }))
    for number in 0..<16 {
      #expect(lab.send(.attach.with { $0.node = MobileNodeIdentifier(nai: "x\(number)") })?.status == .accepted)
    }
  }

  @Test("The same events give the same effects")
  func deterministic() {
    let (first, second) = (Self.run(seed: 7, events: 400), Self.run(seed: 7, events: 400))
    #expect(first.effects == second.effects && first.anchor.bindings == second.anchor.bindings)
    #expect(first.anchor.counters == second.anchor.counters)
  }
}
