import DatapathModel
import MobilityWire
import NetTypes
import Testing

@testable import PMIPCore

@Suite("Gateway: attachment (RFC 5213 section 6.9.1.1)")
struct GatewayAttachmentTests {
  typealias Ladder = GatewayLadder

  @Test("Router Solicitation --> PBU with the options of vector V1; <-- PBA --> routes --> unicast RA")
  func firstAttachment() throws {
    var ladder = Ladder()
    ladder.gateway = MobileAccessGateway(configuration: Ladder.configuration)
    let asked = ladder.attach()
    guard case .send(.bindingUpdate(let update), let source, let destination) = try #require(asked.first) else {
      Issue.record("no PBU")
      return
    }
    #expect(source == Ladder.proxy)
    #expect(destination == Ladder.anchor)
    #expect(update.flags == [.acknowledge, .proxyRegistration])
    #expect(update.lifetime.duration == .seconds(300))
    #expect(
      Array(update.options) == [
        .mobileNodeIdentifier(Ladder.node), .homeNetworkPrefix(.allZero), .handoffIndicator(.newInterface),
        .accessTechnologyType(.wlan), .timestamp(ladder.moment.wallClock),
        .mobileNodeLinkLayerIdentifier(MobileNodeLinkLayerIdentifier(Ladder.mac)),
      ])
    #expect(asked.advertisements.isEmpty)
    #expect(ladder.state == .registering)

    ladder.step(.linkMTU("acc0", 1_460))
    let answered = ladder.answer()
    #expect(
      answered.changes == [
        .addTunnel(TunnelDescription(identifier: .init(rawValue: 1), local: Ladder.proxy, remote: Ladder.anchor)),
        .setUplink(Ladder.prefix, .init(rawValue: 1)), .setDownlink(Ladder.prefix, link: "acc0", via: nil),
      ])
    #expect(
      answered.advertisements == [
        AdvertisementPlan(
          link: "acc0", destinationLinkLayer: Ladder.mac, destination: Ladder.linkLocal,
          source: "fe80::200:5eff:fe00:5213", sourceLinkLayer: .fixedGateway, routerLifetime: 1_800, mtu: 1_460,
          prefixes: [.init(prefix: Ladder.prefix, validLifetime: .max, preferredLifetime: .max)])
      ])
    #expect(ladder.state == .registered)
    #expect(ladder.datapath == ladder.gateway.desiredDatapath)
    #expect(ladder.storage.count == 1)
    // Records come behind everything that the node waits for.
    let kinds = answered.suffix(3).map { effect in
      switch effect {
      case .advertise: "advertise"
      case .persist: "persist"
      case .notify: "notify"
      case .send, .install, .probe: "other"
      }
    }
    #expect(kinds == ["advertise", "persist", "notify"])
  }

  @Test("Several triggers of one attachment register once; the solicitation is answered after success only")
  func triggersRegisterOnce() {
    var ladder = Ladder()
    #expect(ladder.attach(Ladder.mac, on: "acc0", .link, linkLocal: nil).updates.count == 1)
    #expect(ladder.attach(Ladder.mac, on: "acc0", .neighbour).updates.isEmpty)
    let solicited = ladder.attach()
    #expect(solicited.updates.isEmpty)
    #expect(solicited.advertisements.isEmpty)
    #expect(ladder.answer().advertisements.count == 1)
    #expect(ladder.attach(Ladder.mac, on: "acc0", .neighbour).isEmpty)
    #expect(ladder.attach().advertisements.count == 1)
    #expect(ladder.gateway.attachments.count == 1)
    #expect(ladder.gateway.attachments.first?.trigger == .link)
  }

  @Test("A solicitation while the kernel works is answered when it is done")
  func solicitationDuringInstall() {
    var ladder = Ladder()
    ladder.attach()
    ladder.kernel = .silent
    #expect(ladder.answer().advertisements.isEmpty)
    #expect(ladder.attach().advertisements.isEmpty)
    #expect(ladder.step(.datapathOutcome(ladder.unanswered[0], .installed)).advertisements.count == 1)
  }

  @Test("The advertisement is repeated after its interval, and goes to all-nodes while the address is unknown")
  func periodicAdvertisement() {
    var ladder = Ladder()
    ladder.attach(Ladder.mac, on: "acc0", .link, linkLocal: nil)
    #expect(ladder.answer(lifetime: BindingLifetime(.seconds(300))).advertisements.first?.destination == .allNodes)
    var advertisements: [AdvertisementPlan] = []
    for _ in 0..<60 {
      advertisements += ladder.advance(by: .seconds(20)).advertisements
      if ladder.state == .refreshing { ladder.answer() }
    }
    #expect(advertisements.count == 2)
  }

  @Test("Handoff indicator: 1 for a mapped interface, shared prefixes for a logical one, 4 when it cannot tell")
  func handoffIndicators() throws {
    var configuration = Ladder.configuration
    configuration.unknownNodes = .derive(realm: "example.net")
    configuration.sharedPrefixesIndicator = HandoffIndicator(rawValue: 9)
    var ladder = Ladder(configuration)
    let mapped = try #require(ladder.attach().updates.first)
    #expect(mapped.options.handoffIndicator == .newInterface)
    let logical = try #require(ladder.attach(Ladder.bondedMAC).updates.first)
    #expect(logical.options.handoffIndicator == HandoffIndicator(rawValue: 9))
    let derived = try #require(ladder.attach("02:00:00:00:0a:0b").updates.first)
    #expect(derived.options.handoffIndicator == .unknown)
    #expect(derived.options.mobileNodeIdentifier == MobileNodeIdentifier(nai: "020000000a0b@example.net"))
    let named = try #require(
      ladder.attach("02:00:00:00:0a:0c", on: "lte0", .operatorRequest, as: Ladder.node).updates.first)
    #expect(named.options.handoffIndicator == .unknown)
    #expect(named.options.mobileNodeIdentifier == Ladder.node)
    #expect(named.options.accessTechnologyType == .eutran)
  }

  @Test("Who is refused is counted: unknown nodes, unknown links, impossible addresses, the limit")
  func refusals() {
    var configuration = Ladder.configuration
    configuration.limits.attachments = 1
    var ladder = Ladder(configuration)
    #expect(ladder.attach("02:00:00:00:0a:0b").isEmpty)
    #expect(ladder.attach(Ladder.mac, on: "eth9").isEmpty)
    #expect(ladder.attach("33:33:00:00:00:01").isEmpty)
    #expect(ladder.attach(LinkLayerAddress(rawValue: 0)).isEmpty)
    #expect(ladder.detach().isEmpty)
    ladder.attach()
    #expect(ladder.attach(Ladder.secondMAC).isEmpty)
    #expect(ladder.count(.unknownNodesRefused) == 1)
    #expect(ladder.count(.unknownLinksIgnored) == 1)
    #expect(ladder.count(.invalidAddressesIgnored) == 2)
    #expect(ladder.count(.unknownDetachmentsIgnored) == 1)
    #expect(ladder.count(.attachmentLimitReached) == 1)
    #expect(ladder.gateway.attachments.count == 1)
  }

  @Test("Another name from the operator ends the old session and begins the new one")
  func renamedByOperator() throws {
    var ladder = Ladder.registered()
    let other = MobileNodeIdentifier(nai: "mn2@example.net")
    let renamed = ladder.attach(Ladder.mac, on: "acc0", .operatorRequest, as: other)
    #expect(renamed.updates.map(\.lifetime) == [.zero])
    let next = ladder.answer()
    #expect(next.advertisements.first?.routerLifetime == 0)
    #expect(next.updates.first?.options.mobileNodeIdentifier == other)
    ladder.answer(prefixes: [Ladder.secondPrefix])
    #expect(ladder.gateway.attachments.map(\.node) == [other])
    #expect(ladder.datapath.downlinks.keys.sorted() == [Ladder.secondPrefix])
  }

  @Test("Attachments are listed by link and address")
  func order() {
    var ladder = Ladder()
    ladder.attach(Ladder.secondMAC, on: "lte0")
    ladder.attach(Ladder.secondMAC, on: "acc0")
    ladder.attach(Ladder.mac, on: "acc0")
    #expect(ladder.gateway.attachments.map(\.link) == ["acc0", "acc0", "lte0"])
    #expect(ladder.gateway.attachments.map(\.linkLayerAddress) == [Ladder.mac, Ladder.secondMAC, Ladder.secondMAC])
  }

  @Test("Registered nodes are probed; the neighbour that does not answer is de-registered")
  func silentDeparture() {
    var ladder = Ladder.registered()
    #expect(ladder.advance(by: .seconds(35)).probes == 3)
    #expect(ladder.detach(Ladder.mac, from: "acc0", .neighbourUnreachable).updates.map(\.lifetime) == [.zero])
    #expect(ladder.answer().removals == [.neighbourUnreachable])
    #expect(ladder.advance(by: .seconds(60)).isEmpty)
  }

  @Test("No probes without a known address, nor with interval 0")
  func noProbes() {
    var ladder = Ladder()
    ladder.attach(Ladder.mac, on: "acc0", .link, linkLocal: nil)
    ladder.answer()
    #expect(ladder.advance(by: .seconds(35)).probes == 0)
    ladder.attach()
    #expect(ladder.advance(by: .seconds(35)).probes > 0)
    var configuration = Ladder.configuration
    configuration.timers.probeInterval = .zero
    var quiet = Ladder.registered(configuration)
    #expect(quiet.advance(by: .seconds(100)).probes == 0)
  }
}
