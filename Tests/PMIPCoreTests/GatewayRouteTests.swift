import DatapathModel
import MobilityWire
import NetTypes
import Testing

@testable import PMIPCore

@Suite("Gateway: routes and advertisements (RFC 5213 section 6.10, RFC 7864 section 4.1, paper section 3.2.2)")
struct GatewayRouteTests {
  typealias Ladder = GatewayLadder
  static let tunnel = TunnelIdentifier(rawValue: 1)

  @Test("L flag and flow-mob option: routed through the node's link-local address, never advertised")
  func offLinkPrefixes() throws {
    var ladder = Ladder()
    ladder.attach()
    let effects = ladder.answer(offLink: [Ladder.secondPrefix], flowMobility: [Ladder.thirdPrefix, Ladder.prefix])
    #expect(
      effects.changes.dropFirst() == [
        .setUplink(Ladder.prefix, Self.tunnel), .setDownlink(Ladder.prefix, link: "acc0", via: nil),
        .setUplink(Ladder.secondPrefix, Self.tunnel),
        .setDownlink(Ladder.secondPrefix, link: "acc0", via: Ladder.linkLocal),
        .setUplink(Ladder.thirdPrefix, Self.tunnel),
        .setDownlink(Ladder.thirdPrefix, link: "acc0", via: Ladder.linkLocal),
      ])
    #expect(try #require(effects.advertisements.first).prefixes.map(\.prefix) == [Ladder.prefix])
    #expect(ladder.gateway.attachments.first?.offLinkPrefixes == [Ladder.secondPrefix, Ladder.thirdPrefix])
    // Only the session's own prefixes are named at refresh.
    #expect(ladder.advance(by: .seconds(260)).updates.first?.namedPrefixes == [Ladder.prefix])
  }

  @Test("Link-local address not seen yet: the one derived from the link-layer address, until it is seen")
  func derivedNextHop() {
    var ladder = Ladder()
    ladder.attach(Ladder.mac, on: "acc0", .link, linkLocal: nil)
    ladder.answer(offLink: [Ladder.secondPrefix])
    #expect(ladder.datapath.downlinks[Ladder.secondPrefix]?.via == "fe80::ff:fe00:101")
    let seen = ladder.attach(Ladder.mac, on: "acc0", .neighbour)
    #expect(seen.changes == [.setDownlink(Ladder.secondPrefix, link: "acc0", via: Ladder.linkLocal)])
    #expect(ladder.storage.values.first?.linkLocalAddress == Ladder.linkLocal)
    // An address that no node on the link can have is not believed.
    #expect(ladder.attach(Ladder.mac, on: "acc0", .neighbour, linkLocal: "2001:db8::1").isEmpty)
    #expect(ladder.attach(Ladder.mac, on: "acc0", .neighbour, linkLocal: "fe80::200:5eff:fe00:5213").isEmpty)
  }

  @Test("A refresh adds and removes off-link prefixes; the node is not told")
  func offLinkPrefixesChange() {
    var ladder = Ladder.registered(offLink: [Ladder.secondPrefix])
    ladder.advance(by: .seconds(260))
    let effects = ladder.answer(offLink: [Ladder.thirdPrefix])
    #expect(
      effects.changes == [
        .setUplink(Ladder.thirdPrefix, Self.tunnel),
        .setDownlink(Ladder.thirdPrefix, link: "acc0", via: Ladder.linkLocal),
        .removeDownlink(Ladder.secondPrefix), .removeUplink(Ladder.secondPrefix),
      ])
    #expect(effects.advertisements.isEmpty)
    #expect(ladder.datapath == ladder.gateway.desiredDatapath)
  }

  @Test("A prefix that is missing in a later PBA is withdrawn, once")
  func prefixWithdrawn() throws {
    var ladder = Ladder.registered(prefixes: [Ladder.prefix, Ladder.secondPrefix])
    ladder.advance(by: .seconds(260))
    let plan = try #require(ladder.answer().advertisements.first)
    #expect(
      plan.prefixes == [
        .init(prefix: Ladder.prefix, validLifetime: .max, preferredLifetime: .max),
        .init(prefix: Ladder.secondPrefix, validLifetime: 0, preferredLifetime: 0),
      ])
    #expect(plan.routerLifetime == 1_800)
    #expect(ladder.attach().advertisements.first?.prefixes.count == 1)
    #expect(ladder.datapath.downlinks.keys.sorted() == [Ladder.prefix])
  }

  @Test("On-link wins; when its interface leaves, the off-link route of the other one takes over")
  func onLinkWins() {
    var ladder = Ladder.registered()
    ladder.attach(Ladder.secondMAC, on: "lte0", linkLocal: "fe80::2:2")
    let second = ladder.answer(prefixes: [Ladder.secondPrefix], flowMobility: [Ladder.prefix])
    #expect(!second.changes.contains { if case .setDownlink(Ladder.prefix, _, _) = $0 { true } else { false } })
    ladder.detach()
    let left = ladder.answer()
    #expect(left.changes == [.setDownlink(Ladder.prefix, link: "lte0", via: "fe80::2:2")])
    #expect(ladder.datapath == ladder.gateway.desiredDatapath)
  }

  @Test("A logical interface on two links: the newest registration has the prefix, the other one takes over")
  func logicalInterface() {
    var ladder = Ladder()
    ladder.attach(Ladder.bondedMAC, on: "acc0")
    ladder.answer()
    ladder.attach(Ladder.bondedMAC, on: "lte0")
    #expect(ladder.answer().changes == [.setDownlink(Ladder.prefix, link: "lte0", via: nil)])
    ladder.detach(Ladder.bondedMAC, from: "lte0")
    #expect(ladder.answer().changes == [.setDownlink(Ladder.prefix, link: "acc0", via: nil)])
    ladder.detach(Ladder.bondedMAC, from: "acc0")
    ladder.answer()
    #expect(ladder.datapath == DatapathSnapshot())
  }

  @Test("Tunnels: one for each anchor, counted, numbers dense from 1 and used again")
  func tunnels() {
    var configuration = Ladder.configuration
    configuration.nodes += (1...3).map {
      GatewayNodePolicy(
        linkLayerAddress: LinkLayerAddress(rawValue: 0x0200_0000_0900 + UInt64($0)),
        identifier: MobileNodeIdentifier(nai: "far\($0)@example.net"),
        anchorAddress: IPv6Address(high: 0x2001_0db8_0002_0000, low: UInt64($0)))
    }
    var ladder = Ladder(configuration)
    func far(_ index: UInt64) -> LinkLayerAddress { LinkLayerAddress(rawValue: 0x0200_0000_0900 + index) }
    func register(_ index: UInt64) {
      guard case .send(.bindingUpdate(let update), _, let anchor) = ladder.attach(far(index)).first else { return }
      let prefix = IPv6Prefix.slash64(IPv6Address(high: 0x2001_0db8_0200_0000 + index, low: 0))
      ladder.step(
        .message(
          .bindingAcknowledgement(
            Ladder.answer(to: update, prefixes: [prefix])), source: anchor, destination: Ladder.proxy))
    }
    (1...3).forEach(register)
    #expect(ladder.datapath.tunnels.keys.sorted().map(\.rawValue) == [1, 2, 3])
    ladder.detach(far(2))
    ladder.advance(by: .seconds(1))
    #expect(ladder.datapath.tunnels.keys.sorted().map(\.rawValue) == [1, 3])
    ladder.attach()
    ladder.answer()
    #expect(ladder.datapath.tunnels[.init(rawValue: 2)]?.remote == Ladder.anchor)
    register(2)
    #expect(ladder.datapath.tunnels.keys.sorted().map(\.rawValue) == [1, 2, 3, 4])
  }

  @Test("The kernel refuses: no RA, de-registered at the anchor, tried again after 32 s if the node is still there")
  func kernelRefuses() {
    var ladder = Ladder()
    ladder.attach()
    ladder.kernel = .refuses
    let effects = ladder.answer()
    #expect(effects.advertisements.isEmpty)
    #expect(effects.updates.map(\.lifetime) == [.zero])
    #expect(ladder.storage.isEmpty)
    ladder.answer()
    #expect(ladder.state == .refused)
    #expect(ladder.gateway.desiredDatapath == DatapathSnapshot())
    #expect(ladder.count(.installsFailed) >= 1)
    ladder.kernel = .obeys
    var gone = ladder
    let waiting = ladder.advance(by: .seconds(32))
    #expect(waiting.probes == 3 && waiting.updates.count == 1)
    #expect(ladder.answer().advertisements.count == 1)
    #expect(ladder.datapath == ladder.gateway.desiredDatapath)
    gone.advance(by: .seconds(10))
    gone.detach(Ladder.mac, from: "acc0", .neighbourUnreachable)
    #expect(gone.advance(by: .seconds(60)).updates.isEmpty)
  }

  @Test("An outcome of an ended session changes nothing in the new one")
  func lateOutcome() {
    var ladder = Ladder()
    ladder.attach()
    ladder.kernel = .silent
    ladder.answer()
    let old = ladder.unanswered[0]
    ladder.detach()
    ladder.answer()
    ladder.attach()
    ladder.answer()
    #expect(ladder.step(.datapathOutcome(old, .failed("ENODEV"))).isEmpty)
    #expect(ladder.state == .registered)
    #expect(ladder.step(.datapathOutcome(ladder.unanswered[2], .installed)).advertisements.count == 1)
    #expect(ladder.count(.installsFailed) == 1)
  }

  @Test("A new link MTU is advertised to everybody on the link, the same one is not")
  func linkMTU() {
    var ladder = Ladder.registered()
    ladder.step(.linkMTU("eth9", 1_460))
    ladder.step(.linkMTU("acc0", 1_460))
    let effects = ladder.advance(by: .seconds(1))
    #expect(effects.advertisements.map(\.mtu) == [1_460])
    ladder.step(.linkMTU("acc0", 1_460))
    #expect(ladder.advance(by: .seconds(1)).advertisements.isEmpty)
    #expect(ladder.count(.unknownLinksIgnored) == 1)
  }

  @Test("More prefixes than `prefixes-per-node`: the first ones, counted")
  func prefixLimit() {
    var configuration = Ladder.configuration
    configuration.limits.prefixesPerNode = 2
    var ladder = Ladder(configuration)
    ladder.attach()
    ladder.answer(prefixes: [Ladder.prefix], offLink: [Ladder.secondPrefix, Ladder.thirdPrefix])
    #expect(ladder.datapath.downlinks.keys.sorted() == [Ladder.prefix, Ladder.secondPrefix])
    #expect(ladder.count(.prefixLimitReached) == 1)
  }
}
