import MobilityWire
import NetTypes
import Testing

@testable import PMIPCore

@Suite("RFC 5213 section 6: rules that need a ladder of their own")
struct RFC5213GatewayTests {
  typealias Ladder = GatewayLadder

  @Test("6.2: a node that names an anchor is registered there, the others at the gateway's own")
  func anchorOfProfile() {
    let other: IPv6Address = "2001:db8:1::2"
    var configuration = Ladder.configuration
    configuration.nodes[0].anchorAddress = other
    var ladder = Ladder(configuration)
    #expect(ladder.attach().destinations == [other])
    #expect(ladder.attach(Ladder.bondedMAC).destinations == [Ladder.anchor])
  }

  @Test("6.3, 6.7: on one link each node is told its own prefixes, at its own link-layer address")
  func ownPrefixesOnly() {
    var ladder = Ladder()
    for (mac, prefix) in [(Ladder.mac, Ladder.prefix), (Ladder.bondedMAC, Ladder.secondPrefix)] {
      ladder.attach(mac)
      let plans = ladder.answer(prefixes: [prefix]).advertisements
      #expect(plans.map(\.destinationLinkLayer) == [mac])
      #expect(plans.first?.prefixes.map(\.prefix) == [prefix])
    }
    // Solicited again, and by the timer.
    #expect(ladder.attach().advertisements.map { $0.prefixes.map(\.prefix) } == [[Ladder.prefix]])
  }

  @Test("6.8: one link-local and one link-layer address on every access link, those of RFC 6543")
  func sameAddressOnEveryLink() {
    var ladder = Ladder()
    var sources: [IPv6Address] = []
    for (index, (mac, link)) in [(Ladder.mac, "acc0"), (Ladder.secondMAC, "lte0"), (Ladder.bondedMAC, "acc1")]
      .enumerated()
    {
      ladder.attach(mac, on: link)
      let prefix = [Ladder.prefix, Ladder.secondPrefix, Ladder.thirdPrefix][index]
      let plans = ladder.answer(prefixes: [prefix]).advertisements
      #expect(plans.map(\.sourceLinkLayer) == ["00:00:5e:00:52:13"])
      sources += plans.map(\.source)
    }
    #expect(sources == Array(repeating: "fe80::200:5eff:fe00:5213", count: 3))
  }

  @Test("6.9.1.1 (7): the access technology is that of the link")
  func accessTechnologyOfLink() {
    var ladder = Ladder()
    #expect(ladder.attach(on: "lte0").updates.first?.options.accessTechnologyType == .eutran)
    #expect(ladder.attach(Ladder.secondMAC, on: "acc1").updates.first?.options.accessTechnologyType == .wlan)
  }

  @Test("6.9.1.2 (3): an answer with another timestamp than the request's is not its answer")
  func echoedTimestamp() throws {
    var ladder = Ladder()
    ladder.attach()
    let sent = try #require(ladder.lastPBU?.options.timestamp)
    ladder.answer { answer in
      answer.options = MobilityOptions(
        answer.options.map { option in
          if case .timestamp = option { .timestamp(NTPTimestamp(rawValue: sent.rawValue - 1)) } else { option }
        })
    }
    #expect(ladder.state == .registering && ladder.count(.unmatchedAcknowledgements) == 1)
    ladder.answer()
    #expect(ladder.state == .registered)
  }

  @Test("6.9.1.2 (10): after 156 the clock is set right by others, not by the anchor's timestamp")
  func clockSetRight() throws {
    var ladder = Ladder()
    ladder.attach()
    let wrong = try #require(ladder.lastPBU?.options.timestamp)
    // The anchor's clock is an hour ahead.
    ladder.answer(.timestampMismatch) { answer in
      answer.options = MobilityOptions(
        answer.options.map { option in
          if case .timestamp = option { .timestamp(wrong.advanced(by: .seconds(3_600))) } else { option }
        })
    }
    let next = try #require(ladder.advance(by: .milliseconds(1_500)).updates.first)
    #expect(next.options.timestamp == wrong.advanced(by: .milliseconds(1_500)))
    ladder.answer(.timestampMismatch)
    ladder.wallClock = ladder.wallClock.advanced(by: .seconds(3_600))
    let right = try #require(ladder.advance(by: .seconds(3)).updates.first)
    #expect(right.options.timestamp == wrong.advanced(by: .milliseconds(3_604_500)))
    ladder.answer()
    #expect(ladder.state == .registered)
  }

  @Test("6.9.1.3: an extension repeats the options of the registration")
  func extensionRepeatsOptions() throws {
    var configuration = Ladder.configuration
    configuration.fixedLinkLocalAddress = .unspecified
    var ladder = Ladder(configuration)
    let registration = try #require(ladder.attach().updates.first)
    ladder.answer(prefixes: [Ladder.prefix, Ladder.secondPrefix], linkLocal: "fe80::1")
    let refresh = try #require(ladder.advance(by: .seconds(260)).updates.first)
    #expect(refresh.options.homeNetworkPrefixes.map(\.prefix) == [Ladder.prefix, Ladder.secondPrefix])
    #expect(refresh.flags == registration.flags && refresh.lifetime == registration.lifetime)
    let options = [registration, refresh].map { update in
      update.options.filter { option in
        switch option {
        case .homeNetworkPrefix, .handoffIndicator, .timestamp: false
        default: true
        }
      }
    }
    #expect(options[0] == options[1])
    #expect(refresh.options.timestamp != nil)
  }

  @Test("6.9.1.5: no message has an option twice that may stand once")
  func noOptionTwice() {
    var configuration = Ladder.configuration
    configuration.fixedLinkLocalAddress = .unspecified
    configuration.acceptsRedirect = true
    var ladder = Ladder(configuration)
    var updates = ladder.attach().updates
    updates += ladder.advance(by: .seconds(2)).updates
    ladder.answer(linkLocal: "fe80::1")
    updates += ladder.advance(by: .seconds(265)).updates
    updates += ladder.detach().updates
    #expect(updates.count >= 5)
    for update in updates {
      #expect(!update.options.duplicatesSingleton)
      #expect(update.options.mobileNodeIdentifier != nil && update.options.handoffIndicator != nil)
      #expect(update.options.accessTechnologyType != nil && !update.options.homeNetworkPrefixes.isEmpty)
    }
  }

  @Test("6.9.4: without timestamps each retransmission has a greater number, and no Timestamp option")
  func retransmissionBySequence() {
    var configuration = Ladder.configuration
    configuration.useTimestamps = false
    var ladder = Ladder(configuration)
    let updates = ladder.attach().updates + ladder.advance(by: .seconds(60)).updates
    #expect(updates.count == 6)
    for (earlier, later) in zip(updates, updates.dropFirst()) {
      #expect(Ordering.isGreater(later.sequence, than: earlier.sequence))
    }
    #expect(updates.allSatisfy { $0.options.timestamp == nil })
  }

  @Test("6.9.4, 6.13: nothing is asked for a node that has left, neither again nor to extend it")
  func noRetransmissionForDeparted() {
    for isRegistered in [false, true] {
      var ladder = Ladder()
      ladder.attach()
      if isRegistered { ladder.answer() }
      #expect(ladder.detach(from: "acc0", .neighbourUnreachable).updates.map(\.lifetime) == [.zero])
      #expect(ladder.advance(by: .seconds(600)).updates.isEmpty)
    }
    // While it has no answer the node is probed, so that its departure is noticed.
    var ladder = Ladder()
    ladder.attach()
    #expect(ladder.advance(by: .seconds(32)).probes == 3)
  }
}

extension [MAGEffect] {
  fileprivate var destinations: [IPv6Address] {
    compactMap { if case .send(.bindingUpdate, _, let destination) = $0 { destination } else { nil } }
  }
}
