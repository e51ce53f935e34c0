import DatapathModel
import MobilityWire
import NetTypes
import Testing

@testable import PMIPCore

@Suite("Anchor: the paper's two kinds of terminal")
struct AnchorFlowMobilityTests {
  typealias Lab = AnchorLab

  static let second = PBU(access: .eutran, linkLayer: Lab.cellular)

  // MARK: several IP interfaces

  @Test("Each interface has a prefix; the answer names those of the others")
  func interfaces() {
    var lab = Lab()
    // PBU(if1) -->  <-- PBA(P1);  PBU(if2) -->  <-- PBA(P2, flow-mob P1)
    #expect(lab.send(.attach)?.offLinkPrefixes == [])
    let answer = lab.send(Self.second, from: Lab.mag2)
    #expect(answer?.prefixes == [Lab.secondPrefix] && answer?.offLinkPrefixes == [Lab.firstPrefix])
    #expect(lab.binding(at: Lab.mag2)?.offLinkPrefixes == [Lab.firstPrefix])
    // MAG1 has not been told yet; it is with its next refresh.
    #expect(lab.binding(at: Lab.mag1)?.offLinkPrefixes == [])
    #expect(lab.send(.refresh(Lab.firstPrefix))?.offLinkPrefixes == [Lab.secondPrefix])
    #expect(lab.binding(at: Lab.mag1)?.offLinkPrefixes == [Lab.secondPrefix])
    #expect(lab.anchor.bindings.map(\.isDefault) == [true, true])
  }

  @Test("An interface that is gone is not named any more")
  func interfaceGone() {
    var lab = Lab()
    lab.send(.attach)
    lab.send(Self.second, from: Lab.mag2)
    lab.send(.deregister(Lab.firstPrefix))
    let answer = lab.send(
      Self.second.with {
        $0.handoff = .noChange
        $0.prefixes = [Lab.secondPrefix]
      }, from: Lab.mag2)
    #expect(answer?.offLinkPrefixes == [])
    #expect(lab.binding(at: Lab.mag2)?.offLinkPrefixes == [])
  }

  @Test("A de-registration is not told of other interfaces; without a code point nobody is")
  func notTold() {
    var lab = Lab()
    lab.send(.attach)
    lab.send(Self.second, from: Lab.mag2)
    #expect(lab.send(.deregister(Lab.firstPrefix))?.offLinkPrefixes == [])
    var plain = Lab { $0.codePoints.flowMobilityOption = nil }
    plain.send(.attach)
    #expect(
      plain.send(Self.second, from: Lab.mag2)?.options.contains { if case .flowMobility = $0 { true } else { false } }
        == false)
    #expect(plain.binding(at: Lab.mag2)?.offLinkPrefixes == [])
  }

  @Test("Bindings of one node are a group; those of another are not in it")
  func group() {
    var lab = Lab()
    lab.send(.attach)
    lab.send(.attach.with { $0.node = Lab.mn2 })
    let answer = lab.send(Self.second, from: Lab.mag2)
    #expect(answer?.offLinkPrefixes == [Lab.firstPrefix])
    #expect(lab.anchor.bindings(of: Lab.mn1).map(\.proxyCareOfAddress) == [Lab.mag1, Lab.mag2])
  }

  @Test("More off-link prefixes than an acknowledgement can hold are left out and counted")
  func tooManyOffLink() {
    var lab = Lab {
      $0.prefixPools = [PrefixPool(prefix: prefix("2001:db8:100::/48"))]
      $0.limits.prefixesPerRequest = 60
    }
    let pool = prefix("2001:db8:100::/48")
    let many = (0..<60).compactMap { pool.subnet($0, length: 64) }
    #expect(lab.send(.attach.with { $0.prefixes = many })?.prefixes.count == 60)
    let answer = lab.send(Self.second, from: Lab.mag2)
    #expect(answer?.offLinkPrefixes.count == 59)
    #expect(lab.count(.offLinkPrefixesLeftOut) == 1)
  }

  // MARK: one logical interface

  static func logical(_ configuration: inout LMAConfiguration) { configuration.nodes[0].kind = .logical }

  @Test("Attachments of a logical interface share the prefix; the oldest is the default, the next takes over")
  func logicalInterface() throws {
    var lab = Lab(Self.logical)
    lab.send(.attach)
    // The same PBU from MAG2, as every interface shows the same address -->  <-- PBA(P1)
    let answer = lab.send(.attach.with { $0.handoff = .sharedPrefixes }, from: Lab.mag2)
    #expect(answer?.prefixes == [Lab.firstPrefix] && answer?.offLinkPrefixes == [])
    #expect(lab.anchor.bindings.map(\.isDefault) == [true, false])
    #expect(lab.anchor.bindings.map(\.kind) == [.logical, .logical])
    #expect(lab.route(to: Lab.firstPrefix) == Lab.mag1 && lab.anchor.tunnels.count == 2)
    // MAG1 de-registers: one install moves the route.
    lab.send(.deregister(Lab.firstPrefix))
    let tunnel = try #require(lab.binding(at: Lab.mag2)).tunnel
    #expect(lab.effects.map(\.word) == ["send", "install", "binding-changed", "remove", "binding-changed", "store"])
    #expect(
      lab.effects.contains {
        if case .install(_, [.setPrefixRoute(Lab.firstPrefix, tunnel)]) = $0 { true } else { false }
      })
    #expect(lab.anchor.bindings.map(\.isDefault) == [false, true])
    #expect(lab.count(.defaultAttachmentsMoved) == 1)
    // The end of the delay takes the tunnel, not the prefix.
    lab.pass(.seconds(10))
    #expect(lab.anchor.bindings.count == 1 && lab.route(to: Lab.firstPrefix) == Lab.mag2)
    #expect(lab.send(.attach.with { $0.node = Lab.mn2 })?.prefixes == [Lab.secondPrefix])
  }

  @Test("... also when the default expires or is deleted", arguments: [true, false])
  func defaultEnds(expires: Bool) throws {
    var lab = Lab(Self.logical)
    lab.send(.attach.with { $0.lifetime = .seconds(8) })
    lab.send(.attach, from: Lab.mag2)
    let first = try #require(lab.binding(at: Lab.mag1)).identifier
    if expires { lab.pass(.seconds(8)) } else { lab.step(.deleteBinding(first)) }
    #expect(
      lab.effects.map(\.word) == [
        "install", "binding-removed", "tunnel-removed", "remove", "binding-changed", "store",
      ])
    #expect(lab.route(to: Lab.firstPrefix) == Lab.mag2 && lab.anchor.bindings.map(\.isDefault) == [true])
  }

  @Test("An attachment that comes back is the youngest")
  func revivedAttachment() {
    var lab = Lab(Self.logical)
    lab.send(.attach)
    lab.send(.attach, from: Lab.mag2)
    lab.send(.deregister(Lab.firstPrefix))
    lab.send(.attach)
    #expect(lab.binding(at: Lab.mag1)?.state == .active)
    #expect(lab.binding(at: Lab.mag1)?.isDefault == false)
    #expect(lab.route(to: Lab.firstPrefix) == Lab.mag2)
  }

  @Test("All gone and back within the delay: the prefix is the same")
  func allGoneAndBack() {
    var lab = Lab(Self.logical)
    lab.send(.attach)
    lab.send(.deregister(Lab.firstPrefix))
    #expect(lab.send(.attach, from: Lab.mag2)?.prefixes == [Lab.firstPrefix])
    #expect(lab.route(to: Lab.firstPrefix) == Lab.mag2)
    #expect(lab.anchor.bindings.map(\.state) == [.awaitingDeletion, .active])
    lab.pass(.seconds(10))
    #expect(lab.route(to: Lab.firstPrefix) == Lab.mag2)
  }

  @Test("A second attachment through a known tunnel needs no kernel; a late de-registration of the other is its own")
  func sharedTunnel() {
    var lab = Lab(Self.logical)
    lab.send(.attach)
    lab.send(.attach(Lab.wlan, .eutran))
    #expect(lab.effects.map(\.word) == ["send", "binding-changed", "store"])
    #expect(lab.anchor.bindings.count == 2 && lab.anchor.tunnels.count == 1)
    lab.send(PBU(handoff: .unknown, access: .eutran, prefixes: [Lab.firstPrefix], lifetime: .zero))
    #expect(lab.anchor.bindings.map(\.state) == [.active, .awaitingDeletion])
    lab.pass(.seconds(10))
    #expect(lab.anchor.tunnels.count == 1)
  }

  @Test("HI 3 moves one attachment and leaves the other")
  func logicalHandover() {
    let mag3 = address("2001:db8:4::1")
    var lab = Lab {
      Self.logical(&$0)
      $0.gateways.append(GatewayPolicy(name: "mag3", address: mag3))
    }
    lab.send(.attach)
    lab.send(.attach(Lab.wlan, .eutran), from: Lab.mag2)
    lab.send(.attach.with { $0.handoff = .betweenGateways }, from: mag3)
    #expect(lab.anchor.bindings.map(\.gatewayName) == ["mag3", "mag2"])
    #expect(lab.route(to: Lab.firstPrefix) == mag3)
  }

  @Test("One reservation serves all attachments of a logical interface")
  func oneReservation() {
    var lab = Lab {
      Self.logical(&$0)
      $0.nodes[0].reservedPrefixes = [Lab.thirdPrefix, Lab.secondPrefix]
    }
    #expect(lab.send(.attach)?.prefixes == [Lab.thirdPrefix])
    #expect(lab.send(.attach, from: Lab.mag2)?.prefixes == [Lab.thirdPrefix])
  }

  @Test("RFC 7864: a node with interfaces shares prefixes with HI 6 and its prefix")
  func sharedBySignalling() {
    var lab = Lab()
    lab.send(.attach)
    let shared = Self.second.with {
      $0.handoff = .sharedPrefixes
      $0.prefixes = [Lab.firstPrefix]
    }
    #expect(lab.send(shared, from: Lab.mag2)?.prefixes == [Lab.firstPrefix])
    #expect(lab.anchor.bindings.map(\.isDefault) == [true, false])
    #expect(lab.anchor.bindings.map(\.kind) == [.interfaces, .interfaces])
  }

  @Test("The paper's own indicator value: an unknown node that uses it is a logical interface")
  func ownIndicator() {
    let own = HandoffIndicator(rawValue: 9)
    var lab = Lab {
      $0.unknownNodes = .accept
      $0.sharedPrefixesIndicator = own
    }
    let update = PBU.attach.with {
      $0.node = MobileNodeIdentifier(nai: "bond@example.net")
      $0.handoff = own
    }
    #expect(lab.send(update)?.prefixes == [Lab.firstPrefix])
    #expect(lab.send(update, from: Lab.mag2)?.prefixes == [Lab.firstPrefix])
    #expect(lab.anchor.bindings.map(\.kind) == [.logical, .logical])
  }
}
