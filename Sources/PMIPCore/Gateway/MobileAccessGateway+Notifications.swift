import DatapathModel
import MobilityWire
import NetTypes

// Update Notifications of an anchor: RFC 7077 section 6.
extension MobileAccessGateway {
  /// A notification with where it came from, as far as its answer needs it.
  struct ReceivedNotification: Hashable, Sendable {
    var message: UpdateNotification
    var anchor: IPv6Address
    /// Our address.
    var destination: IPv6Address
  }

  mutating func notified(
    _ message: UpdateNotification, source: IPv6Address, destination: IPv6Address, _ turn: inout Turn
  ) {
    counters.count(.notificationsReceived)
    let notification = ReceivedNotification(message: message, anchor: source, destination: destination)
    guard isAddressed(notification) else {
      counters.count(.notificationsOfStrangers)
      return
    }
    let (node, group) = (message.options.mobileNodeIdentifier, message.options.mobileNodeGroupIdentifier)
    guard (node == nil) != (group == nil), !message.options.duplicatesSingleton else {
      counters.count(.malformedNotifications)
      return
    }
    if recentNotifications.isDuplicate(message, from: source, at: turn.now.monotonic) {
      // What it asks for can be done twice. Only the kernel may still be busy with the first copy.
      counters.count(.duplicateNotifications)
      guard !pendingNotifications.values.contains(where: { $0.notification.isSame(as: notification) }) else { return }
    }
    guard let node else { return notifiedAboutGroup(notification, &turn) }
    let entries = list.keys(of: node).compactMap { list[$0] }.filter {
      $0.anchorAddress == source && (!isMultipath || careOfAddress(of: $0.key) == destination)
    }
    switch message.reason {
    case .forceReregistration: reregister(entries, notification, &turn)
    case .updateSessionParameters: updateSession(entries, notification, &turn)
    case .flowMobility: initiateFlowMobility(entries, notification, &turn)
    case .accessNetworkInformationRequested: nameAccessNetwork(of: entries, notification, &turn)
    case .vendorSpecific:
      // We know no vendor; the code for that is the one for no given reason.
      let isComplete = message.options.contains { if case .vendorSpecific = $0 { true } else { false } }
      refuse(notification, isComplete ? .reasonUnspecified : .missingVendorSpecificOption, &turn)
    case .qualityOfServiceRequest: refuse(notification, .cannotMeetQualityOfService, &turn)
    default: refuse(notification, .reasonUnspecified, &turn)
    }
  }

  /// From an anchor of ours to an address of ours: the same association as for Proxy Binding Updates.
  private func isAddressed(_ notification: ReceivedNotification) -> Bool {
    if directory.anchors.contains(notification.anchor), notification.destination == configuration.proxyCareOfAddress {
      return true
    }
    return desiredDatapath.tunnels.values.contains {
      $0.remote == notification.anchor && $0.local == notification.destination
    }
  }

  /// FORCE-REREGISTRATION: a Proxy Binding Update for each session of the node. One that is under way is one.
  private mutating func reregister(
    _ entries: [BindingUpdateListEntry], _ notification: ReceivedNotification, _ turn: inout Turn
  ) {
    let attached = entries.filter { $0.state != .deregistering && $0.state != .refused }
    guard !attached.isEmpty else { return refuse(notification, .mobileNodeNotAttached, &turn) }
    for entry in attached where entry.state == .registered { refresh(entry, &turn) }
    accept(notification, &turn)
  }

  /// Of the groups we know one, all sessions of this pair of anchor and gateway (RFC 6602 section 3.2), and of what can
  /// be asked about it one thing: to register them again, one after the other.
  private mutating func notifiedAboutGroup(_ notification: ReceivedNotification, _ turn: inout Turn) {
    let message = notification.message
    guard message.options.mobileNodeGroupIdentifier == .allSessions, message.reason == .forceReregistration else {
      return refuse(
        notification,
        message.reason == .updateSessionParameters ? .failedToUpdateSessionParameters : .reasonUnspecified, &turn)
    }
    var deadline = turn.now.monotonic
    for key in list.sortedKeys {
      guard let entry = list[key], entry.anchorAddress == notification.anchor, entry.state == .registered else {
        continue
      }
      setTimer(.refresh, of: key, to: deadline)
      deadline += ProtocolConstants.pacing
    }
    accept(notification, &turn)
  }

  /// ANI-PARAMS-REQUESTED: a Proxy Binding Update with the Access Network Identifier option, where the configuration
  /// says what the access network is.
  private mutating func nameAccessNetwork(
    of entries: [BindingUpdateListEntry], _ notification: ReceivedNotification, _ turn: inout Turn
  ) {
    let registered = entries.filter { $0.state == .registered || $0.state == .refreshing }
    guard !registered.isEmpty else { return refuse(notification, .mobileNodeNotAttached, &turn) }
    let named = registered.filter { directory.accessNetwork(of: $0.key.link) != nil }
    guard !named.isEmpty else { return refuse(notification, .reasonUnspecified, &turn) }
    for entry in named { refresh(entry, namingAccessNetwork: true, &turn) }
    accept(notification, &turn)
  }

  /// UPDATE-SESSION-PARAMETERS. The parameters that an anchor can set here are the prefixes: HNP options without the L
  /// flag are the session's own, those with it the ones served off-link; a kind that is not named stays as it is.
  private mutating func updateSession(
    _ entries: [BindingUpdateListEntry], _ notification: ReceivedNotification, _ turn: inout Turn
  ) {
    guard let entry = session(among: entries, notification, &turn), let binding = entry.binding else { return }
    let options = notification.message.options
    let isUnderstood = options.allSatisfy { option in
      switch option {
      case .mobileNodeIdentifier, .accessTechnologyType, .mobileNodeLinkLayerIdentifier, .homeNetworkPrefix: true
      default: false
      }
    }
    let named = options.homeNetworkPrefixes
    guard isUnderstood, !named.isEmpty, let prefixes = usable(named) else {
      return refuse(notification, .failedToUpdateSessionParameters, &turn)
    }
    let onLink = prefixes.onLink.isEmpty ? binding.prefixes : prefixes.onLink
    let offLink = named.contains(where: \.offLink) ? prefixes.offLink : binding.offLinkPrefixes
    apply(
      onLink, offLink: offLink.filter { !onLink.contains($0) }, to: entry,
      PendingNotification(notification, entry, binding, failure: .failedToUpdateSessionParameters), &turn)
  }

  // MARK: Answers

  /// `prefixes`: those of a Flow Mobility Acknowledge.
  mutating func accept(
    _ notification: ReceivedNotification, serving prefixes: [HomeNetworkPrefixOption] = [], _ turn: inout Turn
  ) {
    counters.count(.notificationsAccepted)
    acknowledge(notification, .success, prefixes, &turn)
  }

  mutating func refuse(
    _ notification: ReceivedNotification, _ status: UpdateNotificationStatus, _ turn: inout Turn
  ) {
    counters.count(.notificationsRefused)
    turn.perform(
      .notify(
        .notificationRefused(
          notification.message.reason, notification.message.options.mobileNodeIdentifier, status)))
    acknowledge(notification, status, [], &turn)
  }

  /// RFC 7077 section 6.2, if the anchor has asked for it.
  private mutating func acknowledge(
    _ notification: ReceivedNotification, _ status: UpdateNotificationStatus, _ prefixes: [HomeNetworkPrefixOption],
    _ turn: inout Turn
  ) {
    let message = notification.message
    guard message.flags.contains(.acknowledge) else { return }
    var options = MobilityOptions()
    if let node = message.options.mobileNodeIdentifier { options.append(.mobileNodeIdentifier(node)) }
    if let group = message.options.mobileNodeGroupIdentifier { options.append(.mobileNodeGroupIdentifier(group)) }
    options += prefixes.map { .homeNetworkPrefix($0) }
    counters.count(.notificationAcknowledgementsSent)
    turn.perform(
      .send(
        .updateNotificationAcknowledgement(
          UpdateNotificationAcknowledgement(sequence: message.sequence, status: status, options: options)),
        source: notification.destination, destination: notification.anchor))
  }
}

extension MobileAccessGateway.ReceivedNotification {
  /// A copy of the same notification.
  func isSame(as other: Self) -> Bool {
    anchor == other.anchor && message.sequence == other.message.sequence && message.options == other.message.options
  }
}
