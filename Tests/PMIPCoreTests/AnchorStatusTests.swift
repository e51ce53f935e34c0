import DatapathModel
import MobilityWire
import NetTypes
import Testing

@testable import PMIPCore

@Suite("Anchor: refusals and silence")
struct AnchorStatusTests {
  typealias Lab = AnchorLab

  struct Case: Sendable, CustomTestStringConvertible {
    var status: BindingStatus
    var counter: LMACounters.Name
    var source = Lab.mag1
    var update: PBU
    var testDescription: String { counter.rawValue }
  }

  static let cases = [
    Case(
      status: .missingMobileNodeIdentifierOption, counter: .rejectedMissingIdentifier,
      update: .attach.with { $0.node = nil }),
    Case(
      status: .missingMobileNodeIdentifierOption, counter: .rejectedMissingIdentifier,
      update: .attach.with { $0.node = MobileNodeIdentifier(nai: "") }),
    Case(
      status: .gatewayNotAuthorized, counter: .rejectedGatewayNotAuthorized, source: Lab.stranger, update: .attach),
    Case(
      status: .notLMAForThisMobileNode, counter: .rejectedNotLMAForThisMobileNode,
      update: .attach.with { $0.node = MobileNodeIdentifier(nai: "nobody@example.net") }),
    Case(
      status: .proxyRegistrationNotEnabled, counter: .rejectedProxyRegistrationNotEnabled,
      update: .attach.with { $0.node = Self.barred }),
    Case(
      status: .timestampMismatch, counter: .rejectedTimestampMismatch,
      update: .attach.with { $0.clockError = .seconds(-1) }),
    Case(
      status: .missingHomeNetworkPrefixOption, counter: .rejectedMissingPrefix,
      update: .attach.with { $0.prefixes = nil }),
    Case(
      status: .missingHandoffIndicatorOption, counter: .rejectedMissingHandoffIndicator,
      update: .attach.with { $0.handoff = nil }),
    Case(
      status: .missingAccessTechnologyTypeOption, counter: .rejectedMissingAccessTechnology,
      update: .attach.with { $0.access = nil }),
    Case(
      status: .notAuthorizedForHomeNetworkPrefix, counter: .rejectedNotAuthorizedForPrefix,
      update: .attach.with { $0.prefixes = [prefix("2001:db8:f00::/64")] }),
    Case(
      status: .reasonUnspecified, counter: .duplicateOption,
      update: .attach.with { $0.extra = [.handoffIndicator(.betweenGateways)] }),
    Case(
      status: .reasonUnspecified, counter: .allZeroPrefixNotAlone,
      update: .attach.with {
        $0.prefixes = [Lab.firstPrefix]
        $0.extra = [.homeNetworkPrefix(.allZero)]
      }),
    Case(
      status: .insufficientResources, counter: .limitPrefixesPerRequest,
      update: .attach.with { $0.prefixes = Array(repeating: Lab.firstPrefix, count: 9) }),
  ]

  static let barred = MobileNodeIdentifier(nai: "barred@example.net")

  @Test("The answer to a request with as many prefixes as fit can be sent")
  func manyPrefixes() throws {
    let prefixes = (0..<100).compactMap {
      IPv6Prefix(IPv6Address(high: 0x2001_0db8_0100_0000 + $0, low: 0), length: 64)
    }
    let long = [UInt8](repeating: 0x6d, count: 253)
    var lab = Lab()
    let sent = lab.send(
      .attach.with {
        $0.node = MobileNodeIdentifier(subtype: 1, identifier: long)
        $0.linkLayer = MobileNodeLinkLayerIdentifier(identifier: long)
        $0.prefixes = prefixes
        $0.linkLocal = .unspecified
      })
    let answer = try #require(sent)
    #expect(!answer.status.isAccepted)
    #expect(answer.prefixes == Array(prefixes.prefix(60)))
    let octets = try MobilityHeader.encode(
      .bindingAcknowledgement(answer), source: Lab.anchorAddress, destination: Lab.mag1)
    #expect(octets.count <= MobilityHeader.maximumOctets)
  }

  @Test("Each status: told, counted, nothing changed", arguments: cases)
  func status(_ test: Case) {
    var lab = Lab { $0.nodes.append(NodePolicy(identifier: Self.barred, proxyRegistrationEnabled: false)) }
    let answer = lab.send(test.update, from: test.source)
    #expect(answer?.status == test.status)
    #expect(answer?.lifetime == .zero)
    #expect(lab.effects.map(\.word) == ["send"])
    #expect(lab.count(test.counter) == 1)
    #expect(lab.anchor.bindings.isEmpty && lab.anchor.desiredDatapath == DatapathSnapshot())
  }

  @Test("The checks come in the order of RFC 5213 section 5.3.1")
  func order() {
    var lab = Lab { $0.nodes.append(NodePolicy(identifier: Self.barred, proxyRegistrationEnabled: false)) }
    // Everything is wrong; repair one after the other.
    var update = PBU(
      node: nil, handoff: nil, access: nil, linkLayer: nil, prefixes: nil, clockError: .seconds(9))
    var source = Lab.stranger
    let repairs: [(BindingStatus, (inout PBU, inout IPv6Address) -> Void)] = [
      (.missingMobileNodeIdentifierOption, { update, _ in update.node = MobileNodeIdentifier(nai: "nobody") }),
      (.gatewayNotAuthorized, { _, source in source = Lab.mag1 }),
      (.notLMAForThisMobileNode, { update, _ in update.node = Self.barred }),
      (.proxyRegistrationNotEnabled, { update, _ in update.node = Lab.mn1 }),
      (.timestampMismatch, { update, _ in update.clockError = .zero }),
      (.missingHomeNetworkPrefixOption, { update, _ in update.prefixes = [] }),
      (.missingHandoffIndicatorOption, { update, _ in update.handoff = .newInterface }),
      (.missingAccessTechnologyTypeOption, { update, _ in update.access = .wlan }),
    ]
    for (status, repair) in repairs {
      #expect(lab.send(update, from: source)?.status == status)
      repair(&update, &source)
    }
    #expect(lab.send(update, from: source)?.status == .accepted)
  }

  @Test("A refusal without options has a zero-length identifier, one ALL_ZERO prefix, HI 0 and ATT 0")
  func emptyRequest() {
    var lab = Lab()
    let answer = lab.send(
      PBU(node: nil, handoff: nil, access: nil, linkLayer: nil, prefixes: nil, timestamped: false, sequence: 5))
    #expect(answer?.sequence == 5)
    #expect(
      answer.map { Array($0.options) } == [
        .mobileNodeIdentifier(MobileNodeIdentifier(subtype: 1, identifier: [])), .homeNetworkPrefix(.allZero),
        .handoffIndicator(.reserved), .accessTechnologyType(.reserved),
      ])
  }

  @Test("A refusal echoes the prefixes of the request, bit by bit, and the link-local address")
  func refusalEchoes() {
    var lab = Lab()
    let odd = HomeNetworkPrefixOption(offLink: true, prefixLength: 48, address: address("2001:db8:f00::17"))
    let answer = lab.send(
      .attach.with {
        $0.prefixes = nil
        $0.extra = [.homeNetworkPrefix(odd)]
        $0.linkLocal = .unspecified
      })
    #expect(answer?.status == .notAuthorizedForHomeNetworkPrefix)
    #expect(answer?.options.homeNetworkPrefixes == [odd])
    #expect(answer?.options.linkLocalAddress == .unspecified)
  }

  @Test("A node that may use one gateway only is refused at another")
  func nodeGateways() {
    var lab = Lab { $0.nodes[0].gateways = ["mag2"] }
    #expect(lab.send(.attach)?.status == .gatewayNotAuthorized)
    #expect(lab.send(.attach, from: Lab.mag2)?.status == .accepted)
  }

  @Test("Unknown nodes are accepted if the configuration says so")
  func unknownNodes() {
    var lab = Lab { $0.unknownNodes = .accept }
    let node = MobileNodeIdentifier(subtype: 6, identifier: [0, 1, 2, 3, 4, 5, 6, 7])
    #expect(lab.send(.attach.with { $0.node = node })?.options.mobileNodeIdentifier == node)
    #expect(lab.anchor.bindings.map(\.node) == [node])
  }

  @Test("155: a prefix of another node, a prefix reserved for another node, a prefix of the node's other session")
  func foreignPrefixes() {
    var lab = Lab { $0.nodes[0].reservedPrefixes = [Lab.thirdPrefix] }
    // mn2 takes the first prefix; mn1 asks for it.
    lab.send(.attach.with { $0.node = Lab.mn2 })
    #expect(
      lab.send(.attach.with { $0.prefixes = [Lab.firstPrefix] })?.status == .notAuthorizedForHomeNetworkPrefix)
    // mn2 asks for what is reserved for mn1.
    let wanted = PBU(node: Lab.mn2, linkLayer: Lab.cellular, prefixes: [Lab.thirdPrefix])
    #expect(lab.send(wanted)?.status == .notAuthorizedForHomeNetworkPrefix)
    // mn1's second interface asks for the first one's prefix without "shared".
    #expect(lab.send(.attach)?.prefixes == [Lab.thirdPrefix])
    let second = PBU(access: .eutran, linkLayer: Lab.cellular, prefixes: [Lab.thirdPrefix])
    #expect(lab.send(second, from: Lab.mag2)?.status == .notAuthorizedForHomeNetworkPrefix)
    #expect(lab.count(.rejectedNotAuthorizedForPrefix) == 3)
    #expect(lab.anchor.bindings.count == 2)
  }

  @Test("One refused prefix among several leaves nothing taken")
  func partlyRefused() {
    var lab = Lab()
    let answer = lab.send(.attach.with { $0.prefixes = [Lab.firstPrefix, prefix("2001:db8:f00::/64")] })
    #expect(answer?.status == .notAuthorizedForHomeNetworkPrefix)
    #expect(lab.send(.attach.with { $0.node = Lab.mn2 })?.prefixes == [Lab.firstPrefix])
  }

  @Test("159: another set of prefixes than the session has")
  func prefixSet() {
    var lab = Lab()
    lab.send(.attach)
    for set in [[Lab.firstPrefix, Lab.secondPrefix], [Lab.firstPrefix, Lab.firstPrefix]] {
      let answer = lab.send(PBU(handoff: .noChange, prefixes: set))
      #expect(answer?.status == .prefixSetDoesNotMatch)
      #expect(answer?.prefixes == set)
    }
    #expect(lab.anchor.bindings.map(\.prefixes) == [[Lab.firstPrefix]])
  }

  @Test("Silence: not a proxy registration, not our address, sources and care-of addresses that cannot be")
  func silence() {
    var lab = Lab()
    #expect(lab.send(.attach.with { $0.flags = [.acknowledge] }) == nil)
    #expect(lab.send(.attach, to: Lab.mag2) == nil)
    #expect(lab.send(.attach, from: .allNodes) == nil)
    #expect(lab.send(.attach, from: .unspecified) == nil)
    #expect(lab.send(.attach.with { $0.careOf = address("ff02::1") }) == nil)
    #expect(lab.send(.attach.with { $0.careOf = address("fe80::1") }) == nil)
    #expect(lab.count(.ignoredNotProxyRegistration) == 1)
    #expect(lab.count(.ignoredNotAnchorAddress) == 1)
    #expect(lab.count(.ignoredSourceNotUnicast) == 2)
    #expect(lab.count(.ignoredCareOfAddressNotRoutable) == 2)
    #expect(lab.count(.bindingUpdatesReceived) == 6 && lab.count(.acknowledgementsSent) == 0)
    #expect(lab.effects.isEmpty && lab.anchor.bindings.isEmpty)
  }

  @Test("A de-registration of nothing is ignored")
  func deregistrationWithoutSession() {
    var lab = Lab()
    #expect(lab.send(.deregister(Lab.firstPrefix)) == nil)
    #expect(lab.send(PBU(handoff: .unknown, linkLayer: nil, lifetime: .zero)) == nil)
    #expect(lab.count(.ignoredDeregistrationWithoutSession) == 2)
  }

  @Test("Limits: bindings, bindings per node, registrations under way")
  func limits() {
    var lab = Lab {
      $0.limits.bindings = 2
      $0.limits.bindingsPerNode = 1
      $0.limits.pendingRegistrations = 1
      $0.nodes.append(NodePolicy(identifier: Self.barred))
    }
    #expect(lab.send(.attach)?.status == .accepted)
    #expect(lab.send(.attach(Lab.cellular, .eutran))?.status == .insufficientResources)
    #expect(lab.count(.limitBindingsPerNode) == 1)
    lab.kernel = .isSlow
    #expect(lab.send(.attach.with { $0.node = Lab.mn2 }) == nil)
    // Handovers need the kernel too.
    #expect(lab.send(.attach, from: Lab.mag2)?.status == .insufficientResources)
    #expect(lab.count(.limitPendingRegistrations) == 1)
    #expect(lab.send(.attach.with { $0.node = Self.barred })?.status == .insufficientResources)
    #expect(lab.count(.limitBindings) == 1)
    // A refresh does not.
    #expect(lab.send(.refresh(Lab.firstPrefix))?.status == .accepted)
    lab.answer()
    #expect(lab.acknowledgement(to: Lab.mag1)?.status == .accepted)
    #expect(lab.count(.rejectedInsufficientResources) == 3)
  }

  @Test("Counters keep their order and their names")
  func counters() {
    var lab = Lab()
    lab.send(.attach)
    lab.step(.message(.bindingError(BindingError(status: 2)), source: Lab.mag1, destination: Lab.anchorAddress))
    let list = lab.anchor.counters.list
    #expect(list.map(\.name) == LMACounters.Name.allCases.map(\.rawValue))
    #expect(list.first { $0.name == "binding-updates-received" }?.value == 1)
    #expect(list.first { $0.name == "binding-errors-received" }?.value == 1)
    #expect(list.allSatisfy { $0.name.allSatisfy { $0.isLowercase || $0.isNumber || $0 == "-" } })
  }
}
