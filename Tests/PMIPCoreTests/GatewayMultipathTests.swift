import DatapathModel
import MobilityWire
import NetTypes
import Testing

@testable import PMIPCore

@Suite("Gateway: several uplinks, RFC 8278")
struct GatewayMultipathTests {
  typealias Ladder = GatewayLadder

  static let second: IPv6Address = "2001:db8:2::11"
  static let configuration: MAGConfiguration = {
    var configuration = Ladder.configuration
    configuration.identity = "mag1@example.net"
    configuration.uplinks = [
      Uplink(interface: "fibre0", address: Ladder.proxy, label: 10, accessTechnology: .ethernet),
      Uplink(interface: "lte1", address: second, label: 20, accessTechnology: .eutran),
    ]
    return configuration
  }()

  static func registered() -> Ladder {
    var ladder = Ladder(configuration)
    ladder.attach()
    ladder.answer()
    ladder.answer(at: second)
    return ladder
  }

  /// Where the node's packets leave the gateway.
  static func exit(_ ladder: Ladder) -> IPv6Address? {
    ladder.datapath.uplinks[Ladder.prefix].flatMap { ladder.datapath.tunnels[$0]?.local }
  }

  static func uplinks(_ ladder: Ladder) -> [Int] { ladder.gateway.attachments.map(\.uplink) }

  @Test("One path first; when the anchor takes part, a request from every other uplink, for the same prefix")
  func paths() throws {
    var ladder = Ladder(Self.configuration)
    // PBU(63 BID 1, 64) -->
    let first = ladder.attach()
    #expect(first.sources == [Ladder.proxy])
    let update = try #require(first.updates.first)
    #expect(
      update.options.magMultipathBinding
        == MAGMultipathBinding(interfaceTechnology: .ethernet, interfaceLabel: 10, binding: 1))
    #expect(update.options.magIdentifier == MAGIdentifier(nai: "mag1@example.net") && update.asksForAnyPrefix)
    #expect(update.options.alternateCareOfAddress == nil)

    // <-- PBA(0, HNP, 63); PBU(63 BID 2, 64, HNP) --> from the other uplink
    let next = ladder.answer()
    #expect(next.sources == [Self.second])
    let further = try #require(next.updates.first)
    #expect(further.options.magMultipathBinding?.binding == 2)
    #expect(further.options.magMultipathBinding?.interfaceLabel == 20)
    #expect(further.options.magIdentifier != nil && further.namedPrefixes == [Ladder.prefix])
    #expect(next.advertisements.count == 1)

    // The node does not hear of the second path, and its packets leave by the first.
    let last = ladder.answer(at: Self.second)
    #expect(last.advertisements.isEmpty && last.updates.isEmpty)
    #expect(ladder.states == [.registered, .registered] && Self.uplinks(ladder) == [0, 1])
    #expect(Set(ladder.datapath.tunnels.values.map(\.local)) == [Ladder.proxy, Self.second])
    #expect(Self.exit(ladder) == Ladder.proxy && ladder.count(.pathsAccepted) == 2)
    // Its next solicitation is answered once.
    #expect(ladder.attach().advertisements.count == 1)
  }

  @Test("Each path is refreshed from its own address")
  func refresh() {
    var ladder = Self.registered()
    let effects = ladder.advance(by: Self.configuration.timers.lifetime - .seconds(1))
    #expect(Set(effects.sources) == [Ladder.proxy, Self.second])
    let refreshes = effects.updates.filter { $0.options.handoffIndicator == .noChange }
    #expect(Set(refreshes.compactMap { $0.options.magMultipathBinding?.binding }) == [1, 2])
    #expect(refreshes.allSatisfy { $0.options.magIdentifier != nil && $0.namedPrefixes == [Ladder.prefix] })
  }

  @Test("The first uplink goes while the kernel works for the second path: the node's packets take that one afterwards")
  func uplinkLostMeanwhile() throws {
    var ladder = Ladder(Self.configuration)
    ladder.attach()
    ladder.answer()
    ladder.kernel = .silent
    ladder.answer(at: Self.second)
    #expect(ladder.step(.uplinkChanged("fibre0", isUp: false)).updates.isEmpty)
    let effects = ladder.step(.datapathOutcome(try #require(ladder.unanswered.first), .installed))
    #expect(effects.updates.map(\.lifetime) == [.zero] && effects.sources == [Self.second])
    #expect(effects.updates.first?.options.alternateCareOfAddress == Ladder.proxy)
    let exit = ladder.gateway.desiredDatapath.uplinks[Ladder.prefix]
    #expect(exit.flatMap { ladder.gateway.desiredDatapath.tunnels[$0]?.local } == Self.second)
  }

  @Test("The uplink of a path that is being ended goes: the node's packets do not wait for the end")
  func uplinkLostWhileEnding() throws {
    var ladder = Self.registered()
    let effects = ladder.advance(by: Self.configuration.timers.lifetime - .seconds(1))
    let refresh = try #require(effects.updates.first { $0.options.magMultipathBinding?.binding == 1 })
    // The kernel refuses what the anchor has granted to the first path, so that must end.
    ladder.kernel = .refuses
    #expect(ladder.answer(to: refresh, offLink: [Ladder.secondPrefix]).updates.map(\.lifetime) == [.zero])
    #expect(ladder.states == [.deregistering, .refreshing])
    let changes = ladder.step(.uplinkChanged("fibre0", isUp: false)).changes
    let second = ladder.gateway.attachments[1].tunnel
    #expect(changes.contains { $0 == second.map { .setUplink(Ladder.prefix, $0) } })
  }

  @Test("An anchor that answers without option 63 is an old one: one path, and no more tries")
  func oldAnchor() {
    var ladder = Ladder(Self.configuration)
    ladder.attach()
    let effects = ladder.answer { $0.options = MobilityOptions($0.options.filter { !$0.isMultipath }) }
    #expect(effects.updates.isEmpty && effects.advertisements.count == 1)
    #expect(ladder.states == [.registered] && ladder.count(.multipathUnsupported) == 1)
    let next = ladder.attach(Ladder.bondedMAC, on: "acc1")
    #expect(next.updates.count == 1 && next.updates.first?.options.magMultipathBinding == nil)
  }

  @Test("Status 180: at once again without the options")
  func refused() {
    var ladder = Ladder(Self.configuration)
    ladder.attach()
    let effects = ladder.answer(.multipathBindingRefused)
    #expect(effects.sources == [Ladder.proxy])
    #expect(effects.updates.first?.options.magMultipathBinding == nil)
    #expect(effects.updates.first?.options.magIdentifier == nil)
    ladder.answer()
    #expect(ladder.states == [.registered] && Self.uplinks(ladder) == [0])
  }

  @Test("Status 180 for the second path's refresh: the first goes on alone, and the node loses nothing")
  func refusedLater() throws {
    var ladder = Self.registered()
    let effects = ladder.advance(by: Self.configuration.timers.lifetime - .seconds(1))
    let refresh = try #require(effects.updates.last { $0.options.magMultipathBinding?.binding == 2 })
    let after = ladder.answer(.multipathBindingRefused, to: refresh, at: Self.second)
    #expect(after.sources == [Ladder.proxy] && after.updates.first?.options.magMultipathBinding == nil)
    #expect(after.updates.first?.namedPrefixes == [Ladder.prefix] && after.removals == [.pathEnded])
    #expect(Self.exit(ladder) == Ladder.proxy)
    ladder.answer()
    #expect(ladder.states == [.registered] && Self.uplinks(ladder) == [0])
    #expect(ladder.count(.withdrawalsSent) == 0)
  }

  @Test("Another refusal of the second path leaves the first alone, and is tried again")
  func secondRefused() {
    var ladder = Ladder(Self.configuration)
    ladder.attach()
    ladder.answer()
    let effects = ladder.answer(.gatewayNotAuthorized, at: Self.second)
    #expect(effects.changes.isEmpty && effects.advertisements.isEmpty)
    #expect(ladder.states == [.registered, .refused])
    let again = ladder.advance(by: Self.configuration.timers.maxBindackTimeout)
    #expect(again.sources == [Self.second])
  }

  @Test("An uplink goes away: its packets take the other at once, and the anchor hears of it over that one")
  func uplinkLost() throws {
    var ladder = Self.registered()
    // PBU(lifetime 0, Alternate CoA, 63 BID 1) --> from the living uplink
    let effects = ladder.step(.uplinkChanged("fibre0", isUp: false))
    #expect(Self.exit(ladder) == Self.second && effects.advertisements.isEmpty)
    #expect(effects.sources == [Self.second])
    let update = try #require(effects.updates.first)
    #expect(update.lifetime == .zero && update.options.alternateCareOfAddress == Ladder.proxy)
    #expect(update.options.magMultipathBinding?.binding == 1 && update.options.magMultipathBinding?.overwrite == false)
    #expect(ladder.answer(at: Self.second).removals == [.pathEnded])
    #expect(Self.uplinks(ladder) == [1] && ladder.states == [.registered])
    #expect(ladder.datapath.tunnels.values.map(\.local) == [Self.second])
    // The node is advertised to over the path that is left.
    #expect(ladder.attach().advertisements.count == 1)

    // The uplink comes back: so does the path.
    let back = ladder.step(.uplinkChanged("fibre0", isUp: true))
    #expect(back.sources == [Ladder.proxy] && back.updates.first?.namedPrefixes == [Ladder.prefix])
    ladder.answer()
    #expect(Self.uplinks(ladder) == [0, 1] && Self.exit(ladder) == Ladder.proxy)
    #expect(ladder.count(.uplinksLost) == 1 && ladder.count(.uplinksReturned) == 1)
  }

  @Test("An uplink that comes back before the anchor has answered")
  func uplinkFlaps() {
    var ladder = Self.registered()
    ladder.step(.uplinkChanged("fibre0", isUp: false))
    #expect(ladder.step(.uplinkChanged("fibre0", isUp: true)).updates.isEmpty)
    #expect(ladder.answer(at: Self.second).sources == [Ladder.proxy])
    ladder.answer()
    #expect(ladder.states == [.registered, .registered] && Self.exit(ladder) == Ladder.proxy)
  }

  @Test("No uplink is left: everything stays, and goes on over the first that comes back")
  func allLost() {
    var ladder = Self.registered()
    ladder.step(.uplinkChanged("fibre0", isUp: false))
    ladder.answer(at: Self.second)
    #expect(ladder.step(.uplinkChanged("lte1", isUp: false)).isEmpty)
    #expect(ladder.states == [.registered])
    let effects = ladder.step(.uplinkChanged("fibre0", isUp: true))
    // The new path, and the end of the one whose uplink is away.
    #expect(effects.updates.map(\.lifetime).contains(.zero))
    #expect(Set(effects.sources) == [Ladder.proxy])
    for update in effects.updates { ladder.answer(to: update) }
    #expect(Self.uplinks(ladder) == [0] && Self.exit(ladder) == Ladder.proxy)
  }

  @Test("At an old anchor the one session moves to the other uplink, and back only when it must")
  func moved() {
    var ladder = Ladder(Self.configuration)
    ladder.attach()
    ladder.answer { $0.options = MobilityOptions($0.options.filter { !$0.isMultipath }) }
    let effects = ladder.step(.uplinkChanged("fibre0", isUp: false))
    #expect(effects.sources == [Self.second] && effects.updates.first?.options.handoffIndicator == .betweenGateways)
    #expect(effects.updates.first?.namedPrefixes == [Ladder.prefix])
    ladder.answer(at: Self.second)
    #expect(Self.uplinks(ladder) == [1] && Self.exit(ladder) == Self.second)
    #expect(ladder.step(.uplinkChanged("fibre0", isUp: true)).isEmpty)
  }

  @Test("The node leaves: every path is de-registered, from its own address")
  func deregistration() {
    var ladder = Self.registered()
    let effects = ladder.detach()
    #expect(effects.sources == [Ladder.proxy, Self.second])
    #expect(effects.updates.map(\.lifetime) == [.zero, .zero])
    #expect(effects.updates.map { $0.options.magMultipathBinding?.binding } == [1, 2])
    for (update, source) in zip(effects.updates, effects.sources) { ladder.answer(to: update, at: source) }
    #expect(ladder.gateway.attachments.isEmpty && ladder.storage.isEmpty)
    #expect(ladder.datapath.tunnels.isEmpty && ladder.datapath.uplinks.isEmpty && ladder.datapath.downlinks.isEmpty)
  }

  @Test("The node comes on another link of the gateway: both paths follow it")
  func anotherLink() {
    var ladder = Self.registered()
    ladder.attach(on: "acc1")
    ladder.answer()
    ladder.answer(at: Self.second)
    #expect(ladder.gateway.attachments.map(\.link) == ["acc1", "acc1"])
    #expect(ladder.datapath.downlinks[Ladder.prefix]?.link == "acc1")
  }

  @Test("An answer about another path is none to this one")
  func otherPath() {
    var ladder = Ladder(Self.configuration)
    ladder.attach()
    let effects = ladder.answer { answer in
      answer.options = MobilityOptions(
        answer.options.map { option in
          guard case .magMultipathBinding(var multipath) = option else { return option }
          multipath.binding = 2
          return .magMultipathBinding(multipath)
        })
    }
    #expect(effects.isEmpty && ladder.count(.unmatchedAcknowledgements) == 1)
    #expect(ladder.states == [.registering])
  }

  @Test("After a crash both paths are there again, and one of them advertises")
  func restart() {
    var ladder = Self.registered()
    ladder.restart()
    #expect(Self.uplinks(ladder) == [0, 1] && ladder.states == [.registered, .registered])
    #expect(ladder.gateway.desiredDatapath == ladder.datapath)
    #expect(ladder.attach().advertisements.count == 1)
    let gone = ladder.detach()
    #expect(gone.updates.map { $0.options.magMultipathBinding?.binding } == [1, 2])
  }

  @Test("Without uplinks nothing of it is sent")
  func off() {
    var ladder = Ladder()
    let update = ladder.attach().updates.first
    #expect(update?.options.magMultipathBinding == nil && update?.options.magIdentifier == nil)
  }

  @Test("What a configuration with uplinks must have")
  func problems() {
    func paths(_ change: (inout MAGConfiguration) -> Void) -> [String] {
      var configuration = Self.configuration
      change(&configuration)
      return configuration.problems().map(\.keyPath)
    }
    #expect(paths { _ in }.isEmpty)
    #expect(paths { $0.uplinks[0].address = "2001:db8:9::1" } == ["uplinks[0].address"])
    #expect(paths { $0.uplinks[1].address = "fe80::1" } == ["uplinks[1].address"])
    #expect(paths { $0.uplinks[1].interface = "fibre0" } == ["uplinks[1]"])
  }
}

extension MobilityOption {
  fileprivate var isMultipath: Bool { if case .magMultipathBinding = self { true } else { false } }
}
