import DatapathModel
import MobilityWire
import NetTypes

// Restart and reconfiguration.
extension MobileAccessGateway {
  /// Attachments of the time before a restart go on as registered: `desiredDatapath` has their routes, so nothing is
  /// interrupted. One after the other is probed and then refreshed: a node that has left meanwhile is at another gateway
  /// now, from which a refresh of ours would take the session (RFC 5213 section 6.13).
  mutating func restore(_ records: [AttachmentRecord], _ peers: [PeerRecord], _ turn: inout Turn) {
    let now = turn.now
    for peer in peers { self.peers[peer.address] = HeartbeatExchange(restoring: peer.restartCounter) }
    var deadline = now.monotonic
    // Older sessions first: the newest one has a prefix that several claim.
    let ordered = records.sorted { a, b in
      (a.attachedAt, a.link, a.linkLayerAddress, a.uplink) < (b.attachedAt, b.link, b.linkLayerAddress, b.uplink)
    }
    for record in ordered {
      guard let entry = restored(record, at: now) else {
        counters.count(.recordsDropped)
        turn.perform(.persist(.remove(link: record.link, record.linkLayerAddress, uplink: record.uplink)))
        continue
      }
      counters.count(.attachmentsRestored)
      raiseSequence(to: record.sequence, at: now.wallClock)
      list[entry.key] = entry
      setTimer(.advertisement, of: entry.key, to: deadline + configuration.timers.advertisementInterval)
      if configuration.timers.probeInterval > .zero { setTimer(.probe, of: entry.key, to: deadline) }
      setTimer(.refresh, of: entry.key, to: refreshAfterRestore(of: entry, from: deadline))
      deadline += ProtocolConstants.pacing
    }
    forgetPeers(&turn)
    for anchor in list.anchors.sorted() { startHeartbeats(with: anchor, at: now.monotonic) }
  }

  /// At once if probes can tell nothing, or only after the binding's end.
  private func refreshAfterRestore(of entry: BindingUpdateListEntry, from deadline: Duration) -> Duration {
    let known = deadline + ProtocolConstants.presenceCheck
    guard configuration.timers.probeInterval > .zero, entry.linkLocalAddress != nil,
      let binding = entry.binding, known < binding.expiresAt
    else { return deadline }
    return known
  }

  /// nil: expired, on a link that is no access link any more, the second of its kind, or too many.
  private mutating func restored(_ record: AttachmentRecord, at now: Moment) -> BindingUpdateListEntry? {
    let key = AttachmentKey(link: record.link, linkLayerAddress: record.linkLayerAddress, uplink: record.uplink)
    guard record.expiresAt > now.wallClock, list[key] == nil, !record.prefixes.isEmpty,
      record.uplink < max(1, configuration.uplinks.count),
      list.count < configuration.limits.attachments,
      directory.accessTechnology(of: record.link) == record.accessTechnology
    else { return nil }
    // Whatever the wall clock did meanwhile, no binding outlives what was granted.
    let units = record.expiresAt.distance(to: now.wallClock)
    let remaining = min(.seconds(Int64(clamping: units >> 16)), record.lifetime.duration)
    let looked = directory.identify(record.linkLayerAddress, named: nil)
    let isKnown = looked?.node == record.node
    var entry = BindingUpdateListEntry(
      key: key,
      identity: NodeIdentity(
        node: record.node, kind: record.kind, anchorAddress: record.anchorAddress,
        proposedPrefixes: isKnown ? looked?.proposedPrefixes ?? [] : [], isMapped: isKnown && looked?.isMapped == true,
        isNamedByOperator: !isKnown),
      accessTechnology: record.accessTechnology, trigger: record.trigger, linkLocalAddress: record.linkLocalAddress,
      attachedAt: record.attachedAt, lastSeen: nextSign(), sequence: record.sequence)
    let (tunnel, added) = tunnels.acquire(
      local: careOfAddress(of: key), remote: record.assignedAnchorAddress ?? record.anchorAddress,
      preferring: record.tunnel)
    let binding = BindingUpdateListEntry.Binding(
      prefixes: record.prefixes, offLinkPrefixes: record.offLinkPrefixes, tunnel: tunnel, lifetime: record.lifetime,
      registeredAt: now.monotonic, expiresAt: now.monotonic + remaining,
      claim: paths(beside: entry).compactMap(\.binding?.claim).max() ?? nextClaim(), isRestored: true)
    entry.state = .registered
    entry.assignedAnchorAddress = record.assignedAnchorAddress
    entry.binding = binding
    entry.anchorMayHoldBinding = true
    entry.isPersisted = true
    if record.isPath {
      multipathSupport[entry.anchorAddress] = .supported
      entry.multipath = multipathOptions(for: entry, .registration)
    }
    entry.isAdvertised = !paths(beside: entry).contains { $0.isAdvertised }
    if configuration.anchorChoosesLinkLocalAddress { entry.gatewayLinkLocalAddress = record.gatewayLinkLocalAddress }
    if let added { desiredDatapath.apply(.addTunnel(added)) }
    for change in routeChanges(from: nil, to: binding, of: entry) { desiredDatapath.apply(change) }
    setTimer(.expiry, of: key, to: binding.expiresAt)
    return entry
  }

  /// Attachments whose identity, anchor or link is another one now end their session and begin the new one, if there is
  /// one; with a new Proxy-CoA all bindings move to it, one after the other. New timers count from the next time that a
  /// timer is set.
  mutating func reconfigure(_ new: MAGConfiguration, _ turn: inout Turn) {
    let old = configuration
    configuration = new
    directory = NodeDirectory(new)
    deniedNodes.removeAll()
    multipathSupport.removeAll()
    if old.uplinks != new.uplinks || !new.uplinks.isEmpty && old.identifier != new.identifier {
      failedUplinks.removeAll()
      return restartSessions(&turn)
    }
    var kept: [AttachmentKey] = []
    for key in list.sortedKeys {
      guard let entry = list[key] else { continue }
      if let departure = departure(of: entry) { depart(entry, departure, &turn) } else { kept.append(key) }
    }
    if old.proxyCareOfAddress != new.proxyCareOfAddress || old.useTimestamps != new.useTimestamps {
      renew(kept, &turn)
    }
    if old.fixedLinkLocalAddress != new.fixedLinkLocalAddress
      || old.fixedLinkLayerAddress != new.fixedLinkLayerAddress
      || old.timers.routerLifetime != new.timers.routerLifetime
    {
      advertiseSoon(kept, &turn)
    }
    anchorsWithoutRevocation.removeAll()
    if old.heartbeat != new.heartbeat || old.anchors != new.anchors || old.anchorAddress != new.anchorAddress
      || old.nodes != new.nodes
    {
      reconfigureHeartbeats(&turn)
    }
  }

  /// The uplinks are others now, or what names them to the anchor: every attachment begins anew.
  private mutating func restartSessions(_ turn: inout Turn) {
    var restarted: Set<AttachmentKey> = []
    for key in list.sortedKeys {
      guard let entry = list[key] else { continue }
      let isFirst = restarted.insert(AttachmentKey(link: key.link, linkLayerAddress: key.linkLayerAddress)).inserted
      depart(entry, isFirst ? .attachAgain(attachment(of: entry)) : .remove(.pathEnded), &turn)
    }
  }

  /// As it would be seen now.
  private func attachment(of entry: BindingUpdateListEntry) -> Attachment {
    Attachment(
      link: entry.key.link, linkLayerAddress: entry.key.linkLayerAddress, linkLocalAddress: entry.linkLocalAddress,
      trigger: entry.trigger, identifier: entry.identity.isNamedByOperator ? entry.identity.node : nil)
  }

  /// What the configuration now says against this session; nil: nothing.
  private func departure(of entry: BindingUpdateListEntry) -> BindingUpdateListEntry.Departure? {
    guard directory.accessTechnology(of: entry.key.link) != nil else { return .remove(.linkDown) }
    let named = entry.identity.isNamedByOperator ? entry.identity.node : nil
    guard let identity = directory.identify(entry.key.linkLayerAddress, named: named) else {
      return .remove(.rejected)
    }
    if identity == entry.identity, directory.accessTechnology(of: entry.key.link) == entry.accessTechnology {
      return nil
    }
    // One path begins the new session, and the others follow.
    let isFirst = paths(on: entry.key.link, entry.key.linkLayerAddress).first == entry.key
    return isFirst ? .attachAgain(attachment(of: entry)) : .remove(.pathEnded)
  }

  /// Everything that was asked under the old parameters is asked again.
  private mutating func renew(_ keys: [AttachmentKey], _ turn: inout Turn) {
    var deadline = turn.now.monotonic
    for key in keys {
      guard let entry = list[key] else { continue }
      switch entry.state {
      case .registered, .refreshing: setTimer(.refresh, of: key, to: deadline)
      case .registering, .refused: setTimer(.retry, of: key, to: deadline)
      case .deregistering, .revoked: continue
      }
      deadline += ProtocolConstants.pacing
    }
  }
}
