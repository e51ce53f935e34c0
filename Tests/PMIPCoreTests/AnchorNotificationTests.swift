import MobilityWire
import NetTypes
import Testing

@testable import PMIPCore

@Suite("Anchor: Update Notifications, RFC 7077 section 5")
struct AnchorNotificationTests {
  typealias Lab = AnchorLab

  /// Registered at MAG1.
  static func attached(_ change: (inout LMAConfiguration) -> Void = { _ in }) -> Lab {
    var lab = Lab(change)
    lab.send(.attach)
    return lab
  }

  @Test("Section 5.1: force re-registration names the node and asks for no answer; nothing waits for one")
  func forceReregistration() throws {
    var lab = Self.attached()
    // UPN(1, MN-ID) -->
    lab.step(.notifyNode(Lab.mn1, .reregister(acknowledged: false)))
    let notification = try #require(lab.notifications.first)
    #expect(notification.reason == .forceReregistration && notification.flags == [])
    #expect(notification.options == [.mobileNodeIdentifier(Lab.mn1)])
    #expect(lab.notifications.count == 1)
    lab.pass(.seconds(5))
    #expect(lab.notifications.isEmpty)
    #expect(lab.count(.notificationsSent) == 1 && lab.count(.notificationsUnanswered) == 0)
  }

  @Test("Section 5.1: every gateway that has the node is told, once; a node that is nowhere gets nothing")
  func everyGateway() {
    var lab = Self.attached()
    lab.send(AnchorFlowMobilityTests.second, from: Lab.mag2)
    lab.send(.attach([2, 0, 0, 0, 0, 3]), from: Lab.mag2)
    lab.step(.notifyNode(Lab.mn1, .reregister(acknowledged: false)))
    #expect(lab.notificationTargets == [Lab.mag1, Lab.mag2])
    lab.step(.notifyNode(Lab.mn2, .reregister(acknowledged: false)))
    #expect(lab.notifications.isEmpty)
  }

  @Test("Section 5.1: numbers begin where the shell says, rise by one, wrap to 0; an outstanding one is passed over")
  func sequenceNumbers() {
    var lab = Self.attached()
    lab.anchor = LocalMobilityAnchor(configuration: lab.anchor.configuration, firstNotification: .max - 1)
    lab.send(.attach)
    var numbers: [UInt16] = []
    for _ in 0..<3 {
      lab.step(.notifyNode(Lab.mn1, .reregister(acknowledged: true)))
      numbers += lab.notifications.map(\.sequence)
    }
    #expect(numbers == [.max - 1, .max, 0])
    var outstanding = OutstandingNotifications(first: 7)
    for _ in 0..<2 {
      outstanding.store(
        OutstandingNotification(
          message: UpdateNotification(sequence: outstanding.nextSequence(), reason: .flowMobility, flags: .acknowledge),
          source: Lab.anchorAddress, destination: Lab.mag1, purpose: .sessionParameters))
    }
    outstanding.remove(7)
    #expect(outstanding.nextSequence() == 9 && outstanding.count == 1)
  }

  @Test("Section 5.1: no answer: the same content with the D flag after the minimum delay, then given up and said so")
  func retransmission() throws {
    var lab = Self.attached {
      $0.timers.maxUpdateNotificationRetransmitCount = 2
      $0.timers.minDelayBetweenUpdateNotificationReplay = .milliseconds(700)
    }
    lab.step(.notifyNode(Lab.mn1, .reregister(acknowledged: true)))
    let first = try #require(lab.notifications.first)
    #expect(first.flags == .acknowledge)
    for _ in 0..<2 {
      lab.pass(.milliseconds(699))
      #expect(lab.notifications.isEmpty)
      lab.pass(.milliseconds(1))
      var again = try #require(lab.notifications.first)
      #expect(again.flags == [.acknowledge, .retransmission])
      again.flags = first.flags
      #expect(again == first)
    }
    lab.pass(.milliseconds(700))
    #expect(lab.notifications.isEmpty)
    #expect(
      lab.failures == [
        NotificationFailure(
          gatewayName: "mag1", node: Lab.mn1, reason: .forceReregistration, status: nil, transmissions: 3)
      ])
    #expect(lab.count(.notificationsRetransmitted) == 2 && lab.count(.notificationsUnanswered) == 1)
    // Too late: it belongs to nothing.
    lab.acknowledge(first)
    #expect(lab.count(.unmatchedNotificationAcknowledgements) == 1)
  }

  @Test("Section 5.2: the answer ends it")
  func acknowledged() throws {
    var lab = Self.attached()
    lab.step(.notifyNode(Lab.mn1, .reregister(acknowledged: true)))
    lab.acknowledge(try #require(lab.notifications.first))
    #expect(lab.count(.notificationsAcknowledged) == 1 && lab.failures.isEmpty)
    lab.pass(.seconds(10))
    #expect(lab.notifications.isEmpty && lab.count(.notificationsUnanswered) == 0)
  }

  @Test("Section 5.2: a refusal is told to the operator")
  func refused() throws {
    var lab = Self.attached()
    lab.step(.notifyNode(Lab.mn1, .sessionParameters))
    lab.acknowledge(try #require(lab.notifications.first), .failedToUpdateSessionParameters)
    #expect(lab.failures.map(\.status) == [.failedToUpdateSessionParameters])
    #expect(lab.count(.notificationsRefused) == 1)
    lab.pass(.seconds(10))
    #expect(lab.notifications.isEmpty)
  }

  @Test("Section 5.2: an answer with another number, gateway, address or node is dropped and counted")
  func unmatched() throws {
    var lab = Self.attached()
    lab.step(.notifyNode(Lab.mn1, .reregister(acknowledged: true)))
    let notification = try #require(lab.notifications.first)
    var other = notification
    other.sequence &+= 1
    lab.acknowledge(other)
    lab.acknowledge(notification, from: Lab.mag2)
    lab.acknowledge(notification, to: Lab.stranger)
    other = notification
    other.options = [.mobileNodeIdentifier(Lab.mn2)]
    lab.acknowledge(other)
    #expect(lab.count(.unmatchedNotificationAcknowledgements) == 4)
    lab.acknowledge(notification)
    #expect(lab.count(.notificationsAcknowledged) == 1)
  }

  @Test("Section 4.1, reason 2: the prefixes of the session, its own and those served off-link; A is set")
  func sessionParameters() throws {
    var lab = Self.attached()
    lab.send(AnchorFlowMobilityTests.second, from: Lab.mag2)
    lab.step(.notifyNode(Lab.mn1, .sessionParameters))
    #expect(lab.notificationTargets == [Lab.mag1, Lab.mag2])
    let notification = try #require(lab.notifications.last)
    #expect(notification.reason == .updateSessionParameters && notification.flags == .acknowledge)
    #expect(
      notification.options == [
        .mobileNodeIdentifier(Lab.mn1), .homeNetworkPrefix(HomeNetworkPrefixOption(Lab.secondPrefix)),
        .homeNetworkPrefix(HomeNetworkPrefixOption(Lab.firstPrefix, offLink: true)),
      ])
  }

  @Test("RFC 6602 section 3.2: all sessions of a gateway are group 1; one notification for all of them")
  func group() throws {
    var lab = Self.attached()
    lab.send(.attach.with { $0.node = Lab.mn2 })
    lab.step(.reregisterGateway(Lab.mag1, acknowledged: true))
    let notification = try #require(lab.notifications.first)
    #expect(notification.options == [.mobileNodeGroupIdentifier(.allSessions)] && lab.notifications.count == 1)
    var other = notification
    other.options = [.mobileNodeGroupIdentifier(MobileNodeGroupIdentifier(group: 2))]
    lab.acknowledge(other)
    #expect(lab.count(.unmatchedNotificationAcknowledgements) == 1)
    lab.acknowledge(notification)
    #expect(lab.count(.notificationsAcknowledged) == 1)
    lab.step(.reregisterGateway(Lab.mag2, acknowledged: false))
    #expect(lab.notifications.isEmpty)
  }

  @Test("Bound: no more than `outstanding-notifications` wait for an answer")
  func bound() {
    var lab = Self.attached { $0.limits.outstandingNotifications = 1 }
    lab.step(.notifyNode(Lab.mn1, .reregister(acknowledged: true)))
    lab.step(.notifyNode(Lab.mn1, .reregister(acknowledged: true)))
    #expect(lab.notifications.isEmpty)
    #expect(lab.count(.limitOutstandingNotifications) == 1 && lab.count(.notificationsSent) == 1)
  }

  @Test("A notification is for gateways: one that reaches an anchor is stray")
  func stray() {
    var lab = Self.attached()
    lab.step(
      .message(
        .updateNotification(UpdateNotification(sequence: 1, reason: .forceReregistration, flags: .acknowledge)),
        source: Lab.mag1, destination: Lab.anchorAddress))
    #expect(lab.effects.isEmpty && lab.count(.strayMessages) == 1)
  }
}

extension AnchorLab {
  /// UPNs of the last step, or of the time that has passed.
  var notifications: [UpdateNotification] {
    effects.compactMap { if case .send(.updateNotification(let message), _, _) = $0 { message } else { nil } }
  }

  var notificationTargets: [IPv6Address] {
    effects.compactMap {
      if case .send(.updateNotification, Self.anchorAddress, let target) = $0 { target } else { nil }
    }
  }

  var failures: [NotificationFailure] {
    effects.compactMap { if case .notify(.notificationFailed(let failure)) = $0 { failure } else { nil } }
  }

  /// UPA <-- ; an FMA repeats the prefixes of the FMI unless they are given.
  mutating func acknowledge(
    _ notification: UpdateNotification, _ status: UpdateNotificationStatus = .success, from gateway: IPv6Address = mag1,
    to anchor: IPv6Address = anchorAddress, serving prefixes: [IPv6Prefix]? = nil
  ) {
    var options = notification.options.filter { option in
      switch option {
      case .mobileNodeIdentifier, .mobileNodeGroupIdentifier: true
      default: false
      }
    }
    if status.isAccepted, notification.reason == .flowMobility {
      let served = prefixes ?? notification.options.homeNetworkPrefixes.compactMap(\.prefix)
      options += served.map { .homeNetworkPrefix(HomeNetworkPrefixOption($0, offLink: true)) }
    }
    step(
      .message(
        .updateNotificationAcknowledgement(
          UpdateNotificationAcknowledgement(sequence: notification.sequence, status: status, options: options)),
        source: gateway, destination: anchor))
  }
}

extension MobilityOptions: ExpressibleByArrayLiteral {
  public init(arrayLiteral elements: MobilityOption...) { self.init(elements) }
}

extension MobileNodeLinkLayerIdentifier: ExpressibleByArrayLiteral {
  public init(arrayLiteral elements: UInt8...) { self.init(identifier: elements) }
}
