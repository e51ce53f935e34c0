import MobilityWire
import NetTypes

/// Attachments that end together because their bindings were revoked.
struct GroupDeparture: Sendable {
  let anchor: IPv6Address
  /// Those registered later are not meant.
  let before: Duration
  let revocation: BindingUpdateListEntry.Revocation
}

// Binding revocation: RFC 5846, sections 9 (gateway) and 6 (both sides).
//
// A revoked attachment loses routes and prefixes at once and is `.revoked`: it registers again only when the node
// attaches anew (a Router Solicitation, a link event, the operator), not because a neighbour entry shows that it is
// still there. Where a registration of ours may cross the revocation, a de-registration follows it, so that the anchor
// does not keep a binding that nobody serves.
//
// After a handover the anchor may be wrong: a gateway that the node has left without a word may have registered it
// late, with a timestamp newer than ours. So the node is probed, and if it is still on our link it is registered again:
//
//   gateway A (node present)    anchor                    gateway B (node gone, not noticed yet)
//        |                        |<----- PBU HI 1 -------------| retry or retransmission
//        |<--- BRI trigger 2 -----|------ PBA 0 --------------->|
//        |---- BRA 0 ------------>|                             |
//        | probe: node answers    |                             | probe: no answer
//        |---- PBU HI 1 --------->|<----- PBU lifetime 0 -------|
//        |<--- PBA 0 -------------|------ BRI trigger 2 ------->|
extension MobileAccessGateway {
  // MARK: Indications of the anchor

  mutating func receive(
    _ revocation: BindingRevocation, source: IPv6Address, destination: IPv6Address, _ turn: inout Turn
  ) {
    guard directory.anchors.contains(source) || list.bindings(at: source) > 0,
      isOwn(destination)
    else {
      counters.count(.revocationsFromStrangers)
      return
    }
    switch revocation.kind {
    case .acknowledgement(let status): revocationAnswered(revocation, status, source: source, &turn)
    case .indication(let trigger):
      counters.count(.revocationIndicationsReceived)
      let known = answeredRevocations[source]?.answer(to: revocation, at: turn.now.monotonic)
      let judgement = known == nil ? judge(revocation, trigger, from: source, at: turn.now.monotonic) : nil
      let answer = known ?? revocation.acknowledgement(judgement?.status ?? .success, failed: judgement?.failed ?? [])
      if known == nil { answeredRevocations[source, default: .init()].remember(answer, at: turn.now.monotonic) }
      counters.count(.revocationAcknowledgementsSent)
      turn.perform(.send(.bindingRevocation(answer), source: destination, destination: source))
      guard let judgement, judgement.status.isAccepted else { return }
      revoke(
        judgement.attachments, at: source, before: turn.now.monotonic, trigger.isHandover ? .handover : .administrative,
        &turn)
    }
  }

  private struct Judgement {
    var status: BindingRevocationStatus
    /// What is revoked; empty unless the status accepts.
    var attachments: [AttachmentKey] = []
    /// Options that name what does not exist here.
    var failed: [MobilityOption] = []
  }

  /// RFC 5846 sections 6.2.1 and 9.1.
  private func judge(
    _ indication: BindingRevocation, _ trigger: BindingRevocationTrigger, from anchor: IPv6Address, at now: Duration
  ) -> Judgement {
    let options = indication.options
    if let problem = BindingRevocation.problem(with: trigger, flags: indication.flags) {
      return Judgement(status: problem)
    }
    guard indication.flags.contains(.proxyBinding) else { return Judgement(status: .functionNotSupported) }
    // There are no IPv4 bindings, and no bindings for another address of this gateway.
    guard !indication.flags.contains(.ipv4HomeAddressBinding),
      isOwn(options.alternateCareOfAddress ?? configuration.proxyCareOfAddress)
    else { return Judgement(status: .bindingDoesNotExist) }
    if let group = options.mobileNodeGroupIdentifier {
      // RFC 6602 section 4: a group, and no single session beside it.
      guard group == .allSessions, options.mobileNodeIdentifier == nil, options.homeNetworkPrefixes.isEmpty else {
        return Judgement(status: .bindingDoesNotExist)
      }
      return judgement(list.sortedKeys.filter { isBound($0, to: anchor) })
    }
    guard !indication.flags.contains(.global) || trigger == .revokingNodeLocalPolicy else {
      return judgement(list.sortedKeys.filter { isBound($0, to: anchor) })
    }
    guard let node = options.mobileNodeIdentifier else {
      return Judgement(status: .revokedMobileNodesIdentityRequired)
    }
    guard !indication.flags.contains(.global) else {
      guard let realm = node.realm else { return Judgement(status: .revokedMobileNodesIdentityRequired) }
      return judgement(list.sortedKeys.filter { isBound($0, to: anchor) && list[$0]?.identity.node.realm == realm })
    }
    let bound = list.keys(of: node).filter { isBound($0, to: anchor) }
    let named = options.homeNetworkPrefixes
    let meant = named.isEmpty ? bound : bound.filter { key in named.contains { holds(key, $0) } }
    if trigger.isHandover, meant.contains(where: { isAttached($0, trigger, at: now) }) {
      return Judgement(status: .mobileNodeAttached)
    }
    return judgement(
      meant, failed: named.filter { option in !bound.contains { holds($0, option) } }.map { .homeNetworkPrefix($0) })
  }

  private func judgement(_ attachments: [AttachmentKey], failed: [MobilityOption] = []) -> Judgement {
    guard !attachments.isEmpty else { return Judgement(status: .bindingDoesNotExist, failed: failed) }
    return Judgement(status: failed.isEmpty ? .success : .partialSuccess, attachments: attachments, failed: failed)
  }

  private func isBound(_ key: AttachmentKey, to anchor: IPv6Address) -> Bool {
    guard let entry = list[key], entry.anchorAddress == anchor else { return false }
    return entry.binding != nil || entry.anchorMayHoldBinding
  }

  private func holds(_ key: AttachmentKey, _ option: HomeNetworkPrefixOption) -> Bool {
    list[key]?.binding?.prefixes.contains { $0 == option.prefix } == true
  }

  /// The anchor has seen the node elsewhere. If it knows that the node came from here (triggers 2 and 3), only an
  /// attachment that may be younger than the indication is still true; else every one that serves the node.
  private func isAttached(_ key: AttachmentKey, _ trigger: BindingRevocationTrigger, at now: Duration) -> Bool {
    guard let entry = list[key], entry.state != .deregistering else { return false }
    return trigger == .handoverUnknown || entry.binding == nil || isYoung(entry, at: now)
  }

  private func isYoung(_ entry: BindingUpdateListEntry, at now: Duration) -> Bool {
    entry.binding.map { $0.registeredAt + configuration.revocation.span > now } ?? true
  }

  /// A request of ours may have reached the anchor after it sent an indication that is here now.
  private func mayCrossRevocation(_ entry: BindingUpdateListEntry, at now: Duration) -> Bool {
    entry.request != nil || isYoung(entry, at: now)
  }

  // MARK: Departures

  typealias GroupDepartures = PacedGroups<GroupDeparture, ArraySlice<AttachmentKey>>

  /// Ends these attachments, a few at a time.
  private mutating func revoke(
    _ attachments: [AttachmentKey], at anchor: IPv6Address, before: Duration,
    _ revocation: BindingUpdateListEntry.Revocation, _ turn: inout Turn
  ) {
    let group = GroupDeparture(anchor: anchor, before: before, revocation: revocation)
    continueGroupDeparture(groupDepartures.begin(group, attachments[...]), &turn)
  }

  mutating func continueGroupDeparture(_ number: UInt64, _ turn: inout Turn) {
    guard let (group, attachments, continues) = groupDepartures.next(of: number) else { return }
    if continues { timers.set(.groupDeparture(number), to: turn.now.monotonic + GroupDepartures.pause) }
    for key in attachments where isBound(key, to: group.anchor) {
      guard let entry = list[key], entry.binding.map({ $0.registeredAt <= group.before }) ?? true else { continue }
      revoke(entry, group.revocation, &turn)
    }
  }

  private mutating func revoke(
    _ entry: BindingUpdateListEntry, _ revocation: BindingUpdateListEntry.Revocation, _ turn: inout Turn
  ) {
    counters.count(.bindingsRevoked)
    switch entry.state {
    // Leaving already.
    case .deregistering: break
    case .registering, .registered, .refreshing, .refused, .revoked:
      if mayCrossRevocation(entry, at: turn.now.monotonic) {
        depart(entry, .revoke(revocation), &turn)
      } else {
        revoked(entry, revocation, &turn)
      }
    }
  }

  /// The anchor has no binding any more, and the node no prefixes from here.
  mutating func revoked(
    _ known: BindingUpdateListEntry, _ revocation: BindingUpdateListEntry.Revocation, _ turn: inout Turn
  ) {
    var entry = known
    dropBinding(of: &entry, tellingNode: true, &turn)
    entry.state = .revoked
    entry.request = nil
    entry.departure = nil
    entry.anchorMayHoldBinding = false
    entry.isLostByAnchor = false
    cancelTimers([.request, .retry], of: entry.key)
    list[entry.key] = entry
    switch revocation {
    // Goes on until the node leaves.
    case .administrative: startProbing(entry, &turn)
    case .handover: questionHandover(of: entry, &turn)
    }
    turn.perform(.notify(.attachmentChanged(entry.summary)))
  }

  /// A node that has left is noticed, and forgotten, before the retry. Without probes nothing speaks for its presence.
  private mutating func questionHandover(of entry: BindingUpdateListEntry, _ turn: inout Turn) {
    guard configuration.timers.probeInterval > .zero, entry.linkLocalAddress != nil else {
      return startProbing(entry, &turn)
    }
    probe(entry, &turn)
    setTimer(.retry, of: entry.key, to: turn.now.monotonic + ProtocolConstants.presenceCheck)
  }

  // MARK: By the operator of the gateway

  /// RFC 5846 section 9.2: all bindings with each anchor, in one indication.
  mutating func revokeAllByOperator(_ turn: inout Turn) {
    for anchor in list.anchors.sorted() {
      guard !revocations.isFull, !anchorsWithoutRevocation.contains(anchor) else {
        counters.count(.revocationsLeftOut)
        revokeAll(at: anchor, before: turn.now.monotonic, &turn)
        continue
      }
      let (indication, deadline) = revocations.begin(
        .perPeerPolicy, flags: .global, options: MobilityOptions([.mobileNodeIdentifier(configuration.identifier)]),
        from: configuration.proxyCareOfAddress, to: anchor, for: RevocationOfAll(), timers: configuration.revocation,
        at: turn.now)
      counters.count(.revocationIndicationsSent)
      turn.perform(
        .send(.bindingRevocation(indication), source: configuration.proxyCareOfAddress, destination: anchor))
      timers.set(.revocation(indication.sequence), to: deadline)
    }
  }

  mutating func revocationDue(_ sequence: UInt16, _ turn: inout Turn) {
    guard let revocation = revocations[sequence] else { return }
    guard let deadline = revocations.retry(sequence, at: turn.now.monotonic) else {
      counters.count(.revocationsUnanswered)
      return endRevocation(sequence, status: nil, &turn)
    }
    counters.count(.revocationRetransmissions)
    turn.perform(
      .send(
        .bindingRevocation(revocation.indication), source: revocation.source, destination: revocation.destination))
    timers.set(.revocation(sequence), to: deadline)
  }

  private mutating func revocationAnswered(
    _ acknowledgement: BindingRevocation, _ status: BindingRevocationStatus, source: IPv6Address, _ turn: inout Turn
  ) {
    guard revocations[acknowledgement.sequence]?.destination == source else {
      counters.count(.revocationAcknowledgementsUnmatched)
      return
    }
    counters.count(status.isAccepted ? .revocationsAccepted : .revocationsRefused)
    endRevocation(acknowledgement.sequence, status: status, &turn)
  }

  /// Without an answer the bindings end here all the same; the anchor's end with their lifetimes. A refusal leaves all
  /// as it was, unless the anchor says that there is nothing.
  private mutating func endRevocation(_ sequence: UInt16, status: BindingRevocationStatus?, _ turn: inout Turn) {
    timers.cancel(.revocation(sequence))
    guard let revocation = revocations.end(sequence) else { return }
    let anchor = revocation.destination
    turn.perform(.notify(.revocationEnded(anchor: anchor, status)))
    if status.map({ $0.isAccepted || $0 == .bindingDoesNotExist }) ?? true {
      revokeAll(at: anchor, before: turn.now.monotonic, &turn)
    }
  }

  private mutating func revokeAll(at anchor: IPv6Address, before: Duration, _ turn: inout Turn) {
    revoke(list.sortedKeys.filter { isBound($0, to: anchor) }, at: anchor, before: before, .administrative, &turn)
  }

  /// A Binding Error "unrecognized MH type" that does not mean heartbeats; true if it means our revocations.
  mutating func revocationUnrecognized(by anchor: IPv6Address, _ turn: inout Turn) -> Bool {
    let sequences = revocations.sequences(to: anchor)
    guard !sequences.isEmpty else { return false }
    anchorsWithoutRevocation.insert(anchor)
    for sequence in sequences { endRevocation(sequence, status: nil, &turn) }
    return true
  }
}

/// Why an indication was sent: the operator ends all bindings with the anchor. A gateway has no other reason.
struct RevocationOfAll: Hashable, Sendable {}

extension MobileNodeIdentifier {
  /// What follows the "@" of a NAI; nil without one.
  fileprivate var realm: ArraySlice<UInt8>? {
    identifier.lastIndex(of: UInt8(ascii: "@")).map { identifier[($0 + 1)...] }
  }
}
