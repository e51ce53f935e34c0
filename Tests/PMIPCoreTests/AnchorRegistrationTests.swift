import DatapathModel
import MobilityWire
import NetTypes
import Testing

@testable import PMIPCore

@Suite("Anchor: registration, refresh, handover, de-registration")
struct AnchorRegistrationTests {
  typealias Lab = AnchorLab

  @Test("A first attachment gets a prefix, a tunnel, a route and an acknowledgement with every echo")
  func initialAttachment() throws {
    var lab = Lab()
    // PBU(HI 1, ::) -->  <-- PBA(0, HNP)
    let sent = lab.send(.attach.with { $0.linkLocal = .unspecified })
    let answer = try #require(sent)
    #expect(answer.status == .accepted)
    #expect(answer.isProxyRegistration)
    #expect(answer.sequence == 1)
    #expect(answer.lifetime.duration == .seconds(300))
    #expect(
      Array(answer.options) == [
        .mobileNodeIdentifier(Lab.mn1), .homeNetworkPrefix(HomeNetworkPrefixOption(Lab.firstPrefix)),
        .handoffIndicator(.newInterface), .accessTechnologyType(.wlan), .timestamp(lab.now.wallClock),
        .mobileNodeLinkLayerIdentifier(Lab.wlan), .linkLocalAddress(address("fe80::200:5eff:fe00:5213")),
      ])
    #expect(lab.route(to: Lab.firstPrefix) == Lab.mag1)
    let binding = try #require(lab.anchor.bindings.first)
    #expect(binding.gatewayName == "mag1")
    #expect(binding.tunnel == TunnelIdentifier(rawValue: 1))
    #expect(binding.state == .active && binding.isDefault)
    #expect(binding.expiresAt == lab.now.monotonic + .seconds(300))
    #expect(lab.count(.acceptedInitial) == 1)
  }

  @Test("The acknowledgement leaves only after the kernel has the route; announcing and storing come after it")
  func orderOfEffects() {
    var lab = Lab()
    lab.kernel = .isSlow
    // PBU -->
    #expect(lab.send(.attach) == nil)
    let tunnel = TunnelDescription(
      identifier: TunnelIdentifier(rawValue: 1), local: Lab.anchorAddress, remote: Lab.mag1)
    #expect(
      lab.effects == [
        .install(EffectID(rawValue: 1), [.addTunnel(tunnel), .setPrefixRoute(Lab.firstPrefix, tunnel.identifier)])
      ])
    #expect(lab.anchor.bindings.isEmpty && lab.anchor.tunnels.isEmpty && lab.anchor.pendingRegistrations == 1)
    lab.answer()
    //      <-- PBA(0, HNP)
    #expect(lab.effects.map(\.word) == ["send", "tunnel-added", "binding-changed", "store"])
    #expect(lab.anchor.bindings.count == 1 && lab.anchor.tunnels == [tunnel] && lab.anchor.pendingRegistrations == 0)
  }

  @Test("A refresh needs no kernel: it is answered at once and moves the expiry")
  func refresh() {
    var lab = Lab()
    lab.send(.attach)
    lab.pass(.seconds(200))
    let answer = lab.send(.refresh(Lab.firstPrefix))
    // PBU(HI 5, HNP) -->  <-- PBA(0, HNP); subscribers are not told what has not changed.
    #expect(answer?.status == .accepted)
    #expect(lab.effects.map(\.word) == ["send", "store"])
    #expect(lab.anchor.bindings.first?.expiresAt == lab.now.monotonic + .seconds(300))
    #expect(lab.count(.acceptedRefresh) == 1)
    lab.pass(.seconds(299))
    #expect(lab.anchor.bindings.count == 1)
    lab.pass(.seconds(2))
    #expect(lab.anchor.bindings.isEmpty)
  }

  @Test("A longer lifetime than the maximum is granted as the maximum")
  func grantedLifetime() {
    var lab = Lab { $0.timers.maximumLifetime = .seconds(100) }
    #expect(lab.send(.attach.with { $0.lifetime = .seconds(99) })?.lifetime.duration == .seconds(96))
    #expect(lab.send(.refresh(Lab.firstPrefix))?.lifetime.duration == .seconds(100))
  }

  @Test("An expired binding takes its route, its tunnel and its record with it")
  func expiry() {
    var lab = Lab()
    lab.send(.attach)
    lab.pass(.seconds(300))
    #expect(lab.anchor.bindings.isEmpty && lab.anchor.tunnels.isEmpty)
    #expect(lab.datapath == DatapathSnapshot())
    #expect(lab.effects.map(\.word) == ["install", "binding-removed", "tunnel-removed", "remove"])
    #expect(lab.count(.bindingsExpired) == 1)
    #expect(lab.anchor.nextDeadline == nil)
  }

  @Test("A late timer call does not matter: what is over is over before the next request is judged")
  func lateTimer() {
    var lab = Lab()
    lab.send(.attach)
    lab.now.monotonic += .seconds(400)
    lab.now.wallClock = lab.now.wallClock.advanced(by: .seconds(400))
    lab.send(.attach)
    #expect(lab.count(.acceptedInitial) == 2 && lab.count(.bindingsExpired) == 1)
  }

  @Test("A handover moves prefix and session; the old tunnel goes after the answer")
  func handover() {
    var lab = Lab()
    lab.send(.attach)
    let identifier = lab.anchor.bindings.first?.identifier
    // PBU(HI 3, HNP) from MAG2 -->  <-- PBA(0, same HNP)
    let answer = lab.send(
      .attach.with {
        $0.handoff = .betweenGateways
        $0.prefixes = [Lab.firstPrefix]
      }, from: Lab.mag2)
    #expect(answer?.prefixes == [Lab.firstPrefix])
    #expect(
      lab.effects.map(\.word) == [
        "install", "send", "install", "tunnel-added", "binding-changed", "tunnel-removed", "store",
      ])
    #expect(lab.route(to: Lab.firstPrefix) == Lab.mag2)
    #expect(lab.anchor.bindings.map(\.identifier) == [identifier])
    #expect(lab.anchor.tunnels.map(\.remote) == [Lab.mag2])
    #expect(lab.count(.acceptedHandover) == 1)
  }

  @Test("A late de-registration from the old gateway never removes the new binding, and gets no answer")
  func lateDeregistration() {
    var lab = Lab()
    lab.send(.attach)
    lab.send(.attach.with { $0.handoff = .betweenGateways }, from: Lab.mag2)
    let before = lab.anchor.bindings
    // PBU(0) from MAG1 -->
    #expect(lab.send(.deregister(Lab.firstPrefix)) == nil)
    #expect(lab.effects.isEmpty)
    #expect(lab.anchor.bindings == before)
    #expect(lab.count(.ignoredDeregistrationNotCurrentGateway) == 1)
  }

  @Test("... nor when the session has moved to another interface")
  func lateDeregistrationAfterVerticalHandover() {
    var lab = Lab()
    lab.send(.attach)
    lab.send(PBU(handoff: .betweenInterfaces, access: .eutran, linkLayer: Lab.cellular), from: Lab.mag2)
    #expect(lab.anchor.bindings.map(\.proxyCareOfAddress) == [Lab.mag2])
    #expect(lab.send(.deregister(Lab.firstPrefix)) == nil)
    #expect(lab.anchor.bindings.map(\.state) == [.active])
    #expect(lab.count(.ignoredDeregistrationWithoutSession) == 1)
  }

  @Test("A de-registration is answered at once, stops the traffic, and deletes after the delay")
  func deregistration() throws {
    var lab = Lab()
    lab.send(.attach)
    // PBU(0) -->  <-- PBA(0, lifetime 0, HNP)
    let sent = lab.send(.deregister(Lab.firstPrefix))
    let answer = try #require(sent)
    #expect(answer.status == .accepted && answer.lifetime == .zero && answer.prefixes == [Lab.firstPrefix])
    #expect(lab.effects.map(\.word) == ["send", "install", "binding-changed", "remove"])
    #expect(lab.route(to: Lab.firstPrefix) == nil)
    #expect(lab.anchor.bindings.map(\.state) == [.awaitingDeletion])
    #expect(lab.anchor.bindings.first?.expiresAt == lab.now.monotonic + .seconds(10))
    lab.pass(.milliseconds(9_990))
    #expect(lab.anchor.bindings.count == 1)
    lab.pass(.milliseconds(10))
    #expect(lab.effects.map(\.word) == ["install", "binding-removed", "tunnel-removed"])
    #expect(lab.anchor.bindings.isEmpty && lab.datapath == DatapathSnapshot())
    #expect(lab.count(.bindingsDeletedAfterDelay) == 1 && lab.count(.acceptedDeregistration) == 1)
  }

  @Test("A repeated de-registration is answered again and does not prolong the delay")
  func repeatedDeregistration() {
    var lab = Lab()
    lab.send(.attach)
    lab.send(.deregister(Lab.firstPrefix))
    lab.pass(.seconds(6))
    #expect(lab.send(.deregister(Lab.firstPrefix))?.status == .accepted)
    #expect(lab.effects.map(\.word) == ["send"])
    lab.pass(.seconds(4))
    #expect(lab.anchor.bindings.isEmpty)
  }

  @Test("A request within the delay brings the session back, at the old gateway or at another", arguments: [1, 2])
  func revival(gateway: Int) {
    var lab = Lab()
    lab.send(.attach)
    lab.send(.deregister(Lab.firstPrefix))
    lab.pass(.seconds(5))
    let address = gateway == 1 ? Lab.mag1 : Lab.mag2
    #expect(lab.send(.attach, from: address)?.prefixes == [Lab.firstPrefix])
    #expect(lab.route(to: Lab.firstPrefix) == address)
    lab.pass(.seconds(20))
    #expect(lab.anchor.bindings.map(\.state) == [.active])
    #expect(lab.count(.bindingsRevived) == 1)
  }

  @Test("Without a delay the binding goes at once")
  func noDelay() {
    var lab = Lab { $0.timers.minDelayBeforeBCEDelete = .zero }
    lab.send(.attach)
    #expect(lab.send(.deregister(Lab.firstPrefix))?.status == .accepted)
    #expect(lab.effects.map(\.word) == ["send", "install", "binding-removed", "tunnel-removed", "remove"])
    #expect(lab.anchor.bindings.isEmpty)
  }

  @Test("The operator deletes a binding; an unknown number is counted")
  func operatorDeletion() throws {
    var lab = Lab()
    lab.send(.attach)
    let identifier = try #require(lab.anchor.bindings.first).identifier
    lab.step(.deleteBinding(identifier))
    #expect(lab.anchor.bindings.isEmpty && lab.datapath == DatapathSnapshot())
    lab.step(.deleteBinding(identifier))
    #expect(lab.effects.isEmpty)
    #expect(lab.count(.bindingsDeletedByOperator) == 1 && lab.count(.operatorDeletionsUnknown) == 1)
  }

  @Test("An Alternate Care-of Address is the tunnel's end; the answer goes to the source")
  func alternateCareOfAddress() {
    var lab = Lab()
    let answer = lab.send(.attach.with { $0.careOf = Lab.mag2 }, from: Lab.stranger)
    #expect(answer?.status == .accepted)
    #expect(lab.anchor.tunnels.map(\.remote) == [Lab.mag2])
  }

  @Test("Link-local address: the gateway's choice is stored and told to the next gateway that asks")
  func linkLocalAddress() {
    var lab = Lab()
    let chosen = address("fe80::1")
    #expect(lab.send(.attach.with { $0.linkLocal = chosen })?.options.linkLocalAddress == chosen)
    #expect(lab.send(.attach, from: Lab.mag2)?.options.linkLocalAddress == nil)
    #expect(lab.send(.attach.with { $0.linkLocal = .unspecified }, from: Lab.mag1)?.options.linkLocalAddress == chosen)
  }

  @Test("Several prefixes asked for by name belong to one session")
  func namedPrefixes() {
    var lab = Lab()
    let wanted = [Lab.thirdPrefix, Lab.secondPrefix]
    #expect(lab.send(.attach.with { $0.prefixes = wanted })?.prefixes == wanted.sorted())
    #expect(lab.anchor.bindings.count == 1)
    #expect(lab.route(to: Lab.secondPrefix) == Lab.mag1 && lab.route(to: Lab.thirdPrefix) == Lab.mag1)
  }

  @Test("A gateway with a second anchor address gets a second tunnel")
  func secondAnchorAddress() {
    let other = address("2001:db8:1::2")
    var lab = Lab { $0.addresses.append(other) }
    lab.send(.attach)
    lab.step(
      .message(
        .bindingUpdate(
          PBU.attach.with { $0.node = Lab.mn2 }.message(now: lab.now)), source: Lab.mag1, destination: other))
    #expect(lab.anchor.tunnels.map(\.local) == [Lab.anchorAddress, other])
    guard case .send(_, other, Lab.mag1)? = lab.effects.first(where: { $0.word == "send" }) else {
      Issue.record("the answer must come from the address that was asked")
      return
    }
  }
}

extension LMAEffect {
  /// The effect in a word, for tests of order.
  var word: String {
    switch self {
    case .send: "send"
    case .install: "install"
    case .notify(.tunnelAdded): "tunnel-added"
    case .notify(.tunnelRemoved): "tunnel-removed"
    case .notify(.bindingChanged): "binding-changed"
    case .notify(.bindingRemoved): "binding-removed"
    case .notify(.gatewayChanged): "gateway-changed"
    case .notify(.revocationEnded): "revocation-ended"
    case .persist(.store): "store"
    case .persist(.remove): "remove"
    case .persist(.storePeer): "store-peer"
    case .persist(.removePeer): "remove-peer"
    case .notify(.notificationFailed): "notification-failed"
    case .answer: "answer"
    }
  }
}
