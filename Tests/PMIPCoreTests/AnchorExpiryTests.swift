import MobilityWire
import NetTypes
import Testing

@testable import PMIPCore

@Suite("Many lifetimes that end together")
struct AnchorExpiryTests {
  private static let nodes = 200

  private func node(_ number: Int) -> MobileNodeIdentifier { MobileNodeIdentifier(nai: "mn\(number)@example.net") }

  /// Every node registered, and every lifetime over, but no deadline taken yet.
  private func overdue() -> AnchorLab {
    var lab = AnchorLab {
      $0.prefixPools = [PrefixPool(prefix: prefix("2001:db8:100::/48"))]
      $0.unknownNodes = .accept
    }
    for number in 0..<Self.nodes { lab.send(PBU.attach.with { $0.node = node(number) }) }
    lab.now.monotonic += .seconds(1_000)
    lab.now.wallClock = lab.now.wallClock.advanced(by: .seconds(1_000))
    return lab
  }

  @Test("Each call ends a bounded number, and the next is due at once until all are gone")
  func bounded() {
    var lab = overdue()
    var left = Self.nodes
    while left > 0 {
      #expect(lab.anchor.nextDeadline.map { $0 <= lab.now.monotonic } == true)
      lab.step(.deadlineReached)
      left = max(0, left - LocalMobilityAnchor.deadlinesPerCall)
      #expect(lab.anchor.bindings.count == left)
    }
    #expect(lab.anchor.nextDeadline == nil)
    #expect(lab.count(.bindingsExpired) == UInt64(Self.nodes))
  }

  @Test("A refreshed binding is looked at when its old lifetime would be over, and ends with the new one")
  func refreshed() throws {
    var lab = AnchorLab()
    lab.send(.attach)
    let old = try #require(lab.anchor.nextDeadline)
    lab.pass(.seconds(100))
    lab.send(.refresh(AnchorLab.firstPrefix))
    let new = try #require(lab.anchor.bindings.first?.expiresAt)
    #expect(new > old && lab.anchor.nextDeadline == old)
    lab.pass(old - lab.now.monotonic)
    #expect(lab.effects.isEmpty && lab.anchor.nextDeadline == new)
    // A de-registration moves it forward again, the node's return back.
    lab.send(.deregister(AnchorLab.firstPrefix))
    let deletion = try #require(lab.anchor.nextDeadline)
    #expect(deletion < new)
    lab.send(.refresh(AnchorLab.firstPrefix))
    let end = try #require(lab.anchor.bindings.first?.expiresAt)
    lab.pass(end - lab.now.monotonic - .seconds(1))
    #expect(lab.anchor.bindings.count == 1)
    lab.pass(.seconds(1))
    #expect(lab.anchor.bindings.isEmpty && lab.count(.bindingsExpired) == 1 && lab.anchor.nextDeadline == nil)
  }

  // MAG                              LMA   binding of mn199: over, not yet removed
  //  |---- PBU (mn199, no prefix) ---->|   removed first, then registered anew
  //  |<--------- PBA (accepted) -------|
  @Test("What is over for a node is over before its next request is judged")
  func ownDeadlineFirst() {
    var lab = overdue()
    let last = node(Self.nodes - 1)
    let old = lab.binding(of: last, at: AnchorLab.mag1)
    lab.step(
      .message(
        .bindingUpdate(PBU.attach.with { $0.node = last }.message(sequence: 1, now: lab.now)), source: AnchorLab.mag1,
        destination: AnchorLab.anchorAddress))
    let new = lab.binding(of: last, at: AnchorLab.mag1)
    #expect(lab.count(.bindingsExpired) == 1 && lab.anchor.bindings.count == Self.nodes)
    #expect(old != nil && new != nil && old?.identifier != new?.identifier && old?.prefixes != new?.prefixes)
  }

  @Test("An operator cannot delete what is over")
  func operatorDeletion() throws {
    var lab = overdue()
    let binding = try #require(lab.binding(of: node(7), at: AnchorLab.mag1))
    lab.step(.deleteBinding(binding.identifier))
    #expect(lab.count(.bindingsExpired) == 1 && lab.count(.operatorDeletionsUnknown) == 1)
  }
}
