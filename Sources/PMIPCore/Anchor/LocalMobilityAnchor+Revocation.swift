import MobilityWire
import NetTypes

/// How the revocation of a node's bindings at one gateway, or of all bindings of a gateway, has ended.
public struct RevocationOutcome: Hashable, Sendable, Codable {
  public var gateway: String
  /// nil: all of the gateway.
  public var node: MobileNodeIdentifier?
  /// nil: no answer, or the gateway does not know Binding Revocation.
  public var status: BindingRevocationStatus?
}

/// Why an indication was sent.
enum AnchorRevocation: Hashable, Sendable {
  /// The operator ends these bindings of the node.
  case node(MobileNodeIdentifier, [BindingIdentifier])
  /// The operator ends all bindings of the gateway.
  case gateway
  /// The binding is at another gateway now.
  case handover(BindingIdentifier)
}

// Binding revocation: RFC 5846, sections 8 (anchor) and 6 (both sides).
//
// A binding that the operator revokes serves its node until the gateway has answered or the retries are over; then it
// is deleted, whatever the answer was: the anchor owns it. A registration that was accepted meanwhile saves a binding
// (section 8.1), a mere refresh (HI 5) does not: the gateway has sent it before it heard of the revocation.
extension LocalMobilityAnchor {
  // MARK: By the operator

  mutating func revokeByOperator(_ node: MobileNodeIdentifier, _ turn: inout Turn) {
    reachDeadlines(of: node, &turn)
    guard !cache.bindings(of: node).isEmpty || pending.install(of: node) != nil else {
      return counters.count(.operatorRevocationsUnknown)
    }
    perform(.revocation, for: node, &turn)
  }

  /// One indication to each gateway of the node. There it ends everything of the node, so it needs no prefixes.
  mutating func beginRevocation(of node: MobileNodeIdentifier, _ turn: inout Turn) {
    let entries = cache.bindings(of: node)
    for gateway in Set(entries.map(\.attachment.proxyCareOfAddress)).sorted() {
      let here = entries.filter { $0.attachment.proxyCareOfAddress == gateway }
      let purpose = AnchorRevocation.node(node, here.map(\.identifier))
      guard let active = here.first(where: \.isActive) else {
        complete(purpose, at: gateway, status: nil, beganAt: turn.now.monotonic, &turn)
        continue
      }
      indicate(
        .administrative, options: [.mobileNodeIdentifier(node)], from: active.anchorAddress, to: gateway, purpose,
        &turn)
    }
  }

  mutating func revokeByOperator(gateway: IPv6Address, _ turn: inout Turn) {
    guard let binding = cache.bindings(at: gateway).first, let entry = cache[binding] else {
      return counters.count(.operatorRevocationsUnknown)
    }
    indicate(.perPeerPolicy, flags: .global, from: entry.anchorAddress, to: gateway, .gateway, &turn)
  }

  // MARK: After a handover

  /// RFC 5846 section 8.1: the old gateway is told, so that it need not find out that the node has left. Not where that
  /// would end another attachment of the node with the same prefixes.
  mutating func revokeAfterHandover(_ previous: BindingCacheEntry, _ entry: BindingCacheEntry, _ turn: inout Turn) {
    let old = previous.attachment.proxyCareOfAddress
    guard previous.isActive, old != entry.attachment.proxyCareOfAddress, gateways[old]?.revokesAfterHandover == true,
      peers[old]?.lacksRevocation != true
    else { return }
    let stays = cache.bindings(with: entry.prefixes[0]).contains { $0.attachment.proxyCareOfAddress == old }
    guard !stays, !revocations.isFull else { return counters.count(.revocationsLeftOut) }
    let sameTechnology = previous.attachment.accessTechnology == entry.attachment.accessTechnology
    indicate(
      sameTechnology ? .handoverSameAccessTechnology : .handoverOtherAccessTechnology,
      options: [.mobileNodeIdentifier(entry.node)]
        + entry.prefixes.map { .homeNetworkPrefix(HomeNetworkPrefixOption($0)) },
      from: previous.anchorAddress, to: old, .handover(entry.identifier), &turn)
  }

  // MARK: Indications of ours

  private mutating func indicate(
    _ trigger: BindingRevocationTrigger, flags: BindingRevocationFlags = [], options: [MobilityOption] = [],
    from source: IPv6Address, to gateway: IPv6Address, _ purpose: AnchorRevocation, _ turn: inout Turn
  ) {
    guard peers[gateway]?.lacksRevocation != true, !revocations.isFull else {
      counters.count(.revocationsLeftOut)
      return complete(purpose, at: gateway, status: nil, beganAt: turn.now.monotonic, &turn)
    }
    let (indication, deadline) = revocations.begin(
      trigger, flags: flags, options: MobilityOptions(options), from: source, to: gateway, for: purpose,
      timers: configuration.revocation, at: turn.now)
    counters.count(.revocationIndicationsSent)
    turn.send(.bindingRevocation(indication), from: source, to: gateway)
    peerDeadlines.set(.revocation(indication.sequence), to: deadline)
  }

  mutating func revocationDue(_ sequence: UInt16, _ turn: inout Turn) {
    guard let revocation = revocations[sequence] else { return }
    if case .handover(let binding) = revocation.purpose,
      cache[binding]?.attachment.proxyCareOfAddress == revocation.destination
    {
      // The node is back: there is nothing to revoke any more.
      _ = revocations.end(sequence)
    } else if let deadline = revocations.retry(sequence, at: turn.now.monotonic) {
      counters.count(.revocationRetransmissions)
      turn.send(.bindingRevocation(revocation.indication), from: revocation.source, to: revocation.destination)
      peerDeadlines.set(.revocation(sequence), to: deadline)
    } else {
      counters.count(.revocationsUnanswered)
      end(sequence, status: nil, &turn)
    }
  }

  private mutating func end(_ sequence: UInt16, status: BindingRevocationStatus?, _ turn: inout Turn) {
    peerDeadlines.cancel(.revocation(sequence))
    guard let revocation = revocations.end(sequence) else { return }
    complete(revocation.purpose, at: revocation.destination, status: status, beganAt: revocation.beganAt, &turn)
  }

  private mutating func complete(
    _ purpose: AnchorRevocation, at gateway: IPv6Address, status: BindingRevocationStatus?, beganAt: Duration,
    _ turn: inout Turn
  ) {
    let name = gateways[gateway]?.name ?? gateway.description
    switch purpose {
    case .node(let node, let bindings):
      turn.notify(.revocationEnded(RevocationOutcome(gateway: name, node: node, status: status)))
      for binding in bindings {
        perform(.groupRemoval(binding, gateway: gateway, .revokedByOperator(before: beganAt)), for: node, &turn)
      }
    case .gateway:
      turn.notify(.revocationEnded(RevocationOutcome(gateway: name, node: nil, status: status)))
      removeGroup(at: gateway, by: .revokedByOperator(before: beganAt), &turn)
    case .handover: break
    }
  }

  // MARK: Messages

  mutating func receive(
    _ revocation: BindingRevocation, source: IPv6Address, destination: IPv6Address, _ turn: inout Turn
  ) {
    guard let policy = gateways[source], configuration.addresses.contains(destination) else {
      return counters.count(.revocationsFromStrangers)
    }
    switch revocation.kind {
    case .acknowledgement(let status):
      guard let outstanding = revocations[revocation.sequence], outstanding.destination == source,
        outstanding.source == destination
      else { return counters.count(.revocationAcknowledgementsUnmatched) }
      counters.count(status.isAccepted ? .revocationsAccepted : .revocationsRefused)
      end(revocation.sequence, status: status, &turn)
    case .indication(let trigger):
      counters.count(.revocationIndicationsReceived)
      var peer = peers[source] ?? GatewayPeer(anchorAddress: destination)
      let known = peer.answeredRevocations.answer(to: revocation, at: turn.now.monotonic)
      let answer = known ?? revocation.acknowledgement(judge(revocation, trigger, of: policy))
      if known == nil {
        peer.answeredRevocations.remember(answer, at: turn.now.monotonic)
        peers[source] = peer
      }
      counters.count(.revocationAcknowledgementsSent)
      turn.send(.bindingRevocation(answer), from: destination, to: source)
      guard known == nil, answer.kind == .acknowledgement(.success) else { return }
      removeGroup(at: source, by: .revokedByGateway(before: turn.now.monotonic), &turn)
    }
  }

  /// RFC 5846 section 8.2: a gateway may revoke all of its bindings, if it is allowed to, and nothing else.
  private func judge(
    _ indication: BindingRevocation, _ trigger: BindingRevocationTrigger, of gateway: GatewayPolicy
  ) -> BindingRevocationStatus {
    if let problem = BindingRevocation.problem(with: trigger, flags: indication.flags) { return problem }
    guard indication.flags.isSuperset(of: [.proxyBinding, .global]), trigger == .perPeerPolicy else {
      return .functionNotSupported
    }
    guard gateway.mayRevokeAll, indication.options.mobileNodeIdentifier != nil,
      indication.options.alternateCareOfAddress ?? gateway.address == gateway.address
    else { return .globalRevocationNotAuthorized }
    return cache.count(at: gateway.address) == 0 ? .bindingDoesNotExist : .success
  }

  /// A Binding Error "unrecognized MH type" that does not mean heartbeats; true if it means our revocations. They are
  /// not sent to this gateway any more, until its configuration changes.
  mutating func revocationUnrecognized(by gateway: IPv6Address, _ turn: inout Turn) -> Bool {
    let sequences = revocations.sequences(to: gateway)
    guard !sequences.isEmpty else { return false }
    peers[gateway]?.lacksRevocation = true
    for sequence in sequences { end(sequence, status: nil, &turn) }
    return true
  }
}
