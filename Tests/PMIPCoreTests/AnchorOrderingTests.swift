import MobilityWire
import NetTypes
import Testing

@testable import PMIPCore

@Suite("Anchor: order of requests")
struct AnchorOrderingTests {
  typealias Lab = AnchorLab

  static func sequenceOnly(_ configuration: inout LMAConfiguration) {
    for index in configuration.gateways.indices { configuration.gateways[index].ordering = .sequence }
  }

  @Test("156 carries the anchor's clock, at both ends of the window; inside it the timestamp is echoed")
  func window() {
    var lab = Lab()
    for error in [Duration.milliseconds(301), .milliseconds(-301)] {
      let answer = lab.send(.attach.with { $0.clockError = error })
      #expect(answer?.status == .timestampMismatch)
      #expect(answer?.options.timestamp == lab.now.wallClock)
    }
    let answer = lab.send(.attach.with { $0.clockError = .milliseconds(300) })
    #expect(answer?.status == .accepted)
    #expect(answer?.options.timestamp == lab.now.wallClock.advanced(by: .milliseconds(300)))
  }

  @Test("157 for an older timestamp, 156 for the same one; both with the anchor's clock")
  func replay() {
    var lab = Lab()
    let original = PBU.attach.message(now: lab.now)
    lab.step(.message(.bindingUpdate(original), source: Lab.mag1, destination: Lab.anchorAddress))
    lab.pass(.milliseconds(20))
    let older = lab.send(.refresh(Lab.firstPrefix).with { $0.clockError = .milliseconds(-100) })
    #expect(older?.status == .timestampLowerThanPreviousAccepted)
    #expect(older?.options.timestamp == lab.now.wallClock)
    // The very packet that was accepted.
    lab.step(.message(.bindingUpdate(original), source: Lab.mag1, destination: Lab.anchorAddress))
    let same = lab.acknowledgement(to: Lab.mag1)
    #expect(same?.status == .timestampMismatch)
    #expect(same?.options.timestamp == lab.now.wallClock)
    #expect(lab.count(.rejectedTimestampLower) == 1 && lab.count(.rejectedTimestampMismatch) == 1)
    #expect(lab.count(.acceptedRefresh) == 0)
  }

  @Test("The sequence number is copied and not judged while timestamps are in use")
  func sequenceIgnored() {
    var lab = Lab()
    lab.send(.attach.with { $0.sequence = 500 })
    let answer = lab.send(.refresh(Lab.firstPrefix).with { $0.sequence = 3 })
    #expect(answer?.status == .accepted && answer?.sequence == 3)
  }

  @Test("Without a Timestamp option sequence numbers count, and no timestamp comes back")
  func absentTimestamp() {
    var lab = Lab()
    func update(_ sequence: UInt16) -> PBU {
      PBU(handoff: .noChange, prefixes: [Lab.firstPrefix], timestamped: false, sequence: sequence)
    }
    let first = lab.send(
      .attach.with {
        $0.timestamped = false
        $0.sequence = 15
      })
    #expect(first?.status == .accepted && first?.options.timestamp == nil)
    for old: UInt16 in [15, 14, 0, 32_783, 65_535] {
      let answer = lab.send(update(old))
      #expect(answer?.status == .sequenceNumberOutOfWindow)
      #expect(answer?.sequence == 15, "135 carries the number accepted last")
    }
    #expect(lab.send(update(32_782))?.status == .accepted)
    #expect(lab.send(update(5))?.status == .accepted, "modulo 65,536")
  }

  @Test("A gateway without a synchronised clock: timestamps are echoed, sequence numbers judged")
  func sequencePolicy() {
    var lab = Lab(Self.sequenceOnly)
    let first = lab.send(
      .attach.with {
        $0.clockError = .seconds(1_000_000)
        $0.sequence = 7
      })
    #expect(first?.status == .accepted)
    #expect(first?.options.timestamp == lab.now.wallClock.advanced(by: .seconds(1_000_000)))
    let again = lab.send(
      .refresh(Lab.firstPrefix).with {
        $0.clockError = .seconds(-5)
        $0.sequence = 7
      })
    #expect(again?.status == .sequenceNumberOutOfWindow && again?.sequence == 7)
    #expect(lab.send(.refresh(Lab.firstPrefix).with { $0.sequence = 8 })?.status == .accepted)
  }

  @Test("A new session accepts any number, also from a gateway that has sessions")
  func newSession() {
    var lab = Lab(Self.sequenceOnly)
    lab.send(.attach.with { $0.sequence = 9_000 })
    #expect(lab.send(.attach(Lab.cellular, .eutran).with { $0.sequence = 1 })?.status == .accepted)
  }

  @Test(
    "Comparison of sequence numbers",
    arguments: [
      (1, 0, true), (0, 0, false), (0, 65_535, true), (32_767, 0, true), (32_768, 0, false), (65_535, 0, false),
    ] as [(UInt16, UInt16, Bool)])
  func modulo(_ received: UInt16, _ last: UInt16, _ greater: Bool) {
    #expect(Ordering.isGreater(received, than: last) == greater)
  }
}
