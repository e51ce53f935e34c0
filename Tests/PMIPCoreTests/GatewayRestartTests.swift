import DatapathModel
import MobilityWire
import NetTypes
import Testing

@testable import PMIPCore

@Suite("Gateway: restart and reconfiguration")
struct GatewayRestartTests {
  typealias Ladder = GatewayLadder

  /// `count` registered nodes on acc0.
  static func many(_ count: UInt64) -> Ladder {
    var configuration = Ladder.configuration
    configuration.unknownNodes = .derive(realm: "example.net")
    var ladder = Ladder(configuration)
    for index in 1...count {
      ladder.attach(LinkLayerAddress(rawValue: 0x0200_0000_0a00 + index))
      ladder.answer(prefixes: [.slash64(IPv6Address(high: 0x2001_0db8_0100_0000 + index, low: 0))])
    }
    return ladder
  }

  @Test("Restored: same routes and tunnel numbers, probed and refreshed one after the other, nothing interrupted")
  func restore() {
    var ladder = Self.many(3)
    let before = ladder.gateway.desiredDatapath
    ladder.clock = .seconds(100)
    ladder.restart()
    #expect(ladder.gateway.desiredDatapath == before)
    #expect(ladder.states == [.registered, .registered, .registered])
    #expect(ladder.gateway.attachments.map(\.expiresAt) == Array(repeating: .seconds(300), count: 3))
    #expect(ladder.gateway.nextDeadline == .seconds(100))
    let probed = ladder.advance(by: .milliseconds(4_999))
    #expect(probed.probes == 3 && probed.updates.isEmpty)
    let first = ladder.advance(by: .milliseconds(1))
    #expect(first.updates.count == 1)
    #expect(first.updates.first?.options.handoffIndicator == .noChange)
    ladder.answer(prefixes: first.updates[0].namedPrefixes)
    #expect(ladder.advance(by: .milliseconds(10)).updates.count == 1)
    #expect(ladder.advance(by: .milliseconds(10)).updates.count == 1)
    #expect(ladder.gateway.desiredDatapath == before)
    #expect(ladder.count(.attachmentsRestored) == 3)
  }

  @Test("RFC 5213 6.13: a node that has left during the restart is not refreshed, but de-registered")
  func leftMeanwhile() {
    var ladder = Ladder.registered()
    ladder.restart()
    ladder.advance(by: .seconds(3))
    #expect(ladder.detach(Ladder.mac, from: "acc0", .neighbourUnreachable).updates.map(\.lifetime) == [.zero])
    ladder.answer()
    #expect(ladder.advance(by: .seconds(60)).updates.isEmpty)
  }

  @Test("A restored attachment is refreshed at once if nothing can be waited for: no address to probe, too little time")
  func refreshedAtOnce() {
    var unseen = Ladder()
    unseen.attach(Ladder.mac, on: "acc0", .link, linkLocal: nil)
    unseen.answer()
    unseen.restart()
    #expect(unseen.advance(by: .zero).updates.count == 1)
    var late = Ladder.registered()
    late.clock = .seconds(296)
    late.restart()
    #expect(late.advance(by: .zero).updates.count == 1)
  }

  @Test("Numbers go on after a restart: an answer to the time before matches nothing")
  func sequenceAfterRestart() throws {
    var ladder = Ladder.registered()
    let old = try #require(ladder.lastPBU)
    ladder.restart()
    let update = try #require(ladder.advance(by: .seconds(5)).updates.first)
    #expect(update.sequence == old.sequence + 1)
    #expect(ladder.answer(to: old).isEmpty)
  }

  @Test("Expired meanwhile, a link that is gone, the same one twice: dropped and counted")
  func dropped() throws {
    var ladder = Ladder.registered()
    let record = try #require(ladder.storage.values.first)
    var expired = record
    expired.linkLayerAddress = Ladder.secondMAC
    expired.expiresAt = ladder.moment.wallClock
    var elsewhere = record
    elsewhere.link = "eth9"
    ladder.gateway = MobileAccessGateway(configuration: Ladder.configuration)
    let effects = ladder.step(.restore([record, expired, elsewhere, record]))
    #expect(effects.count == 3)
    #expect(ladder.gateway.attachments.count == 1)
    #expect(ladder.count(.recordsDropped) == 3)
  }

  @Test("A wall clock that jumped during the restart does not prolong a binding")
  func clockJump() {
    var ladder = Ladder.registered()
    ladder.wallClock = NTPTimestamp(rawValue: ladder.wallClock.rawValue - NTPTimestamp.units(.seconds(86_400)))
    ladder.restart()
    #expect(ladder.gateway.attachments.first?.expiresAt == .seconds(300))
  }

  @Test("Node removed from the map: de-registered; renamed: registered under the new name")
  func nodesChanged() {
    var ladder = Ladder.registered()
    ladder.attach(Ladder.bondedMAC)
    ladder.answer(prefixes: [Ladder.secondPrefix])
    var configuration = Ladder.configuration
    let other = MobileNodeIdentifier(nai: "other@example.net")
    configuration.nodes = [GatewayNodePolicy(linkLayerAddress: Ladder.bondedMAC, identifier: other)]
    #expect(ladder.step(.configurationChanged(configuration)).updates.map(\.lifetime) == [.zero, .zero])
    #expect(ladder.advance(by: .seconds(1)).removals == [.rejected, .operatorRequest])
    #expect(ladder.gateway.attachments.map(\.node) == [other])
    ladder.answer()
    #expect(ladder.state == .registered)
  }

  @Test("A new Proxy-CoA: every binding moves to it (HI 3), the old tunnel goes with the last one")
  func proxyCareOfAddressChanged() {
    var ladder = Self.many(2)
    var configuration = ladder.gateway.configuration
    configuration.proxyCareOfAddress = "2001:db8:1::99"
    ladder.step(.configurationChanged(configuration))
    let updates = ladder.advance(by: .milliseconds(10)).updates
    #expect(updates.map(\.options.handoffIndicator) == [.betweenGateways, .betweenGateways])
    for (index, update) in updates.enumerated() {
      ladder.step(
        .message(
          .bindingAcknowledgement(
            Ladder.answer(to: update, prefixes: update.namedPrefixes)), source: Ladder.anchor,
          destination: "2001:db8:1::99"))
      #expect(ladder.datapath.tunnels.count == (index == 0 ? 2 : 1))
    }
    #expect(ladder.datapath.tunnels[.init(rawValue: 2)]?.local == "2001:db8:1::99")
    #expect(Set(ladder.datapath.uplinks.values.map(\.rawValue)) == [2])
    #expect(ladder.datapath == ladder.gateway.desiredDatapath)
  }

  @Test("What is advertised changed: everybody is told, one after the other")
  func advertisedParametersChanged() {
    var ladder = Self.many(2)
    var configuration = ladder.gateway.configuration
    configuration.timers.routerLifetime = .seconds(900)
    ladder.step(.configurationChanged(configuration))
    #expect(ladder.advance(by: .zero).advertisements.map(\.routerLifetime) == [900])
    #expect(ladder.advance(by: .milliseconds(10)).advertisements.count == 1)
    ladder.step(.configurationChanged(configuration))
    #expect(ladder.advance(by: .seconds(1)).advertisements.isEmpty)
  }

  @Test("The defaults of the example file are usable")
  func noProblems() { #expect(Ladder.configuration.problems().isEmpty) }

  @Test("Every unusable value is named, all at once")
  func problems() {
    var configuration = MAGConfiguration(
      proxyCareOfAddress: "fe80::1", anchorAddress: .unspecified,
      accessLinks: [
        AccessLink(name: "acc0", accessTechnology: .reserved), AccessLink(name: "acc0", accessTechnology: .wlan),
        AccessLink(name: "a-name-that-is-too-long", accessTechnology: .wlan),
      ],
      nodes: [
        GatewayNodePolicy(linkLayerAddress: Ladder.mac, identifier: Ladder.node),
        GatewayNodePolicy(linkLayerAddress: Ladder.mac, identifier: MobileNodeIdentifier(nai: "")),
        GatewayNodePolicy(linkLayerAddress: "33:33:00:00:00:01", identifier: Ladder.node, kind: .logical),
      ],
      unknownNodes: .derive(realm: ""), fixedLinkLocalAddress: "2001:db8::1",
      fixedLinkLayerAddress: "01:00:00:00:00:00", sharedPrefixesIndicator: .noChange,
      codePoints: CodePoints(flowMobilityOption: 22))
    configuration.timers.initialBindackTimeout = .zero
    configuration.timers.initialBindackTimeoutFirstRegistration = .zero
    configuration.timers.maxBindackTimeout = .seconds(-1)
    configuration.timers.lifetime = .seconds(6)
    configuration.timers.refreshBeforeExpiry = .zero
    configuration.timers.routerLifetime = .seconds(10_000)
    configuration.timers.advertisementInterval = .seconds(1)
    configuration.timers.probeInterval = .seconds(-1)
    configuration.limits.attachments = 0
    configuration.limits.prefixesPerNode = 65
    #expect(
      configuration.problems().map(\.keyPath) == [
        "proxy-care-of-address", "anchor", "fixed-link-local-address", "fixed-link-layer-address",
        "access-links[0].access-technology", "access-links[1].interface", "access-links[2].interface",
        "node-map[1]", "node-map[1]", "node-map[2]", "node-map[2]", "realm",
        "timers.initial-bindack-timeout-first-registration", "timers.initial-bindack-timeout",
        "timers.max-bindack-timeout", "timers.lifetime", "timers.refresh-before-expiry", "timers.router-lifetime",
        "timers.advertisement-interval", "timers.probe-interval", "flow-mobility.shared-prefixes-indicator",
        "flow-mobility.option-type", "limits.attachments", "limits.prefixes-per-node",
      ])
    configuration.accessLinks = []
    #expect(configuration.problems().contains { $0.keyPath == "access-links" })
  }

  @Test("Counters: every name once, in a fixed order")
  func counters() {
    let names = MAGCounters().named.map(\.name)
    #expect(names.first == "attachments")
    #expect(Set(names).count == names.count)
  }
}
