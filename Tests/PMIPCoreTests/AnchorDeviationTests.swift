import MobilityWire
import NetTypes
import Testing

@testable import PMIPCore

@Suite("Anchor: gateways that leave the standards")
struct AnchorDeviationTests {
  typealias Lab = AnchorLab

  /// mag1 may do this; mag2 nothing.
  private static func lab(
    _ tolerated: PeerDeviations, ordering: GatewayPolicy.Ordering = .timestamp
  ) -> Lab {
    Lab {
      $0.gateways[0].tolerated = tolerated
      $0.gateways[0].ordering = ordering
      $0.gateways[1].ordering = ordering
    }
  }

  private static func tolerated(_ lab: Lab) -> UInt64 {
    lab.anchor.counters.list.filter { $0.name.hasPrefix("tolerated-") }.reduce(0) { $0 + $1.value }
  }

  private static func padded(_ node: MobileNodeIdentifier) -> MobileNodeIdentifier {
    let identifier = node.identifier
    return MobileNodeIdentifier(
      subtype: 1, identifier: identifier + .init(repeating: 0, count: 63 - identifier.count))
  }

  @Test("mn-id-nul-padding: 153 for a stranger; tolerated, the node it means, and its octets come back")
  func nulPaddedIdentifier() {
    let attach = PBU.attach.with { $0.node = Self.padded(Lab.mn1) }
    var strict = Self.lab(.none)
    #expect(strict.send(attach)?.status == .notLMAForThisMobileNode)
    #expect(Self.tolerated(strict) == 0)

    var lab = Self.lab([.nulPaddedIdentifier])
    let answer = lab.send(attach)
    #expect(answer?.status == .accepted && answer?.options.mobileNodeIdentifier == Self.padded(Lab.mn1))
    #expect(lab.binding(at: Lab.mag1)?.prefixes == [Lab.firstPrefix])
    #expect(lab.count(.toleratedNULPaddedIdentifier) == 1)
    // The same node without padding, and mag2 still strict.
    #expect(lab.send(.refresh(Lab.firstPrefix))?.status == .accepted)
    #expect(lab.send(attach, from: Lab.mag2)?.status == .notLMAForThisMobileNode)
    #expect(lab.anchor.bindings.count == 1 && Self.tolerated(lab) == 1)
    // Nothing but padding names nobody, and other subtypes have no padding.
    for node in [
      MobileNodeIdentifier(subtype: 1, identifier: [0, 0]),
      MobileNodeIdentifier(subtype: 5, identifier: Lab.mn1.identifier + [0]),
    ] {
      #expect(lab.send(.attach.with { $0.node = node })?.status == .notLMAForThisMobileNode)
    }
  }

  @Test("hnp-length-128: 155; tolerated, the /64, and the answer says 128 as well")
  func hostPrefixLength() {
    let host = IPv6Prefix.host(Lab.firstPrefix.address)
    var strict = Self.lab(.none)
    strict.send(.attach)
    #expect(strict.send(.refresh(host))?.status == .notAuthorizedForHomeNetworkPrefix)
    #expect(Self.tolerated(strict) == 0)

    var lab = Self.lab([.hostPrefixLength])
    #expect(lab.send(.attach)?.prefixes == [host])
    #expect(Self.tolerated(lab) == 0)
    #expect(lab.send(.refresh(host))?.prefixes == [host])
    #expect(lab.count(.acceptedRefresh) == 1 && lab.count(.toleratedHostPrefixLength) == 1)
    #expect(lab.binding(at: Lab.mag1)?.prefixes == [Lab.firstPrefix])
    #expect(lab.send(.deregister(host))?.prefixes == [host])
    #expect(lab.count(.acceptedDeregistration) == 1)
  }

  @Test("timestamp-host-byte-order: 156; tolerated, judged and answered in that order")
  func hostByteOrder() {
    func attach(_ lab: Lab, early: Duration = .zero) -> PBU {
      let clock = lab.now.wallClock.advanced(by: .milliseconds(10)).rawValue - NTPTimestamp.units(early)
      return .attach.with {
        $0.timestamped = false
        $0.extra = [.timestamp(NTPTimestamp(rawValue: clock.byteSwapped))]
      }
    }
    var strict = Self.lab(.none)
    let refusal = strict.send(attach(strict))
    #expect(refusal?.status == .timestampMismatch && refusal?.options.timestamp == strict.now.wallClock)

    var lab = Self.lab([.hostByteOrderTimestamp])
    let update = attach(lab)
    let answer = lab.send(update)
    #expect(answer?.status == .accepted)
    #expect(answer?.options.timestamp?.rawValue == lab.now.wallClock.rawValue.byteSwapped)
    #expect(lab.count(.toleratedHostByteOrderTimestamp) == 1)
    let old = lab.send(attach(lab, early: .milliseconds(100)))
    #expect(old?.status == .timestampLowerThanPreviousAccepted)
    #expect(old?.options.timestamp?.rawValue == lab.now.wallClock.rawValue.byteSwapped)
    // The gateway was repaired: understood, and no deviation.
    #expect(lab.send(.refresh(Lab.firstPrefix))?.status == .accepted)
    #expect(Self.tolerated(lab) == 2)
  }

  @Test("att-zero: 128; tolerated, an interface like any other")
  func reservedAccessTechnology() {
    let attach = PBU.attach(Lab.wlan, .reserved)
    var strict = Self.lab(.none)
    #expect(strict.send(attach)?.status == .reasonUnspecified)
    #expect(strict.count(.reservedAccessTechnology) == 1 && Self.tolerated(strict) == 0)

    var lab = Self.lab([.reservedAccessTechnology])
    let answer = lab.send(attach)
    #expect(answer?.status == .accepted && answer?.options.accessTechnologyType == .reserved)
    #expect(lab.count(.toleratedReservedAccessTechnology) == 1)
    #expect(lab.send(.attach.with { $0.access = nil })?.status == .missingAccessTechnologyTypeOption)
  }

  @Test(
    "same-sequence-on-retransmission: 135 or 156; tolerated, answered again, and nothing else with that number",
    arguments: [GatewayPolicy.Ordering.sequence, .timestamp])
  func sameSequence(ordering: GatewayPolicy.Ordering) {
    let error: BindingStatus = ordering == .sequence ? .sequenceNumberOutOfWindow : .timestampMismatch
    func twice(_ lab: inout Lab, _ update: PBU) -> [BindingAcknowledgement?] {
      let message = update.message(sequence: 7, now: lab.now)
      return (0..<2).map { _ in
        lab.step(.message(.bindingUpdate(message), source: Lab.mag1, destination: Lab.anchorAddress))
        let answer = lab.acknowledgement(to: Lab.mag1)
        lab.pass(.milliseconds(200))
        return answer
      }
    }
    var strict = Self.lab(.none, ordering: ordering)
    #expect(twice(&strict, .attach).map(\.?.status) == [.accepted, error])

    var lab = Self.lab([.sameSequenceOnRetransmission], ordering: ordering)
    let answers = twice(&lab, .attach)
    #expect(answers[0]?.status == .accepted && answers[0] == answers[1])
    #expect(lab.anchor.bindings.count == 1 && lab.count(.toleratedSameSequence) == 1)
    if ordering == .sequence {
      #expect(lab.send(.deregister(Lab.firstPrefix).with { $0.sequence = 7 })?.status == error)
      #expect(lab.send(.attach.with { $0.sequence = 6 })?.status == error)
      #expect(lab.send(.attach.with { $0.sequence = 7 }, from: Lab.mag2)?.status == error)
      #expect(lab.count(.toleratedSameSequence) == 1)
    }
    let end = PBU.deregister(Lab.firstPrefix).with { $0.sequence = 8 }
    #expect(twice(&lab, end).map(\.?.status) == [.accepted, .accepted])
    #expect(lab.binding(at: Lab.mag1)?.state != .active && lab.count(.toleratedSameSequence) == 2)
  }

  @Test("What needs no switch: no Timestamp option, and a new sequence number on each retransmission")
  func noSwitch() {
    var lab = Self.lab(.none)
    lab.kernel = .isSlow
    lab.send(.attach.with { $0.timestamped = false })
    lab.send(.attach.with { $0.timestamped = false })
    lab.answer()
    #expect(lab.acknowledgement(to: Lab.mag1)?.sequence == 2)
    #expect(lab.count(.retransmissionsAbsorbed) == 1 && lab.anchor.bindings.count == 1)
    lab.kernel = .obeys
    #expect(lab.send(.refresh(Lab.firstPrefix).with { $0.timestamped = false })?.status == .accepted)
    #expect(Self.tolerated(lab) == 0)
  }
}
