import DatapathModel
import MobilityWire
import NetTypes
import Testing

@testable import PMIPCore

@Suite("Gateway: de-registration (RFC 5213 section 6.9.1.4)")
struct GatewayDeregistrationTests {
  typealias Ladder = GatewayLadder

  @Test("PBU lifetime 0, HI 4, the prefixes --> <-- PBA: entry, routes, tunnel and record gone")
  func answered() throws {
    var ladder = Ladder.registered()
    let left = ladder.detach()
    let update = try #require(left.updates.first)
    #expect(update.lifetime == .zero)
    #expect(update.options.handoffIndicator == .unknown)
    #expect(update.namedPrefixes == [Ladder.prefix])
    #expect(ladder.storage.isEmpty)
    #expect(ladder.state == .deregistering)
    // Until the answer the routes stay: the node may be back in a moment.
    #expect(ladder.datapath.downlinks.count == 1)
    let done = ladder.answer()
    #expect(
      done.changes == [
        .removeDownlink(Ladder.prefix), .removeUplink(Ladder.prefix), .removeTunnel(.init(rawValue: 1)),
      ])
    #expect(done.advertisements.isEmpty)
    #expect(done.removals == [.operatorRequest])
    #expect(ladder.gateway.attachments.isEmpty)
    #expect(ladder.gateway.nextDeadline == nil)
    #expect(ladder.datapath == DatapathSnapshot())
  }

  @Test("No answer within 1 s: gone all the same")
  func unanswered() {
    var ladder = Ladder.registered()
    ladder.detach()
    #expect(ladder.advance(by: .milliseconds(999)).isEmpty)
    #expect(ladder.advance(by: .milliseconds(1)).removals == [.operatorRequest])
    #expect(ladder.datapath == DatapathSnapshot())
    #expect(ladder.count(.deregistrationsUnanswered) == 1)
    #expect(ladder.answer().isEmpty)
  }

  @Test("Refused for its timestamp: again at once; refused otherwise: gone")
  func refused() {
    var ladder = Ladder.registered()
    ladder.detach()
    #expect(ladder.answer(.timestampLowerThanPreviousAccepted).updates.map(\.lifetime) == [.zero])
    #expect(ladder.answer(.reasonUnspecified).removals == [.operatorRequest])
  }

  @Test("Detached while registering: de-registered by ALL_ZERO; a late acceptance changes nothing")
  func whileRegistering() {
    var ladder = Ladder()
    let first = ladder.attach().updates[0]
    let left = ladder.detach().updates
    #expect(left.map(\.lifetime) == [.zero])
    #expect(left.first?.asksForAnyPrefix == true)
    #expect(ladder.answer(to: first).isEmpty)
    ladder.answer(to: left[0])
    #expect(ladder.gateway.attachments.isEmpty)
    #expect(ladder.datapath == DatapathSnapshot())
  }

  @Test("Attached again while de-registering ends registered, whichever answer comes first", arguments: [true, false])
  func attachedAgain(lateAnswerFirst: Bool) {
    var ladder = Ladder.registered()
    let farewell = ladder.detach().updates[0]
    ladder.advance(by: .milliseconds(100))
    let again = ladder.attach().updates[0]
    #expect(again.lifetime > .zero)
    #expect(again.sequence == farewell.sequence + 1)
    if lateAnswerFirst { #expect(ladder.answer(to: farewell).isEmpty) }
    let done = ladder.answer(to: again)
    #expect(done.changes.isEmpty)
    #expect(done.advertisements.count == 1)
    if !lateAnswerFirst { #expect(ladder.answer(to: farewell).isEmpty) }
    #expect(ladder.advance(by: .seconds(5)).removals.isEmpty)
    #expect(ladder.state == .registered)
    #expect(ladder.datapath.downlinks.count == 1)
    #expect(ladder.storage.count == 1)
  }

  @Test("... also when the anchor assigns another prefix by then")
  func attachedAgainWithOtherPrefix() throws {
    var ladder = Ladder.registered()
    ladder.detach()
    ladder.attach()
    let plan = try #require(ladder.answer(prefixes: [Ladder.secondPrefix]).advertisements.first)
    #expect(
      plan.prefixes == [
        .init(prefix: Ladder.secondPrefix, validLifetime: .max, preferredLifetime: .max),
        .init(prefix: Ladder.prefix, validLifetime: 0, preferredLifetime: 0),
      ])
    #expect(ladder.datapath.downlinks.keys.sorted() == [Ladder.secondPrefix])
  }

  @Test("Link down: everybody on it, nobody else")
  func linkDown() {
    var ladder = Ladder.registered()
    ladder.attach(Ladder.bondedMAC, on: "acc0")
    ladder.attach(Ladder.secondMAC, on: "lte0")
    ladder.answer(prefixes: [Ladder.secondPrefix])
    #expect(ladder.step(.linkDown("acc0")).updates.map(\.lifetime) == [.zero, .zero])
    #expect(ladder.advance(by: .seconds(1)).removals == [.linkDown, .linkDown])
    #expect(ladder.gateway.attachments.map(\.link) == ["lte0"])
    #expect(ladder.datapath.tunnels.count == 1)
  }

  @Test("The same interface moves to another link of this gateway: one session for the anchor, so no de-registration")
  func movedWithinGateway() {
    var ladder = Ladder.registered()
    ladder.attach(Ladder.mac, on: "acc1")
    let moved = ladder.answer()
    #expect(moved.changes == [.setDownlink(Ladder.prefix, link: "acc1", via: nil)])
    #expect(moved.removals == [.moved])
    #expect(ladder.gateway.attachments.map(\.link) == ["acc1"])
    #expect(ladder.detach(Ladder.mac, from: "acc0").updates.isEmpty)
    #expect(ladder.storage.count == 1)
  }

  @Test("... and the old link noticing first does not end the session either")
  func movedAndOldLinkDownFirst() {
    var ladder = Ladder.registered()
    ladder.attach(Ladder.mac, on: "acc1")
    let down = ladder.detach(Ladder.mac, from: "acc0", .linkDown)
    #expect(down.updates.isEmpty)
    #expect(down.removals == [.linkDown])
    ladder.answer()
    #expect(ladder.state == .registered)
    #expect(ladder.datapath.downlinks[Ladder.prefix] == .init(link: "acc1", via: nil))
  }
}
