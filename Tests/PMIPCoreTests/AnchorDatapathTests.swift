import DatapathModel
import MobilityWire
import NetTypes
import Testing

@testable import PMIPCore

@Suite("Anchor: the kernel, and what happens while it works")
struct AnchorDatapathTests {
  typealias Lab = AnchorLab

  static let handover = PBU(handoff: .betweenGateways, prefixes: [Lab.firstPrefix])

  @Test("The kernel refuses a new session: 130, and everything is as before")
  func refusedNew() {
    var lab = Lab()
    lab.kernel = .refuses
    let answer = lab.send(.attach)
    #expect(answer?.status == .insufficientResources)
    #expect(lab.effects.map(\.word) == ["install", "send", "install"])
    #expect(
      lab.effects.contains {
        if case .install(_, [.removePrefixRoute(Lab.firstPrefix), .removeTunnel(TunnelIdentifier(rawValue: 1))]) = $0 {
          true
        } else {
          false
        }
      })
    #expect(lab.anchor.bindings.isEmpty && lab.anchor.desiredDatapath == DatapathSnapshot())
    #expect(lab.count(.datapathFailed) == 1 && lab.count(.datapathRemovalsFailed) == 1)
    // Prefix and tunnel number are free again, without quarantine.
    lab.kernel = .obeys
    #expect(lab.send(.attach.with { $0.node = Lab.mn2 })?.prefixes == [Lab.firstPrefix])
    #expect(lab.anchor.tunnels.map(\.identifier.rawValue) == [1])
  }

  @Test("The kernel refuses a handover: the session stays where it was")
  func refusedHandover() {
    var lab = Lab()
    lab.send(.attach)
    let before = lab.anchor.bindings
    lab.kernel = .refuses
    #expect(lab.send(Self.handover, from: Lab.mag2)?.status == .insufficientResources)
    #expect(lab.anchor.bindings == before)
    // The old route is set again: the kernel may have done a part.
    #expect(
      lab.effects.contains {
        if case .install(_, let changes) = $0 {
          changes == [
            .setPrefixRoute(Lab.firstPrefix, TunnelIdentifier(rawValue: 1)),
            .removeTunnel(TunnelIdentifier(rawValue: 2)),
          ]
        } else {
          false
        }
      })
    lab.kernel = .obeys
    #expect(lab.send(.refresh(Lab.firstPrefix))?.status == .accepted)
    #expect(lab.send(Self.handover, from: Lab.mag2)?.status == .accepted)
  }

  @Test("A removal that fails is counted; the binding is gone all the same")
  func failedRemoval() {
    var lab = Lab()
    lab.send(.attach)
    lab.kernel = .refuses
    lab.pass(.seconds(300))
    #expect(lab.anchor.bindings.isEmpty)
    #expect(lab.count(.datapathRemovalsFailed) == 1)
  }

  @Test("An outcome that nobody asked for is counted")
  func unknownOutcome() {
    var lab = Lab()
    lab.step(.datapathOutcome(EffectID(rawValue: 99), .installed))
    #expect(lab.effects.isEmpty && lab.count(.datapathOutcomesUnknown) == 1)
  }

  @Test("A retransmission while the kernel works: one install, one answer, to the newest transmission")
  func absorbedRetransmission() {
    var lab = Lab()
    lab.kernel = .isSlow
    lab.send(.attach)
    lab.pass(.seconds(1))
    #expect(lab.send(.attach.with { $0.sequence = 42 }) == nil)
    #expect(lab.effects.isEmpty)
    let timestamp = lab.now.wallClock
    // A late copy of the first transmission.
    #expect(lab.send(.attach.with { $0.clockError = .milliseconds(-250) }) == nil)
    lab.answer()
    #expect(lab.effects.filter { $0.word == "send" }.count == 1)
    let answer = lab.acknowledgement(to: Lab.mag1)
    #expect(answer?.sequence == 42 && answer?.options.timestamp == timestamp)
    #expect(lab.count(.retransmissionsAbsorbed) == 1 && lab.count(.ignoredOlderThanPending) == 1)
  }

  @Test("Requests of one node while the kernel works are judged afterwards, in order")
  func deferredRequests() {
    var lab = Lab()
    lab.kernel = .isSlow
    lab.send(.attach)
    // PBU from MAG2 and PBU(0) from MAG1 -->
    #expect(lab.send(Self.handover, from: Lab.mag2) == nil)
    #expect(lab.send(.deregister(Lab.firstPrefix)) == nil)
    #expect(lab.anchor.pendingRegistrations == 3 && lab.count(.registrationsQueued) == 2)
    lab.kernel = .obeys
    lab.answer()
    // <-- PBA(0) to MAG1, <-- PBA(0) to MAG2, nothing for the late de-registration
    #expect(lab.effects.filter { $0.word == "send" }.count == 2)
    #expect(lab.anchor.bindings.map(\.proxyCareOfAddress) == [Lab.mag2])
    #expect(lab.anchor.pendingRegistrations == 0)
    #expect(lab.count(.ignoredDeregistrationNotCurrentGateway) == 1)
  }

  @Test("Of one attachment only the newest request is kept while the kernel works")
  func supersededRequest() {
    var lab = Lab()
    lab.kernel = .isSlow
    lab.send(.attach)
    lab.send(Self.handover, from: Lab.mag2)
    lab.send(PBU(handoff: .unknown, prefixes: [Lab.firstPrefix], lifetime: .zero), from: Lab.mag2)
    #expect(lab.anchor.pendingRegistrations == 2 && lab.count(.ignoredSuperseded) == 1)
    lab.answer()
    #expect(lab.anchor.bindings.map(\.proxyCareOfAddress) == [Lab.mag1])
  }

  @Test("Different nodes do not wait for each other; a tunnel under way is added by every install that uses it")
  func independentNodes() {
    var lab = Lab()
    lab.kernel = .isSlow
    lab.send(.attach)
    lab.send(.attach.with { $0.node = Lab.mn2 })
    #expect(lab.unanswered.count == 2)
    #expect(lab.unanswered.allSatisfy { if case .addTunnel? = $0.1.first { true } else { false } })
    // The first fails, the second succeeds.
    let second = lab.unanswered.removeLast()
    lab.answer(.failed("busy"))
    #expect(lab.unanswered.count == 1, "the route of the first is taken back, the tunnel is not")
    #expect(lab.unanswered.first?.1 == [.removePrefixRoute(Lab.firstPrefix)])
    lab.unanswered.append(second)
    lab.kernel = .obeys
    lab.answer()
    #expect(lab.anchor.bindings.map(\.node) == [Lab.mn2] && lab.anchor.tunnels.count == 1)
  }

  @Test("Expiry and deletion wait for the kernel, and do nothing when the registration has moved the deadline")
  func deadlineMeanwhile() {
    var lab = Lab()
    lab.send(.attach.with { $0.lifetime = .seconds(8) })
    lab.pass(.seconds(7))
    lab.kernel = .isSlow
    lab.send(Self.handover, from: Lab.mag2)
    lab.pass(.seconds(5))
    #expect(lab.anchor.bindings.count == 1 && lab.count(.bindingsExpired) == 0)
    lab.kernel = .obeys
    lab.answer()
    #expect(lab.anchor.bindings.map(\.proxyCareOfAddress) == [Lab.mag2] && lab.count(.bindingsExpired) == 0)
  }

  @Test("... but take place when it has failed")
  func deadlineAfterFailure() throws {
    var lab = Lab()
    lab.send(.attach.with { $0.lifetime = .seconds(8) })
    lab.send(.attach(Lab.cellular, .eutran))
    let other = try #require(lab.anchor.bindings.last).identifier
    lab.kernel = .isSlow
    lab.send(Self.handover, from: Lab.mag2)
    lab.step(.deleteBinding(other))
    lab.pass(.seconds(9))
    #expect(lab.anchor.bindings.count == 2)
    lab.kernel = .obeys
    lab.answer(.failed("busy"))
    #expect(lab.anchor.bindings.isEmpty)
    #expect(lab.count(.bindingsExpired) == 1 && lab.count(.bindingsDeletedByOperator) == 1)
  }

  @Test("A tunnel is shared and goes with its last binding")
  func sharedTunnel() {
    var lab = Lab { $0.timers.minDelayBeforeBCEDelete = .zero }
    lab.send(.attach)
    lab.send(.attach.with { $0.node = Lab.mn2 })
    #expect(lab.anchor.tunnels.count == 1)
    lab.send(.deregister(Lab.firstPrefix))
    #expect(lab.anchor.tunnels.count == 1)
    lab.send(.deregister(Lab.secondPrefix).with { $0.node = Lab.mn2 })
    #expect(lab.anchor.tunnels.isEmpty)
  }

  @Test("No tunnel number left: 130; the prefix is not lost")
  func tunnelsExhausted() throws {
    let layout = try #require(MarkLayout(mask: 0x1))
    var lab = Lab { $0.markLayout = layout }
    lab.send(.attach)
    #expect(lab.send(.attach.with { $0.node = Lab.mn2 }, from: Lab.mag2)?.status == .insufficientResources)
    #expect(lab.send(Self.handover, from: Lab.mag2)?.status == .insufficientResources)
    #expect(lab.count(.tunnelsExhausted) == 2)
    #expect(lab.send(.attach.with { $0.node = Lab.mn2 })?.prefixes == [Lab.secondPrefix])
  }

  @Test("A number names no second tunnel before the first is removed")
  func numberReuse() {
    var lab = Lab()
    lab.send(.attach)
    lab.kernel = .isSlow
    lab.pass(.seconds(300))
    // The removal of tunnel 1 is open: another gateway gets number 2, the same gateway number 1 again.
    lab.send(.attach, from: Lab.mag2)
    #expect(
      lab.unanswered.last?.1.first
        == .addTunnel(
          TunnelDescription(identifier: TunnelIdentifier(rawValue: 2), local: Lab.anchorAddress, remote: Lab.mag2)))
    lab.send(.attach.with { $0.node = Lab.mn2 })
    #expect(
      lab.unanswered.last?.1.first
        == .addTunnel(
          TunnelDescription(identifier: TunnelIdentifier(rawValue: 1), local: Lab.anchorAddress, remote: Lab.mag1)))
    lab.kernel = .obeys
    lab.answer()
    #expect(lab.anchor.tunnels.map(\.identifier.rawValue) == [1, 2])
  }
}
