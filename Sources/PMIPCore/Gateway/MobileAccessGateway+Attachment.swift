import MobilityWire
import NetTypes

// Attachment and detachment, RFC 5213 sections 6.9.1.1 and 6.13.
extension MobileAccessGateway {
  mutating func attached(_ attachment: Attachment, _ turn: inout Turn) {
    guard directory.accessTechnology(of: attachment.link) != nil else {
      counters.count(.unknownLinksIgnored)
      return
    }
    guard !attachment.linkLayerAddress.isMulticast, attachment.linkLayerAddress.rawValue != 0 else {
      counters.count(.invalidAddressesIgnored)
      return
    }
    let known = paths(on: attachment.link, attachment.linkLayerAddress)
    for key in known {
      if let entry = list[key] { attachedAgain(entry, attachment, &turn) }
    }
    if known.isEmpty {
      let key = AttachmentKey(
        link: attachment.link, linkLayerAddress: attachment.linkLayerAddress, uplink: firstUplink)
      begin(key, attachment, &turn)
    }
  }

  /// A new session. The caller has checked link and address.
  private mutating func begin(_ key: AttachmentKey, _ attachment: Attachment, _ turn: inout Turn) {
    guard let accessTechnology = directory.accessTechnology(of: key.link) else { return }
    guard let identity = directory.identify(key.linkLayerAddress, named: attachment.identifier) else {
      counters.count(.unknownNodesRefused)
      return
    }
    if attachment.trigger == .operatorRequest { deniedNodes.remove(identity.node) }
    guard !deniedNodes.contains(identity.node) else {
      counters.count(.deniedNodesRefused)
      return
    }
    guard list.count < configuration.limits.attachments else {
      counters.count(.attachmentLimitReached)
      return
    }
    counters.count(.attachments)
    let entry = BindingUpdateListEntry(
      key: key, identity: identity, accessTechnology: accessTechnology, trigger: attachment.trigger,
      linkLocalAddress: usable(attachment.linkLocalAddress), attachedAt: turn.now.wallClock,
      lastSeen: nextSign(), sequence: currentSequence(at: turn.now.wallClock))
    register(entry, naming: [], &turn)
  }

  /// One more sign of a node that is known to be here.
  private mutating func attachedAgain(
    _ known: BindingUpdateListEntry, _ attachment: Attachment, _ turn: inout Turn
  ) {
    var entry = known
    if let named = attachment.identifier, named != entry.identity.node {
      // One path begins the new session, and the others follow.
      let isFirst = paths(on: entry.key.link, entry.key.linkLayerAddress).first == entry.key
      depart(entry, isFirst ? .attachAgain(attachment) : .remove(.pathEnded), &turn)
      return
    }
    entry.lastSeen = nextSign()
    list[entry.key] = entry
    if let address = usable(attachment.linkLocalAddress), address != entry.linkLocalAddress {
      entry.linkLocalAddress = address
      reroute(&entry, &turn)
      list[entry.key] = entry
      turn.perform(.notify(.attachmentChanged(entry.summary)))
    }
    switch entry.state {
    case .registering: break
    case .registered, .refreshing:
      guard attachment.trigger == .routerSolicitation else { return }
      advertise(entry, &turn)
    case .deregistering:
      switch entry.departure {
      // The first two end in another try by themselves, the third has left its place to other paths.
      case .attachAgain, .refuse, .remove(.pathEnded): break
      case .remove, nil: register(entry, naming: [], &turn)
      case .revoke: if attachment.trigger.isArrival { register(entry, naming: [], &turn) }
      }
    case .refused:
      guard attachment.trigger == .operatorRequest else { return }
      deniedNodes.remove(entry.identity.node)
      register(entry, naming: [], &turn)
    case .revoked: if attachment.trigger.isArrival { register(entry, naming: [], &turn) }
    }
  }

  mutating func detached(_ key: AttachmentKey, _ cause: DetachmentCause, _ turn: inout Turn) {
    let known = paths(on: key.link, key.linkLayerAddress)
    if known.isEmpty { counters.count(.unknownDetachmentsIgnored) }
    for key in known {
      if let entry = list[key] { depart(entry, .remove(cause), &turn) }
    }
  }

  /// Ends a session at the anchor, then does what `departure` says. Without a de-registration if the anchor has no
  /// binding, or if the binding now belongs to the same interface on another of our links: for the anchor the two are
  /// one session, and our de-registration would end that one.
  mutating func depart(
    _ leaving: BindingUpdateListEntry, _ departure: BindingUpdateListEntry.Departure, _ turn: inout Turn
  ) {
    var entry = leaving
    entry.departure = departure
    if entry.state == .deregistering {
      list[entry.key] = entry
      return
    }
    guard entry.anchorMayHoldBinding, !hasMoved(entry) else {
      departed(entry, &turn)
      return
    }
    cancelTimers([.retry, .refresh, .advertisement, .probe], of: entry.key)
    forget(&entry, &turn)
    deregister(entry, &turn)
  }

  /// The de-registration is answered, given up, or was not necessary.
  mutating func departed(_ leaving: BindingUpdateListEntry, _ turn: inout Turn) {
    var entry = leaving
    entry.request = nil
    cancelTimers([.request], of: entry.key)
    switch entry.departure {
    case .remove(let cause):
      remove(entry, cause, tellingNode: false, &turn)
      // The uplink may have come back meanwhile.
      for path in paths(on: entry.key.link, entry.key.linkLayerAddress) { extendPaths(of: path, &turn) }
    case .attachAgain(let attachment):
      remove(entry, .operatorRequest, tellingNode: true, &turn)
      var key = entry.key
      key.uplink = firstUplink
      if list[key] == nil {
        begin(key, attachment, &turn)
      } else {
        // Another path of the old session, whose end is not answered yet.
        list[key]?.departure = .attachAgain(attachment)
      }
    case .revoke(let revocation): revoked(entry, revocation, &turn)
    case .refuse, nil:
      entry.departure = nil
      refuse(entry, retrying: true, &turn)
    }
  }

  /// The same session is registered, or about to be, on another link.
  private func hasMoved(_ entry: BindingUpdateListEntry) -> Bool {
    otherLinks(ofSession: entry).contains { other in
      switch other.state {
      case .registering, .registered, .refreshing: true
      case .deregistering, .refused, .revoked: false
      }
    }
  }

  /// Entries that are the same session for the anchor.
  func otherLinks(ofSession entry: BindingUpdateListEntry) -> [BindingUpdateListEntry] {
    list.keys(of: entry.identity.node).compactMap { key in
      guard key != entry.key, let other = list[key], other.isSameSession(as: entry) else { return nil }
      return other
    }
  }

  /// Forgets the entry without a word to the anchor.
  mutating func remove(
    _ leaving: BindingUpdateListEntry, _ cause: DetachmentCause, tellingNode: Bool, _ turn: inout Turn
  ) {
    var entry = leaving
    // What observers see last is what the attachment had.
    let summary = entry.summary
    dropBinding(of: &entry, tellingNode: tellingNode, &turn)
    cancelTimers([.request, .retry, .probe], of: entry.key)
    list[entry.key] = nil
    if let path = paths(beside: entry).first { startProbing(path, &turn) }
    counters.count(.attachmentsRemoved)
    turn.perform(.notify(.attachmentRemoved(summary, cause)))
  }

  private func usable(_ address: IPv6Address?) -> IPv6Address? {
    guard let address, address.isLinkLocal, address != configuration.fixedLinkLocalAddress else { return nil }
    return address
  }
}
