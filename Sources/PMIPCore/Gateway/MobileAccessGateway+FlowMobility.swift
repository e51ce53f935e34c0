import DatapathModel
import MobilityWire
import NetTypes

// Prefixes that a notification makes this gateway serve: Flow Mobility Initiate and Acknowledge, RFC 7864 sections 3.2.2
// and 4, and UPDATE-SESSION-PARAMETERS of RFC 7077.
extension MobileAccessGateway {
  /// A notification that is answered when the kernel has the routes.
  struct PendingNotification: Hashable, Sendable {
    let notification: ReceivedNotification
    let key: AttachmentKey
    /// The session as it was before.
    let previous: BindingUpdateListEntry.Binding
    /// The answer if the kernel refuses.
    let failure: UpdateNotificationStatus

    init(
      _ notification: ReceivedNotification, _ entry: BindingUpdateListEntry,
      _ previous: BindingUpdateListEntry.Binding, failure: UpdateNotificationStatus
    ) {
      self.notification = notification
      self.key = entry.key
      self.previous = previous
      self.failure = failure
    }
  }

  /// A list of prefixes is older than another one of the same session if its number is behind by at most this much
  /// within `RecentNotifications.memory`. Numbers further away are those of an anchor that has started anew.
  static let maximumOvertakenNotifications: Int16 = 1_024

  mutating func initiateFlowMobility(
    _ entries: [BindingUpdateListEntry], _ notification: ReceivedNotification, _ turn: inout Turn
  ) {
    counters.count(.flowMobilityInitiatesReceived)
    guard let entry = session(among: entries, notification, &turn), let binding = entry.binding else { return }
    let named = notification.message.options.homeNetworkPrefixes
    guard !named.isEmpty, named.allSatisfy(\.offLink), let prefixes = usable(named) else {
      return refuse(notification, .reasonUnspecified, &turn)
    }
    // A prefix that is on-link here is served already.
    apply(
      binding.prefixes, offLink: prefixes.offLink.filter { !binding.prefixes.contains($0) }, to: entry,
      PendingNotification(notification, entry, binding, failure: .reasonUnspecified), &turn)
  }

  /// The session that a list of prefixes is for; nil: none, and everything about that is done. With several interfaces
  /// of the node here the options name one, else it is the one that registered last.
  mutating func session(
    among entries: [BindingUpdateListEntry], _ notification: ReceivedNotification, _ turn: inout Turn
  ) -> BindingUpdateListEntry? {
    let options = notification.message.options
    let candidates = entries.filter { entry in
      entry.state != .deregistering && entry.state != .refused
        && (options.accessTechnologyType ?? entry.accessTechnology) == entry.accessTechnology
        && options.linkLayerIdentifier.map { $0 == MobileNodeLinkLayerIdentifier(entry.key.linkLayerAddress) } ?? true
    }
    guard !candidates.isEmpty else {
      refuse(notification, .mobileNodeNotAttached, &turn)
      return nil
    }
    let registered = candidates.filter { $0.state != .registering && $0.binding != nil }
    guard let entry = registered.max(by: { ($0.binding?.claim ?? 0) < ($1.binding?.claim ?? 0) }),
      entry.installing == nil, !pendingNotifications.values.contains(where: { $0.key == entry.key })
    else {
      // The acknowledgement of the registration is still under way, or the kernel busy: the anchor will ask again.
      counters.count(.earlyNotifications)
      return nil
    }
    if let newest = entry.newestPrefixList, turn.now.monotonic - newest.receivedAt < RecentNotifications.memory,
      (1...Self.maximumOvertakenNotifications).contains(
        Int16(bitPattern: newest.sequence &- notification.message.sequence))
    {
      counters.count(.overtakenNotifications)
      return nil
    }
    return entry
  }

  /// nil if the list holds what no node can have, or more than we serve.
  mutating func usable(
    _ options: [HomeNetworkPrefixOption]
  ) -> (onLink: [IPv6Prefix], offLink: [IPv6Prefix])? {
    let onLink = usablePrefixes(options.filter { !$0.offLink })
    let offLink = usablePrefixes(options.filter(\.offLink))
    let distinct = Set(options)
    guard onLink.count + offLink.count == distinct.count else { return nil }
    guard distinct.count <= configuration.limits.prefixesPerNode else {
      counters.count(.prefixLimitReached)
      return nil
    }
    return (onLink, offLink)
  }

  /// Makes these the prefixes of the session; both lists are complete. The notification is answered when the kernel has
  /// the routes, which is at once if it had them before.
  mutating func apply(
    _ onLink: [IPv6Prefix], offLink: [IPv6Prefix], to known: BindingUpdateListEntry, _ pending: PendingNotification,
    _ turn: inout Turn
  ) {
    var entry = known
    var binding = pending.previous
    binding.prefixes = onLink
    binding.offLinkPrefixes = offLink
    entry.newestPrefixList = .init(
      sequence: pending.notification.message.sequence, receivedAt: turn.now.monotonic)
    let changes = replaceBinding(of: &entry, with: binding)
    list[entry.key] = entry
    guard let identifier = install(changes, &turn) else { return served(pending, &turn) }
    pendingNotifications[identifier] = pending
  }

  private mutating func replaceBinding(
    of entry: inout BindingUpdateListEntry, with binding: BindingUpdateListEntry.Binding
  ) -> [DatapathChange] {
    let old = entry.binding
    entry.binding = binding
    let gone = (old?.prefixes ?? []).filter { !binding.prefixes.contains($0) }
    entry.withdrawnPrefixes = (entry.withdrawnPrefixes + gone).filter { !binding.prefixes.contains($0) }
    if old?.prefixes != binding.prefixes { entry.needsAdvertisement = true }
    return routeChanges(from: old, to: binding, of: entry)
  }

  /// The kernel has answered the install of a notification.
  mutating func datapathAnswered(
    _ pending: PendingNotification, _ outcome: DatapathOutcome, _ turn: inout Turn
  ) {
    guard var entry = list[pending.key], let binding = entry.binding, binding.claim == pending.previous.claim else {
      return refuse(pending.notification, .mobileNodeNotAttached, &turn)
    }
    if case .installed = outcome { return served(pending, &turn) }
    // Back to what it was, but for what a registration has said meanwhile.
    var restored = binding
    if binding.prefixes != pending.previous.prefixes { restored.prefixes = pending.previous.prefixes }
    restored.offLinkPrefixes = pending.previous.offLinkPrefixes
    let changes = replaceBinding(of: &entry, with: restored)
    list[entry.key] = entry
    install(changes, &turn)
    refuse(pending.notification, pending.failure, &turn)
  }

  private mutating func served(_ pending: PendingNotification, _ turn: inout Turn) {
    guard let entry = list[pending.key], let binding = entry.binding, entry.isServed else {
      return refuse(pending.notification, .mobileNodeNotAttached, &turn)
    }
    serve(entry, &turn)
    let named = pending.notification.message.options.homeNetworkPrefixes
    let served = named.filter { option in
      option.prefix.map { binding.prefixes.contains($0) || binding.offLinkPrefixes.contains($0) } ?? false
    }
    guard served.count == named.count else {
      // A registration that was under way has taken some of them away.
      return refuse(pending.notification, pending.failure, &turn)
    }
    accept(pending.notification, serving: pending.notification.message.reason == .flowMobility ? served : [], &turn)
  }
}
