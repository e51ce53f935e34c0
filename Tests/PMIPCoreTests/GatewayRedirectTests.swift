import DatapathModel
import MobilityWire
import NetTypes
import Testing

@testable import PMIPCore

@Suite("Gateway: runtime assignment, RFC 6463")
struct GatewayRedirectTests {
  typealias Ladder = GatewayLadder

  static let assigned: IPv6Address = "2001:db8:1::2"

  static var configuration: MAGConfiguration {
    var configuration = Ladder.configuration
    configuration.acceptsRedirect = true
    return configuration
  }

  /// Registered, and sent to `assigned`.
  static func redirected() -> Ladder {
    var ladder = Ladder(configuration)
    ladder.attach()
    ladder.answer { $0.options.append(.redirect(.v6(assigned))) }
    return ladder
  }

  static func destinations(_ effects: [MAGEffect]) -> [IPv6Address] {
    effects.compactMap { if case .send(.bindingUpdate, _, let destination) = $0 { destination } else { nil } }
  }

  @Test("PBU(Redirect-Capability) -->  <-- PBA(Redirect): tunnel, refresh and de-registration go to the r2LMA")
  func followed() {
    var ladder = Ladder(Self.configuration)
    let first = ladder.attach()
    #expect(first.updates.first?.options.offersRedirect == true)
    #expect(Self.destinations(first) == [Ladder.anchor])
    ladder.answer { $0.options.append(.redirect(.v6(Self.assigned))) }
    #expect(ladder.datapath.tunnels.values.map(\.remote) == [Self.assigned])
    #expect(ladder.gateway.attachments.map(\.anchorAddress) == [Self.assigned])
    #expect(ladder.count(.redirectsFollowed) == 1)

    let refresh = ladder.advance(by: .seconds(260))
    #expect(Self.destinations(refresh) == [Self.assigned])
    #expect(refresh.updates.first?.options.offersRedirect == false)
    // An answer from the first anchor fits no request any more.
    ladder.answer()
    #expect(ladder.state == .refreshing)
    ladder.answer(from: Self.assigned)
    #expect(ladder.state == .registered)
    #expect(Self.destinations(ladder.detach()) == [Self.assigned])
  }

  @Test("Not offered: the option is ignored, the session stays where it was asked for")
  func notOffered() {
    var ladder = Ladder()
    ladder.attach()
    #expect(ladder.lastPBU?.options.offersRedirect == false)
    ladder.answer { $0.options.append(.redirect(.v6(Self.assigned))) }
    #expect(ladder.datapath.tunnels.values.map(\.remote) == [Ladder.anchor])
    #expect(ladder.count(.redirectsIgnored) == 1)
  }

  @Test(
    "An address that cannot be an anchor, or of the other family, is ignored",
    arguments: [.v6("ff02::1"), .v6("fe80::1"), .v6(Ladder.proxy), .v4(IPv4Address(rawValue: 0xc000_0201))]
      as [IPAddress])
  func unusable(address: IPAddress) {
    var ladder = Ladder(Self.configuration)
    ladder.attach()
    ladder.answer { $0.options.append(.redirect(address)) }
    #expect(ladder.datapath.tunnels.values.map(\.remote) == [Ladder.anchor])
    #expect(ladder.count(.redirectsIgnored) == 1 && ladder.state == .registered)
  }

  @Test("The r2LMA is gone until the binding expires: the configured anchor is asked again")
  func expiry() {
    var ladder = Self.redirected()
    let effects = ladder.advance(by: .seconds(300))
    #expect(Self.destinations(effects).last == Ladder.anchor)
    #expect(ladder.lastPBU?.options.offersRedirect == true)
    #expect(ladder.datapath.tunnels.isEmpty)
  }

  @Test("After a restart the session goes on at the r2LMA")
  func restart() {
    var ladder = Self.redirected()
    ladder.restart()
    #expect(ladder.gateway.attachments.map(\.anchorAddress) == [Self.assigned])
    #expect(Self.destinations(ladder.advance(by: .seconds(5))) == [Self.assigned])
    #expect(ladder.gateway.desiredDatapath.tunnels.values.map(\.remote) == [Self.assigned])
  }

  @Test("A changed configuration that does not concern the session leaves it there")
  func reconfigured() {
    var ladder = Self.redirected()
    var configuration = Self.configuration
    configuration.timers.lifetime = .seconds(600)
    ladder.step(.configurationChanged(configuration))
    #expect(ladder.state == .registered)
    #expect(ladder.gateway.attachments.map(\.anchorAddress) == [Self.assigned])
  }
}
