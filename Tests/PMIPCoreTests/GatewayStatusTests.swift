import DatapathModel
import MobilityWire
import NetTypes
import Testing

@testable import PMIPCore

@Suite("Gateway: refusals of the anchor (RFC 5213 section 6.9.1.2)")
struct GatewayStatusTests {
  typealias Ladder = GatewayLadder

  @Test(
    "Refused: no route, no RA, asked again every 32 s while attached",
    arguments: [128, 129, 130, 131, 132, 133, 134, 153, 154, 155, 158, 159, 160, 161, 162, 200] as [UInt8])
  func refused(status: UInt8) throws {
    var ladder = Ladder()
    ladder.attach()
    let effects = ladder.answer(BindingStatus(rawValue: status))
    #expect(effects.changes.isEmpty)
    #expect(effects.advertisements.isEmpty)
    #expect(effects.updates.isEmpty)
    #expect(ladder.state == .refused)
    #expect(ladder.gateway.attachments.first?.lastStatus == BindingStatus(rawValue: status))
    #expect(ladder.attach().advertisements.isEmpty)
    #expect(ladder.advance(by: .milliseconds(31_999)).updates.isEmpty)
    #expect(ladder.advance(by: .milliseconds(1)).updates.count == 1)
    ladder.answer()
    #expect(ladder.state == .registered)
  }

  @Test("Refused at refresh: prefixes withdrawn, routes removed", arguments: [128, 130, 152, 153, 154] as [UInt8])
  func refusedAtRefresh(status: UInt8) throws {
    var ladder = Ladder.registered()
    ladder.advance(by: .seconds(260))
    let effects = ladder.answer(BindingStatus(rawValue: status))
    let plan = try #require(effects.advertisements.first)
    #expect(plan.routerLifetime == 0)
    #expect(plan.prefixes.map(\.validLifetime) == [0])
    #expect(ladder.datapath == DatapathSnapshot())
    #expect(ladder.storage.isEmpty)
    #expect(ladder.state == .refused)
  }

  @Test("A refused node that leaves needs no de-registration")
  func refusedNodeLeaves() {
    var ladder = Ladder()
    ladder.attach()
    ladder.answer(.insufficientResources)
    let effects = ladder.detach()
    #expect(effects.updates.isEmpty)
    #expect(effects.removals == [.operatorRequest])
    #expect(ladder.gateway.nextDeadline == nil)
  }

  @Test("152: silence until an operator attaches the node, also after it left and came back")
  func notEnabled() {
    var ladder = Ladder()
    ladder.attach()
    ladder.answer(.proxyRegistrationNotEnabled)
    #expect(ladder.state == .refused)
    #expect(ladder.advance(by: .seconds(1_000)).updates.isEmpty)
    #expect(ladder.attach().updates.isEmpty)
    ladder.detach()
    #expect(ladder.attach().isEmpty)
    #expect(ladder.count(.deniedNodesRefused) == 1)
    #expect(ladder.attach(Ladder.mac, on: "acc0", .operatorRequest).updates.count == 1)
    ladder.answer()
    #expect(ladder.state == .registered)
    #expect(ladder.count(.notEnabled) == 1)
  }

  @Test("155, 159 for named prefixes: withdrawn, once more with ALL_ZERO", arguments: [155, 159] as [UInt8])
  func namedPrefixesRefused(status: UInt8) throws {
    var ladder = Ladder.registered()
    ladder.advance(by: .seconds(260))
    let effects = ladder.answer(BindingStatus(rawValue: status))
    #expect(effects.advertisements.first?.routerLifetime == 0)
    #expect(ladder.datapath == DatapathSnapshot())
    #expect(try #require(effects.updates.first).asksForAnyPrefix)
    #expect(effects.updates.count == 1)
    // The second refusal is final (until the paced retry).
    #expect(ladder.answer(BindingStatus(rawValue: status)).updates.isEmpty)
    #expect(ladder.state == .refused)
  }

  @Test("156: a clock is wrong; asked again at the back-off of the retransmissions, shown in the status")
  func timestampMismatch() {
    var ladder = Ladder()
    ladder.attach()
    #expect(ladder.answer(.timestampMismatch).updates.isEmpty)
    #expect(ladder.gateway.attachments.first?.lastStatus == .timestampMismatch)
    #expect(ladder.advance(by: .milliseconds(1_500)).updates.count == 1)
    #expect(ladder.answer(.timestampMismatch).updates.isEmpty)
    #expect(ladder.advance(by: .milliseconds(2_999)).updates.isEmpty)
    #expect(ladder.advance(by: .milliseconds(1)).updates.count == 1)
    #expect(ladder.count(.timestampMismatches) == 2)
    ladder.answer()
    #expect(ladder.state == .registered)
    #expect(ladder.gateway.attachments.first?.lastStatus == .accepted)
  }

  @Test("156 at refresh: the binding stands until it expires")
  func timestampMismatchAtRefresh() {
    var ladder = Ladder.registered()
    ladder.advance(by: .seconds(260))
    #expect(ladder.answer(.timestampMismatch).advertisements.isEmpty)
    #expect(ladder.datapath.downlinks.count == 1)
    ladder.advance(by: .seconds(40))
    #expect(ladder.datapath == DatapathSnapshot())
  }

  @Test("A clock at the end of the range of timestamps stops nothing")
  func lastTimestamp() {
    var ladder = Ladder()
    ladder.wallClock = NTPTimestamp(rawValue: .max)
    ladder.attach()
    #expect(ladder.answer(.timestampLowerThanPreviousAccepted).updates.count == 1)
  }

  @Test("157: again at once with a fresh timestamp, twice; then the timer paces")
  func timestampTooLow() {
    var ladder = Ladder()
    var sent = ladder.attach().updates
    for _ in 0..<2 {
      let again = ladder.answer(.timestampLowerThanPreviousAccepted).updates
      #expect(again.count == 1)
      sent += again
    }
    let stamps = sent.compactMap(\.options.timestamp)
    #expect(zip(stamps.dropFirst(), stamps).allSatisfy { $0 > $1 })
    #expect(ladder.answer(.timestampLowerThanPreviousAccepted).updates.isEmpty)
    #expect(ladder.advance(by: .milliseconds(6_000)).updates.count == 1)
    #expect(ladder.answer(.timestampLowerThanPreviousAccepted).updates.count == 1)
    ladder.answer()
    #expect(ladder.state == .registered)
    #expect(ladder.count(.timestampsTooLow) == 4)
  }

  @Test("135: the anchor's number is adopted and the next one sent; an old 135 is not believed")
  func sequenceOutOfWindow() throws {
    var configuration = Ladder.configuration
    configuration.useTimestamps = false
    var ladder = Ladder(configuration)
    let first = try #require(ladder.attach().updates.first).sequence
    let again = try #require(ladder.answer(.sequenceNumberOutOfWindow, sequence: first &+ 500).updates.first)
    #expect(again.sequence == first &+ 501)
    #expect(ladder.answer(.sequenceNumberOutOfWindow, sequence: first &+ 400).updates.isEmpty)
    #expect(ladder.count(.unmatchedAcknowledgements) == 1)
    ladder.answer(to: again)
    #expect(ladder.state == .registered)
    // The next session starts behind everything used so far.
    #expect(try #require(ladder.attach(Ladder.bondedMAC).updates.first).sequence == first &+ 502)
  }

  @Test("135 with timestamps: the gateway's counter moves on")
  func sequenceOutOfWindowWithTimestamps() {
    var ladder = Ladder()
    let first = ladder.attach().updates[0].sequence
    #expect(
      ladder.answer(.sequenceNumberOutOfWindow, sequence: first &+ 500).updates.first?.sequence == first &+ 501)
    ladder.answer()
    #expect(ladder.attach(Ladder.bondedMAC).updates.first?.sequence == first &+ 502)
  }

  @Test("An unknown status below 128 is an acceptance", arguments: [1, 6, 127] as [UInt8])
  func unknownAcceptance(status: UInt8) {
    var ladder = Ladder()
    ladder.attach()
    ladder.answer(BindingStatus(rawValue: status))
    #expect(ladder.state == .registered)
  }
}
