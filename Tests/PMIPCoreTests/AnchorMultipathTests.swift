import DatapathModel
import MobilityWire
import NetTypes
import Testing

@testable import PMIPCore

@Suite("Anchor: gateways with several uplinks, RFC 8278")
struct AnchorMultipathTests {
  typealias Lab = AnchorLab

  /// The second uplink of mag1.
  static let uplink2 = address("2001:db8:2::2")
  static let uplink3 = address("2001:db8:2::3")
  static let mag1 = MAGIdentifier(nai: "mag1@example.net")

  static func lab(_ change: (inout LMAConfiguration) -> Void = { _ in }) -> Lab {
    Lab {
      $0.gateways[0].uplinks = [uplink2, uplink3]
      change(&$0)
    }
  }

  static func path(
    _ binding: UInt8, bulk: Bool = false, overwrite: Bool = false, gateway: MAGIdentifier? = mag1
  ) -> [MobilityOption] {
    let multipath = MAGMultipathBinding(
      interfaceTechnology: .eutran, interfaceLabel: 10 &+ binding, binding: binding, bulkReRegistration: bulk,
      overwrite: overwrite)
    return [.magMultipathBinding(multipath)] + (gateway.map { [.magIdentifier($0)] } ?? [])
  }

  /// Two paths, BID 1 and 2.
  static func twoPaths(_ change: (inout LMAConfiguration) -> Void = { _ in }) -> Lab {
    var lab = lab(change)
    lab.send(PBU(extra: path(1)))
    lab.send(PBU(prefixes: [Lab.firstPrefix], extra: path(2)), from: uplink2)
    return lab
  }

  @Test("One binding for each path, with the same prefixes; option 63 comes back, option 64 does not")
  func paths() throws {
    var lab = Self.lab()
    // PBU(63 BID 1, 64) -->  <-- PBA(0, HNP, 63)
    let first = lab.send(PBU(extra: Self.path(1)))
    #expect(first?.status == .accepted)
    #expect(first?.options.magMultipathBinding?.binding == 1 && first?.options.magIdentifier == nil)
    // The other uplink, asking for anything: the same prefix, and no off-link prefix.
    let second = lab.send(PBU(extra: Self.path(2)), from: Self.uplink2)
    #expect(second?.prefixes == [Lab.firstPrefix] && second?.offLinkPrefixes == [])
    #expect(second?.options.magMultipathBinding?.interfaceLabel == 12)

    let bindings = lab.anchor.bindings
    #expect(bindings.map(\.path?.binding) == [1, 2] && bindings.map(\.path?.label) == [11, 12])
    #expect(bindings.map(\.gatewayName) == ["mag1", "mag1"])
    #expect(bindings.map(\.isDefault) == [true, false])
    #expect(Set(lab.anchor.tunnels.map(\.remote)) == [Lab.mag1, Self.uplink2])
    #expect(lab.route(to: Lab.firstPrefix) == Lab.mag1)
  }

  @Test("Each path is refreshed for itself")
  func refresh() {
    var lab = Self.twoPaths()
    lab.pass(.seconds(200))
    lab.send(PBU.refresh(Lab.firstPrefix).with { $0.extra = Self.path(2) }, from: Self.uplink2)
    #expect(lab.anchor.bindings.count == 2)
    lab.pass(.seconds(150))
    // The first one was not: its packets take the living path.
    #expect(lab.anchor.bindings.map(\.path?.binding) == [2])
    #expect(lab.route(to: Lab.firstPrefix) == Self.uplink2)
    #expect(lab.count(.bindingsExpired) == 1 && lab.count(.defaultAttachmentsMoved) == 1)
  }

  @Test("B: one request refreshes all that the node has at this gateway, and nothing elsewhere")
  func bulk() {
    var lab = Self.twoPaths()
    lab.send(.attach(Lab.cellular, .eutran), from: Lab.mag2)
    lab.pass(.seconds(200))
    lab.send(PBU.refresh(Lab.firstPrefix).with { $0.extra = Self.path(2, bulk: true) }, from: Self.uplink2)
    lab.pass(.seconds(150))
    #expect(lab.anchor.bindings.map(\.path?.binding) == [1, 2])
    #expect(lab.count(.pathsRefreshedInBulk) == 1 && lab.count(.bindingsExpired) == 1)
  }

  @Test("O: one path replaces all others, and becomes the default")
  func overwrite() {
    var lab = Self.twoPaths()
    lab.send(PBU(prefixes: [Lab.firstPrefix], extra: Self.path(3, overwrite: true)), from: Self.uplink3)
    #expect(lab.anchor.bindings.map(\.path?.binding) == [3])
    #expect(lab.route(to: Lab.firstPrefix) == Self.uplink3)
    #expect(lab.anchor.tunnels.map(\.remote) == [Self.uplink3])
    #expect(lab.count(.pathsReplaced) == 2)
  }

  @Test("A path is de-registered, also by another uplink in its name; the other one takes over")
  func deregistration() {
    var lab = Self.twoPaths()
    let gone = PBU.deregister(Lab.firstPrefix).with {
      $0.extra = Self.path(1)
      $0.careOf = Lab.mag1
    }
    let answer = lab.send(gone, from: Self.uplink2)
    #expect(answer?.status == .accepted && answer?.lifetime == .zero)
    #expect(lab.route(to: Lab.firstPrefix) == Self.uplink2)
    lab.pass(.seconds(11))
    #expect(lab.anchor.bindings.map(\.path?.binding) == [2])
    // The prefix is the node's as long as one path has it.
    #expect(lab.send(PBU(extra: Self.path(1)))?.prefixes == [Lab.firstPrefix])
  }

  @Test("A path whose uplink has another address now keeps its number")
  func renumbered() {
    var lab = Self.twoPaths()
    lab.send(PBU.refresh(Lab.firstPrefix).with { $0.extra = Self.path(2) }, from: Self.uplink3)
    #expect(lab.anchor.bindings.map(\.proxyCareOfAddress) == [Lab.mag1, Self.uplink3])
  }

  @Test("Handover to a gateway with one uplink: no path stays behind")
  func handover() {
    var lab = Self.twoPaths()
    lab.send(PBU(handoff: .betweenGateways), from: Lab.mag2)
    #expect(lab.anchor.bindings.map(\.proxyCareOfAddress) == [Lab.mag2])
    #expect(lab.route(to: Lab.firstPrefix) == Lab.mag2)
    // The late de-registrations of the old gateway find nothing.
    lab.send(PBU.deregister(Lab.firstPrefix).with { $0.extra = Self.path(2) }, from: Self.uplink2)
    #expect(lab.anchor.bindings.map(\.state) == [.active])
  }

  @Test("The gateway gives up multipath: its one binding replaces the paths")
  func givenUp() {
    var lab = Self.twoPaths()
    lab.send(.refresh(Lab.firstPrefix))
    #expect(lab.anchor.bindings.map(\.path) == [nil])
    #expect(lab.anchor.bindings.map(\.proxyCareOfAddress) == [Lab.mag1])
  }

  @Test("Two interfaces of a node, each with two paths: one prefix each, told to the other's gateway paths")
  func twoInterfaces() {
    var lab = Self.twoPaths()
    lab.send(PBU(access: .eutran, linkLayer: Lab.cellular, extra: Self.path(1)))
    let last = lab.send(PBU(access: .eutran, linkLayer: Lab.cellular, extra: Self.path(2)), from: Self.uplink2)
    #expect(last?.prefixes == [Lab.secondPrefix] && last?.offLinkPrefixes == [Lab.firstPrefix])
    #expect(lab.anchor.bindings.count == 4)
  }

  @Test("A logical interface at a gateway with two uplinks and at another one: three bindings share the prefix")
  func logical() {
    var lab = Self.lab { $0.nodes[0].kind = .logical }
    lab.send(PBU(handoff: .sharedPrefixes, extra: Self.path(1)))
    lab.send(PBU(handoff: .sharedPrefixes, extra: Self.path(2)), from: Self.uplink2)
    lab.send(PBU(handoff: .sharedPrefixes), from: Lab.mag2)
    #expect(lab.anchor.bindings.map(\.proxyCareOfAddress) == [Lab.mag1, Self.uplink2, Lab.mag2])
    #expect(Set(lab.anchor.bindings.map(\.prefixes)) == [[Lab.firstPrefix]])
  }

  @Test("After a restart the paths are there again")
  func restart() {
    let lab = Self.twoPaths().restarted(after: .seconds(1))
    #expect(lab.anchor.bindings.map(\.path?.binding) == [1, 2])
    #expect(lab.anchor.bindings.map(\.isDefault) == [true, false])
  }

  @Test(
    "180: refused by configuration, without MAG Identifier, reserved number, or both flags",
    arguments: [(0, false, true), (255, false, true), (1, true, true), (1, false, false)] as [(UInt8, Bool, Bool)])
  func refused(binding: UInt8, bothFlags: Bool, isIdentified: Bool) {
    var lab = Self.lab()
    let options = Self.path(
      binding, bulk: bothFlags, overwrite: bothFlags, gateway: isIdentified ? Self.mag1 : nil)
    let answer = lab.send(PBU(extra: options))
    #expect(answer?.status == .multipathBindingRefused)
    #expect(answer?.options.magMultipathBinding?.binding == binding && answer?.options.magIdentifier == nil)
    #expect(lab.anchor.bindings.isEmpty && lab.count(.rejectedMultipathBinding) == 1)
  }

  @Test("180 for a gateway that the operator allows one way only; without the options it is served")
  func switchedOff() {
    var lab = Self.lab { $0.gateways[0].uplinks = [] }
    #expect(lab.send(PBU(extra: Self.path(1)))?.status == .multipathBindingRefused)
    #expect(lab.send(.attach)?.status == .accepted)
  }

  @Test("180 for another gateway that calls itself by the same MAG Identifier")
  func sameIdentifier() {
    var lab = Self.lab { $0.gateways[1].uplinks = ["2001:db8:3::2"] }
    lab.send(PBU(extra: Self.path(1)))
    let answer = lab.send(PBU(extra: Self.path(2, overwrite: true)), from: Lab.mag2)
    #expect(answer?.status == .multipathBindingRefused)
    #expect(lab.anchor.bindings.map(\.proxyCareOfAddress) == [Lab.mag1])
  }

  @Test(
    "A gateway that begins with multipath: its binding becomes the first path",
    arguments: [TerminalKind.interfaces, .logical])
  func begun(kind: TerminalKind) {
    var lab = Self.lab { $0.nodes[0].kind = kind }
    lab.send(.attach)
    lab.send(PBU.refresh(Lab.firstPrefix).with { $0.extra = Self.path(1) })
    #expect(lab.anchor.bindings.map(\.path?.binding) == [1])
  }

  @Test("Without the options again, at the second uplink: that path stays and the other one goes")
  func secondRemains() {
    var lab = Self.lab { $0.nodes[0].kind = .logical }
    lab.send(PBU(handoff: .sharedPrefixes, extra: Self.path(1)))
    lab.send(PBU(handoff: .sharedPrefixes, extra: Self.path(2)), from: Self.uplink2)
    lab.send(PBU(handoff: .sharedPrefixes, prefixes: [Lab.firstPrefix]), from: Self.uplink2)
    #expect(lab.anchor.bindings.map(\.proxyCareOfAddress) == [Self.uplink2])
    #expect(lab.anchor.bindings.map(\.path) == [nil])
    #expect(lab.route(to: Lab.firstPrefix) == Self.uplink2)
  }
}
