import MobilityWire
import NetTypes
import Testing

@testable import PMIPCore

@Suite("Gateways with new names")
struct AnchorRenamingTests {
  /// What a subscriber of the control socket knows.
  private struct Subscriber {
    var anchor: LocalMobilityAnchor
    let now: Moment
    var bindings: [BindingIdentifier: BindingSummary]

    /// Returns the number of bindings that were announced.
    @discardableResult
    mutating func deliver(_ event: LMAEvent) -> Int {
      var announced = 0
      for effect in anchor.handle(event, at: now) {
        switch effect {
        case .notify(.bindingChanged(let summary)):
          bindings[summary.identifier] = summary
          announced += 1
        case .notify(.bindingRemoved(let summary, _)): bindings[summary.identifier] = nil
        case .install(let identifier, _): deliver(.datapathOutcome(identifier, .installed))
        default: break
        }
      }
      return announced
    }
  }

  @Test("Bindings are announced a few at a time, whatever comes in between, and in the end with the new name")
  func bounded() {
    var lab = AnchorLab {
      $0.prefixPools = [PrefixPool(prefix: prefix("2001:db8:100::/48"))]
      $0.unknownNodes = .accept
    }
    func attach(_ number: Int) -> PBU {
      PBU.attach.with { $0.node = MobileNodeIdentifier(nai: "mn\(number)@example.net") }
    }
    for number in 0..<200 { lab.send(attach(number), from: number % 4 == 0 ? AnchorLab.mag2 : AnchorLab.mag1) }
    let identifiers = lab.anchor.bindings.map(\.identifier)
    var subscriber = Subscriber(anchor: lab.anchor, now: lab.now, bindings: lab.subscriber)

    let bound = LocalMobilityAnchor.announcementsPerCall
    let renamed = AnchorLab.configuration {
      $0 = lab.anchor.configuration
      $0.gateways[0].name = "north"
    }
    #expect((1...bound).contains(subscriber.deliver(.configurationChanged(renamed))))
    #expect(Set(subscriber.bindings.values.map(\.gatewayName)) == ["mag1", "mag2", "north"])
    // Removals move other entries about: one that has been visited, then one that has not.
    subscriber.deliver(.deleteBinding(identifiers[3]))
    subscriber.deliver(.deleteBinding(identifiers[199]))
    let message = attach(201).message(sequence: 1, now: lab.now)
    subscriber.deliver(
      .message(.bindingUpdate(message), source: AnchorLab.mag1, destination: AnchorLab.anchorAddress))
    var calls = 0
    while let deadline = subscriber.anchor.nextDeadline, deadline <= lab.now.monotonic {
      #expect(subscriber.deliver(.deadlineReached) <= bound)
      calls += 1
    }
    #expect(calls == (200 - 1) / bound)
    #expect(Set(subscriber.bindings.values.map(\.gatewayName)) == ["mag2", "north"])
    #expect(Array(subscriber.bindings.values.sorted { $0.identifier < $1.identifier }) == subscriber.anchor.bindings)
  }
}
