import MobilityWire
import NetTypes
import Testing

@testable import PMIPCore

@Suite("Anchor: MaxDelayBeforeNewBCEAssign")
struct AnchorWaitTests {
  typealias Lab = AnchorLab

  /// Handoff state unknown, another interface, no prefix: may be the session that MAG1 has.
  static let unknown = PBU(handoff: .unknown, access: .eutran, linkLayer: Lab.cellular)

  static func waiting(_ change: (inout LMAConfiguration) -> Void = { _ in }) -> Lab {
    var lab = Lab(change)
    lab.send(.attach)
    // PBU(HI 4, ::) from MAG2 -->
    #expect(lab.send(Self.unknown, from: Lab.mag2) == nil)
    return lab
  }

  @Test("The old gateway de-registers: the session moves, with its prefix")
  func deregistered() {
    var lab = Self.waiting()
    #expect(lab.anchor.pendingRegistrations == 1 && lab.effects.isEmpty)
    lab.pass(.seconds(1))
    // PBU(0) from MAG1 -->  <-- PBA(0) to MAG1, <-- PBA(0, same HNP) to MAG2
    #expect(lab.send(.deregister(Lab.firstPrefix))?.status == .accepted)
    #expect(lab.acknowledgement(to: Lab.mag2)?.prefixes == [Lab.firstPrefix])
    #expect(lab.route(to: Lab.firstPrefix) == Lab.mag2)
    #expect(lab.anchor.bindings.map(\.state) == [.active] && lab.anchor.pendingRegistrations == 0)
    #expect(lab.count(.waitsEndedByDeregistration) == 1 && lab.count(.registrationsWaited) == 1)
    lab.pass(.seconds(20))
    #expect(lab.anchor.bindings.count == 1 && lab.count(.waitsTimedOut) == 0)
    // The session follows the newest timestamp it has seen.
    #expect(
      lab.send(PBU(handoff: .noChange, access: .eutran, linkLayer: Lab.cellular), from: Lab.mag2)?.status == .accepted)
  }

  @Test("A request between the held one and the de-registration is too old for the session that moved")
  func timestampsNeverGoBack() {
    var lab = Self.waiting()
    lab.pass(.seconds(1))
    lab.send(.deregister(Lab.firstPrefix))
    let between = PBU(
      handoff: .noChange, access: .eutran, linkLayer: Lab.cellular, clockError: .milliseconds(-100))
    #expect(lab.send(between, from: Lab.mag2)?.status == .timestampLowerThanPreviousAccepted)
  }

  @Test("Nobody de-registers: after the delay it is a session of its own")
  func timeout() {
    var lab = Self.waiting()
    lab.pass(.milliseconds(1_499))
    #expect(lab.anchor.bindings.count == 1)
    lab.pass(.milliseconds(1))
    #expect(lab.acknowledgement(to: Lab.mag2)?.prefixes == [Lab.secondPrefix])
    #expect(lab.anchor.bindings.count == 2 && lab.anchor.pendingRegistrations == 0)
    #expect(lab.count(.waitsTimedOut) == 1)
  }

  @Test("A refresh by the old gateway meanwhile does not make the held request too old")
  func refreshedMeanwhile() {
    var lab = Self.waiting()
    lab.send(.refresh(Lab.firstPrefix))
    lab.pass(.seconds(2))
    #expect(lab.acknowledgement(to: Lab.mag2)?.status == .accepted)
    #expect(lab.anchor.bindings.count == 2)
  }

  @Test("Without waiting the session is created at once")
  func zero() {
    var lab = Lab { $0.timers.maxDelayBeforeNewBCEAssign = .zero }
    lab.send(.attach)
    #expect(lab.send(Self.unknown, from: Lab.mag2)?.prefixes == [Lab.secondPrefix])
    #expect(lab.count(.registrationsWaited) == 0)
  }

  @Test("A session that was already de-registered moves at once")
  func alreadyDeregistered() {
    var lab = Lab()
    lab.send(.attach)
    lab.send(.deregister(Lab.firstPrefix))
    #expect(lab.send(Self.unknown, from: Lab.mag2)?.prefixes == [Lab.firstPrefix])
    #expect(lab.count(.registrationsWaited) == 0)
  }

  @Test("A retransmission takes the place of the held request and is the one answered; a replay does not")
  func retransmission() {
    var lab = Self.waiting()
    lab.pass(.seconds(1))
    #expect(lab.send(Self.unknown.with { $0.sequence = 77 }, from: Lab.mag2) == nil)
    let timestamp = lab.now.wallClock
    #expect(lab.send(Self.unknown.with { $0.clockError = .milliseconds(-200) }, from: Lab.mag2) == nil)
    #expect(lab.anchor.pendingRegistrations == 1)
    lab.pass(.milliseconds(480))
    let answer = lab.acknowledgement(to: Lab.mag2)
    #expect(answer?.sequence == 77 && answer?.options.timestamp == timestamp)
    #expect(lab.count(.retransmissionsAbsorbed) == 1 && lab.count(.ignoredOlderThanPending) == 1)
  }

  @Test("The node leaves the new gateway again: the held request is over")
  func cancelled() {
    var lab = Self.waiting()
    #expect(lab.send(Self.unknown.with { $0.lifetime = .zero }, from: Lab.mag2) == nil)
    #expect(lab.anchor.pendingRegistrations == 0 && lab.count(.ignoredSuperseded) == 1)
    lab.pass(.seconds(5))
    #expect(lab.anchor.bindings.count == 1)
  }

  @Test("The old session expires: a session of its own, before the delay is over")
  func expired() {
    var lab = Lab()
    lab.send(.attach.with { $0.lifetime = .seconds(4) })
    lab.pass(.seconds(3))
    lab.send(Self.unknown, from: Lab.mag2)
    lab.pass(.seconds(1))
    #expect(lab.anchor.bindings.map(\.proxyCareOfAddress) == [Lab.mag2])
    #expect(lab.count(.waitsEndedOtherwise) == 1)
  }

  @Test("A request older than what the session accepted does not wait")
  func tooOld() {
    var lab = Lab()
    lab.send(.attach)
    let answer = lab.send(Self.unknown.with { $0.clockError = .milliseconds(-100) }, from: Lab.mag2)
    #expect(answer?.status == .timestampLowerThanPreviousAccepted)
  }

  @Test("No room to hold it: 130")
  func limit() {
    var lab = Lab { $0.limits.pendingRegistrations = 1 }
    lab.send(.attach)
    lab.send(.attach.with { $0.node = Lab.mn2 })
    #expect(lab.send(Self.unknown, from: Lab.mag2) == nil)
    let other = Self.unknown.with { $0.node = Lab.mn2 }
    #expect(lab.send(other, from: Lab.mag2)?.status == .insufficientResources)
    #expect(lab.count(.limitPendingRegistrations) == 1)
  }
}
