import MobilityWire
import NetTypes

// Update Notifications: RFC 7077 section 5.
extension LocalMobilityAnchor {
  /// What the operator wants, for every gateway that has the node, also for those that did not know notifications.
  mutating func notify(_ node: MobileNodeIdentifier, _ request: NotificationRequest, _ turn: inout Turn) {
    let sessions = cache.bindings(of: node).filter(\.isActive)
    switch request {
    case .reregister(let acknowledged):
      var told: Set<IPv6Address> = []
      for entry in sessions where told.insert(entry.attachment.proxyCareOfAddress).inserted {
        forceReregistration(
          of: .mobileNodeIdentifier(node), acknowledged: acknowledged, from: entry.anchorAddress,
          to: entry.attachment.proxyCareOfAddress, &turn)
      }
    case .sessionParameters:
      for entry in sessions {
        var options = sessionIdentity(of: entry)
        options += entry.prefixes.map { .homeNetworkPrefix(HomeNetworkPrefixOption($0)) }
        options += otherPrefixes(for: entry).intersection(agreedOffLinkPrefixes(of: entry.identifier)).sorted()
          .map { .homeNetworkPrefix(HomeNetworkPrefixOption($0, offLink: true)) }
        sendNotification(
          .updateSessionParameters, flags: .acknowledge, options: options, for: .sessionParameters,
          from: entry.anchorAddress, to: entry.attachment.proxyCareOfAddress, &turn)
      }
    }
  }

  /// Every session of the gateway at once: group 1 of RFC 6602 section 3.2, for each address of ours that it uses.
  mutating func reregister(everybodyAt gateway: IPv6Address, acknowledged: Bool, _ turn: inout Turn) {
    for tunnel in tunnelTable.installed where tunnel.remote == gateway {
      forceReregistration(
        of: .mobileNodeGroupIdentifier(.allSessions), acknowledged: acknowledged, from: tunnel.local, to: gateway, &turn
      )
    }
  }

  /// Without A unless asked for: the Proxy Binding Update itself is the answer (RFC 7077 section 5.1).
  private mutating func forceReregistration(
    of subject: MobilityOption, acknowledged: Bool, from source: IPv6Address, to gateway: IPv6Address,
    _ turn: inout Turn
  ) {
    sendNotification(
      .forceReregistration, flags: acknowledged ? .acknowledge : [], options: MobilityOptions([subject]),
      for: .forceReregistration, from: source, to: gateway, &turn)
  }

  /// MN-ID; where the gateway has several interfaces of the node, also which one is meant.
  func sessionIdentity(of entry: BindingCacheEntry) -> MobilityOptions {
    var options = MobilityOptions([.mobileNodeIdentifier(entry.node)])
    let isOneOfSeveral = cache.bindings(of: entry.node).contains {
      $0.isActive && $0.identifier != entry.identifier
        && $0.attachment.proxyCareOfAddress == entry.attachment.proxyCareOfAddress
    }
    if isOneOfSeveral {
      options.append(.accessTechnologyType(entry.attachment.accessTechnology))
      if let identifier = entry.attachment.linkLayerIdentifier {
        options.append(.mobileNodeLinkLayerIdentifier(identifier))
      }
    }
    return options
  }

  /// - Returns: the sequence number; nil when too many are outstanding.
  @discardableResult
  mutating func sendNotification(
    _ reason: NotificationReason, flags: UpdateNotificationFlags, options: MobilityOptions,
    for purpose: OutstandingNotification.Purpose, from source: IPv6Address, to gateway: IPv6Address, _ turn: inout Turn
  ) -> UInt16? {
    guard notifications.count < configuration.limits.outstandingNotifications else {
      counters.count(.limitOutstandingNotifications)
      return nil
    }
    // Initiates to such a gateway are refused before: this is an operator who tries again.
    gatewaysWithoutNotifications.remove(gateway)
    let message = UpdateNotification(
      sequence: notifications.nextSequence(), reason: reason, flags: flags, options: options)
    let notification = OutstandingNotification(
      message: message, source: source, destination: gateway, purpose: purpose)
    counters.count(.notificationsSent)
    transmit(message, of: notification, &turn)
    return message.sequence
  }

  private mutating func transmit(
    _ message: UpdateNotification, of notification: OutstandingNotification, _ turn: inout Turn
  ) {
    turn.effects.append(
      .send(.updateNotification(message), source: notification.source, destination: notification.destination))
    guard message.flags.contains(.acknowledge) else { return }
    notifications.store(notification)
    deadlines.set(
      .notification(message.sequence),
      to: turn.now.monotonic + configuration.timers.minDelayBetweenUpdateNotificationReplay)
  }

  /// RFC 7077 section 5.1: once more with the D flag and otherwise unchanged, or given up.
  mutating func notificationUnanswered(_ sequence: UInt16, _ turn: inout Turn) {
    guard var notification = notifications[sequence] else { return }
    if notification.retransmissions < configuration.timers.maxUpdateNotificationRetransmitCount {
      notification.retransmissions += 1
      counters.count(.notificationsRetransmitted)
      return transmit(notification.retransmission, of: notification, &turn)
    }
    notifications.remove(sequence)
    counters.count(.notificationsUnanswered)
    turn.notify(.notificationFailed(failure(of: notification, status: nil)))
    ended(notification, nil, &turn)
  }

  /// RFC 7077 section 5.2: an answer that belongs to nothing is dropped.
  mutating func receive(
    _ acknowledgement: UpdateNotificationAcknowledgement, source: IPv6Address, destination: IPv6Address,
    _ turn: inout Turn
  ) {
    guard let notification = notifications[acknowledgement.sequence], notification.destination == source,
      notification.source == destination,
      acknowledgement.options.mobileNodeIdentifier == notification.message.options.mobileNodeIdentifier,
      acknowledgement.options.mobileNodeGroupIdentifier == notification.message.options.mobileNodeGroupIdentifier
    else { return counters.count(.unmatchedNotificationAcknowledgements) }
    cancelNotification(acknowledgement.sequence)
    if acknowledgement.status.isAccepted {
      counters.count(.notificationsAcknowledged)
    } else {
      counters.count(.notificationsRefused)
      turn.notify(.notificationFailed(failure(of: notification, status: acknowledgement.status)))
    }
    ended(notification, acknowledgement, &turn)
  }

  /// RFC 7077 section 5.2: what waits for that gateway has failed, and nothing more is sent there until an operator
  /// notifies it or changes the configuration.
  mutating func notificationsUnsupported(by gateway: IPv6Address, _ turn: inout Turn) {
    let outstanding = notifications.all(to: gateway)
    guard !outstanding.isEmpty else { return }
    counters.count(.notificationsUnsupported)
    gatewaysWithoutNotifications.insert(gateway)
    for notification in outstanding {
      cancelNotification(notification.message.sequence)
      turn.notify(.notificationFailed(failure(of: notification, status: nil)))
      ended(notification, nil, &turn)
    }
  }

  mutating func cancelNotification(_ sequence: UInt16) {
    notifications.remove(sequence)
    deadlines.cancel(.notification(sequence))
  }

  /// `acknowledgement` nil: none came.
  private mutating func ended(
    _ notification: OutstandingNotification, _ acknowledgement: UpdateNotificationAcknowledgement?, _ turn: inout Turn
  ) {
    switch notification.purpose {
    case .forceReregistration, .sessionParameters: break
    case .flowMobility(let binding): initiationEnded(binding, acknowledgement, &turn)
    }
  }

  private func failure(
    of notification: OutstandingNotification, status: UpdateNotificationStatus?
  ) -> NotificationFailure {
    NotificationFailure(
      gatewayName: gatewayName(notification.destination), node: notification.message.options.mobileNodeIdentifier,
      reason: notification.message.reason, status: status, transmissions: notification.retransmissions + 1)
  }
}
