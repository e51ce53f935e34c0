import DatapathModel
import MobilityWire
import NetTypes
import Testing

@testable import PMIPCore

@Suite("Anchor: which session a request means (RFC 5213 section 5.4.1, RFC 7864 section 3.2.1)")
struct AnchorHandoffDecisionTests {
  typealias Lab = AnchorLab

  static let wlan = Lab.wlan
  static let cellular = Lab.cellular
  static let p1 = Lab.firstPrefix
  static let p2 = Lab.secondPrefix

  /// A session in words; its number is its place in the list, from 1.
  struct Session: Sendable {
    var linkLayer: MobileNodeLinkLayerIdentifier? = Lab.wlan
    var access = AccessTechnologyType.wlan
    var gateway = Lab.mag1
    var prefixes = [Lab.firstPrefix]
    var isActive = true
    var isDefault = true
  }

  static func decide(
    _ update: PBU, from gateway: IPv6Address, _ sessions: [Session], kind: TerminalKind = .interfaces,
    heldByAnotherNode: Bool = false
  ) -> HandoffDecision {
    let now = Moment(monotonic: .seconds(1), wallClock: NTPTimestamp(seconds: 1, nanoseconds: 0))
    let request = RegistrationRequest(
      update.message(now: now), source: gateway, destination: Lab.anchorAddress, at: now, node: Lab.mn1,
      gateway: GatewayPolicy(name: "mag", address: gateway), proxyCareOfAddress: gateway)
    let entries = sessions.enumerated().map { index, session in
      BindingCacheEntry(
        identifier: BindingIdentifier(rawValue: UInt32(index + 1)), node: Lab.mn1, kind: kind,
        seniority: UInt64(index),
        attachment: .init(
          proxyCareOfAddress: session.gateway, accessTechnology: session.access,
          linkLayerIdentifier: session.linkLayer), anchorAddress: Lab.anchorAddress,
        tunnel: TunnelIdentifier(rawValue: 1), prefixes: session.prefixes, isDefault: session.isDefault,
        state: session.isActive ? .active : .awaitingDeletion(until: .seconds(9)), lifetime: .zero,
        expiresAt: .seconds(9), lastAccepted: .init(sequence: 0), registeredAt: .zero, lastUpdate: .zero)
    }
    return HandoffDecision.decide(
      request, kind: kind, sessions: entries, heldByAnotherNode: heldByAnotherNode, shared: .sharedPrefixes)
  }

  struct Row: Sendable, CustomTestStringConvertible {
    var testDescription: String
    var update: PBU
    var from: IPv6Address
    var sessions: [Session]
    var decision: HandoffDecision

    init(
      _ text: String, _ update: PBU, from: IPv6Address = Lab.mag2, _ sessions: [Session], _ decision: HandoffDecision
    ) {
      testDescription = text
      self.update = update
      self.from = from
      self.sessions = sessions
      self.decision = decision
    }

    /// With one session, at MAG1.
    init(_ text: String, _ update: PBU, from: IPv6Address = Lab.mag2, _ decision: HandoffDecision) {
      self.init(text, update, from: from, [Session()], decision)
    }
  }

  static func update(
    _ handoff: HandoffIndicator, _ linkLayer: MobileNodeLinkLayerIdentifier?, _ prefixes: [IPv6Prefix] = [],
    access: AccessTechnologyType = .wlan, lifetime: Duration = .seconds(300)
  ) -> PBU {
    PBU(handoff: handoff, access: access, linkLayer: linkLayer, prefixes: prefixes, lifetime: lifetime)
  }

  static let one = HandoffDecision.update(BindingIdentifier(rawValue: 1))
  static let two = HandoffDecision.update(BindingIdentifier(rawValue: 2))
  static let twoSessions = [
    Session(), Session(linkLayer: cellular, access: .eutran, gateway: Lab.mag2, prefixes: [p2]),
  ]
  static let sharing = [
    Session(), Session(linkLayer: cellular, access: .eutran, gateway: Lab.mag2, isDefault: false),
  ]
  static let refused = HandoffDecision.reject(.notAuthorizedForHomeNetworkPrefix, session: nil)

  static let named = [
    Row("prefix unknown: new", update(.noChange, wlan, [p2]), .new),
    Row(
      "part of the set: 159", update(.noChange, wlan, [p1]), [Session(prefixes: [p1, p2])],
      .reject(.prefixSetDoesNotMatch, session: BindingIdentifier(rawValue: 1))),
    Row(
      "more than the set: 159", update(.noChange, wlan, [p1, p2]),
      .reject(.prefixSetDoesNotMatch, session: BindingIdentifier(rawValue: 1))),
    Row(
      "prefixes of two sessions: 159, ordered by the same interface",
      update(.noChange, cellular, [p1, p2], access: .eutran), twoSessions,
      .reject(.prefixSetDoesNotMatch, session: BindingIdentifier(rawValue: 2))),
    Row("a: same ATT and LLID", update(.unknown, wlan, [p1]), one),
    Row("a needs both: other ATT", update(.unknown, wlan, [p1], access: .eutran), refused),
    Row("b: HI 2", update(.betweenInterfaces, cellular, [p1], access: .eutran), one),
    Row(
      "c: no LLID on either side, same ATT, HI 3", update(.betweenGateways, nil, [p1]), [Session(linkLayer: nil)],
      one),
    Row("c needs HI 3", update(.unknown, nil, [p1]), [Session(linkLayer: nil)], refused),
    Row("c needs an entry without LLID", update(.betweenGateways, nil, [p1]), refused),
    Row("d: same Proxy-CoA and ATT", update(.noChange, nil, [p1]), from: Lab.mag1, one),
    Row("d needs the same ATT", update(.noChange, nil, [p1], access: .eutran), from: Lab.mag1, refused),
    Row("another live session without HI 6: 155", update(.newInterface, cellular, [p1], access: .eutran), refused),
    Row(
      "... but not if it awaits its deletion", update(.unknown, cellular, [p1], access: .eutran),
      [Session(isActive: false)], one),
    Row(
      "de-registration from elsewhere means nothing",
      update(.unknown, cellular, [p1], access: .eutran, lifetime: .zero), .new),
    Row("HI 6, other LLID: shares", update(.sharedPrefixes, cellular, [p1]), .share(BindingIdentifier(rawValue: 1))),
    Row("HI 6, no LLID: shares", update(.sharedPrefixes, nil, [p1]), .share(BindingIdentifier(rawValue: 1))),
    Row("HI 6, same ATT and LLID: updates", update(.sharedPrefixes, wlan, [p1]), one),
    Row(
      "HI 6, no LLID, repeated from the same place: updates", update(.sharedPrefixes, nil, [p1]), from: Lab.mag1,
      [Session(linkLayer: nil)], one),
    Row(
      "HI 6 does not change the set test", update(.sharedPrefixes, cellular, [p1, p2]),
      .reject(.prefixSetDoesNotMatch, session: BindingIdentifier(rawValue: 1))),
    Row("shared: refresh means the same interface", update(.noChange, cellular, [p1], access: .eutran), sharing, two),
    Row("shared: without LLID the same gateway", update(.noChange, nil, [p1], access: .eutran), sharing, two),
    Row(
      "shared: de-registration from the first gateway", update(.unknown, wlan, [p1], lifetime: .zero),
      from: Lab.mag1, sharing, one),
    Row(
      "shared: HI 2 moves the default", update(.betweenInterfaces, nil, [p1], access: .ethernet),
      from: Lab.stranger, [Session(isDefault: false), Session(linkLayer: cellular, access: .eutran)], two),
  ]

  static let withLinkLayer = [
    Row("no session: new", update(.unknown, wlan), [], .new),
    Row("same ATT and LLID", update(.newInterface, wlan), one),
    Row("same ATT and LLID among several", update(.newInterface, cellular, access: .eutran), twoSessions, two),
    Row("HI 2, one session", update(.betweenInterfaces, cellular, access: .eutran), one),
    Row("HI 2, several sessions", update(.betweenInterfaces, nil, access: .ethernet), twoSessions, .new),
    Row("HI 4, one session: wait", update(.unknown, cellular), .wait(BindingIdentifier(rawValue: 1))),
    Row("HI 4, de-registered already", update(.unknown, cellular), [Session(isActive: false)], one),
    Row("HI 4, several sessions", update(.unknown, cellular), twoSessions, .new),
    Row("HI 1", update(.newInterface, cellular), .new),
    Row("HI 3 with another LLID", update(.betweenGateways, cellular), .new),
    Row("HI 5", update(.noChange, cellular), .new),
    Row(
      "HI 6, nothing named: shares the oldest", update(.sharedPrefixes, cellular), twoSessions,
      .share(BindingIdentifier(rawValue: 1))),
    Row("HI 6, no session: new", update(.sharedPrefixes, cellular), [], .new),
    Row("de-registration of an unknown interface", update(.unknown, cellular, lifetime: .zero), .new),
  ]

  static let withoutLinkLayer = [
    Row("HI 2, one session", update(.betweenInterfaces, nil), one),
    Row("HI 3, one session", update(.betweenGateways, nil), one),
    Row("HI 3, several sessions", update(.betweenGateways, nil), twoSessions, .new),
    Row("HI 4, one session: wait", update(.unknown, nil), .wait(BindingIdentifier(rawValue: 1))),
    Row("HI 4, several sessions", update(.unknown, nil), twoSessions, .new),
    Row("HI 1", update(.newInterface, nil), .new),
    Row("HI 5", update(.noChange, nil), .new),
    Row("de-registration, one session", update(.unknown, nil, lifetime: .zero), one),
    Row("de-registration, several sessions", update(.unknown, nil, lifetime: .zero), twoSessions, .new),
  ]

  @Test("5.4.1.1: prefixes named", arguments: named)
  func prefixesNamed(_ row: Row) {
    #expect(Self.decide(row.update, from: row.from, row.sessions) == row.decision)
  }

  @Test("5.4.1.2: LLID present", arguments: withLinkLayer)
  func linkLayerPresent(_ row: Row) {
    #expect(Self.decide(row.update, from: row.from, row.sessions) == row.decision)
  }

  @Test("5.4.1.3: neither", arguments: withoutLinkLayer)
  func nothingKnown(_ row: Row) {
    #expect(Self.decide(row.update, from: row.from, row.sessions) == row.decision)
  }

  @Test("A prefix of another node: 155, whatever else the request says")
  func anotherNode() {
    for handoff: HandoffIndicator in [.newInterface, .betweenInterfaces, .noChange, .sharedPrefixes] {
      let decision = Self.decide(
        Self.update(handoff, Self.wlan, [Self.p1]), from: Lab.mag1, [], heldByAnotherNode: true)
      #expect(decision == Self.refused)
    }
  }

  static let logical = [
    Row("first attachment", update(.newInterface, wlan), [], .new),
    Row(
      "another gateway, same LLID, nothing named: shares", update(.unknown, wlan),
      .share(BindingIdentifier(rawValue: 1))),
    Row("... with its prefix", update(.unknown, wlan, [p1]), .share(BindingIdentifier(rawValue: 1))),
    Row("... even for HI 2", update(.betweenInterfaces, wlan, [p1]), .share(BindingIdentifier(rawValue: 1))),
    Row("same gateway: updates", update(.newInterface, wlan), from: Lab.mag1, one),
    Row("same gateway, no LLID: updates", update(.noChange, nil, [p1]), from: Lab.mag1, one),
    Row(
      "same gateway, other access: shares", update(.newInterface, wlan, access: .eutran), from: Lab.mag1,
      .share(BindingIdentifier(rawValue: 1))),
    Row(
      "same gateway, other LLID: shares", update(.newInterface, cellular), from: Lab.mag1,
      .share(BindingIdentifier(rawValue: 1))),
    Row("HI 3: moves the same interface", update(.betweenGateways, wlan), one),
    Row(
      "HI 3, other interface: shares", update(.betweenGateways, cellular, access: .eutran),
      .share(BindingIdentifier(rawValue: 1))),
    Row(
      "HI 3, not clear which one moved: shares", update(.betweenGateways, wlan), from: Lab.stranger,
      [Session(), Session(gateway: Lab.mag2, isDefault: false)], .share(BindingIdentifier(rawValue: 1))),
    Row(
      "other prefixes than its own: 159", update(.newInterface, wlan, [p2]),
      .reject(.prefixSetDoesNotMatch, session: BindingIdentifier(rawValue: 1))),
    Row(
      "de-registration here", update(.unknown, wlan, [p1], lifetime: .zero),
      [Session(), Session(gateway: Lab.mag2, isDefault: false)], two),
    Row("de-registration elsewhere: a session of another gateway", update(.unknown, wlan, [p1], lifetime: .zero), one),
    Row("de-registration of an unknown interface", update(.unknown, cellular, lifetime: .zero), .new),
  ]

  @Test("The paper's logical interface", arguments: logical)
  func logicalInterface(_ row: Row) {
    #expect(Self.decide(row.update, from: row.from, row.sessions, kind: .logical) == row.decision)
  }
}
