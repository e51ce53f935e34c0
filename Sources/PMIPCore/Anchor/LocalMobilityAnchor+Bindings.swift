import DatapathModel
import MobilityWire
import NetTypes

// What a judged request does to bindings, prefixes and tunnels (RFC 5213 sections 5.3.2 to 5.3.5).
extension LocalMobilityAnchor {
  /// A new session, or with `sharing` a further attachment with that binding's prefixes.
  mutating func register(
    _ request: RegistrationRequest, kind: TerminalKind, sharing partner: BindingCacheEntry? = nil,
    _ turn: inout Turn
  ) throws(Refusal) {
    let limits = configuration.limits
    guard cache.count + pending.installCount < limits.bindings else {
      throw Refusal(.insufficientResources, because: .limitBindings)
    }
    guard cache.bindings(of: request.node).count < limits.bindingsPerNode else {
      throw Refusal(.insufficientResources, because: .limitBindingsPerNode)
    }
    try checkRoomForInstall()
    let anchorAddress = try anchorAddress(for: request, previous: nil)
    let claimed = partner == nil ? try claimPrefixes(for: request, at: turn.now.monotonic) : []
    let tunnel: TunnelIdentifier
    do throws(Refusal) {
      tunnel = try acquireTunnel(from: anchorAddress, for: request)
    } catch {
      for prefix in claimed { allocator.giveBack(prefix, at: turn.now.monotonic) }
      throw error
    }
    let prefixes = partner?.prefixes ?? claimed
    let entry = BindingCacheEntry(
      identifier: newBindingIdentifier(), node: request.node, kind: kind, seniority: newSeniority(),
      attachment: request.attachment, anchorAddress: anchorAddress, gatewayLinkLocalAddress: nil, tunnel: tunnel,
      prefixes: prefixes, isDefault: defaultAttachment(of: prefixes) == nil, lifetime: .zero,
      expiresAt: turn.now.monotonic, lastAccepted: request.orderingMark, registeredAt: turn.now.wallClock,
      lastUpdate: turn.now.wallClock)
    begin(request, entry, previous: nil, claimed: claimed, &turn)
  }

  /// A refresh, a handover to another gateway, or the return of a session that awaits its deletion.
  mutating func extend(
    _ previous: BindingCacheEntry, _ request: RegistrationRequest, _ turn: inout Turn
  ) throws(Refusal) {
    var entry = previous
    entry.anchorAddress = try anchorAddress(for: request, previous: previous)
    let isMoved =
      previous.attachment.proxyCareOfAddress != request.attachment.proxyCareOfAddress
      || previous.anchorAddress != entry.anchorAddress
    if isMoved || !previous.isActive { try checkRoomForInstall() }
    entry.attachment = request.attachment
    entry.attachment.linkLayerIdentifier =
      request.attachment.linkLayerIdentifier ?? previous.attachment.linkLayerIdentifier
    if isMoved { entry.tunnel = try acquireTunnel(from: entry.anchorAddress, for: request) }
    if !previous.isActive {
      entry.state = .active
      entry.seniority = newSeniority()
      entry.isDefault = defaultAttachment(of: entry.prefixes) == nil
    }
    begin(request, entry, previous: previous, claimed: [], &turn)
  }

  /// RFC 5213 section 5.3.5.
  mutating func deregister(_ old: BindingCacheEntry, _ request: RegistrationRequest, _ turn: inout Turn) {
    guard old.attachment.proxyCareOfAddress == request.attachment.proxyCareOfAddress else {
      return counters.count(.ignoredDeregistrationNotCurrentGateway)
    }
    counters.count(.acceptedDeregistration)
    var entry = old
    entry.lastAccepted = request.orderingMark
    let grant = Acknowledgement.Grant(
      lifetime: .zero, prefixes: request.options(for: entry.prefixes),
      gatewayLinkLocalAddress: linkLocalAddress(for: request, entry))
    send(Acknowledgement.accepting(request.update, grant), from: request.destination, to: request.source, &turn)
    guard entry.isActive else {
      // The gateway has asked again; the delay goes on.
      return store(entry)
    }
    suspend(entry, because: .deregistered, &turn)
  }

  /// Ends an active binding, unless a valid request within MinDelayBeforeBCEDelete brings it back.
  mutating func suspend(_ old: BindingCacheEntry, because cause: RemovalCause, _ turn: inout Turn) {
    var entry = old
    entry.removalCause = cause
    entry.lastUpdate = turn.now.wallClock
    abandonInitiation(of: entry, &turn)
    let delay = configuration.timers.minDelayBeforeBCEDelete
    guard delay > .zero else {
      store(entry)
      return delete(entry, cause: cause, &turn)
    }
    entry.state = .awaitingDeletion(until: turn.now.monotonic + delay)
    entry.isDefault = false
    store(entry)
    let (changes, successor) = old.isDefault ? withdrawRoutes(of: old) : ([], nil)
    remove(changes, releasing: [], &turn)
    turn.notify(.bindingChanged(summary(entry)))
    // A session that awaits its deletion is not worth restoring.
    turn.persist(.remove(entry.identifier))
    announce(successor, &turn)
  }

  /// Ends a binding at once.
  mutating func delete(_ entry: BindingCacheEntry, cause: RemovalCause, _ turn: inout Turn) {
    abandonInitiation(of: entry, &turn)
    cache.remove(entry.identifier)
    deadlines.cancel(.binding(entry.identifier))
    let (changes, successor) = entry.isDefault ? withdrawRoutes(of: entry) : ([], nil)
    let gone = remove(changes, releasing: [entry.tunnel], &turn)
    for prefix in entry.prefixes where cache.bindings(with: prefix).isEmpty {
      allocator.release(prefix, at: turn.now.monotonic)
    }
    turn.notify(.bindingRemoved(summary(entry), cause: cause))
    for tunnel in gone { turn.notify(.tunnelRemoved(tunnel)) }
    if entry.isActive { turn.persist(.remove(entry.identifier)) }
    announce(successor, &turn)
  }
}

// Installs and their outcome.
extension LocalMobilityAnchor {
  /// Asks the kernel for what the registration needs; without such a need it is complete.
  private mutating func begin(
    _ request: RegistrationRequest, _ entry: BindingCacheEntry, previous: BindingCacheEntry?, claimed: [IPv6Prefix],
    _ turn: inout Turn
  ) {
    var changes: [DatapathChange] = []
    if tunnelTable.needsInstall(entry.tunnel), let tunnel = tunnelTable[entry.tunnel] {
      changes.append(.addTunnel(tunnel))
    }
    if entry.needsRoutes(after: previous) {
      for prefix in entry.prefixes { changes.append(.setPrefixRoute(prefix, entry.tunnel)) }
    }
    guard !changes.isEmpty else { return commit(request, entry, previous: previous, &turn) }
    let effect = newEffect()
    pending.begin(
      PendingInstall(request: request, entry: entry, previous: previous, claimed: claimed), as: effect)
    turn.effects.append(.install(effect, changes))
  }

  mutating func finish(_ effect: EffectID, _ outcome: DatapathOutcome, _ turn: inout Turn) {
    if let gone = removals.removeValue(forKey: effect) {
      if outcome != .installed { counters.count(.datapathRemovalsFailed) }
      for tunnel in gone { tunnelTable.finishRemoval(tunnel, removal: effect) }
      return
    }
    guard let install = pending.finish(effect) else { return counters.count(.datapathOutcomesUnknown) }
    switch outcome {
    case .installed: commit(install.request, install.entry, previous: install.previous, &turn)
    case .failed: rollBack(install, &turn)
    }
    settle(install.request.node, &turn)
  }

  /// The registration takes effect: acknowledge, then clean up, announce and store.
  private mutating func commit(
    _ request: RegistrationRequest, _ accepted: BindingCacheEntry, previous: BindingCacheEntry?, _ turn: inout Turn
  ) {
    var entry = accepted
    entry.lifetime = min(request.update.lifetime, BindingLifetime(configuration.timers.maximumLifetime))
    entry.expiresAt = turn.now.monotonic + entry.lifetime.duration
    entry.lastAccepted = request.orderingMark.following(previous?.lastAccepted)
    entry.lastUpdate = turn.now.wallClock
    entry.gatewayLinkLocalAddress = linkLocalAddress(for: request, entry)
    let isSameGateway = previous?.attachment.proxyCareOfAddress == entry.attachment.proxyCareOfAddress
    if let previous, !isSameGateway { abandonInitiation(of: previous, &turn) }
    entry.offLinkPrefixes = offLinkPrefixes(for: entry, isSameGateway: isSameGateway)
    markEstablishment(of: &entry, request, previous)
    let isNews = cache[entry.identifier].map { entry.tellsMore(than: $0) } ?? true
    store(entry)
    count(entry, previous)

    let isRedirected = entry.anchorAddress != request.destination
    if isRedirected { counters.count(.redirected) }
    let grant = Acknowledgement.Grant(
      lifetime: entry.lifetime, prefixes: request.options(for: entry.prefixes), offLinkPrefixes: entry.offLinkPrefixes,
      usesFlowMobilityOption: configuration.tellsByAcknowledgement,
      gatewayLinkLocalAddress: entry.gatewayLinkLocalAddress, redirect: isRedirected ? entry.anchorAddress : nil,
      load: loadInformation)
    send(Acknowledgement.accepting(request.update, grant), from: request.destination, to: request.source, &turn)
    let left = previous.map(\.tunnel) ?? entry.tunnel
    let gone = left == entry.tunnel ? [] : remove([], releasing: [left], &turn)
    if tunnelTable.markInstalled(entry.tunnel), let tunnel = tunnelTable[entry.tunnel] {
      turn.notify(.tunnelAdded(tunnel))
    }
    if isNews { turn.notify(.bindingChanged(summary(entry))) }
    for tunnel in gone { turn.notify(.tunnelRemoved(tunnel)) }
    turn.persist(.store(entry.record(at: turn.now)))
    startHeartbeats(with: entry.attachment.proxyCareOfAddress, at: turn.now.monotonic)
    settlePaths(of: entry, previous, request, &turn)
    if let previous { revokeAfterHandover(previous, entry, &turn) }
  }

  private mutating func count(_ entry: BindingCacheEntry, _ previous: BindingCacheEntry?) {
    guard let previous else { return counters.count(.acceptedInitial) }
    if !previous.isActive { counters.count(.bindingsRevived) }
    let isSameGateway = previous.attachment.proxyCareOfAddress == entry.attachment.proxyCareOfAddress
    counters.count(isSameGateway ? .acceptedRefresh : .acceptedHandover)
  }

  /// The kernel refused. It may have done a part, so what it should hold is set again.
  private mutating func rollBack(_ install: PendingInstall, _ turn: inout Turn) {
    let (entry, previous) = (install.entry, install.previous)
    refuse(install.request, Refusal(.insufficientResources, because: .datapathFailed), &turn)
    for prefix in install.claimed { allocator.giveBack(prefix, at: turn.now.monotonic) }
    var changes: [DatapathChange] = []
    if entry.needsRoutes(after: previous) {
      changes = entry.prefixes.map { prefix in
        if let previous, previous.isDefault {
          .setPrefixRoute(prefix, previous.tunnel)
        } else {
          .removePrefixRoute(prefix)
        }
      }
    }
    let gone = remove(changes, releasing: previous?.tunnel == entry.tunnel ? [] : [entry.tunnel], &turn)
    for tunnel in gone { turn.notify(.tunnelRemoved(tunnel)) }
  }

  /// Emits an install that only takes away, or hands a route to another tunnel; nobody waits for it. Returns the
  /// tunnels that are gone and that subscribers know.
  @discardableResult
  private mutating func remove(
    _ changes: [DatapathChange], releasing tunnels: [TunnelIdentifier], _ turn: inout Turn
  ) -> [TunnelDescription] {
    let effect = newEffect()
    var changes = changes
    var gone: [TunnelIdentifier] = []
    var known: [TunnelDescription] = []
    for tunnel in tunnels {
      guard case .unused(let description, let isKnown) = tunnelTable.release(tunnel, removal: effect) else { continue }
      changes.append(.removeTunnel(tunnel))
      gone.append(tunnel)
      if isKnown { known.append(description) }
    }
    guard !changes.isEmpty else { return [] }
    removals[effect] = gone
    turn.effects.append(.install(effect, changes))
    return known
  }
}

// What an entry is made of.
extension LocalMobilityAnchor {
  private func checkRoomForInstall() throws(Refusal) {
    guard pending.count < configuration.limits.pendingRegistrations else {
      throw Refusal(.insufficientResources, because: .limitPendingRegistrations)
    }
  }

  /// The prefixes that the request names, or one that we choose.
  private mutating func claimPrefixes(
    for request: RegistrationRequest, at now: Duration
  ) throws(Refusal) -> [IPv6Prefix] {
    guard !request.prefixes.isEmpty else {
      guard let prefix = allocator.allocate(for: request.node, at: now) else {
        throw Refusal(.insufficientResources, because: .prefixesExhausted)
      }
      return [prefix]
    }
    var claimed: [IPv6Prefix] = []
    for prefix in request.prefixes where prefix != claimed.last {
      guard allocator.claim(prefix, for: request.node, at: now) else {
        for prefix in claimed { allocator.giveBack(prefix, at: now) }
        throw Refusal(.notAuthorizedForHomeNetworkPrefix)
      }
      claimed.append(prefix)
    }
    return claimed
  }

  private mutating func acquireTunnel(
    from anchorAddress: IPv6Address, for request: RegistrationRequest
  ) throws(Refusal) -> TunnelIdentifier {
    let tunnel = tunnelTable.acquire(
      local: anchorAddress, remote: request.attachment.proxyCareOfAddress,
      maximum: configuration.markLayout.maximumTunnels)
    guard let tunnel else { throw Refusal(.insufficientResources, because: .tunnelsExhausted) }
    return tunnel
  }

  /// The attachment that has the routes of these prefixes.
  private func defaultAttachment(of prefixes: [IPv6Prefix]) -> BindingCacheEntry? {
    prefixes.first.flatMap { cache.bindings(with: $0).first(where: \.isDefault) }
  }

  /// A default attachment ends: its routes go to the oldest active attachment that shares the prefixes, or away.
  private mutating func withdrawRoutes(
    of entry: BindingCacheEntry
  ) -> (changes: [DatapathChange], successor: BindingCacheEntry?) {
    guard var successor = oldestActive(with: entry.prefixes, except: entry.identifier) else {
      return (entry.prefixes.map { .removePrefixRoute($0) }, nil)
    }
    counters.count(.defaultAttachmentsMoved)
    successor.isDefault = true
    store(successor)
    return (successor.prefixes.map { .setPrefixRoute($0, successor.tunnel) }, successor)
  }

  func oldestActive(with prefixes: [IPv6Prefix], except identifier: BindingIdentifier?) -> BindingCacheEntry? {
    guard let prefix = prefixes.first else { return nil }
    return cache.bindings(with: prefix).filter { $0.isActive && $0.identifier != identifier }
      .min { $0.seniority < $1.seniority }
  }

  /// A binding has become the default one.
  private func announce(_ successor: BindingCacheEntry?, _ turn: inout Turn) {
    guard let successor else { return }
    turn.notify(.bindingChanged(summary(successor)))
    turn.persist(.store(successor.record(at: turn.now)))
  }

  /// RFC 5213 section 5.3.6: what the gateway has chosen, else what the session has, else what we choose.
  private func linkLocalAddress(for request: RegistrationRequest, _ entry: BindingCacheEntry) -> IPv6Address? {
    guard let wanted = request.update.options.linkLocalAddress else { return entry.gatewayLinkLocalAddress }
    guard wanted.isUnspecified else { return wanted }
    return entry.gatewayLinkLocalAddress ?? ProtocolConstants.gatewayLinkLocalAddress
  }

  private mutating func newEffect() -> EffectID {
    defer { nextEffect += 1 }
    return EffectID(rawValue: nextEffect)
  }

  private mutating func newBindingIdentifier() -> BindingIdentifier {
    while true {
      let identifier = BindingIdentifier(rawValue: nextBinding)
      nextBinding = max(1, nextBinding &+ 1)
      if cache[identifier] == nil { return identifier }
    }
  }

  mutating func newSeniority() -> UInt64 {
    defer { nextSeniority += 1 }
    return nextSeniority
  }
}

extension BindingCacheEntry {
  /// The routes of the prefixes must point to the entry's tunnel and do not yet.
  fileprivate func needsRoutes(after previous: BindingCacheEntry?) -> Bool {
    isDefault && !(previous?.isDefault == true && previous?.tunnel == tunnel)
  }

  /// Subscribers have to be told, who know `earlier`: more than times is different.
  fileprivate func tellsMore(than earlier: BindingCacheEntry) -> Bool {
    state != earlier.state || isDefault != earlier.isDefault || tunnel != earlier.tunnel || kind != earlier.kind
      || attachment != earlier.attachment || anchorAddress != earlier.anchorAddress || prefixes != earlier.prefixes
      || offLinkPrefixes != earlier.offLinkPrefixes
  }
}
