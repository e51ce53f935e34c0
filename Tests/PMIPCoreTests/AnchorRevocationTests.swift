import MobilityWire
import NetTypes
import Testing

@testable import PMIPCore

@Suite("Anchor: binding revocation (RFC 5846)")
struct AnchorRevocationTests {
  typealias Lab = AnchorLab
  static let handover = PBU(handoff: .betweenGateways, prefixes: [Lab.firstPrefix])

  /// A node at mag1 whose revocation the operator has begun.
  static func revoking(_ change: (inout LMAConfiguration) -> Void = { _ in }) -> Lab {
    var lab = Lab(change)
    lab.send(.attach)
    lab.pass(.seconds(5))
    lab.step(.revokeNode(Lab.mn1))
    return lab
  }

  // MARK: By the operator

  @Test("RFC 5846 8.1: the gateway is told with P and the MN-ID; the binding serves until the answer, then it is gone")
  func operatorRevocation() throws {
    var lab = Self.revoking()
    let indication = try #require(lab.revocationsSent.first)
    #expect(lab.revocationsSent.count == 1)
    #expect(indication.kind == .indication(.administrative) && indication.flags == .proxyBinding)
    #expect(indication.options == MobilityOptions([.mobileNodeIdentifier(Lab.mn1)]))
    #expect(lab.route(to: Lab.firstPrefix) == Lab.mag1)
    lab.acknowledge(indication)
    #expect(lab.removalCauses == [.revoked] && lab.anchor.bindings.isEmpty)
    #expect(lab.route(to: Lab.firstPrefix) == nil && lab.anchor.tunnels.isEmpty)
    #expect(lab.revocationOutcomes.map(\.status) == [.success])
    #expect(lab.count(.revocationsAccepted) == 1 && lab.count(.bindingsRevoked) == 1)
    lab.pass(.seconds(30))
    #expect(lab.revocationsSent.isEmpty)
  }

  @Test("One indication to each gateway of the node")
  func severalGateways() throws {
    var lab = Lab()
    lab.send(.attach)
    lab.send(.attach(Lab.cellular, .eutran), from: Lab.mag2)
    lab.step(.revokeNode(Lab.mn1))
    let indications = lab.revocationsSent
    #expect(Set(indications.map(\.sequence)).count == 2)
    lab.acknowledge(indications[0], from: Lab.mag1)
    #expect(lab.anchor.bindings.map(\.proxyCareOfAddress) == [Lab.mag2])
    lab.acknowledge(indications[1], from: Lab.mag2)
    #expect(lab.anchor.bindings.isEmpty)
  }

  @Test("RFC 5846 6.3, 11: once more after InitMINDelayBRIs, given up after MAX_BRACK_TIMEOUT; then the binding goes")
  func retransmission() {
    var lab = Self.revoking()
    let first = lab.revocationsSent
    lab.pass(.milliseconds(999))
    #expect(lab.revocationsSent.isEmpty)
    lab.pass(.milliseconds(1))
    #expect(lab.revocationsSent == first)
    lab.pass(.milliseconds(1_999))
    #expect(lab.anchor.bindings.count == 1)
    lab.pass(.milliseconds(1))
    #expect(lab.removalCauses == [.revoked] && lab.revocationOutcomes.map(\.status) == [nil])
    #expect(lab.count(.revocationRetransmissions) == 1 && lab.count(.revocationsUnanswered) == 1)
    lab.acknowledge(first[0])
    #expect(lab.count(.revocationAcknowledgementsUnmatched) == 1)
  }

  @Test("RFC 5846 11: the timers are those of the configuration")
  func timers() {
    var lab = Self.revoking {
      $0.revocation.initialDelay = .milliseconds(500)
      $0.revocation.maximumDelay = .milliseconds(700)
      $0.revocation.maximumRetries = 3
    }
    lab.pass(.milliseconds(500 + 700 + 700 + 699))
    #expect(lab.count(.revocationRetransmissions) == 3 && lab.anchor.bindings.count == 1)
    lab.pass(.milliseconds(1))
    #expect(lab.anchor.bindings.isEmpty)
    let wrong = Lab.configuration {
      $0.revocation.initialDelay = .milliseconds(499)
      $0.revocation.maximumDelay = .zero
      $0.revocation.maximumRetries = 11
    }
    #expect(
      wrong.problems().map(\.keyPath) == [
        "revocation.initial-delay", "revocation.maximum-delay", "revocation.maximum-retries",
      ])
  }

  @Test("RFC 5846 6.2.2: an acknowledgement with another number, from or to elsewhere, is discarded")
  func unmatched() throws {
    var lab = Self.revoking()
    let indication = try #require(lab.revocationsSent.first)
    var other = indication
    other.sequence &+= 1
    lab.acknowledge(other)
    lab.acknowledge(indication, from: Lab.mag2)
    lab.acknowledge(indication, from: Lab.stranger)
    #expect(lab.count(.revocationAcknowledgementsUnmatched) == 2 && lab.count(.revocationsFromStrangers) == 1)
    #expect(lab.anchor.bindings.count == 1)
  }

  @Test(
    "The anchor owns the binding: whatever the gateway answers, the operator's revocation ends it", arguments: 128...135
  )
  func refused(status: Int) throws {
    var lab = Self.revoking()
    let status = BindingRevocationStatus(rawValue: UInt8(status))
    lab.acknowledge(try #require(lab.revocationsSent.first), status)
    #expect(lab.anchor.bindings.isEmpty && lab.count(.revocationsRefused) == 1)
    #expect(lab.revocationOutcomes.map(\.status) == [status])
  }

  @Test("RFC 5846 8.1: a registration accepted meanwhile saves the binding; a refresh was sent before and does not")
  func registrationMeanwhile() throws {
    var lab = Self.revoking()
    let indication = try #require(lab.revocationsSent.first)
    var refreshed = lab
    lab.send(.attach)
    lab.acknowledge(indication)
    #expect(lab.anchor.bindings.map(\.state) == [.active])
    refreshed.send(.refresh(Lab.firstPrefix))
    refreshed.acknowledge(indication)
    #expect(refreshed.anchor.bindings.isEmpty)
  }

  @Test("The node goes to another gateway meanwhile: its binding there stays")
  func handoverMeanwhile() throws {
    var lab = Self.revoking()
    let indication = try #require(lab.revocationsSent.first)
    lab.send(Self.handover, from: Lab.mag2)
    lab.acknowledge(indication)
    #expect(lab.binding(at: Lab.mag2)?.state == .active)
  }

  @Test("A binding that awaits its deletion needs no indication; an unknown node is counted")
  func nothingToTell() {
    var lab = Lab()
    lab.send(.attach)
    lab.send(.deregister(Lab.firstPrefix))
    lab.step(.revokeNode(Lab.mn1))
    #expect(lab.revocationsSent.isEmpty && lab.anchor.bindings.isEmpty)
    lab.step(.revokeNode(Lab.mn1))
    lab.step(.revokeGateway(Lab.mag2))
    #expect(lab.count(.operatorRevocationsUnknown) == 2 && lab.effects.isEmpty)
  }

  @Test("While the kernel works for the node, the revocation waits")
  func pendingInstall() {
    var lab = Lab()
    lab.kernel = .isSlow
    lab.send(.attach)
    lab.step(.revokeNode(Lab.mn1))
    #expect(lab.revocationsSent.isEmpty)
    lab.kernel = .obeys
    lab.answer()
    #expect(lab.revocationsSent.count == 1)
  }

  @Test("RFC 5846 8.1: everything of a gateway: G, trigger 128 and no option; a few bindings at a time")
  func wholeGateway() throws {
    var lab = Lab {
      $0.unknownNodes = .accept
      $0.prefixPools = [PrefixPool(prefix: prefix("2001:db8:100::/52"))]
    }
    for index in 0..<150 {
      lab.send(.attach.with { $0.node = MobileNodeIdentifier(nai: "n\(index)@example.net") })
    }
    lab.send(.attach.with { $0.node = Lab.mn2 }, from: Lab.mag2)
    lab.step(.revokeGateway(Lab.mag1))
    let indication = try #require(lab.revocationsSent.first)
    #expect(indication.kind == .indication(.perPeerPolicy))
    #expect(indication.flags == [.proxyBinding, .global] && indication.options.isEmpty)
    lab.send(.attach.with { $0.node = Lab.mn1 })
    lab.acknowledge(indication)
    #expect(lab.anchor.bindings.count == 152 - 128)
    lab.pass(.milliseconds(10))
    #expect(lab.anchor.bindings.map(\.node) == [Lab.mn2, Lab.mn1], "the one elsewhere, and the one registered since")
  }

  @Test("RFC 6275 6.1.9: Binding Error 2 ends revocation with this gateway until its configuration changes")
  func unsupported() {
    var lab = Self.revoking()
    let error = BindingError(status: BindingError.unrecognizedType)
    lab.step(.message(.bindingError(error), source: Lab.mag1, destination: Lab.anchorAddress))
    #expect(lab.anchor.bindings.isEmpty && lab.count(.revocationsUnsupported) == 1)
    lab.send(.attach)
    lab.step(.revokeNode(Lab.mn1))
    #expect(lab.revocationsSent.isEmpty && lab.anchor.bindings.isEmpty)
    lab.step(.configurationChanged(lab.anchor.configuration))
    lab.send(.attach)
    lab.step(.revokeNode(Lab.mn1))
    #expect(lab.revocationsSent.count == 1)
  }

  // MARK: After a handover

  @Test("RFC 5846 8.1: after a handover the old gateway is told, with the prefixes; not unless configured")
  func afterHandover() throws {
    var lab = Lab { $0.gateways[0].revokesAfterHandover = true }
    lab.send(.attach)
    lab.send(Self.handover, from: Lab.mag2)
    let indication = try #require(lab.revocationsSent.first)
    #expect(indication.kind == .indication(.handoverSameAccessTechnology) && indication.flags == .proxyBinding)
    #expect(indication.options.homeNetworkPrefixes.map(\.prefix) == [Lab.firstPrefix])
    lab.acknowledge(indication)
    #expect(lab.binding(at: Lab.mag2)?.state == .active)
    // And back: mag2 is not to be told.
    lab.send(Self.handover, from: Lab.mag1)
    #expect(lab.revocationsSent.isEmpty)
  }

  @Test("RFC 5846 8.1: another access technology has a trigger of its own; a node that returned is not revoked again")
  func otherTechnology() {
    var lab = Lab { $0.gateways[0].revokesAfterHandover = true }
    lab.send(.attach)
    lab.send(PBU(handoff: .betweenInterfaces, access: .eutran, linkLayer: Lab.cellular), from: Lab.mag2)
    #expect(lab.revocationsSent.map(\.kind) == [.indication(.handoverOtherAccessTechnology)])
    lab.send(PBU(handoff: .betweenInterfaces), from: Lab.mag1)
    lab.pass(.seconds(10))
    #expect(lab.count(.revocationRetransmissions) == 0 && lab.count(.revocationsUnanswered) == 0)
  }

  // MARK: By the gateway

  static func global(
    _ trigger: BindingRevocationTrigger = .perPeerPolicy, flags: BindingRevocationFlags = [.proxyBinding, .global],
    sequence: UInt16 = 5, options: [MobilityOption] = [.mobileNodeIdentifier(MobileNodeIdentifier(nai: "mag1"))]
  ) -> BindingRevocation {
    BindingRevocation(.indication(trigger), sequence: sequence, flags: flags, options: MobilityOptions(options))
  }

  @Test("RFC 5846 8.2: a gateway that may ends all of its bindings; the same indication again only gets its answer")
  func byGateway() {
    var lab = Lab { $0.gateways[0].mayRevokeAll = true }
    lab.send(.attach)
    lab.send(.attach.with { $0.node = Lab.mn2 }, from: Lab.mag2)
    lab.revocation(Self.global())
    #expect(lab.revocationsSent == [Self.global().acknowledgement(.success)])
    #expect(lab.binding(at: Lab.mag1)?.state == .awaitingDeletion)
    #expect(lab.binding(of: Lab.mn2, at: Lab.mag2)?.state == .active)
    // The node comes back, and a copy of the indication with it.
    lab.send(.attach)
    lab.revocation(Self.global())
    #expect(lab.revocationsSent == [Self.global().acknowledgement(.success)])
    #expect(lab.binding(at: Lab.mag1)?.state == .active)
    lab.revocation(Self.global(sequence: 6))
    lab.pass(.seconds(11))
    #expect(lab.removalCauses == [.revoked])
    lab.revocation(Self.global(sequence: 7))
    #expect(lab.revocationsSent == [Self.global(sequence: 7).acknowledgement(.bindingDoesNotExist)])
  }

  @Test(
    "RFC 5846 6.2.1, 8.2: what a gateway may not do",
    arguments: [
      (global(options: []), BindingRevocationStatus.globalRevocationNotAuthorized),
      (global(flags: .proxyBinding), .functionNotSupported), (global(flags: .global), .functionNotSupported),
      (global(.administrative), .functionNotSupported), (global(.revokingNodeLocalPolicy), .functionNotSupported),
      (global(.administrative, flags: .proxyBinding), .functionNotSupported),
      (global(BindingRevocationTrigger(rawValue: 8)), .triggerNotSupported),
      (global(BindingRevocationTrigger(rawValue: 250)), .triggerNotSupported),
    ])
  func refusals(indication: BindingRevocation, status: BindingRevocationStatus) {
    var lab = Lab { $0.gateways[0].mayRevokeAll = true }
    lab.send(.attach)
    lab.revocation(indication)
    #expect(lab.revocationsSent == [indication.acknowledgement(status)])
    #expect(lab.binding(at: Lab.mag1)?.state == .active)
  }

  @Test("RFC 5846 8.2: a gateway that may not gets status 130, a stranger nothing")
  func notAuthorized() {
    var lab = Lab()
    lab.send(.attach)
    lab.revocation(Self.global())
    #expect(lab.revocationsSent == [Self.global().acknowledgement(.globalRevocationNotAuthorized)])
    lab.revocation(Self.global(), from: Lab.stranger)
    #expect(lab.effects.isEmpty && lab.count(.revocationsFromStrangers) == 1)
  }
}

extension AnchorLab {
  /// A revocation message arrives.
  mutating func revocation(_ revocation: BindingRevocation, from source: IPv6Address = mag1) {
    step(.message(.bindingRevocation(revocation), source: source, destination: Self.anchorAddress))
  }

  mutating func acknowledge(
    _ indication: BindingRevocation, _ status: BindingRevocationStatus = .success, from source: IPv6Address = mag1
  ) {
    revocation(indication.acknowledgement(status), from: source)
  }

  var revocationsSent: [BindingRevocation] {
    effects.compactMap { if case .send(.bindingRevocation(let revocation), _, _) = $0 { revocation } else { nil } }
  }

  var revocationOutcomes: [RevocationOutcome] {
    effects.compactMap { if case .notify(.revocationEnded(let outcome)) = $0 { outcome } else { nil } }
  }
}
