import DatapathModel
import MobilityWire
import NetTypes
import Testing

@testable import PMIPCore

@Suite("Gateway: Update Notifications, RFC 7077 section 6")
struct GatewayNotificationTests {
  typealias Ladder = GatewayLadder

  @Test("Section 6.1, reason 1: a Proxy Binding Update at once; with A also an answer")
  func forceReregistration() throws {
    var ladder = Ladder.registered()
    // UPN(1) -->  <-- PBU(HI 5)
    let effects = ladder.notify(.forceReregistration, flags: [])
    let update = try #require(effects.updates.first)
    #expect(update.options.handoffIndicator == .noChange && update.namedPrefixes == [Ladder.prefix])
    #expect(effects.acknowledgements.isEmpty)
    ladder.answer()
    let asked = ladder.notify(.forceReregistration, sequence: 2)
    #expect(asked.updates.count == 1 && asked.acknowledgements.map(\.status) == [.success])
    // One that is under way is one.
    #expect(ladder.notify(.forceReregistration, sequence: 3).updates.isEmpty)
  }

  @Test("Section 6.2: the answer has the number, the MN-ID and the addresses swapped; reserved bits are 0")
  func acknowledgement() throws {
    var ladder = Ladder.registered()
    let effects = ladder.notify(.forceReregistration, sequence: 0xabcd)
    let sent = effects.first { if case .send(.updateNotificationAcknowledgement, _, _) = $0 { true } else { false } }
    #expect(
      sent
        == .send(
          .updateNotificationAcknowledgement(
            UpdateNotificationAcknowledgement(
              sequence: 0xabcd, status: .success, options: [.mobileNodeIdentifier(Ladder.node)])),
          source: Ladder.proxy, destination: Ladder.anchor))
  }

  @Test("Section 6.1: a notification that is not from an anchor of ours, or not for us, is dropped")
  func strangers() {
    var ladder = Ladder.registered()
    #expect(ladder.notify(.forceReregistration, from: "2001:db8:1::bad").isEmpty)
    #expect(ladder.notify(.forceReregistration, to: "2001:db8:1::99").isEmpty)
    #expect(ladder.count(.notificationsOfStrangers) == 2)
  }

  @Test(
    "RFC 6602 section 3.2: group 1 is every session with that anchor, one after the other; other groups are refused")
  func group() {
    var ladder = Ladder.registered()
    ladder.attach(Ladder.bondedMAC, on: "lte0")
    ladder.answer(prefixes: [Ladder.thirdPrefix])
    let all = MobilityOption.mobileNodeGroupIdentifier(.allSessions)
    let effects = ladder.notify(.forceReregistration, options: [all])
    #expect(effects.acknowledgements.map(\.options) == [[all]] && effects.updates.isEmpty)
    #expect(ladder.advance(by: .zero).updates.count == 1)
    #expect(ladder.advance(by: ProtocolConstants.pacing).updates.count == 1)
    #expect(ladder.states == [.refreshing, .refreshing])
    let other = MobilityOption.mobileNodeGroupIdentifier(MobileNodeGroupIdentifier(group: 7))
    #expect(
      ladder.notify(.forceReregistration, options: [other]).acknowledgements.map(\.status) == [.reasonUnspecified])
    #expect(
      ladder.notify(.updateSessionParameters, options: [all]).acknowledgements.map(\.status)
        == [.failedToUpdateSessionParameters])
  }

  @Test("Section 6.1, reason 4: a Proxy Binding Update with the access network, where it is configured")
  func accessNetwork() throws {
    var configuration = Ladder.configuration
    configuration.accessLinks[0].networkName = "guests"
    var ladder = Ladder.registered(configuration)
    let effects = ladder.notify(.accessNetworkInformationRequested, flags: [])
    let network = AccessNetworkSubOption.networkIdentifier(isUTF8: true, name: Array("guests".utf8), accessPoint: [])
    #expect(effects.updates.map(\.options.accessNetworkIdentifier) == [[network]])
    ladder.answer()
    // Nobody asked for it this time.
    #expect(ladder.notify(.forceReregistration, sequence: 2).updates.map(\.options.accessNetworkIdentifier) == [nil])
    var other = Ladder.registered()
    let refused = other.notify(.accessNetworkInformationRequested)
    #expect(refused.acknowledgements.map(\.status) == [.reasonUnspecified] && refused.updates.isEmpty)
  }

  @Test("Section 6.1: without an MN-ID or group, or with two, it is dropped")
  func malformed() {
    var ladder = Ladder.registered()
    #expect(ladder.notify(.forceReregistration, options: []).isEmpty)
    let identifier = MobilityOption.mobileNodeIdentifier(Ladder.node)
    #expect(ladder.notify(.forceReregistration, options: [identifier, identifier]).isEmpty)
    #expect(ladder.count(.malformedNotifications) == 2)
  }

  @Test("Section 6.1: a duplicate is counted and answered; an unknown one with the D flag is a first one")
  func duplicates() {
    var ladder = Ladder.registered()
    let flags: UpdateNotificationFlags = [.acknowledge, .retransmission]
    // The first copy was lost.
    #expect(ladder.notify(.forceReregistration, flags: flags).acknowledgements.map(\.status) == [.success])
    #expect(ladder.count(.duplicateNotifications) == 0)
    let again = ladder.notify(.forceReregistration, flags: flags)
    #expect(again.acknowledgements.map(\.status) == [.success] && again.updates.isEmpty)
    #expect(ladder.count(.duplicateNotifications) == 1)
    // The same number a minute later, or with other content, is another notification.
    ladder.answer()
    ladder.notify(.vendorSpecific)
    ladder.advance(by: .seconds(61))
    ladder.notify(.forceReregistration)
    #expect(ladder.count(.duplicateNotifications) == 1)
  }

  @Test("A node that is not here: 132; without A nothing but the log")
  func notAttached() {
    var ladder = Ladder()
    #expect(ladder.notify(.forceReregistration).acknowledgements.map(\.status) == [.mobileNodeNotAttached])
    let silent = ladder.notify(.forceReregistration, flags: [], sequence: 2)
    #expect(
      silent == [.notify(.notificationRefused(.forceReregistration, Ladder.node, .mobileNodeNotAttached))])
    #expect(ladder.count(.notificationsRefused) == 2)
  }

  @Test(
    "Section 6.1, reason 2: the new prefixes are routed and advertised, the old ones withdrawn, then it is answered")
  func sessionParameters() throws {
    var ladder = Ladder.registered(offLink: [Ladder.thirdPrefix])
    let effects = ladder.notify(
      .updateSessionParameters,
      options: [
        .mobileNodeIdentifier(Ladder.node), .homeNetworkPrefix(HomeNetworkPrefixOption(Ladder.secondPrefix)),
      ])
    let plan = try #require(effects.advertisements.first)
    #expect(plan.prefixes.map(\.prefix) == [Ladder.secondPrefix, Ladder.prefix])
    #expect(plan.prefixes.map(\.validLifetime) == [.max, 0])
    #expect(ladder.datapath.downlinks.keys.sorted() == [Ladder.secondPrefix, Ladder.thirdPrefix])
    #expect(effects.acknowledgements.map(\.status) == [.success])
    #expect(ladder.storage.values.first?.prefixes == [Ladder.secondPrefix])
  }

  @Test("Section 6.1, reason 2: what cannot be applied: 128 with A, dropped and logged without")
  func sessionParametersFail() {
    var ladder = Ladder.registered()
    let identifier = MobilityOption.mobileNodeIdentifier(Ladder.node)
    let lists: [MobilityOptions] = [
      [identifier],
      [identifier, .homeNetworkPrefix(HomeNetworkPrefixOption("ff02::/64"))],
      [identifier, .homeNetworkPrefix(HomeNetworkPrefixOption(Ladder.secondPrefix)), .unknown(type: 58, data: [0])],
    ]
    for (index, options) in lists.enumerated() {
      let effects = ladder.notify(.updateSessionParameters, sequence: UInt16(index), options: options)
      #expect(effects.acknowledgements.map(\.status) == [.failedToUpdateSessionParameters])
    }
    let silent = ladder.notify(.updateSessionParameters, flags: [], sequence: 9, options: lists[0])
    #expect(silent.acknowledgements.isEmpty && silent.count == 1)
    #expect(ladder.datapath.downlinks.keys.sorted() == [Ladder.prefix])
    ladder.kernel = .refuses
    let refused = ladder.notify(
      .updateSessionParameters, sequence: 10,
      options: [identifier, .homeNetworkPrefix(HomeNetworkPrefixOption(Ladder.secondPrefix))])
    #expect(refused.acknowledgements.map(\.status) == [.failedToUpdateSessionParameters])
    #expect(ladder.gateway.attachments.first?.prefixes == [Ladder.prefix] && ladder.state == .registered)
  }

  @Test("Section 6.1, reason 3: without the vendor option 129; of a vendor that we do not know 131")
  func vendor() {
    var ladder = Ladder.registered()
    #expect(ladder.notify(.vendorSpecific).acknowledgements.map(\.status) == [.missingVendorSpecificOption])
    #expect(ladder.notify(.vendorSpecific, flags: [], sequence: 2).acknowledgements.isEmpty)
    let known = ladder.notify(
      .vendorSpecific, sequence: 3,
      options: [.mobileNodeIdentifier(Ladder.node), .vendorSpecific(vendor: 1, subtype: 2, data: [])])
    #expect(known.acknowledgements.map(\.status) == [.reasonUnspecified])
  }

  @Test("Other reasons are refused: 130 for quality of service, 131 for what is not known")
  func otherReasons() {
    var ladder = Ladder.registered()
    #expect(
      ladder.notify(.qualityOfServiceRequest).acknowledgements.map(\.status) == [.cannotMeetQualityOfService])
    #expect(
      ladder.notify(NotificationReason(rawValue: 600)).acknowledgements.map(\.status) == [.reasonUnspecified])
  }
}

@Suite("Gateway: Flow Mobility Initiate, RFC 7864")
struct GatewayInitiationTests {
  typealias Ladder = GatewayLadder

  @Test(
    "RFC 7864 sections 3.2.2 and 4.3: routes via the node's link-local address, nothing advertised, FMA with the list")
  func initiate() throws {
    var ladder = Ladder.registered()
    let effects = ladder.initiate([Ladder.secondPrefix])
    #expect(
      effects.changes == [
        .setUplink(Ladder.secondPrefix, TunnelIdentifier(rawValue: 1)),
        .setDownlink(Ladder.secondPrefix, link: "acc0", via: Ladder.linkLocal),
      ])
    #expect(effects.advertisements.isEmpty)
    let answer = try #require(effects.acknowledgements.first)
    #expect(
      answer.options == [
        .mobileNodeIdentifier(Ladder.node),
        .homeNetworkPrefix(HomeNetworkPrefixOption(Ladder.secondPrefix, offLink: true)),
      ])
    #expect(answer.status == .success)
    #expect(ladder.storage.values.first?.offLinkPrefixes == [Ladder.secondPrefix])
  }

  @Test("The FMA waits for the kernel; a second copy meanwhile is left to that answer")
  func waitsForKernel() {
    var ladder = Ladder.registered()
    ladder.kernel = .silent
    #expect(ladder.initiate([Ladder.secondPrefix]).acknowledgements.isEmpty)
    #expect(ladder.initiate([Ladder.secondPrefix]).isEmpty)
    let answered = ladder.step(.datapathOutcome(ladder.unanswered[0], .installed))
    #expect(answered.acknowledgements.map(\.status) == [.success])
    // The FMA was lost.
    #expect(ladder.initiate([Ladder.secondPrefix]).acknowledgements.map(\.status) == [.success])
  }

  @Test("The kernel refuses: 131, and the attachment goes on as it was")
  func kernelRefuses() {
    var ladder = Ladder.registered()
    ladder.kernel = .refuses
    #expect(ladder.initiate([Ladder.secondPrefix]).acknowledgements.map(\.status) == [.reasonUnspecified])
    #expect(ladder.state == .registered && ladder.gateway.attachments.first?.offLinkPrefixes == [])
    #expect(ladder.gateway.desiredDatapath.downlinks.keys.sorted() == [Ladder.prefix])
  }

  @Test("RFC 7864 section 4.2: the list is complete; what is missing is removed")
  func completeList() {
    var ladder = Ladder.registered(offLink: [Ladder.secondPrefix])
    let effects = ladder.initiate([Ladder.thirdPrefix])
    #expect(effects.changes.contains(.removeDownlink(Ladder.secondPrefix)))
    #expect(ladder.datapath.downlinks.keys.sorted() == [Ladder.prefix, Ladder.thirdPrefix])
  }

  @Test("RFC 7864 section 4.3: no such node, or one that is leaving: 132")
  func notAttached() {
    var ladder = Ladder()
    #expect(ladder.initiate([Ladder.secondPrefix]).acknowledgements.map(\.status) == [.mobileNodeNotAttached])
    ladder = Ladder.registered()
    ladder.detach()
    #expect(ladder.initiate([Ladder.secondPrefix]).acknowledgements.map(\.status) == [.mobileNodeNotAttached])
  }

  @Test("Before the registration is acknowledged: no answer; the retransmission finds it")
  func early() {
    var ladder = Ladder()
    ladder.attach()
    #expect(ladder.initiate([Ladder.secondPrefix]).isEmpty)
    #expect(ladder.count(.earlyNotifications) == 1)
    ladder.answer()
    let again = ladder.initiate([Ladder.secondPrefix], flags: [.acknowledge, .retransmission])
    #expect(again.acknowledgements.map(\.status) == [.success])
  }

  @Test("No prefix, one without the L flag, one that no node has, or too many: 131, nothing changed")
  func badLists() {
    var configuration = Ladder.configuration
    configuration.limits.prefixesPerNode = 2
    var ladder = Ladder.registered(configuration)
    let lists: [[HomeNetworkPrefixOption]] = [
      [], [HomeNetworkPrefixOption(Ladder.secondPrefix)], [HomeNetworkPrefixOption("fe80::/64", offLink: true)],
      ["2001:db8:a::/64", "2001:db8:b::/64", "2001:db8:c::/64"].map { HomeNetworkPrefixOption($0, offLink: true) },
    ]
    for (index, list) in lists.enumerated() {
      let effects = ladder.notify(
        .flowMobility, sequence: UInt16(index),
        options: [.mobileNodeIdentifier(Ladder.node)] + list.map { .homeNetworkPrefix($0) })
      #expect(effects.acknowledgements.map(\.status) == [.reasonUnspecified])
    }
    #expect(ladder.datapath.downlinks.keys.sorted() == [Ladder.prefix])
  }

  @Test("An acknowledgement that may be older than the FMI takes nothing away; the next one decides")
  func crossing() {
    var ladder = Ladder.registered()
    ladder.advance(by: .seconds(260))
    // PBU -->  ...  --> FMI(P2)  <-- FMA  --> PBA(P1), sent before the FMI
    ladder.initiate([Ladder.secondPrefix])
    ladder.answer()
    #expect(ladder.gateway.attachments.first?.offLinkPrefixes == [Ladder.secondPrefix])
    ladder.advance(by: .seconds(260))
    ladder.answer()
    #expect(ladder.gateway.attachments.first?.offLinkPrefixes == [])
    #expect(ladder.datapath == ladder.gateway.desiredDatapath)
  }

  @Test("A list that a newer one has overtaken is dropped; a number far behind is an anchor that has started anew")
  func overtaken() {
    var ladder = Ladder.registered()
    ladder.initiate([Ladder.secondPrefix, Ladder.thirdPrefix], sequence: 5)
    #expect(ladder.initiate([Ladder.secondPrefix], sequence: 4).isEmpty)
    #expect(ladder.count(.overtakenNotifications) == 1)
    #expect(ladder.gateway.attachments.first?.offLinkPrefixes == [Ladder.secondPrefix, Ladder.thirdPrefix])
    #expect(ladder.initiate([Ladder.secondPrefix], sequence: 40_000).acknowledgements.count == 1)
    #expect(ladder.initiate([Ladder.thirdPrefix], sequence: 5_000).acknowledgements.count == 1)
  }

  @Test("Two interfaces here: the link-layer identifier says which one; a prefix stays with its own interface")
  func twoInterfaces() {
    var ladder = Ladder.registered()
    ladder.attach(Ladder.secondMAC, on: "lte0", linkLocal: "fe80::2:2")
    ladder.answer(prefixes: [Ladder.secondPrefix])
    let effects = ladder.notify(
      .flowMobility,
      options: [
        .mobileNodeIdentifier(Ladder.node), .mobileNodeLinkLayerIdentifier(MobileNodeLinkLayerIdentifier(Ladder.mac)),
        .homeNetworkPrefix(HomeNetworkPrefixOption(Ladder.secondPrefix, offLink: true)),
        .homeNetworkPrefix(HomeNetworkPrefixOption(Ladder.thirdPrefix, offLink: true)),
      ])
    #expect(effects.acknowledgements.map(\.status) == [.success])
    #expect(ladder.datapath.downlinks[Ladder.secondPrefix] == .init(link: "lte0", via: nil))
    #expect(ladder.datapath.downlinks[Ladder.thirdPrefix] == .init(link: "acc0", via: Ladder.linkLocal))
  }

  @Test("Off-link prefixes of an FMI come back after a restart and end with the attachment")
  func restart() {
    var ladder = Ladder.registered()
    ladder.initiate([Ladder.secondPrefix])
    ladder.restart()
    #expect(ladder.datapath == ladder.gateway.desiredDatapath)
    ladder.detach()
    ladder.answer()
    #expect(ladder.datapath == DatapathSnapshot())
  }
}

extension GatewayLadder {
  /// UPN --> ; `options` nil: the MN-ID.
  @discardableResult
  mutating func notify(
    _ reason: NotificationReason, flags: UpdateNotificationFlags = .acknowledge, sequence: UInt16 = 1,
    options: MobilityOptions? = nil, from anchor: IPv6Address = anchor, to destination: IPv6Address = proxy
  ) -> [MAGEffect] {
    step(
      .message(
        .updateNotification(
          UpdateNotification(
            sequence: sequence, reason: reason, flags: flags, options: options ?? [.mobileNodeIdentifier(Self.node)])),
        source: anchor, destination: destination))
  }

  /// FMI -->
  @discardableResult
  mutating func initiate(
    _ prefixes: [IPv6Prefix], flags: UpdateNotificationFlags = .acknowledge, sequence: UInt16 = 1
  ) -> [MAGEffect] {
    notify(
      .flowMobility, flags: flags, sequence: sequence,
      options: [.mobileNodeIdentifier(Self.node)]
        + prefixes.map { .homeNetworkPrefix(HomeNetworkPrefixOption($0, offLink: true)) })
  }
}

extension [MAGEffect] {
  var acknowledgements: [UpdateNotificationAcknowledgement] {
    compactMap { if case .send(.updateNotificationAcknowledgement(let message), _, _) = $0 { message } else { nil } }
  }
}
