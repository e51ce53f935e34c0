import DatapathModel
import MobilityWire
import NetTypes

// Configuration, and the state of an earlier run.
extension LocalMobilityAnchor {
  /// Takes effect for the next request. Existing bindings keep their prefixes and stay until they expire; a gateway
  /// that is no longer listed gets status 154 when it refreshes one.
  mutating func reconfigure(_ new: LMAConfiguration, _ turn: inout Turn) {
    let old = gateways
    configuration = new
    allocator.reconfigure(pools: new.prefixPools, nodes: new.nodes)
    indexConfiguration()
    reconfigureHeartbeats(&turn)
    gatewaysWithoutNotifications = []
    let renamed = Set(old.keys).union(gateways.keys).filter { old[$0]?.name != gateways[$0]?.name }
    guard !renamed.isEmpty else { return }
    renaming = Renaming(
      gateways: renamed.union(renaming?.gateways ?? []), unvisited: cache.count, since: turn.now.monotonic)
    announceRenamed(&turn)
  }

  /// Subscribers know gateways by name: a part of the bindings is announced anew.
  mutating func announceRenamed(_ turn: inout Turn) {
    guard let renaming else { return }
    // From the end: an entry that fills a gap has been visited, or is younger than the new names.
    let unvisited = cache.all.prefix(renaming.unvisited)
    for entry in unvisited.suffix(Self.announcementsPerCall).reversed()
    where renaming.gateways.contains(entry.attachment.proxyCareOfAddress) {
      turn.notify(.bindingChanged(summary(entry)))
    }
    let left = unvisited.count - Self.announcementsPerCall
    self.renaming?.unvisited = left
    if left <= 0 { self.renaming = nil }
  }

  mutating func indexConfiguration() {
    gateways = Dictionary(
      configuration.gateways.flatMap { gateway in gateway.addresses.map { ($0, gateway) } }
    ) { first, _ in first }
    policies = Dictionary(configuration.nodes.map { ($0.identifier, $0) }) { first, _ in first }
  }

  /// Rebuilds cache, prefix owners and tunnels from what was stored. The kernel is not touched: the shell compares it
  /// with `desiredDatapath`. As with a changed configuration, a binding whose gateway, node or prefix is no longer
  /// configured stays until it expires. Records that are over, or that contradict an earlier one, are removed.
  mutating func restore(_ records: [BindingRecord], _ peers: [PeerRecord], _ turn: inout Turn) {
    restoreHeartbeats(peers, &turn)
    var changed: Set<BindingIdentifier> = []
    var restored: [BindingIdentifier] = []
    // Among attachments that share prefixes the default one counts as the oldest.
    let ordered = records.sorted {
      ($0.isDefault ? 0 : 1, $0.registeredAt, $0.identifier) < ($1.isDefault ? 0 : 1, $1.registeredAt, $1.identifier)
    }
    for record in ordered {
      guard record.expiresAt > turn.now.wallClock, record.lifetime > .zero else {
        counters.count(.recordsExpired)
        turn.persist(.remove(record.identifier))
        continue
      }
      guard let tunnel = restoreResources(of: record) else {
        counters.count(.recordsConflicting)
        if cache[record.identifier] == nil { turn.persist(.remove(record.identifier)) }
        continue
      }
      var entry = BindingCacheEntry(record, tunnel: tunnel, seniority: newSeniority(), at: turn.now)
      entry.isDefault = !cache.bindings(with: entry.prefixes[0]).contains(where: \.isDefault)
      if entry.isDefault != record.isDefault || tunnel != record.tunnel { changed.insert(entry.identifier) }
      store(entry)
      restored.append(entry.identifier)
      counters.count(.recordsRestored)
    }
    nextBinding = restored.map { $0.rawValue &+ 1 }.reduce(nextBinding, max)
    startHeartbeats(afterRestore: turn.now.monotonic)
    for tunnel in tunnelTable.installed { turn.notify(.tunnelAdded(tunnel)) }
    let entries = restored.sorted().compactMap { cache[$0] }
    for entry in entries { turn.notify(.bindingChanged(summary(entry))) }
    for entry in entries where changed.contains(entry.identifier) {
      turn.persist(.store(entry.record(at: turn.now)))
    }
  }

  /// Prefixes and tunnel of a stored binding; nil when it contradicts what is restored already, or itself.
  private mutating func restoreResources(of record: BindingRecord) -> TunnelIdentifier? {
    let prefixes = record.prefixes.sorted()
    guard cache[record.identifier] == nil, !prefixes.isEmpty, Set(prefixes).count == prefixes.count else { return nil }
    let sharers = prefixes.flatMap { cache.bindings(with: $0) }
    guard sharers.allSatisfy({ $0.node == record.node && $0.prefixes == prefixes }) else { return nil }
    let tunnel = tunnelTable.restore(
      record.tunnel, local: record.anchorAddress, remote: record.proxyCareOfAddress,
      maximum: configuration.markLayout.maximumTunnels)
    guard let tunnel else { return nil }
    for prefix in record.prefixes { allocator.restore(prefix, for: record.node) }
    return tunnel
  }
}

extension BindingCacheEntry {
  fileprivate init(_ record: BindingRecord, tunnel: TunnelIdentifier, seniority: UInt64, at now: Moment) {
    // A wall clock that was set back meanwhile must not prolong the binding beyond what was granted.
    let remaining = min(record.lifetime.duration, now.wallClock.duration(until: record.expiresAt))
    self.init(
      identifier: record.identifier, node: record.node, kind: record.kind, seniority: seniority,
      attachment: RegistrationRequest.Attachment(
        proxyCareOfAddress: record.proxyCareOfAddress, accessTechnology: record.accessTechnology,
        linkLayerIdentifier: record.linkLayerIdentifier, path: record.path),
      anchorAddress: record.anchorAddress, gatewayLinkLocalAddress: record.gatewayLinkLocalAddress, tunnel: tunnel,
      prefixes: record.prefixes.sorted(), offLinkPrefixes: record.offLinkPrefixes, isDefault: record.isDefault,
      lifetime: record.lifetime, expiresAt: now.monotonic + remaining,
      lastAccepted: Ordering.Mark(sequence: record.sequence, timestamp: record.timestamp),
      registeredAt: record.registeredAt, lastUpdate: record.lastUpdate)
  }
}

extension NTPTimestamp {
  /// Zero when `later` is not later.
  fileprivate func duration(until later: NTPTimestamp) -> Duration {
    guard later > self else { return .zero }
    let units = distance(to: later)
    return .seconds(Int64(units >> 16)) + .nanoseconds(Int64(units & 0xffff) * 1_000_000_000 / 65_536)
  }
}
