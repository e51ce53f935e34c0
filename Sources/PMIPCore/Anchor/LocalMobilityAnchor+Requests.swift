import DatapathModel
import MobilityWire
import NetTypes

// A request from its arrival to the decision what to do.
extension LocalMobilityAnchor {
  typealias Counter = LMACounters.Name

  /// A request that is answered with an error: the status, and for 128 and 130 why.
  struct Refusal: Error {
    var status: BindingStatus
    var reason: Counter?

    init(_ status: BindingStatus, because reason: Counter? = nil) {
      self.status = status
      self.reason = reason
    }
  }

  /// RFC 6275 section 9.2 and 9.5.1: what is dropped without an answer. Then RFC 5213 section 5.3.1.
  mutating func receive(
    _ update: BindingUpdate, source: IPv6Address, destination: IPv6Address, _ turn: inout Turn
  ) {
    counters.count(.bindingUpdatesReceived)
    guard update.isProxyRegistration else { return counters.count(.ignoredNotProxyRegistration) }
    guard configuration.addresses.contains(destination) else { return counters.count(.ignoredNotAnchorAddress) }
    guard source.isRoutableUnicast else { return counters.count(.ignoredSourceNotUnicast) }
    let proxyCareOfAddress = update.options.alternateCareOfAddress ?? source
    guard proxyCareOfAddress.isRoutableUnicast else { return counters.count(.ignoredCareOfAddressNotRoutable) }
    do throws(Refusal) {
      let (node, gateway) = try admit(update, proxyCareOfAddress: proxyCareOfAddress)
      let request = RegistrationRequest(
        update, source: source, destination: destination, at: turn.now, node: node, gateway: gateway,
        proxyCareOfAddress: proxyCareOfAddress)
      for deviation in request.deviations.list { count(tolerated: deviation) }
      arrive(request, &turn)
    } catch {
      refuse(update, source: source, destination: destination, error, &turn)
    }
  }

  /// Steps 4 to 8 of RFC 5213 section 5.3.1: the sender and the node.
  private func admit(
    _ update: BindingUpdate, proxyCareOfAddress: IPv6Address
  ) throws(Refusal) -> (MobileNodeIdentifier, GatewayPolicy) {
    // The standards name no answer; mixing the values of two options would be worse than any.
    guard !update.options.duplicatesSingleton else { throw Refusal(.reasonUnspecified, because: .duplicateOption) }
    let known = gateways[proxyCareOfAddress]
    guard let node = identifier(in: update, from: known), !node.identifier.isEmpty else {
      throw Refusal(.missingMobileNodeIdentifierOption)
    }
    let policy = policies[node]
    guard let gateway = known, policy?.allows(gateway) ?? true else {
      throw Refusal(.gatewayNotAuthorized)
    }
    guard policy != nil || configuration.unknownNodes == .accept else { throw Refusal(.notLMAForThisMobileNode) }
    guard policy?.proxyRegistrationEnabled ?? true else { throw Refusal(.proxyRegistrationNotEnabled) }
    return (node, gateway)
  }

  private func identifier(in update: BindingUpdate, from gateway: GatewayPolicy?) -> MobileNodeIdentifier? {
    let named = update.options.mobileNodeIdentifier
    guard gateway?.tolerated.contains(.nulPaddedIdentifier) == true else { return named }
    return named?.withoutPadding ?? named
  }

  private mutating func count(tolerated deviation: PeerDeviation) {
    if let counter = Counter(tolerated: deviation) { counters.count(counter) }
  }

  /// Judges the request now, or later when its node is busy.
  private mutating func arrive(_ request: RegistrationRequest, _ turn: inout Turn) {
    reachDeadlines(of: request.node, &turn)
    let window = configuration.timers.timestampValidityWindow
    if let install = pending.install(of: request.node), request.isRetransmission(of: install.request) {
      guard request.orderingRejection(after: install.request.orderingMark, window: window) == nil else {
        return counters.count(.ignoredOlderThanPending)
      }
      counters.count(.retransmissionsAbsorbed)
      return pending.replaceRequest(request)
    }
    if let held = pending.held(for: request) {
      guard request.orderingRejection(after: held.orderingMark, window: window) == nil else {
        return counters.count(.ignoredOlderThanPending)
      }
      counters.count(request.isRetransmission(of: held) ? .retransmissionsAbsorbed : .ignoredSuperseded)
      pending.supersede(with: request)
      return settle(request.node, &turn)
    }
    perform(.registration(request, hasWaited: false), for: request.node, &turn)
  }

  /// Does the work, or defers it while the kernel works for the node; then does what has become possible by it.
  mutating func perform(_ work: DeferredWork, for node: MobileNodeIdentifier, _ turn: inout Turn) {
    guard !pending.isBusy(node) else {
      if case .registration(let request, _) = work {
        guard pending.count < configuration.limits.pendingRegistrations else {
          return refuse(request, Refusal(.insufficientResources, because: .limitPendingRegistrations), &turn)
        }
        counters.count(.registrationsQueued)
      }
      return pending.defer(work, for: node)
    }
    execute(work, for: node, &turn)
    settle(node, &turn)
  }

  private mutating func execute(_ work: DeferredWork, for node: MobileNodeIdentifier, _ turn: inout Turn) {
    switch work {
    case .registration(let request, let hasWaited): judge(request, hasWaited: hasWaited, &turn)
    case .deadline(let identifier):
      // A registration that came in between may have moved the deadline.
      guard let entry = cache[identifier], entry.deadline <= turn.now.monotonic else { return }
      counters.count(entry.isActive ? .bindingsExpired : .bindingsDeletedAfterDelay)
      delete(entry, cause: entry.isActive ? .expired : entry.removalCause, &turn)
    case .operatorDeletion(let identifier):
      guard let entry = cache[identifier] else { return }
      counters.count(.bindingsDeletedByOperator)
      delete(entry, cause: .operatorRequest, &turn)
    case .revocation: beginRevocation(of: node, &turn)
    case .groupRemoval(let identifier, let gateway, let rule): remove(identifier, of: gateway, by: rule, &turn)
    }
  }

  /// After something has changed for the node: deferred work in order, then the requests that need not wait any more.
  mutating func settle(_ node: MobileNodeIdentifier, _ turn: inout Turn) {
    while !pending.isBusy(node) {
      if let work = pending.popDeferred(of: node) {
        execute(work, for: node, &turn)
        continue
      }
      var next: (waiting: PendingRegistrations.Waiting, decision: HandoffDecision)?
      for waiting in pending.waiting(of: node) {
        let decision = decide(waiting.request, cache.bindings(of: node))
        if case .wait = decision { continue }
        next = (waiting, decision)
        break
      }
      guard let next, let request = pending.endWait(next.waiting.identifier) else { return }
      deadlines.cancel(.wait(next.waiting.identifier))
      if case .update = next.decision {
        counters.count(.waitsEndedByDeregistration)
      } else {
        counters.count(.waitsEndedOtherwise)
      }
      judge(request, hasWaited: true, &turn)
    }
  }

  private func kind(of request: RegistrationRequest, _ sessions: [BindingCacheEntry]) -> TerminalKind {
    // Of a node without a policy we know what its first request has said.
    policies[request.node]?.kind ?? sessions.first?.kind
      ?? (request.handoff == configuration.sharedPrefixesIndicator ? .logical : .interfaces)
  }

  private func decide(_ request: RegistrationRequest, _ sessions: [BindingCacheEntry]) -> HandoffDecision {
    HandoffDecision.decide(
      request, kind: kind(of: request, sessions), sessions: sessions,
      heldByAnotherNode: request.prefixes.contains { prefix in
        // A prefix of the node's own is nobody else's.
        !sessions.contains { $0.prefixes.contains(prefix) } && cache.isHeld(prefix, byOtherThan: request.node)
      },
      shared: configuration.sharedPrefixesIndicator)
  }

  /// Steps 9 to 13 of RFC 5213 section 5.3.1.
  private mutating func judge(_ request: RegistrationRequest, hasWaited: Bool, _ turn: inout Turn) {
    let sessions = cache.bindings(of: request.node)
    let decision = decide(request, sessions)
    if !hasWaited, let (refusal, lastAccepted) = checkOrder(of: request, decision, sessions) {
      return refuse(request, refusal, lastAccepted: lastAccepted, &turn)
    }
    do throws(Refusal) {
      try checkOptions(of: request)
      let kind = kind(of: request, sessions)
      switch decision {
      case .reject(let status, _): throw Refusal(status)
      case .new where request.isDeregistration, .share where request.isDeregistration:
        counters.count(.ignoredDeregistrationWithoutSession)
      case .wait where !hasWaited && configuration.timers.maxDelayBeforeNewBCEAssign > .zero: try wait(request)
      case .new, .wait: try register(request, kind: kind, &turn)
      case .share(let partner): try register(request, kind: kind, sharing: sessions.numbered(partner), &turn)
      case .update(let binding):
        guard let entry = sessions.numbered(binding) else { return }
        if request.isDeregistration { deregister(entry, request, &turn) } else { try extend(entry, request, &turn) }
      }
    } catch {
      refuse(request, error, &turn)
    }
  }

  /// Step 9. A request that has to wait may still become a session of its own: its sequence number says nothing about
  /// the existing one, but its timestamp tells whether the node has been somewhere else since.
  private mutating func checkOrder(
    of request: RegistrationRequest, _ decision: HandoffDecision, _ sessions: [BindingCacheEntry]
  ) -> (refusal: Refusal, lastAccepted: UInt16?)? {
    let last: Ordering.Mark? =
      switch decision {
      case .update(let binding): sessions.lastAccepted(by: binding)
      case .wait(let binding): request.usesTimestamp ? sessions.lastAccepted(by: binding) : nil
      case .reject(_, let binding): binding.flatMap(sessions.lastAccepted(by:))
      case .new, .share: nil
      }
    if request.tolerated.contains(.sameSequenceOnRetransmission), case .update(let binding) = decision,
      let session = sessions.numbered(binding), request.repeats(session)
    {
      count(tolerated: .sameSequenceOnRetransmission)
      return nil
    }
    let status = request.orderingRejection(after: last, window: configuration.timers.timestampValidityWindow)
    return status.map { (Refusal($0), last?.sequence) }
  }

  /// Steps 10 to 12, and what the option rules of RFC 5213 section 8.1 ask of the prefixes.
  private func checkOptions(of request: RegistrationRequest) throws(Refusal) {
    try checkMultipath(of: request)
    let options = request.update.options
    let prefixes = request.homeNetworkPrefixes
    guard !prefixes.isEmpty else { throw Refusal(.missingHomeNetworkPrefixOption) }
    guard options.handoffIndicator != nil else { throw Refusal(.missingHandoffIndicatorOption) }
    guard let technology = options.accessTechnologyType else { throw Refusal(.missingAccessTechnologyTypeOption) }
    guard technology != .reserved || request.tolerated.contains(.reservedAccessTechnology) else {
      throw Refusal(.reasonUnspecified, because: .reservedAccessTechnology)
    }
    guard prefixes.count == 1 || !prefixes.contains(where: \.isAllZero) else {
      throw Refusal(.reasonUnspecified, because: .allZeroPrefixNotAlone)
    }
    guard prefixes.count <= configuration.limits.prefixesPerRequest else {
      throw Refusal(.insufficientResources, because: .limitPrefixesPerRequest)
    }
  }

  /// RFC 5213 section 5.4.1: the old gateway may still de-register the session.
  private mutating func wait(_ request: RegistrationRequest) throws(Refusal) {
    guard pending.count < configuration.limits.pendingRegistrations else {
      throw Refusal(.insufficientResources, because: .limitPendingRegistrations)
    }
    counters.count(.registrationsWaited)
    let end = request.arrival.monotonic + configuration.timers.maxDelayBeforeNewBCEAssign
    deadlines.set(.wait(pending.wait(request)), to: end)
  }
}

// Answers.
extension LocalMobilityAnchor {
  mutating func refuse(
    _ request: RegistrationRequest, _ refusal: Refusal, lastAccepted: UInt16? = nil, _ turn: inout Turn
  ) {
    refuse(
      request.update, source: request.source, destination: request.destination, refusal, lastAccepted: lastAccepted,
      &turn)
  }

  private mutating func refuse(
    _ update: BindingUpdate, source: IPv6Address, destination: IPv6Address, _ refusal: Refusal,
    lastAccepted: UInt16? = nil, _ turn: inout Turn
  ) {
    if let counter = Counter(rejection: refusal.status) { counters.count(counter) }
    if let reason = refusal.reason { counters.count(reason) }
    let told = refusal.status == .sequenceNumberOutOfWindow ? lastAccepted : nil
    let gateway = gateways[update.options.alternateCareOfAddress ?? source]
    let swapsClock = gateway?.tolerated.contains(.hostByteOrderTimestamp) == true
    let clock = swapsClock ? turn.now.wallClock.byteSwapped : turn.now.wallClock
    send(
      Acknowledgement.rejecting(update, refusal.status, clock: clock, lastAccepted: told),
      from: destination, to: source, &turn)
  }

  mutating func send(
    _ acknowledgement: BindingAcknowledgement, from source: IPv6Address, to destination: IPv6Address,
    _ turn: inout Turn
  ) {
    counters.count(.acknowledgementsSent)
    turn.effects.append(.send(.bindingAcknowledgement(acknowledgement), source: source, destination: destination))
  }
}

extension [BindingCacheEntry] {
  fileprivate func numbered(_ identifier: BindingIdentifier) -> BindingCacheEntry? {
    first { $0.identifier == identifier }
  }

  fileprivate func lastAccepted(by identifier: BindingIdentifier) -> Ordering.Mark? {
    firstIndex { $0.identifier == identifier }.map { self[$0].lastAccepted }
  }
}

extension NodePolicy {
  fileprivate func allows(_ gateway: GatewayPolicy) -> Bool { gateways.isEmpty || gateways.contains(gateway.name) }
}

extension LMACounters.Name {
  /// nil for what only an anchor does.
  fileprivate init?(tolerated deviation: PeerDeviation) {
    switch deviation {
    case .nulPaddedIdentifier: self = .toleratedNULPaddedIdentifier
    case .hostPrefixLength: self = .toleratedHostPrefixLength
    case .hostByteOrderTimestamp: self = .toleratedHostByteOrderTimestamp
    case .reservedAccessTechnology: self = .toleratedReservedAccessTechnology
    case .sameSequenceOnRetransmission: self = .toleratedSameSequence
    case .missingProxyFlag, .missingHandoffOptions, .missingTimestamp, .noDynamicPrefix: return nil
    }
  }

  /// The counter of a status that this anchor gives.
  fileprivate init?(rejection status: BindingStatus) {
    switch status {
    case .reasonUnspecified: self = .rejectedReasonUnspecified
    case .multipathBindingRefused: self = .rejectedMultipathBinding
    case .insufficientResources: self = .rejectedInsufficientResources
    case .sequenceNumberOutOfWindow: self = .rejectedSequenceNumberOutOfWindow
    case .proxyRegistrationNotEnabled: self = .rejectedProxyRegistrationNotEnabled
    case .notLMAForThisMobileNode: self = .rejectedNotLMAForThisMobileNode
    case .gatewayNotAuthorized: self = .rejectedGatewayNotAuthorized
    case .notAuthorizedForHomeNetworkPrefix: self = .rejectedNotAuthorizedForPrefix
    case .timestampMismatch: self = .rejectedTimestampMismatch
    case .timestampLowerThanPreviousAccepted: self = .rejectedTimestampLower
    case .missingHomeNetworkPrefixOption: self = .rejectedMissingPrefix
    case .prefixSetDoesNotMatch: self = .rejectedPrefixSetDoesNotMatch
    case .missingMobileNodeIdentifierOption: self = .rejectedMissingIdentifier
    case .missingHandoffIndicatorOption: self = .rejectedMissingHandoffIndicator
    case .missingAccessTechnologyTypeOption: self = .rejectedMissingAccessTechnology
    default: return nil
    }
  }
}
