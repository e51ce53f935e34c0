import DatapathModel
import MobilityWire
import NetTypes

// What an accepted registration means for tunnels, routes and Router Advertisements: RFC 5213 sections 6.9.2 and 6.10,
// RFC 7864 section 4.1, section 3.2.2 of the paper.
extension MobileAccessGateway {
  /// Takes over what the anchor granted. Prefixes that were there before and are missing now are removed (RFC 7864
  /// section 4.2: the list is complete).
  mutating func bind(
    _ known: BindingUpdateListEntry, _ request: OutstandingRequest, _ transmission: OutstandingRequest.Transmission,
    _ granted: (onLink: [IPv6Prefix], offLink: [IPv6Prefix]), _ lifetime: BindingLifetime,
    _ acknowledgement: BindingAcknowledgement, _ turn: inout Turn
  ) {
    let otherLinks = otherLinks(ofSession: known)
    if otherLinks.contains(where: { $0.lastSeen > known.lastSeen && $0.binding != nil }) {
      // The node was seen elsewhere since, and the anchor's binding serves it there.
      remove(known, .moved, tellingNode: false, &turn)
      return
    }
    var entry = known
    let old = entry.binding
    let (tunnel, added) = tunnels.acquire(
      local: request.alternateCareOfAddress ?? request.source, remote: entry.anchorAddress)
    let keptClaim = request.purpose == .refresh ? old?.claim : nil
    let sharedClaim = paths(beside: known).compactMap(\.binding?.claim).max()
    let isExtended = request.handoffIndicator == .noChange
    var offLink = granted.offLink
    if let old, let list = entry.newestPrefixList, transmission.sentAt <= list.receivedAt {
      // The anchor may have answered before it sent that list: what the list has brought must not go by an older word.
      let kept = old.offLinkPrefixes.filter { !granted.onLink.contains($0) && !offLink.contains($0) }
      offLink = Array((kept + offLink).prefix(configuration.limits.prefixesPerNode - granted.onLink.count))
    }
    let binding = BindingUpdateListEntry.Binding(
      prefixes: granted.onLink, offLinkPrefixes: offLink, tunnel: tunnel, lifetime: lifetime,
      registeredAt: isExtended ? old?.registeredAt ?? transmission.sentAt : transmission.sentAt,
      expiresAt: transmission.sentAt + lifetime.duration, claim: keptClaim ?? sharedClaim ?? nextClaim())

    entry.state = .registered
    entry.lastStatus = acknowledgement.status
    entry.request = nil
    entry.binding = binding
    cancelTimers([.request], of: entry.key)
    setTimer(.expiry, of: entry.key, to: binding.expiresAt)
    setTimer(.refresh, of: entry.key, to: binding.expiresAt - refreshLead(lifetime))
    let mustPropose = adoptLinkLocalAddress(acknowledgement.options.linkLocalAddress, &entry)

    let gone = (old?.prefixes ?? []).filter { !granted.onLink.contains($0) }
    entry.withdrawnPrefixes = (entry.withdrawnPrefixes + gone).filter { !granted.onLink.contains($0) }
    if request.purpose == .registration || old?.prefixes != granted.onLink { entry.needsAdvertisement = true }

    var changes = added.map { [DatapathChange.addTunnel($0)] } ?? []
    changes += routeChanges(from: old, to: binding, of: entry)
    if let old, tunnels.release(old.tunnel) { changes.append(.removeTunnel(old.tunnel)) }
    install(changes, decidingAbout: &entry, &turn)
    list[entry.key] = entry
    startHeartbeats(with: entry.anchorAddress, at: turn.now.monotonic)
    if entry.isServed { serve(entry, &turn) }

    // The same session on another of our links: the anchor's binding is this one now.
    for other in otherLinks where other.lastSeen < entry.lastSeen {
      remove(other, .moved, tellingNode: false, &turn)
    }
    if mustPropose, let entry = list[entry.key] { refresh(entry, &turn) }
  }

  private func refreshLead(_ lifetime: BindingLifetime) -> Duration {
    min(configuration.timers.refreshBeforeExpiry, lifetime.duration / 2)
  }

  /// RFC 5213 section 6.9.1.2, item 15. True if the node itself uses the address that the anchor chose: then ours must
  /// be another one, and the anchor must hear of it at once.
  private func adoptLinkLocalAddress(_ chosen: IPv6Address?, _ entry: inout BindingUpdateListEntry) -> Bool {
    guard configuration.anchorChoosesLinkLocalAddress, let chosen, chosen.isLinkLocal,
      chosen != entry.gatewayLinkLocalAddress
    else { return false }
    entry.needsAdvertisement = true
    guard chosen == entry.linkLocalAddress else {
      entry.gatewayLinkLocalAddress = chosen
      return false
    }
    let own = configuration.fixedLinkLayerAddress.linkLocalAddress
    let proposal = own == chosen ? IPv6Address(high: own.high, low: own.low ^ 1) : own
    entry.gatewayLinkLocalAddress = proposal
    entry.proposedLinkLocalAddress = proposal
    return true
  }

  // MARK: Routes

  mutating func routeChanges(
    from old: BindingUpdateListEntry.Binding?, to new: BindingUpdateListEntry.Binding?, of entry: BindingUpdateListEntry
  ) -> [DatapathChange] {
    let before = (old?.prefixes ?? []) + (old?.offLinkPrefixes ?? [])
    for prefix in before { claims.remove(prefix, of: entry.key) }
    if let new {
      for prefix in new.prefixes {
        claims.set(
          prefix, .init(key: entry.key, isOnLink: true, number: new.claim, tunnel: new.tunnel, via: nil))
      }
      for prefix in new.offLinkPrefixes {
        claims.set(
          prefix, .init(key: entry.key, isOnLink: false, number: new.claim, tunnel: new.tunnel, via: entry.nextHop))
      }
    }
    let after = (new?.prefixes ?? []) + (new?.offLinkPrefixes ?? [])
    return (after + before.filter { !after.contains($0) }).flatMap { routeChanges(of: $0) }
  }

  /// What to change so that the routes of `prefix` are those of its best claim.
  private func routeChanges(of prefix: IPv6Prefix) -> [DatapathChange] {
    var changes: [DatapathChange] = []
    guard let winner = claims.winner(of: prefix) else {
      if desiredDatapath.downlinks[prefix] != nil { changes.append(.removeDownlink(prefix)) }
      if desiredDatapath.uplinks[prefix] != nil { changes.append(.removeUplink(prefix)) }
      return changes
    }
    if desiredDatapath.uplinks[prefix] != winner.tunnel { changes.append(.setUplink(prefix, winner.tunnel)) }
    if desiredDatapath.downlinks[prefix] != .init(link: winner.key.link, via: winner.via) {
      changes.append(.setDownlink(prefix, link: winner.key.link, via: winner.via))
    }
    return changes
  }

  /// The node's link-local address was seen for the first time or has changed.
  mutating func reroute(_ entry: inout BindingUpdateListEntry, _ turn: inout Turn) {
    guard let binding = entry.binding else { return }
    install(routeChanges(from: binding, to: binding, of: entry), decidingAbout: &entry, &turn)
    if entry.isServed { persist(&entry, &turn) }
  }

  /// Nothing is sent when nothing changes.
  private mutating func install(
    _ changes: [DatapathChange], decidingAbout entry: inout BindingUpdateListEntry, _ turn: inout Turn
  ) {
    guard let binding = entry.binding, let identifier = install(changes, &turn) else { return }
    pendingInstalls[identifier] = PendingInstall(key: entry.key, claim: binding.claim)
    entry.installing = identifier
  }

  /// nil: there was nothing to do.
  @discardableResult
  mutating func install(_ changes: [DatapathChange], _ turn: inout Turn) -> EffectID? {
    guard !changes.isEmpty else { return nil }
    for change in changes { desiredDatapath.apply(change) }
    let identifier = nextEffectID()
    turn.perform(.install(identifier, changes))
    return identifier
  }

  mutating func datapathAnswered(_ identifier: EffectID, _ outcome: DatapathOutcome, _ turn: inout Turn) {
    if case .failed = outcome { counters.count(.installsFailed) }
    if let pending = pendingNotifications.removeValue(forKey: identifier) {
      return datapathAnswered(pending, outcome, &turn)
    }
    // Removals decide about nothing: a route that could not be removed is left to the reconciler.
    guard let pending = pendingInstalls.removeValue(forKey: identifier), var entry = list[pending.key],
      entry.binding?.claim == pending.claim
    else { return }
    switch outcome {
    case .installed:
      guard entry.installing == identifier else { return }
      entry.installing = nil
      list[entry.key] = entry
      if entry.isServed { serve(entry, &turn) }
      extendPaths(of: entry.key, &turn)
    case .failed:
      // The anchor must not send here; the node's other interfaces may still carry its traffic.
      switch entry.state {
      case .registering, .registered, .refreshing:
        depart(entry, .refuse, &turn)
      case .deregistering, .refused, .revoked: break
      }
    }
  }

  /// Registered, and the kernel has the routes.
  mutating func serve(_ known: BindingUpdateListEntry, _ turn: inout Turn) {
    var entry = known
    persist(&entry, &turn)
    list[entry.key] = entry
    if entry.needsAdvertisement || !entry.isAdvertised { advertise(entry, &turn) }
    turn.perform(.notify(.attachmentChanged(entry.summary)))
  }

  /// Removes routes and, with the last binding, the tunnel. The node is told if it has been told anything before.
  mutating func dropBinding(of entry: inout BindingUpdateListEntry, tellingNode: Bool, _ turn: inout Turn) {
    guard let binding = entry.binding else { return }
    let heir = entry.isAdvertised ? paths(beside: entry).first { $0.isServed } : nil
    if let heir {
      // The node keeps its prefixes: another path of the attachment goes on advertising them.
      list[heir.key]?.isAdvertised = true
      setTimer(.advertisement, of: heir.key, to: turn.now.monotonic + configuration.timers.advertisementInterval)
    } else if tellingNode, entry.isAdvertised {
      counters.count(.withdrawalsSent)
      turn.perform(.advertise(advertisementBuilder(for: entry).withdrawal(for: entry)))
    }
    var changes = routeChanges(from: binding, to: nil, of: entry)
    if tunnels.release(binding.tunnel) { changes.append(.removeTunnel(binding.tunnel)) }
    install(changes, &turn)
    entry.binding = nil
    // A session that begins anew is assigned anew.
    entry.assignedAnchorAddress = nil
    entry.installing = nil
    entry.isAdvertised = false
    entry.needsAdvertisement = false
    entry.withdrawnPrefixes = []
    cancelTimers([.refresh, .expiry, .advertisement], of: entry.key)
    forget(&entry, &turn)
  }

  // MARK: Router Advertisements and probes

  /// At once, or when the kernel has answered; and again after `advertisement-interval`.
  mutating func advertise(_ known: BindingUpdateListEntry, _ turn: inout Turn) {
    var entry = known
    guard entry.isServed else {
      list[entry.key]?.needsAdvertisement = true
      return
    }
    guard !paths(beside: entry).contains(where: { $0.isAdvertised }) else {
      list[entry.key]?.needsAdvertisement = false
      return
    }
    counters.count(.advertisementsSent)
    turn.perform(.advertise(advertisementBuilder(for: entry).advertisement(for: entry)))
    entry.isAdvertised = true
    entry.needsAdvertisement = false
    entry.withdrawnPrefixes = []
    list[entry.key] = entry
    setTimer(.advertisement, of: entry.key, to: turn.now.monotonic + configuration.timers.advertisementInterval)
  }

  private func advertisementBuilder(for entry: BindingUpdateListEntry) -> AdvertisementBuilder {
    AdvertisementBuilder(configuration: configuration, mtu: linkMTUs[entry.key.link])
  }

  mutating func linkMTUChanged(_ link: String, _ mtu: UInt32, _ turn: inout Turn) {
    guard directory.accessTechnology(of: link) != nil else {
      counters.count(.unknownLinksIgnored)
      return
    }
    guard linkMTUs.updateValue(mtu, forKey: link) != mtu else { return }
    advertiseSoon(list.keys(onLink: link), &turn)
  }

  /// One after the other, the first one now.
  mutating func advertiseSoon(_ keys: [AttachmentKey], _ turn: inout Turn) {
    var deadline = turn.now.monotonic
    for key in keys {
      guard let entry = list[key], entry.isServed else { continue }
      setTimer(.advertisement, of: key, to: deadline)
      deadline += ProtocolConstants.pacing
    }
  }

  /// From the first PBU on, whatever becomes of it: RFC 5213 section 6.9.4 wants to know before each retransmission
  /// that the node is still attached.
  mutating func startProbing(_ entry: BindingUpdateListEntry, _ turn: inout Turn) {
    guard configuration.timers.probeInterval > .zero,
      timers.deadline(of: .attachment(Timer(key: entry.key, kind: .probe))) == nil,
      !paths(beside: entry).contains(where: {
        timers.deadline(of: .attachment(Timer(key: $0.key, kind: .probe))) != nil
      })
    else { return }
    setTimer(.probe, of: entry.key, to: turn.now.monotonic + configuration.timers.probeInterval)
  }

  mutating func probe(_ entry: BindingUpdateListEntry, _ turn: inout Turn) {
    if let address = entry.linkLocalAddress {
      counters.count(.probesSent)
      turn.perform(.probe(link: entry.key.link, entry.key.linkLayerAddress, address))
    }
    startProbing(entry, &turn)
  }

  // MARK: Records

  private func persist(_ entry: inout BindingUpdateListEntry, _ turn: inout Turn) {
    guard let binding = entry.binding else { return }
    entry.isPersisted = true
    let record = AttachmentRecord(
      node: entry.identity.node, kind: entry.identity.kind, link: entry.key.link,
      linkLayerAddress: entry.key.linkLayerAddress, uplink: entry.key.uplink,
      linkLocalAddress: entry.linkLocalAddress, accessTechnology: entry.accessTechnology, trigger: entry.trigger,
      anchorAddress: entry.identity.anchorAddress,
      assignedAnchorAddress: entry.assignedAnchorAddress, isPath: entry.isPath,
      tunnel: binding.tunnel, prefixes: binding.prefixes, offLinkPrefixes: binding.offLinkPrefixes,
      gatewayLinkLocalAddress: entry.gatewayLinkLocalAddress ?? configuration.gatewayLinkLocalAddress,
      sequence: entry.sequence, lifetime: binding.lifetime,
      expiresAt: turn.now.wallClock.advanced(by: binding.expiresAt - turn.now.monotonic),
      attachedAt: entry.attachedAt)
    turn.perform(.persist(.store(record)))
  }

  /// The record goes as soon as the session ends: a restarted gateway must not register a node that has left.
  func forget(_ entry: inout BindingUpdateListEntry, _ turn: inout Turn) {
    guard entry.isPersisted else { return }
    entry.isPersisted = false
    turn.perform(.persist(.remove(link: entry.key.link, entry.key.linkLayerAddress, uplink: entry.key.uplink)))
  }
}
