import DatapathModel
import MobilityWire
import NetTypes
import Testing

@testable import PMIPCore

@Suite("Anchor: restart and changed configuration")
struct AnchorRestoreTests {
  typealias Lab = AnchorLab

  /// Two nodes, three bindings, two tunnels.
  static func running(_ change: (inout LMAConfiguration) -> Void = { _ in }) -> Lab {
    var lab = Lab(change)
    lab.send(.attach)
    lab.send(PBU(access: .eutran, linkLayer: Lab.cellular), from: Lab.mag2)
    lab.send(.attach.with { $0.node = Lab.mn2 }, from: Lab.mag2)
    return lab
  }

  @Test("A restart restores bindings, owners, tunnels and numbers; the kernel needs nothing")
  func restart() {
    let before = Self.running()
    var lab = before.restarted(after: .seconds(50))
    #expect(!lab.effects.contains { $0.word == "install" })
    #expect(
      lab.effects.map(\.word) == [
        "tunnel-added", "tunnel-added", "binding-changed", "binding-changed", "binding-changed",
      ])
    #expect(lab.anchor.desiredDatapath == before.datapath)
    #expect(lab.anchor.tunnels == before.anchor.tunnels)
    let (old, new) = (before.anchor.bindings, lab.anchor.bindings)
    #expect(new.map(\.identifier) == old.map(\.identifier))
    #expect(new.map(\.prefixes) == old.map(\.prefixes))
    #expect(new.map(\.offLinkPrefixes) == old.map(\.offLinkPrefixes))
    #expect(lab.count(.recordsRestored) == 3)
    // Numbers, prefixes and tunnels go on where they were.
    #expect(lab.send(.attach.with { $0.node = Lab.mn2 })?.prefixes == [Lab.thirdPrefix])
    let third = PBU(access: .ethernet, linkLayer: MobileNodeLinkLayerIdentifier(identifier: [2, 0, 0, 0, 0, 9]))
    #expect(lab.send(third)?.prefixes == [prefix("2001:db8:100:3::/64")])
    #expect(lab.anchor.bindings.map(\.identifier.rawValue) == [1, 2, 3, 4])
    #expect(lab.anchor.tunnels.count == 2)
    // Everything ends as if there had been no restart.
    lab.pass(.seconds(400))
    #expect(lab.anchor.bindings.isEmpty && lab.anchor.tunnels.isEmpty && lab.datapath == DatapathSnapshot())
  }

  @Test("Lifetimes go on by the wall clock, on a new monotonic clock")
  func remainingLifetime() throws {
    var lab = Self.running().restarted(after: .seconds(100))
    let expiry = try #require(lab.anchor.bindings.first).expiresAt - lab.now.monotonic
    #expect(expiry > .seconds(199) && expiry <= .seconds(200))
    lab.pass(.seconds(201))
    #expect(lab.anchor.bindings.isEmpty)
  }

  @Test("A wall clock that was set back does not prolong a binding")
  func clockSetBack() {
    let lab = Self.running().restarted(after: .zero - .seconds(5_000))
    #expect(lab.anchor.bindings.allSatisfy { $0.expiresAt - lab.now.monotonic == .seconds(300) })
  }

  @Test("What expired meanwhile is removed from the store")
  func expiredRecords() {
    let lab = Self.running().restarted(after: .seconds(301))
    #expect(lab.effects.map(\.word) == ["remove", "remove", "remove"])
    #expect(lab.records.isEmpty && lab.anchor.bindings.isEmpty && lab.anchor.desiredDatapath == DatapathSnapshot())
    #expect(lab.count(.recordsExpired) == 3)
  }

  @Test("Old requests are still old after a restart, by timestamp and by sequence number")
  func orderAfterRestart() {
    var lab = Self.running().restarted(after: .milliseconds(1))
    let replay = PBU.refresh(Lab.firstPrefix).with { $0.clockError = .milliseconds(-100) }
    #expect(lab.send(replay)?.status == .timestampLowerThanPreviousAccepted)
    #expect(lab.send(.refresh(Lab.firstPrefix))?.status == .accepted)

    var numbered = Lab(AnchorOrderingTests.sequenceOnly)
    numbered.send(.attach.with { $0.sequence = 40 })
    numbered = numbered.restarted(after: .seconds(1))
    let answer = numbered.send(.refresh(Lab.firstPrefix).with { $0.sequence = 40 })
    #expect(answer?.status == .sequenceNumberOutOfWindow && answer?.sequence == 40)
  }

  @Test("Shared prefixes keep their default attachment; if that is over, the oldest takes its place and is stored")
  func sharedPrefixes() {
    var lab = Lab(AnchorFlowMobilityTests.logical)
    lab.send(.attach.with { $0.lifetime = .seconds(20) })
    lab.send(.attach, from: Lab.mag2)
    // MAG1 leaves and comes back: now the younger one.
    lab.send(.deregister(Lab.firstPrefix))
    lab.send(.attach.with { $0.lifetime = .seconds(20) })
    #expect(lab.restarted(after: .seconds(1)).route(to: Lab.firstPrefix) == Lab.mag2)
    lab.send(.attach.with { $0.lifetime = .seconds(8) }, from: Lab.mag2)
    let later = lab.restarted(after: .seconds(10))
    #expect(later.anchor.bindings.map(\.gatewayName) == ["mag1"])
    #expect(later.anchor.bindings.map(\.isDefault) == [true])
    #expect(later.effects.map(\.word) == ["remove", "tunnel-added", "binding-changed", "store"])
  }

  @Test("Records of a gateway, node and pool that are not configured any more stay until they expire")
  func unconfigured() {
    let records = Array(Self.running().records.values)
    var lab = Lab {
      $0.gateways.removeLast()
      $0.nodes.removeLast()
      $0.prefixPools = [PrefixPool(prefix: prefix("2001:db8:f00::/48"))]
    }
    lab.adopt(records)
    #expect(lab.anchor.bindings.map(\.gatewayName) == ["mag1", Lab.mag2.description, Lab.mag2.description])
    let refresh = PBU(handoff: .noChange, access: .eutran, linkLayer: Lab.cellular, prefixes: [Lab.secondPrefix])
    #expect(lab.send(refresh, from: Lab.mag2)?.status == .gatewayNotAuthorized)
    #expect(lab.send(.refresh(Lab.firstPrefix))?.status == .accepted)
    lab.pass(.seconds(300))
    #expect(lab.anchor.bindings.isEmpty)
    // The old prefixes are not given out again.
    #expect(lab.send(.attach)?.prefixes == [prefix("2001:db8:f00::/64")])
  }

  @Test("Records that contradict each other: the first is kept, a tunnel number is replaced")
  func contradictions() throws {
    var records = Self.running().records
    let first = try #require(records[BindingIdentifier(rawValue: 1)])
    var stolen = try #require(records[BindingIdentifier(rawValue: 3)])
    // Another node with the same prefix, later.
    stolen.prefixes = first.prefixes
    records[stolen.identifier] = stolen
    // Another gateway with the same tunnel number.
    var clash = try #require(records[BindingIdentifier(rawValue: 2)])
    clash.tunnel = first.tunnel
    records[clash.identifier] = clash
    var empty = first
    empty.prefixes = []
    var twice = first
    (twice.identifier, twice.prefixes) = (BindingIdentifier(rawValue: 9), [Lab.thirdPrefix, Lab.thirdPrefix])
    records[twice.identifier] = twice
    var lab = Lab()
    lab.adopt(records.values.sorted { $0.identifier < $1.identifier } + [first, empty])
    #expect(lab.anchor.bindings.map(\.identifier.rawValue) == [1, 2])
    #expect(lab.anchor.tunnels.map(\.identifier.rawValue) == [1, 2])
    #expect(lab.count(.recordsConflicting) == 4)
    #expect(lab.records[clash.identifier]?.tunnel == TunnelIdentifier(rawValue: 2))
    #expect(lab.records[stolen.identifier] == nil && lab.records[first.identifier] != nil)
  }

  @Test("Numbers of bindings can start behind those of earlier runs")
  func firstBinding() {
    var lab = Lab()
    lab.anchor = LocalMobilityAnchor(
      configuration: Lab.configuration(), firstBinding: BindingIdentifier(rawValue: 500))
    lab.send(.attach)
    #expect(lab.anchor.bindings.map(\.identifier.rawValue) == [500])
  }

  @Test("Changed while it runs: a removed gateway gets 154, a new pool is used, a new name is told")
  func configurationChanged() {
    var lab = Self.running()
    lab.step(
      .configurationChanged(
        Lab.configuration {
          $0.gateways = [
            GatewayPolicy(name: "north", address: Lab.mag1), GatewayPolicy(name: "mag3", address: Lab.stranger),
          ]
          $0.prefixPools = [PrefixPool(prefix: prefix("2001:db8:f00::/48"))]
        }))
    #expect(lab.effects.map(\.word) == ["binding-changed", "binding-changed", "binding-changed"])
    #expect(lab.anchor.bindings.map(\.gatewayName) == ["north", Lab.mag2.description, Lab.mag2.description])
    #expect(lab.anchor.bindings.count == 3)
    let refresh = PBU(handoff: .noChange, access: .eutran, linkLayer: Lab.cellular, prefixes: [Lab.secondPrefix])
    #expect(lab.send(refresh, from: Lab.mag2)?.status == .gatewayNotAuthorized)
    #expect(lab.send(.refresh(Lab.firstPrefix))?.prefixes == [Lab.firstPrefix])
    #expect(lab.send(.attach.with { $0.node = Lab.mn2 }, from: Lab.stranger)?.prefixes == [Lab.thirdPrefix])
    let third = PBU(access: .ethernet, linkLayer: MobileNodeLinkLayerIdentifier(identifier: [2, 0, 0, 0, 0, 9]))
    #expect(lab.send(third)?.prefixes == [prefix("2001:db8:f00::/64")])
  }
}
