import MobilityWire
import NetTypes
import Testing

@testable import PMIPCore

@Suite("Gateway: binding revocation (RFC 5846)")
struct GatewayRevocationTests {
  typealias Ladder = GatewayLadder

  static func indication(
    _ trigger: BindingRevocationTrigger = .administrative, flags: BindingRevocationFlags = .proxyBinding,
    sequence: UInt16 = 5, options: [MobilityOption] = [.mobileNodeIdentifier(Ladder.node)]
  ) -> BindingRevocation {
    BindingRevocation(.indication(trigger), sequence: sequence, flags: flags, options: MobilityOptions(options))
  }

  static func hnp(_ prefix: IPv6Prefix) -> MobilityOption { .homeNetworkPrefix(HomeNetworkPrefixOption(prefix)) }

  /// Registered long ago.
  static func settled(_ configuration: MAGConfiguration = Ladder.configuration) -> Ladder {
    var ladder = Ladder.registered(configuration)
    ladder.advance(by: .seconds(5))
    return ladder
  }

  // MARK: By the anchor

  @Test(
    "RFC 5846 9.1: acknowledged; routes and tunnel go, the node's prefix is withdrawn, and the anchor asked no more")
  func revoked() {
    var ladder = Self.settled()
    let effects = ladder.revocation(Self.indication())
    #expect(effects.revocations == [Self.indication().acknowledgement(.success)])
    #expect(effects.updates.isEmpty && effects.advertisements.map(\.routerLifetime) == [0])
    #expect(ladder.datapath.uplinks.isEmpty && ladder.datapath.downlinks.isEmpty && ladder.datapath.tunnels.isEmpty)
    #expect(ladder.state == .revoked && ladder.storage.isEmpty && ladder.count(.bindingsRevoked) == 1)
    #expect(ladder.advance(by: .seconds(600)).updates.isEmpty)
  }

  @Test("A revoked node registers again when it attaches anew, not because a neighbour entry shows it")
  func attachedAnew() {
    var ladder = Self.settled()
    ladder.revocation(Self.indication())
    #expect(ladder.attach(Ladder.mac, on: "acc0", .neighbour).updates.isEmpty)
    #expect(ladder.attach().updates.count == 1 && ladder.state == .registering)

    var gone = Self.settled()
    gone.revocation(Self.indication())
    gone.detach(Ladder.mac, from: "acc0", .neighbourUnreachable)
    #expect(gone.gateway.attachments.isEmpty)
    #expect(gone.attach(Ladder.mac, on: "acc0", .neighbour).updates.count == 1)
  }

  @Test(
    "RFC 5846 6.2.2: the same indication again gets the same answer and does nothing, even after a new registration")
  func repeated() {
    var ladder = Self.settled()
    ladder.revocation(Self.indication())
    ladder.attach()
    ladder.answer()
    #expect(ladder.revocation(Self.indication()).revocations == [Self.indication().acknowledgement(.success)])
    #expect(ladder.state == .registered)
    ladder.advance(by: .seconds(11))
    ladder.revocation(Self.indication())
    #expect(ladder.state == .revoked, "after so long it is another one with that number")
  }

  @Test("A registration that may cross the revocation is followed by a de-registration")
  func crossing() {
    var ladder = Ladder()
    ladder.attach()
    let effects = ladder.revocation(Self.indication())
    #expect(effects.revocations.map(\.kind) == [.acknowledgement(.success)])
    #expect(effects.updates.map(\.lifetime) == [.zero])
    ladder.advance(by: .seconds(1))
    #expect(ladder.state == .revoked)

    var young = Ladder.registered()
    #expect(young.revocation(Self.indication()).updates.map(\.namedPrefixes) == [[Ladder.prefix]])
    young.answer()
    #expect(young.state == .revoked && young.datapath.tunnels.isEmpty)
  }

  @Test("RFC 5846 9.1: with prefixes only their sessions; the missing ones are named with status 1, or 128")
  func byPrefix() {
    var ladder = Self.settled()
    ladder.attach(Ladder.secondMAC, on: "acc1")
    ladder.answer(prefixes: [Ladder.secondPrefix])
    ladder.advance(by: .seconds(5))
    let node = MobilityOption.mobileNodeIdentifier(Ladder.node)
    let some = Self.indication(options: [node, Self.hnp(Ladder.secondPrefix), Self.hnp(Ladder.thirdPrefix)])
    #expect(
      ladder.revocation(some).revocations == [
        some.acknowledgement(.partialSuccess, failed: [Self.hnp(Ladder.thirdPrefix)])
      ])
    #expect(ladder.states == [.registered, .revoked])
    let none = Self.indication(sequence: 6, options: [node, Self.hnp(Ladder.thirdPrefix)])
    #expect(
      ladder.revocation(none).revocations == [
        none.acknowledgement(.bindingDoesNotExist, failed: [Self.hnp(Ladder.thirdPrefix)])
      ])
  }

  @Test("RFC 5846 9.1: after a handover the old attachment ends; one that is younger than the indication may be is 132")
  func handover() {
    var ladder = Self.settled()
    let indication = Self.indication(.handoverSameAccessTechnology)
    var back = ladder
    #expect(ladder.revocation(indication).revocations == [indication.acknowledgement(.success)])
    #expect(ladder.state == .revoked)
    // The node has left and come back before the indication is here.
    back.detach()
    back.answer()
    back.attach()
    back.answer()
    #expect(back.revocation(indication).revocations == [indication.acknowledgement(.mobileNodeAttached)])
    #expect(back.state == .registered)
    // The anchor does not know where the node came from, we know that it is here.
    var unknown = Self.settled()
    let guess = Self.indication(.handoverUnknown)
    #expect(unknown.revocation(guess).revocations == [guess.acknowledgement(.mobileNodeAttached)])
  }

  @Test("A gateway that the node had left registered it late: the one where it still is finds it and registers again")
  func handoverThatWasNone() {
    var ladder = Self.settled()
    #expect(ladder.revocation(Self.indication(.handoverSameAccessTechnology)).probes == 1)
    #expect(ladder.advance(by: .milliseconds(4_999)).updates.isEmpty && ladder.state == .revoked)
    let again = ladder.advance(by: .milliseconds(1))
    #expect(again.updates.map(\.asksForAnyPrefix) == [true])
    ladder.answer()
    #expect(ladder.state == .registered && ladder.datapath == ladder.gateway.desiredDatapath)

  }

  @Test("After a handover a node that does not answer the probe has gone; one that cannot be probed must attach anew")
  func handoverThatWasOne() {
    let indication = Self.indication(.handoverSameAccessTechnology)
    var gone = Self.settled()
    gone.revocation(indication)
    gone.advance(by: .seconds(3))
    gone.detach(Ladder.mac, from: "acc0", .neighbourUnreachable)
    #expect(gone.gateway.attachments.isEmpty && gone.advance(by: .seconds(600)).updates.isEmpty)

    var unseen = Ladder()
    unseen.attach(Ladder.mac, on: "acc0", .link, linkLocal: nil)
    unseen.answer()
    unseen.advance(by: .seconds(5))
    unseen.revocation(indication)
    #expect(unseen.advance(by: .seconds(600)).updates.isEmpty && unseen.state == .revoked)

    var configuration = Ladder.configuration
    configuration.timers.probeInterval = .zero
    var unprobed = Self.settled(configuration)
    unprobed.revocation(indication)
    #expect(unprobed.advance(by: .seconds(600)).updates.isEmpty && unprobed.state == .revoked)
  }

  @Test("RFC 5846 9.1: G ends everything of the anchor, a few at a time; trigger 129 the nodes of one realm exactly")
  func groups() {
    var configuration = Ladder.configuration
    configuration.unknownNodes = .derive(realm: "sub.example.net")
    var ladder = Ladder(configuration)
    for index in 0..<150 {
      ladder.attach(LinkLayerAddress(rawValue: 0x0200_0001_0000 + UInt64(index)))
      ladder.answer(
        prefixes: [IPv6Prefix(IPv6Address(high: 0x2001_0db8_0200_0000 + UInt64(index), low: 0), length: 64)].compactMap(
          \.self))
    }
    ladder.attach()
    ladder.answer()
    ladder.advance(by: .seconds(5))
    let realm = Self.indication(
      .revokingNodeLocalPolicy, flags: [.proxyBinding, .global],
      options: [.mobileNodeIdentifier(MobileNodeIdentifier(nai: "@example.net"))])
    #expect(ladder.revocation(realm).revocations.map(\.kind) == [.acknowledgement(.success)])
    #expect(ladder.states.filter { $0 == .revoked }.count == 1)
    let all = Self.indication(.perPeerPolicy, flags: [.proxyBinding, .global], sequence: 6, options: [])
    #expect(ladder.revocation(all).revocations.map(\.kind) == [.acknowledgement(.success)])
    #expect(ladder.states.filter { $0 == .revoked }.count == 1 + 128)
    ladder.advance(by: .milliseconds(10))
    #expect(ladder.states.allSatisfy { $0 == .revoked } && ladder.datapath.tunnels.isEmpty)
  }

  @Test("RFC 6602 4: the group of all sessions; another group, or one with a single node beside it, is 128")
  func bulkGroup() {
    var ladder = Self.settled()
    let other = Self.indication(options: [.mobileNodeGroupIdentifier(.init(group: 7))])
    #expect(ladder.revocation(other).revocations == [other.acknowledgement(.bindingDoesNotExist)])
    let mixed = Self.indication(
      sequence: 6, options: [.mobileNodeIdentifier(Ladder.node), .mobileNodeGroupIdentifier(.allSessions)])
    #expect(ladder.revocation(mixed).revocations == [mixed.acknowledgement(.bindingDoesNotExist)])
    let all = Self.indication(sequence: 7, options: [.mobileNodeGroupIdentifier(.allSessions)])
    #expect(ladder.revocation(all).revocations == [all.acknowledgement(.success)])
    #expect(ladder.state == .revoked)
  }

  @Test(
    "RFC 5846 6.2.1, 9.1: what is refused, and why",
    arguments: [
      (indication(options: []), BindingRevocationStatus.revokedMobileNodesIdentityRequired),
      (
        indication(.revokingNodeLocalPolicy, flags: [.proxyBinding, .global], options: []),
        .revokedMobileNodesIdentityRequired
      ),
      (indication(options: [.mobileNodeIdentifier(Ladder.bonded)]), .bindingDoesNotExist),
      (indication(flags: [.proxyBinding, .ipv4HomeAddressBinding]), .bindingDoesNotExist),
      (indication(flags: []), .functionNotSupported), (indication(.perPeerPolicy), .functionNotSupported),
      (indication(flags: [.proxyBinding, .global]), .functionNotSupported),
      (indication(BindingRevocationTrigger(rawValue: 8)), .triggerNotSupported),
    ])
  func refusals(indication: BindingRevocation, status: BindingRevocationStatus) {
    var ladder = Self.settled()
    #expect(ladder.revocation(indication).revocations == [indication.acknowledgement(status)])
    #expect(ladder.state == .registered)
  }

  @Test("A stranger gets no answer")
  func stranger() {
    var ladder = Self.settled()
    #expect(ladder.revocation(Self.indication(), from: "2001:db8:ffff::1").isEmpty)
    #expect(ladder.count(.revocationsFromStrangers) == 1)
  }

  // MARK: By the operator of the gateway

  @Test("RFC 5846 9.2: one indication with G, trigger 128 and our identity; the sessions end with the answer")
  func revokeAll() throws {
    var configuration = Ladder.configuration
    configuration.identity = "mag1@example.net"
    var ladder = Self.settled(configuration)
    let sent = try #require(ladder.step(.revokeAll).revocations.first)
    #expect(sent.kind == .indication(.perPeerPolicy) && sent.flags == [.proxyBinding, .global])
    #expect(sent.options.mobileNodeIdentifier == MobileNodeIdentifier(nai: "mag1@example.net"))
    #expect(ladder.state == .registered)
    #expect(ladder.revocation(sent.acknowledgement(.success)).updates.isEmpty)
    #expect(ladder.state == .revoked && ladder.datapath.tunnels.isEmpty)
    #expect(ladder.advance(by: .seconds(30)).revocations.isEmpty)
  }

  @Test("RFC 5846 6.3: without an answer once more, then the sessions end here; a refusal leaves them")
  func unansweredOrRefused() throws {
    var ladder = Self.settled()
    let sent = try #require(ladder.step(.revokeAll).revocations.first)
    #expect(sent.options.mobileNodeIdentifier == MobileNodeIdentifier(nai: "2001:db8:1::11"))
    var refused = ladder
    #expect(ladder.advance(by: .seconds(1)).revocations == [sent])
    ladder.advance(by: .seconds(2))
    #expect(ladder.state == .revoked && ladder.count(.revocationsUnanswered) == 1)

    refused.revocation(sent.acknowledgement(.globalRevocationNotAuthorized))
    #expect(refused.state == .registered && refused.count(.revocationsRefused) == 1)
    refused.revocation(sent.acknowledgement(.success))
    #expect(refused.state == .registered && refused.count(.revocationAcknowledgementsUnmatched) == 1)
  }

  @Test("RFC 6275 6.1.9: an anchor without revocation is not asked twice")
  func unsupported() {
    var ladder = Self.settled()
    ladder.step(.revokeAll)
    let error = BindingError(status: BindingError.unrecognizedType)
    ladder.step(.message(.bindingError(error), source: Ladder.anchor, destination: Ladder.proxy))
    #expect(ladder.state == .revoked && ladder.count(.revocationsUnsupported) == 1)
    ladder.attach()
    ladder.answer()
    #expect(ladder.step(.revokeAll).revocations.isEmpty)
    #expect(ladder.count(.revocationsLeftOut) == 1)
  }
}

extension GatewayLadder {
  @discardableResult
  mutating func revocation(_ revocation: BindingRevocation, from source: IPv6Address = anchor) -> [MAGEffect] {
    step(.message(.bindingRevocation(revocation), source: source, destination: Self.proxy))
  }
}

extension [MAGEffect] {
  var revocations: [BindingRevocation] {
    compactMap { if case .send(.bindingRevocation(let revocation), _, _) = $0 { revocation } else { nil } }
  }
}
