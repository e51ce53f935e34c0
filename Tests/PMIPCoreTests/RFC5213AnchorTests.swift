import MobilityWire
import NetTypes
import Testing

@testable import PMIPCore

@Suite("RFC 5213 section 5: rules that need a ladder of their own")
struct RFC5213AnchorTests {
  typealias Lab = AnchorLab

  @Test("5.1: a link-layer identifier of zeros is none")
  func unknownLinkLayerIdentifier() {
    var lab = Lab()
    let zeros = MobileNodeLinkLayerIdentifier(identifier: [0, 0])
    // PBU(HI 1, LLID 0) -->
    #expect(lab.send(.attach(zeros))?.prefixes == [Lab.firstPrefix])
    #expect(lab.anchor.bindings.first?.linkLayerIdentifier == nil)
    // PBU(HI 1, LLID 0) at MAG2 --> : that this is the same interface cannot be told
    #expect(lab.send(.attach(zeros), from: Lab.mag2)?.prefixes == [Lab.secondPrefix])
    // PBU(HI 3, P1) at MAG2 --> : 5.4.1.1, item c
    let handoff = PBU(handoff: .betweenGateways, linkLayer: nil, prefixes: [Lab.firstPrefix])
    #expect(lab.send(handoff, from: Lab.mag2)?.status == .accepted)
    #expect(lab.route(to: Lab.firstPrefix) == Lab.mag2)
  }

  @Test("5.3.2, 5.3.4, 5.3.5: every prefix of a session is routed, moved and withdrawn with it")
  func everyPrefixIsRouted() {
    var lab = Lab()
    let prefixes = [Lab.firstPrefix, Lab.thirdPrefix]
    lab.send(.attach.with { $0.prefixes = prefixes })
    #expect(prefixes.map { lab.route(to: $0) } == [Lab.mag1, Lab.mag1])
    let handoff = PBU(handoff: .betweenGateways, prefixes: prefixes)
    #expect(lab.send(handoff, from: Lab.mag2)?.prefixes == prefixes)
    #expect(prefixes.map { lab.route(to: $0) } == [Lab.mag2, Lab.mag2])
    let leaving = PBU(handoff: .unknown, prefixes: prefixes, lifetime: .zero)
    #expect(lab.send(leaving, from: Lab.mag2)?.status == .accepted)
    #expect(lab.datapath.prefixRoutes.isEmpty)
  }

  @Test("5.3.6: the link-layer identifier comes back if and only if it was sent", arguments: [Lab.wlan, nil])
  func linkLayerIdentifierMirrored(_ identifier: MobileNodeLinkLayerIdentifier?) {
    var lab = Lab()
    let refused = lab.send(.attach(identifier).with { $0.clockError = .seconds(9) })
    #expect(refused?.status == .timestampMismatch && refused?.options.linkLayerIdentifier == identifier)
    let accepted = lab.send(.attach(identifier))
    #expect(accepted?.status == .accepted && accepted?.options.linkLayerIdentifier == identifier)
  }

  @Test("5.3.6: the Link-local Address option comes back if and only if it was sent, whatever the entry has")
  func linkLocalAddressMirrored() {
    var lab = Lab()
    #expect(lab.send(.attach)?.options.linkLocalAddress == nil)
    let asking = PBU.refresh(Lab.firstPrefix).with { $0.linkLocal = .unspecified }
    #expect(lab.send(asking)?.options.linkLocalAddress == address("fe80::200:5eff:fe00:5213"))
    #expect(lab.send(.refresh(Lab.firstPrefix))?.options.linkLocalAddress == nil)
    let late = PBU.refresh(Lab.firstPrefix).with { $0.clockError = .seconds(9) }
    #expect(lab.send(late)?.options.linkLocalAddress == nil)
    #expect(lab.send(late.with { $0.linkLocal = .unspecified })?.options.linkLocalAddress == .unspecified)
  }

  @Test("5.4: each interface's session has its own lifetime")
  func lifetimeOfEachInterface() {
    var lab = Lab()
    lab.send(.attach.with { $0.lifetime = .seconds(60) })
    lab.send(.attach(Lab.cellular, .eutran), from: Lab.mag2)
    lab.pass(.seconds(60))
    #expect(lab.anchor.bindings.map(\.prefixes) == [[Lab.secondPrefix]])
    #expect(lab.route(to: Lab.firstPrefix) == nil && lab.route(to: Lab.secondPrefix) == Lab.mag2)
    // The other one is refreshed without a word about the first.
    #expect(
      lab.send(
        .refresh(Lab.secondPrefix).with {
          $0.access = .eutran
          $0.linkLayer = Lab.cellular
        }, from: Lab.mag2)?.status == .accepted)
    lab.pass(.seconds(299))
    #expect(lab.anchor.bindings.count == 1)
  }

  @Test("5.5, 9.3: timestamps of the node's clock are not compared with ours, but must rise in each session")
  func nodeGeneratedTimestamps() {
    var lab = Lab {
      for index in $0.gateways.indices { $0.gateways[index].ordering = .nodeTimestamp }
    }
    let ahead = Duration.seconds(86_400)
    let first = lab.send(.attach.with { $0.clockError = ahead })
    #expect(first?.status == .accepted)
    #expect(first?.options.timestamp == lab.now.wallClock.advanced(by: ahead))
    let older = lab.send(.refresh(Lab.firstPrefix))
    #expect(older?.status == .timestampLowerThanPreviousAccepted && older?.options.timestamp == lab.now.wallClock)
    let newer = PBU.refresh(Lab.firstPrefix).with { $0.clockError = ahead }
    #expect(lab.send(newer)?.status == .accepted)
    // Without the option sequence numbers count.
    let untimed = PBU.refresh(Lab.firstPrefix).with { $0.timestamped = false }
    #expect(lab.send(untimed.with { $0.sequence = 1 })?.status == .sequenceNumberOutOfWindow)
    #expect(lab.send(untimed)?.status == .accepted)
  }
}
