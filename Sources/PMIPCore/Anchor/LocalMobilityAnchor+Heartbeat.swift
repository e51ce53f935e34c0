import MobilityWire
import NetTypes

/// What an anchor keeps about a gateway besides its bindings.
struct GatewayPeer: Hashable, Sendable {
  var heartbeat = HeartbeatExchange()
  var roundTrip = RoundTripMeter()
  var answeredRevocations = AnsweredRevocations()
  /// It has answered an indication with a Binding Error.
  var lacksRevocation = false
  /// Our address that the gateway registered with last; heartbeats come from there.
  var anchorAddress: IPv6Address
}

// Heartbeats: RFC 5847.
extension LocalMobilityAnchor {
  /// RFC 5847 section 3.2: the peers hear at once of sessions that are lost, so that they need not find out.
  mutating func started(restartCounter: UInt32, sessionsLost: Bool, _ turn: inout Turn) {
    self.restartCounter = restartCounter
    guard sessionsLost, let address = configuration.addresses.first else { return }
    for gateway in configuration.gateways where gateway.heartbeat.isOn {
      counters.count(.heartbeatResponsesSent)
      turn.send(.heartbeat(.unsolicited(restartCounter: restartCounter)), from: address, to: gateway.address)
    }
  }

  /// A request is answered with or without bindings (RFC 5847 section 3.1), of a gateway that we know.
  mutating func receive(_ heartbeat: Heartbeat, source: IPv6Address, destination: IPv6Address, _ turn: inout Turn) {
    guard gateways[source] != nil, configuration.addresses.contains(destination) else {
      return counters.count(.heartbeatsFromStrangers)
    }
    guard heartbeat.isResponse else {
      counters.count(.heartbeatRequestsReceived)
      counters.count(.heartbeatResponsesSent)
      peers[source]?.heartbeat.assumeSupport()
      return turn.send(
        .heartbeat(.response(to: heartbeat, restartCounter: restartCounter)), from: destination, to: source)
    }
    var peer = peers[source] ?? GatewayPeer(anchorAddress: destination)
    let known = peer.heartbeat.restartCounter
    guard case .accepted(let changes) = peer.heartbeat.received(heartbeat) else {
      return counters.count(.heartbeatResponsesUnmatched)
    }
    counters.count(.heartbeatResponsesReceived)
    let isMeasured =
      !heartbeat.flags.contains(.unsolicited)
      && peer.roundTrip.answered(heartbeat.sequence, at: turn.now.monotonic)
    peers[source] = peer
    for change in changes { pathChanged(change, of: source, &turn) }
    if isMeasured, let policy = gateways[source] {
      turn.notify(.gatewayChanged(summary(policy, at: source), .delay))
    }
    if let counter = peer.heartbeat.restartCounter, counter != known {
      turn.persist(.storePeer(PeerRecord(address: source, restartCounter: counter)))
    }
  }

  mutating func receive(_ error: BindingError, source: IPv6Address, _ turn: inout Turn) {
    counters.count(.bindingErrorsReceived)
    guard error.status == BindingError.unrecognizedType else { return }
    if peers[source]?.heartbeat.receivedUnrecognizedType() == true {
      counters.count(.heartbeatsUnsupported)
      peerDeadlines.cancel(.heartbeat(source))
    } else if revocationUnrecognized(by: source, &turn) {
      counters.count(.revocationsUnsupported)
    } else {
      notificationsUnsupported(by: source, &turn)
    }
  }

  mutating func heartbeatDue(_ gateway: IPv6Address, _ turn: inout Turn) {
    guard let settings = gateways[gateway]?.heartbeat, settings.isOn, cache.count(at: gateway) > 0,
      var peer = peers[gateway], peer.heartbeat.isSupported
    else {
      peers[gateway]?.heartbeat.pause()
      return
    }
    let (request, change) = peer.heartbeat.nextRequest(missingAllowed: settings.missingAllowed)
    peer.roundTrip.sent(request.sequence, at: turn.now.monotonic)
    peers[gateway] = peer
    counters.count(.heartbeatRequestsSent)
    turn.send(.heartbeat(request), from: peer.anchorAddress, to: gateway)
    peerDeadlines.set(.heartbeat(gateway), to: turn.now.monotonic + settings.interval)
    if let change { pathChanged(change, of: gateway, &turn) }
  }

  private mutating func pathChanged(_ change: HeartbeatExchange.Change, of gateway: IPv6Address, _ turn: inout Turn) {
    guard let policy = gateways[gateway] else { return }
    switch change {
    case .failed:
      counters.count(.gatewayPathsFailed)
      turn.notify(.gatewayChanged(summary(policy, at: gateway), .unreachable))
      if policy.pathFailure == .remove { removeGroup(at: gateway, by: .unreachable, &turn) }
    case .recovered:
      counters.count(.gatewayPathsRecovered)
      turn.notify(.gatewayChanged(summary(policy, at: gateway), .reachable))
    case .restarted(let confirmed):
      counters.count(.gatewaysRestarted)
      turn.notify(.gatewayChanged(summary(policy, at: gateway), .restarted))
      removeGroup(at: gateway, by: .restarted(confirmed: confirmed), &turn)
    }
  }

  // MARK: When

  /// A registration was accepted; the first one starts the requests, so that the Restart Counter is known early.
  mutating func startHeartbeats(with gateway: IPv6Address, at now: Duration) {
    guard gateways[gateway]?.heartbeat.isOn == true, peers[gateway]?.heartbeat.isSupported == true,
      peerDeadlines.deadline(of: .heartbeat(gateway)) == nil
    else { return }
    peerDeadlines.set(.heartbeat(gateway), to: now)
  }

  /// A gateway may have restarted while we were down. Before its bindings are restored.
  mutating func restoreHeartbeats(_ records: [PeerRecord], _ turn: inout Turn) {
    for record in records {
      guard gateways[record.address] != nil, let address = configuration.addresses.first else {
        turn.persist(.removePeer(record.address))
        continue
      }
      var peer = GatewayPeer(anchorAddress: address)
      peer.heartbeat = HeartbeatExchange(restoring: record.restartCounter)
      peers[record.address] = peer
    }
  }

  /// One gateway after the other.
  mutating func startHeartbeats(afterRestore now: Duration) {
    var start = now
    for address in configuration.gateways.flatMap(\.addresses) {
      guard let binding = cache.bindings(at: address).first, let entry = cache[binding] else { continue }
      peers[address, default: GatewayPeer(anchorAddress: entry.anchorAddress)].anchorAddress = entry.anchorAddress
      startHeartbeats(with: address, at: start)
      start += ProtocolConstants.pacing
    }
  }

  /// With every registration that is no mere refresh the session belongs to the gateway's present incarnation. A mere
  /// refresh says so only after a restart of ours: a gateway that has restarted meanwhile, and has the session still,
  /// must not lose it when we hear its counter.
  mutating func markEstablishment(
    of entry: inout BindingCacheEntry, _ request: RegistrationRequest, _ previous: BindingCacheEntry?
  ) {
    let gateway = entry.attachment.proxyCareOfAddress
    peers[gateway, default: GatewayPeer(anchorAddress: entry.anchorAddress)].anchorAddress = entry.anchorAddress
    let exchange = peers[gateway]?.heartbeat
    let isRefresh = previous?.attachment.proxyCareOfAddress == gateway && request.handoff == .noChange
    if !isRefresh { entry.establishedAt = request.arrival.monotonic }
    if !isRefresh || exchange?.awaitsCounter == true { entry.heartbeat = exchange?.sequence ?? 0 }
  }

  mutating func reconfigureHeartbeats(_ turn: inout Turn) {
    for address in peers.keys.sorted() {
      peerDeadlines.cancel(.heartbeat(address))
      peers[address]?.lacksRevocation = false
      guard gateways[address]?.heartbeat.isOn == true else {
        peers[address]?.heartbeat.pause()
        if gateways[address] == nil { forgetPeer(address, &turn) }
        continue
      }
      peers[address]?.heartbeat.assumeSupport()
      if cache.count(at: address) > 0 { startHeartbeats(with: address, at: turn.now.monotonic) }
    }
  }

  private mutating func forgetPeer(_ gateway: IPv6Address, _ turn: inout Turn) {
    guard let peer = peers.removeValue(forKey: gateway) else { return }
    if peer.heartbeat.restartCounter != nil { turn.persist(.removePeer(gateway)) }
  }

  /// To the gateway and back, as heartbeats have measured it; nil: not measured, or the gateway does not answer now.
  public func roundTrip(to gateway: IPv6Address) -> Duration? {
    peers[gateway].flatMap { $0.heartbeat.path == .reachable ? $0.roundTrip.smoothed : nil }
  }

  func summary(_ gateway: GatewayPolicy, at address: IPv6Address) -> GatewaySummary {
    let heartbeat = peers[address]?.heartbeat
    return GatewaySummary(
      name: gateway.name, address: address, ordering: gateway.ordering, path: heartbeat?.path ?? .unknown,
      restartCounter: heartbeat?.restartCounter, missedHeartbeats: heartbeat?.missing ?? 0,
      roundTrip: roundTrip(to: address), bindings: cache.count(at: address))
  }
}
