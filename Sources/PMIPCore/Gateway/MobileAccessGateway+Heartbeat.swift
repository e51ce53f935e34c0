import MobilityWire
import NetTypes

// Heartbeats: RFC 5847.
extension MobileAccessGateway {
  /// RFC 5847 section 3.2: the peers hear at once of sessions that are lost, so that they need not find out.
  mutating func started(restartCounter: UInt32, sessionsLost: Bool, _ turn: inout Turn) {
    self.restartCounter = restartCounter
    guard sessionsLost else { return }
    for anchor in directory.anchors.sorted() where directory.heartbeat(with: anchor).isOn {
      send(.heartbeatResponsesSent, .unsolicited(restartCounter: restartCounter), to: anchor, &turn)
    }
  }

  /// A request is answered with or without bindings (RFC 5847 section 3.1), of an anchor that we know.
  mutating func receive(_ heartbeat: Heartbeat, source: IPv6Address, destination: IPv6Address, _ turn: inout Turn) {
    guard directory.anchors.contains(source) || list.bindings(at: source) > 0,
      isOwn(destination)
    else {
      counters.count(.heartbeatsFromStrangers)
      return
    }
    guard heartbeat.isResponse else {
      counters.count(.heartbeatRequestsReceived)
      peers[source]?.assumeSupport()
      send(
        .heartbeatResponsesSent, .response(to: heartbeat, restartCounter: restartCounter), from: destination,
        to: source, &turn)
      return
    }
    var exchange = peers[source] ?? HeartbeatExchange()
    let known = exchange.restartCounter
    guard case .accepted(let changes) = exchange.received(heartbeat) else {
      counters.count(.heartbeatResponsesUnmatched)
      return
    }
    counters.count(.heartbeatResponsesReceived)
    peers[source] = exchange
    for change in changes { pathChanged(change, of: source, &turn) }
    if let counter = exchange.restartCounter, counter != known {
      turn.perform(.persist(.storePeer(PeerRecord(address: source, restartCounter: counter))))
    }
  }

  mutating func receive(_ error: BindingError, source: IPv6Address, _ turn: inout Turn) {
    guard error.status == BindingError.unrecognizedType else {
      counters.count(.otherBindingErrors)
      return
    }
    counters.count(.unrecognizedTypeErrors)
    if peers[source]?.receivedUnrecognizedType() == true {
      counters.count(.heartbeatsUnsupported)
      timers.cancel(.heartbeat(source))
    } else if revocationUnrecognized(by: source, &turn) {
      counters.count(.revocationsUnsupported)
    }
  }

  mutating func heartbeatDue(_ anchor: IPv6Address, _ turn: inout Turn) {
    let settings = directory.heartbeat(with: anchor)
    var exchange = peers[anchor] ?? HeartbeatExchange()
    guard settings.isOn, list.bindings(at: anchor) > 0, exchange.isSupported else {
      peers[anchor]?.pause()
      return
    }
    let (request, change) = exchange.nextRequest(missingAllowed: settings.missingAllowed)
    peers[anchor] = exchange
    send(.heartbeatRequestsSent, request, to: anchor, &turn)
    timers.set(.heartbeat(anchor), to: turn.now.monotonic + settings.interval)
    if let change { pathChanged(change, of: anchor, &turn) }
  }

  private mutating func pathChanged(_ change: HeartbeatExchange.Change, of anchor: IPv6Address, _ turn: inout Turn) {
    switch change {
    case .failed:
      counters.count(.anchorPathsFailed)
      turn.perform(.notify(.anchorChanged(anchorSummary(anchor), .unreachable)))
    case .recovered:
      counters.count(.anchorPathsRecovered)
      turn.perform(.notify(.anchorChanged(anchorSummary(anchor), .reachable)))
    case .restarted:
      counters.count(.anchorsRestarted)
      turn.perform(.notify(.anchorChanged(anchorSummary(anchor), .restarted)))
      registerAnew(at: anchor, &turn)
    }
  }

  /// The anchor has lost its bindings. Each node is registered again, one after the other, with the prefixes that it
  /// has; its routes stay meanwhile. A binding that is younger than the restart only gets refreshed by this. After a
  /// restart of ours a node must first be found on its link, as for its refresh.
  private mutating func registerAnew(at anchor: IPv6Address, _ turn: inout Turn) {
    var deadline = turn.now.monotonic
    for key in list.sortedKeys {
      guard let entry = list[key], entry.anchorAddress == anchor else { continue }
      switch entry.state {
      case .registered, .refreshing:
        counters.count(.bindingsLostByAnchor)
        list[key]?.isLostByAnchor = true
        if entry.state == .registered, entry.binding?.isRestored == true { continue }
        setTimer(.refresh, of: key, to: deadline)
        deadline += ProtocolConstants.pacing
      case .registering, .deregistering, .refused, .revoked: continue
      }
    }
  }

  private mutating func send(
    _ counter: MAGCounters.Counter, _ heartbeat: Heartbeat, from address: IPv6Address? = nil,
    to anchor: IPv6Address, _ turn: inout Turn
  ) {
    counters.count(counter)
    turn.perform(.send(.heartbeat(heartbeat), source: address ?? preferredAddress, destination: anchor))
  }

  // MARK: When

  /// A registration was accepted; the first one starts the requests, so that the Restart Counter is known early.
  mutating func startHeartbeats(with anchor: IPv6Address, at now: Duration) {
    guard directory.heartbeat(with: anchor).isOn, peers[anchor]?.isSupported ?? true,
      timers.deadline(of: .heartbeat(anchor)) == nil
    else { return }
    timers.set(.heartbeat(anchor), to: now)
  }

  /// The peers that are no anchors of ours any more.
  mutating func forgetPeers(_ turn: inout Turn) {
    for anchor in peers.keys.sorted() where list.bindings(at: anchor) == 0 && !directory.anchors.contains(anchor) {
      if peers.removeValue(forKey: anchor)?.restartCounter != nil { turn.perform(.persist(.removePeer(anchor))) }
    }
  }

  mutating func reconfigureHeartbeats(_ turn: inout Turn) {
    forgetPeers(&turn)
    for anchor in list.anchors.union(peers.keys).sorted() {
      timers.cancel(.heartbeat(anchor))
      guard directory.heartbeat(with: anchor).isOn else {
        peers[anchor]?.pause()
        continue
      }
      peers[anchor]?.assumeSupport()
      if list.bindings(at: anchor) > 0 { startHeartbeats(with: anchor, at: turn.now.monotonic) }
    }
  }

  func anchorSummary(_ anchor: IPv6Address) -> AnchorSummary {
    AnchorSummary(
      address: anchor, path: peers[anchor]?.path ?? .unknown, restartCounter: peers[anchor]?.restartCounter,
      missedHeartbeats: peers[anchor]?.missing ?? 0, bindings: list.bindings(at: anchor))
  }
}
