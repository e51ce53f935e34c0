import DatapathModel
import MobilityWire
import NetTypes
import Testing

@testable import PMIPCore

@Suite("Gateway: retransmission, refresh, matching (RFC 5213 section 6.9, RFC 6275 section 11)")
struct GatewayRegistrationTests {
  typealias Ladder = GatewayLadder

  @Test("PBU --> and again after 1.5, 3, 6, 12, 24, 32, 32 s, each with a fresh timestamp and a greater number")
  func registrationBackoff() {
    var ladder = Ladder()
    var all = ladder.attach().updates
    var times: [Duration] = [.zero]
    while all.count < 9 {
      guard let deadline = ladder.gateway.nextDeadline else { break }
      let more = ladder.advance(by: deadline - ladder.clock).updates
      times += more.map { _ in ladder.clock }
      all += more
    }
    let gaps = zip(times.dropFirst(), times).map { $0 - $1 }
    #expect(gaps == [1.5, 3, 6, 12, 24, 32, 32, 32].map { .milliseconds(Int64($0 * 1_000)) })
    #expect(zip(all.dropFirst(), all).allSatisfy { $0.sequence == $1.sequence &+ 1 })
    #expect(all.compactMap(\.options.timestamp) == times.map { ladder.wallClock.advanced(by: $0) })
    #expect(all.allSatisfy { $0.asksForAnyPrefix })
    #expect(ladder.count(.registrationsSent) == 1)
    #expect(ladder.count(.retransmissions) == 8)
    // Gone from the link: no retransmission any more.
    ladder.detach()
    #expect(ladder.advance(by: .seconds(100)).updates.isEmpty)
  }

  @Test("Refresh 40 s before expiry: HI 5, the assigned prefixes; unanswered after 1, 2, 4 s ... again")
  func refresh() throws {
    var ladder = Ladder.registered(prefixes: [Ladder.prefix, Ladder.secondPrefix])
    #expect(ladder.advance(by: .milliseconds(259_999)).updates.isEmpty)
    let first = try #require(ladder.advance(by: .milliseconds(1)).updates.first)
    #expect(first.options.handoffIndicator == .noChange)
    #expect(first.namedPrefixes == [Ladder.prefix, Ladder.secondPrefix])
    #expect(first.lifetime.duration == .seconds(300))
    #expect(ladder.state == .refreshing)
    #expect(ladder.advance(by: .milliseconds(999)).updates.isEmpty)
    #expect(ladder.advance(by: .milliseconds(1)).updates.count == 1)
    #expect(ladder.advance(by: .seconds(2)).updates.count == 1)
    #expect(ladder.advance(by: .seconds(4)).updates.count == 1)
    let done = ladder.answer(prefixes: [Ladder.prefix, Ladder.secondPrefix])
    #expect(done.changes.isEmpty)
    #expect(done.advertisements.isEmpty)
    #expect(ladder.state == .registered)
    #expect(ladder.gateway.attachments.first?.expiresAt == ladder.clock + .seconds(300))
  }

  @Test("A short lifetime is refreshed at its half", arguments: [8, 60, 76])
  func shortLifetime(seconds: Int64) {
    var ladder = Ladder()
    ladder.attach()
    ladder.answer(lifetime: BindingLifetime(.seconds(seconds)))
    #expect(
      ladder.gateway.nextDeadline.map { min($0, .seconds(seconds / 2)) } == min(.seconds(10), .seconds(seconds / 2)))
    #expect(ladder.advance(by: .milliseconds(seconds * 500 - 1)).updates.isEmpty)
    #expect(ladder.advance(by: .milliseconds(1)).updates.count == 1)
  }

  @Test("Refresh lost until expiry: withdrawn, routes removed, asked again for the same prefix")
  func expiry() throws {
    var ladder = Ladder.registered()
    let effects = ladder.advance(by: .seconds(300))
    let last = try #require(effects.advertisements.last)
    #expect(last.routerLifetime == 0)
    #expect(last.prefixes == [.init(prefix: Ladder.prefix, validLifetime: 0, preferredLifetime: 0)])
    #expect(ladder.datapath == DatapathSnapshot())
    #expect(ladder.storage.isEmpty)
    let again = try #require(effects.updates.last)
    #expect(again.namedPrefixes == [Ladder.prefix])
    #expect(again.options.handoffIndicator == .newInterface)
    #expect(ladder.state == .registering)
    #expect(ladder.count(.bindingsExpired) == 1)
    #expect(ladder.answer().advertisements.first?.routerLifetime == 1_800)
  }

  @Test("The granted lifetime counts from the transmission that was answered and never exceeds the wish")
  func lifetime() {
    var ladder = Ladder()
    let first = ladder.attach().updates[0]
    ladder.advance(by: .seconds(2))
    ladder.answer(to: first, lifetime: BindingLifetime(.seconds(3_600)))
    #expect(ladder.gateway.attachments.first?.expiresAt == .seconds(300))
    #expect(ladder.gateway.attachments.first?.lifetime == .seconds(300))
  }

  @Test("An acceptance of an earlier transmission counts, its refusal does not; the later answers match nothing")
  func answersToEarlierTransmissions() {
    var ladder = Ladder()
    let first = ladder.attach().updates[0]
    let second = ladder.advance(by: .seconds(2)).updates[0]
    #expect(ladder.answer(.timestampLowerThanPreviousAccepted, to: first).isEmpty)
    #expect(ladder.count(.refusalsOfOlderTransmissions) == 1)
    ladder.answer(to: first)
    #expect(ladder.state == .registered)
    #expect(ladder.answer(to: second).isEmpty)
    #expect(ladder.answer(to: first).isEmpty)
    #expect(ladder.count(.unmatchedAcknowledgements) == 2)
  }

  @Test("Only the last eight transmissions are remembered")
  func manyTransmissions() {
    var ladder = Ladder()
    let first = ladder.attach().updates[0]
    ladder.advance(by: .seconds(300))
    #expect(ladder.answer(to: first).isEmpty)
    #expect(ladder.state == .registering)
    ladder.answer()
    #expect(ladder.state == .registered)
  }

  @Test("Ignored and counted: no P flag, doubled option, no MN-ID, unknown number, other source or destination")
  func ignoredAnswers() {
    var ladder = Ladder()
    let update = ladder.attach().updates[0]
    #expect(ladder.answer { $0.flags = [] }.isEmpty)
    #expect(ladder.answer { $0.options.append(.handoffIndicator(.newInterface)) }.isEmpty)
    #expect(
      ladder.answer { answer in
        answer.options.removeAll { if case .mobileNodeIdentifier = $0 { true } else { false } }
      }.isEmpty)
    #expect(ladder.answer(sequence: update.sequence &+ 1).isEmpty)
    let answer = Ladder.answer(to: update)
    #expect(
      ladder.step(.message(.bindingAcknowledgement(answer), source: "2001:db8::bad", destination: Ladder.proxy)).isEmpty
    )
    #expect(
      ladder.step(.message(.bindingAcknowledgement(answer), source: Ladder.anchor, destination: "2001:db8::bad"))
        .isEmpty)
    #expect(ladder.count(.notProxyAcknowledgements) == 1)
    #expect(ladder.count(.duplicatedOptions) == 1)
    #expect(ladder.count(.acknowledgementsWithoutIdentifier) == 1)
    #expect(ladder.count(.unmatchedAcknowledgements) == 3)
    #expect(ladder.state == .registering)
  }

  @Test(
    "HI, access technology or link-layer identifier other than sent: ignored, and silence until an operator acts",
    arguments: [
      MobilityOption.handoffIndicator(.betweenInterfaces), .accessTechnologyType(.ethernet),
      .mobileNodeLinkLayerIdentifier(MobileNodeLinkLayerIdentifier(identifier: [1, 2, 3])),
    ])
  func contradiction(wrong: MobilityOption) {
    var ladder = Ladder()
    ladder.attach()
    let effects = ladder.answer { answer in
      answer.options = MobilityOptions(
        answer.options.map { option in
          switch (option, wrong) {
          case (.handoffIndicator, .handoffIndicator), (.accessTechnologyType, .accessTechnologyType),
            (.mobileNodeLinkLayerIdentifier, .mobileNodeLinkLayerIdentifier):
            wrong
          default: option
          }
        })
    }
    #expect(effects.changes.isEmpty)
    #expect(effects.advertisements.isEmpty)
    #expect(ladder.count(.contradictingAcknowledgements) == 1)
    #expect(ladder.state == .refused)
    #expect(ladder.advance(by: .seconds(1_000)).updates.isEmpty)
    #expect(ladder.attach().updates.isEmpty)
    #expect(ladder.attach(Ladder.mac, on: "acc0", .operatorRequest).updates.count == 1)
    ladder.answer()
    #expect(ladder.state == .registered)
  }

  @Test("Two interfaces of one node: each answer finds its own session")
  func interfacesOfOneNode() {
    var ladder = Ladder()
    let first = ladder.attach().updates[0]
    let second = ladder.attach(Ladder.secondMAC, on: "lte0").updates[0]
    ladder.answer(to: second, prefixes: [Ladder.secondPrefix], flowMobility: [Ladder.prefix])
    #expect(ladder.states == [.registering, .registered])
    ladder.answer(to: first, flowMobility: [Ladder.secondPrefix])
    #expect(ladder.states == [.registered, .registered])
    // On-link wins over off-link, and the tunnel is shared.
    #expect(ladder.datapath.downlinks[Ladder.prefix] == .init(link: "acc0", via: nil))
    #expect(ladder.datapath.downlinks[Ladder.secondPrefix] == .init(link: "lte0", via: nil))
    #expect(ladder.datapath.tunnels.count == 1)
  }

  @Test("Without timestamps: no Timestamp option, and each session counts for itself")
  func sequenceNumbers() {
    var configuration = Ladder.configuration
    configuration.useTimestamps = false
    var ladder = Ladder(configuration)
    let first = ladder.attach().updates[0]
    #expect(first.options.timestamp == nil)
    ladder.answer()
    let other = ladder.attach(Ladder.bondedMAC).updates[0]
    #expect(other.sequence == first.sequence + 1)
    ladder.answer(prefixes: [Ladder.thirdPrefix])
    let refreshed = ladder.advance(by: .seconds(260)).updates
    #expect(refreshed.map(\.sequence) == [first.sequence + 1, other.sequence + 1])
  }

  @Test("The clock steps back a little: timestamps still rise; a lot: the true time is sent")
  func clockSteps() throws {
    var ladder = Ladder()
    let first = try #require(ladder.attach().updates[0].options.timestamp)
    let start = ladder.wallClock
    ladder.wallClock = NTPTimestamp(rawValue: start.rawValue - NTPTimestamp.units(.milliseconds(1_600)))
    let second = try #require(ladder.advance(by: .milliseconds(1_500)).updates[0].options.timestamp)
    #expect(second.rawValue == first.rawValue + 1)
    ladder.wallClock = NTPTimestamp(rawValue: start.rawValue - NTPTimestamp.units(.seconds(3_600)))
    let third = try #require(ladder.advance(by: .seconds(3)).updates[0].options.timestamp)
    #expect(third == ladder.moment.wallClock)
  }

  @Test("Accepted without a usable on-link prefix or with lifetime 0: nothing served, asked again")
  func uselessAcceptance() {
    var ladder = Ladder()
    ladder.attach()
    #expect(ladder.answer(prefixes: []).isEmpty)
    #expect(ladder.answer(prefixes: ["fe80::/64"]).isEmpty)
    #expect(ladder.answer(lifetime: .zero).isEmpty)
    #expect(ladder.count(.uselessAcceptances) == 3)
    #expect(ladder.count(.unusablePrefixes) == 1)
    #expect(ladder.advance(by: .milliseconds(1_500)).updates.count == 1)
  }

  @Test("Binding Errors are counted and change nothing")
  func bindingErrors() {
    var ladder = Ladder.registered()
    #expect(
      ladder.step(.message(.bindingError(BindingError(status: 2)), source: Ladder.anchor, destination: Ladder.proxy))
        .isEmpty)
    #expect(
      ladder.step(.message(.bindingError(BindingError(status: 1)), source: Ladder.anchor, destination: Ladder.proxy))
        .isEmpty)
    #expect(ladder.count(.unrecognizedTypeErrors) == 1)
    #expect(ladder.count(.otherBindingErrors) == 1)
    #expect(ladder.state == .registered)
  }

  @Test("No fixed address: ALL_ZERO Link-local Address option, the anchor's choice in the RA")
  func anchorChoosesLinkLocalAddress() throws {
    var configuration = Ladder.configuration
    configuration.fixedLinkLocalAddress = .unspecified
    var ladder = Ladder(configuration)
    #expect(ladder.attach().updates[0].options.linkLocalAddress == .unspecified)
    let plan = try #require(ladder.answer(linkLocal: "fe80::1").advertisements.first)
    #expect(plan.source == "fe80::1")
    ladder.detach()
    #expect(ladder.lastPBU?.options.linkLocalAddress == nil)
  }

  @Test("... which the node uses itself: another one, told to the anchor at once")
  func linkLocalAddressInUse() throws {
    var configuration = Ladder.configuration
    configuration.fixedLinkLocalAddress = .unspecified
    var ladder = Ladder(configuration)
    ladder.attach()
    let effects = ladder.answer(linkLocal: Ladder.linkLocal)
    let proposal = LinkLayerAddress.fixedGateway.linkLocalAddress
    #expect(effects.updates.first?.options.linkLocalAddress == proposal)
    #expect(effects.updates.first?.options.handoffIndicator == .noChange)
    #expect(effects.advertisements.first?.source == proposal)
    ladder.answer(linkLocal: proposal)
    #expect(ladder.state == .registered)
  }
}
