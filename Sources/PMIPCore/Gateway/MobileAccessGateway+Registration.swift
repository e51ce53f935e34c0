import DatapathModel
import MobilityWire
import NetTypes

// Registration, refresh and de-registration: RFC 5213 sections 6.9.1 and 6.9.4, RFC 6275 sections 11.7.3 and 11.8.

extension MobileAccessGateway {
  /// A wall clock that stepped back by at most this much still gives timestamps that rise within each session, by a
  /// little lead over the clock. Below TimestampValidityWindow (300 ms), so that the anchor accepts them. After a
  /// larger step the true time is sent: the anchor refuses it (156, 157) and the counters show what is wrong.
  static let maximumTimestampLead: Duration = .milliseconds(200)

  /// The handoff indicator of a registration (RFC 5213 section 8.4; protocol choice of this gateway):
  /// - a logical interface asks for the prefixes of its other accesses (`shared-prefixes-indicator`);
  /// - an interface of the node map is a new attachment (1), because the map gives each interface its own session;
  ///   the same interface coming from another gateway is found by the anchor through its link-layer identifier;
  /// - a derived or operator-given identity says nothing about the node's other interfaces: unknown (4), and the
  ///   anchor may wait for an old gateway's de-registration.
  private func handoffIndicator(of identity: NodeIdentity) -> HandoffIndicator {
    switch identity.kind {
    case .logical: configuration.sharedPrefixesIndicator
    case .interfaces: identity.isMapped ? .newInterface : .unknown
    }
  }

  // MARK: Requests

  /// Asks for a binding. `prefixes` empty: whatever the anchor assigns, or the node map has for an anchor that cannot.
  mutating func register(
    _ known: BindingUpdateListEntry, naming prefixes: [IPv6Prefix], handoffIndicator: HandoffIndicator? = nil,
    _ turn: inout Turn
  ) {
    var entry = known
    entry.state = .registering
    entry.departure = nil
    cancelTimers([.retry, .refresh, .advertisement], of: entry.key)
    startProbing(entry, &turn)
    let proposed = prefixes.isEmpty ? entry.identity.proposedPrefixes : prefixes
    if proposed != prefixes { counters.count(.toleratedNoDynamicPrefix) }
    entry.request = request(
      .registration, for: entry, handoffIndicator: handoffIndicator ?? self.handoffIndicator(of: entry.identity),
      prefixes: proposed,
      retransmission: Retransmission(
        initial: configuration.timers.initialBindackTimeoutFirstRegistration,
        maximum: configuration.timers.maxBindackTimeout))
    counters.count(.registrationsSent)
    transmit(&entry, &turn)
    list[entry.key] = entry
    turn.perform(.notify(.attachmentChanged(entry.summary)))
  }

  /// Extends the binding: HI 5, one HNP option for each assigned prefix (RFC 5213 section 6.9.1.3). If our own address
  /// was changed meanwhile, the binding moves to the new one like in a handoff of the same interface: HI 3. If the
  /// anchor has lost the binding, it is asked for with the handoff indicator of a registration.
  mutating func refresh(
    _ known: BindingUpdateListEntry, namingAccessNetwork: Bool = false, _ turn: inout Turn
  ) {
    guard let binding = known.binding else { return }
    var entry = known
    entry.state = .refreshing
    cancelTimers([.refresh], of: entry.key)
    let isHere = desiredDatapath.tunnels[binding.tunnel]?.local == careOfAddress(of: entry.key)
    let lost = entry.isLostByAnchor ? handoffIndicator(of: entry.identity) : nil
    entry.isLostByAnchor = false
    entry.request = request(
      .refresh, for: entry, handoffIndicator: lost ?? (isHere ? .noChange : .betweenGateways),
      prefixes: binding.prefixes, namingAccessNetwork: namingAccessNetwork,
      retransmission: Retransmission(
        initial: configuration.timers.initialBindackTimeout, maximum: configuration.timers.maxBindackTimeout))
    counters.count(.refreshesSent)
    transmit(&entry, &turn)
    list[entry.key] = entry
  }

  /// HI 4, lifetime 0, one HNP option for each assigned prefix (RFC 5213 section 6.9.1.4). Sent once: it is done when
  /// INITIAL_BINDACK_TIMEOUT has passed.
  mutating func deregister(_ leaving: BindingUpdateListEntry, _ turn: inout Turn) {
    var entry = leaving
    entry.state = .deregistering
    let timeout = configuration.timers.initialBindackTimeout
    entry.request = request(
      .deregistration, for: entry, handoffIndicator: .unknown, prefixes: entry.binding?.prefixes ?? [],
      retransmission: Retransmission(initial: timeout, maximum: timeout))
    counters.count(.deregistrationsSent)
    transmit(&entry, &turn)
    list[entry.key] = entry
    turn.perform(.notify(.attachmentChanged(entry.summary)))
  }

  private func request(
    _ purpose: OutstandingRequest.Purpose, for entry: BindingUpdateListEntry, handoffIndicator: HandoffIndicator,
    prefixes: [IPv6Prefix], namingAccessNetwork: Bool = false, retransmission: Retransmission
  ) -> OutstandingRequest {
    // A de-registration goes where the binding is, even if our address was changed since.
    let bound = purpose == .deregistration ? entry.binding.flatMap { desiredDatapath.tunnels[$0.tunnel]?.local } : nil
    let route = route(purpose, about: bound ?? careOfAddress(of: entry.key), of: entry.key)
    let asksForLinkLocal = purpose != .deregistration && configuration.anchorChoosesLinkLocalAddress
    return OutstandingRequest(
      purpose: purpose, source: route.source,
      anchorAddress: entry.anchorAddress, handoffIndicator: handoffIndicator, prefixes: prefixes,
      lifetime: purpose == .deregistration ? .zero : BindingLifetime(configuration.timers.lifetime),
      linkLocalAddress: asksForLinkLocal ? entry.proposedLinkLocalAddress ?? .unspecified : nil,
      accessNetwork: namingAccessNetwork ? directory.accessNetwork(of: entry.key.link) : nil,
      offersRedirect: configuration.acceptsRedirect && purpose == .registration
        && entry.assignedAnchorAddress == nil,
      multipath: multipathOptions(for: entry, purpose), alternateCareOfAddress: route.alternate,
      retransmission: retransmission)
  }

  /// Sends the entry's request, for the first time or again: with a fresh timestamp, and with a new number unless the
  /// anchor is known to want the old one.
  private mutating func transmit(_ entry: inout BindingUpdateListEntry, _ turn: inout Turn) {
    guard var request = entry.request else { return }
    let number = repeatedSequence(of: entry) ?? nextSequence(of: &entry, at: turn.now.wallClock)
    let timestamp = configuration.useTimestamps ? nextTimestamp(of: &entry, at: turn.now.wallClock) : nil
    request.transmitted(number, timestamp, at: turn.now.monotonic)
    let message = request.bindingUpdate(
      node: entry.identity.node, accessTechnology: entry.accessTechnology,
      linkLayerAddress: entry.key.linkLayerAddress, sequence: number, timestamp: timestamp)
    turn.perform(
      .send(
        .bindingUpdate(spoken(message, to: request.anchorAddress)), source: request.source,
        destination: request.anchorAddress))
    setTimer(.request, of: entry.key, to: turn.now.monotonic + request.retransmission.nextTimeout())
    if request.purpose != .deregistration { entry.anchorMayHoldBinding = true }
    entry.request = request
  }

  /// With timestamps the number only matches answers, and one counter for the gateway makes it unique (RFC 5213
  /// section 6.9.1.1). Without them the anchor compares it with the last one *of the session*: there it must not run
  /// ahead by the requests of thousands of other nodes, so each session counts for itself.
  private mutating func nextSequence(of entry: inout BindingUpdateListEntry, at wallClock: NTPTimestamp) -> UInt16 {
    entry.sequence = (configuration.useTimestamps ? currentSequence(at: wallClock) : entry.sequence) &+ 1
    raiseSequence(to: entry.sequence, at: wallClock)
    return entry.sequence
  }

  /// RFC 6275 section 9.5.1: numbers compare modulo 2^16.
  mutating func raiseSequence(to number: UInt16, at wallClock: NTPTimestamp) {
    let current = currentSequence(at: wallClock)
    sequence = Int16(bitPattern: number &- current) > 0 ? number : current
  }

  /// The first number is taken from the clock, in steps of 1/16 s: answers to requests of the time before a restart
  /// may still be under way, and must not fit ours.
  func currentSequence(at wallClock: NTPTimestamp) -> UInt16 {
    sequence ?? UInt16(truncatingIfNeeded: wallClock.rawValue >> 12)
  }

  private func nextTimestamp(of entry: inout BindingUpdateListEntry, at wallClock: NTPTimestamp) -> NTPTimestamp {
    var timestamp = wallClock
    if wallClock <= entry.lastTimestamp,
      wallClock.distance(to: entry.lastTimestamp) < NTPTimestamp.units(Self.maximumTimestampLead)
    {
      timestamp = NTPTimestamp(rawValue: entry.lastTimestamp.rawValue &+ 1)
    }
    entry.lastTimestamp = timestamp
    return timestamp
  }

  mutating func requestUnanswered(_ waiting: BindingUpdateListEntry, _ turn: inout Turn) {
    switch waiting.state {
    case .registering, .refreshing:
      var entry = waiting
      entry.request?.resumeImmediateRetries()
      transmitAgain(entry, &turn)
    case .deregistering:
      counters.count(.deregistrationsUnanswered)
      departed(waiting, &turn)
    case .registered, .refused, .revoked: break
    }
  }

  private mutating func transmitAgain(_ waiting: BindingUpdateListEntry, _ turn: inout Turn) {
    var entry = waiting
    counters.count(.retransmissions)
    transmit(&entry, &turn)
    list[entry.key] = entry
  }

  /// No refresh came through in time: the anchor has deleted the binding or will in a moment. The node is still here,
  /// so ask again for what it had; if that belongs to somebody else by then, status 155 leads to another prefix.
  mutating func bindingExpired(_ known: BindingUpdateListEntry, _ turn: inout Turn) {
    var entry = known
    let prefixes = entry.binding?.prefixes ?? []
    counters.count(.bindingsExpired)
    dropBinding(of: &entry, tellingNode: entry.state != .deregistering, &turn)
    switch entry.state {
    case .registered, .refreshing: register(entry, naming: prefixes, &turn)
    case .registering, .deregistering, .refused, .revoked: list[entry.key] = entry
    }
  }

  // MARK: Answers

  private enum Match {
    case none
    /// Belongs to this attachment, but says something else than was asked.
    case contradiction(BindingUpdateListEntry)
    case answer(BindingUpdateListEntry, OutstandingRequest, OutstandingRequest.Transmission)
  }

  mutating func acknowledged(
    _ received: BindingAcknowledgement, source: IPv6Address, destination: IPv6Address, _ turn: inout Turn
  ) {
    guard let acknowledgement = conforming(received, from: source, at: turn.now.wallClock) else { return }
    guard !acknowledgement.options.duplicatesSingleton else {
      counters.count(.duplicatedOptions)
      return
    }
    guard let node = acknowledgement.options.mobileNodeIdentifier else {
      counters.count(.acknowledgementsWithoutIdentifier)
      return
    }
    switch match(acknowledgement, node: node, source: source, destination: destination) {
    case .none: counters.count(.unmatchedAcknowledgements)
    case .contradiction(let entry):
      // RFC 5213 section 6.9.1.2, item 6: not retransmitted until an operator acts.
      counters.count(.contradictingAcknowledgements)
      refuse(entry, retrying: false, &turn)
    case .answer(let entry, let request, let transmission):
      guard hasTimestamp(acknowledgement, as: transmission, from: source) else {
        counters.count(.acknowledgementsWithoutTimestamp)
        return
      }
      if acknowledgement.status.isAccepted {
        accepted(entry, request, transmission, acknowledgement, &turn)
      } else if acknowledgement.status == .sequenceNumberOutOfWindow || request.isNewest(transmission) {
        refused(entry, request, acknowledgement, &turn)
      } else {
        counters.count(.refusalsOfOlderTransmissions)
      }
    }
  }

  /// By MN-ID, sequence number and addresses; the link-layer identifier and the access technology tell the interfaces
  /// of one node apart, BID the paths of an interface, and the echoed timestamp of an acceptance two requests with one
  /// number. Status 135 carries the number that the anchor accepted last instead of ours.
  ///
  /// A contradiction silences a session until an operator acts, so it must be none that a late answer to another
  /// request of ours could cause: a number comes round again, or was adopted from the anchor.
  private func match(
    _ acknowledgement: BindingAcknowledgement, node: MobileNodeIdentifier, source: IPv6Address,
    destination: IPv6Address
  ) -> Match {
    let options = acknowledgement.options
    var candidates: [(BindingUpdateListEntry, OutstandingRequest, OutstandingRequest.Transmission)] = []
    for key in list.keys(of: node) {
      guard let entry = list[key], let request = entry.request, request.anchorAddress == source,
        request.source == destination, let newest = request.transmissions.last
      else { continue }
      if acknowledgement.status == .sequenceNumberOutOfWindow {
        // A number behind our newest answers an older transmission, or one that was answered already.
        guard Int16(bitPattern: newest.sequence &- acknowledgement.sequence) <= 0 else { continue }
        candidates.append((entry, request, newest))
      } else if let transmission = request.transmission(answeredBy: acknowledgement) {
        candidates.append((entry, request, transmission))
      }
    }
    let exact = candidates.first { entry, request, _ in
      let sent = MobileNodeLinkLayerIdentifier(entry.key.linkLayerAddress)
      return (options.linkLayerIdentifier ?? sent) == sent
        && (options.accessTechnologyType ?? entry.accessTechnology) == entry.accessTechnology
        && options.magMultipathBinding.map { $0.binding == request.multipath?.binding.binding } ?? true
    }
    guard let (entry, request, transmission) = exact ?? (candidates.count == 1 ? candidates[0] : nil) else {
      return .none
    }
    if exact != nil, (options.handoffIndicator ?? request.handoffIndicator) == request.handoffIndicator {
      return .answer(entry, request, transmission)
    }
    return couldAnswerOtherRequest(options, of: entry) ? .none : .contradiction(entry)
  }

  /// The gateway may have sent these values in another request of this node.
  private func couldAnswerOtherRequest(_ options: MobilityOptions, of entry: BindingUpdateListEntry) -> Bool {
    let identity = entry.identity
    if let indicator = options.handoffIndicator,
      ![handoffIndicator(of: identity), .noChange, .unknown, .betweenGateways].contains(indicator)
    {
      return false
    }
    if let technology = options.accessTechnologyType, !directory.hasLink(of: technology) { return false }
    guard let identifier = options.linkLayerIdentifier else { return true }
    guard let address = LinkLayerAddress(bytes: identifier.identifier) else { return false }
    return address == entry.key.linkLayerAddress || directory.identify(address, named: nil)?.node == identity.node
  }

  private mutating func accepted(
    _ entry: BindingUpdateListEntry, _ request: OutstandingRequest, _ transmission: OutstandingRequest.Transmission,
    _ acknowledgement: BindingAcknowledgement, _ turn: inout Turn
  ) {
    switch request.purpose {
    case .deregistration:
      counters.count(.deregistrationsAccepted)
      departed(entry, &turn)
      return
    case .registration: counters.count(.registrationsAccepted)
    case .refresh: counters.count(.refreshesAccepted)
    }
    let granted = grantedPrefixes(acknowledgement.options)
    let lifetime = min(acknowledgement.lifetime, request.lifetime)
    guard !granted.onLink.isEmpty, lifetime > .zero else {
      // Nothing that could be served: the request stays outstanding and the timer paces the next try.
      counters.count(.uselessAcceptances)
      return
    }
    var entry = entry
    if let redirect = acknowledgement.options.redirect { follow(redirect, answering: request, &entry) }
    learnMultipath(request, acknowledgement, &entry)
    bind(entry, request, transmission, granted, lifetime, acknowledgement, &turn)
    if entry.isPath { extendPaths(of: entry.key, &turn) } else { dropPaths(beside: entry, &turn) }
  }

  /// The prefixes of an acceptance. On-link ones stand in HNP options; those of the node's other interfaces in HNP
  /// options with the L flag (RFC 7864) or in the paper's flow-mob option.
  private mutating func grantedPrefixes(_ options: MobilityOptions) -> (onLink: [IPv6Prefix], offLink: [IPv6Prefix]) {
    let assigned = options.homeNetworkPrefixes
    let onLink = usablePrefixes(assigned.filter { !$0.offLink })
    let offLink = usablePrefixes(assigned.filter(\.offLink) + options.flowMobilityPrefixes)
      .filter { !onLink.contains($0) }
    let limit = configuration.limits.prefixesPerNode
    counters.count(.prefixLimitReached, by: max(0, onLink.count + offLink.count - limit))
    let kept = onLink.prefix(limit)
    return (Array(kept), Array(offLink.prefix(limit - kept.count)))
  }

  /// In the order of the options, each once.
  mutating func usablePrefixes(_ options: [HomeNetworkPrefixOption]) -> [IPv6Prefix] {
    var result: [IPv6Prefix] = []
    for option in options {
      guard let prefix = option.prefix, prefix.length > 0, prefix.address.isRoutableUnicast else {
        counters.count(.unusablePrefixes)
        continue
      }
      if !result.contains(prefix) { result.append(prefix) }
    }
    return result
  }

  /// Refusals, RFC 5213 section 6.9.1.2. 135, 156 and 157 refuse a message and leave the binding as it was; all others
  /// end the service at once, so that the node's packets are not forwarded and its prefixes not advertised.
  private mutating func refused(
    _ known: BindingUpdateListEntry, _ request: OutstandingRequest, _ acknowledgement: BindingAcknowledgement,
    _ turn: inout Turn
  ) {
    let status = acknowledgement.status
    counters.count(Self.counter(of: status))
    var entry = known
    entry.lastStatus = status
    switch status {
    case .sequenceNumberOutOfWindow:
      entry.sequence = acknowledgement.sequence
      raiseSequence(to: acknowledgement.sequence, at: turn.now.wallClock)
      transmitAtOnceOrLater(entry, &turn)
    case .timestampLowerThanPreviousAccepted: transmitAtOnceOrLater(entry, &turn)
    case .timestampMismatch:
      // Somebody must set a clock first; the retransmission timer runs on and paces the next try.
      list[entry.key] = entry
      turn.perform(.notify(.attachmentChanged(entry.summary)))
    case .multipathBindingRefused where request.multipath != nil && request.purpose != .deregistration:
      multipathRefused(entry, &turn)
    default:
      // A named prefix is not ours (any more): once more, and the anchor may choose.
      let namedPrefixesRefused = status == .notAuthorizedForHomeNetworkPrefix || status == .prefixSetDoesNotMatch
      if request.purpose == .deregistration {
        departed(entry, &turn)
      } else if namedPrefixesRefused && !request.prefixes.isEmpty && request.prefixes != entry.identity.proposedPrefixes
      {
        dropBinding(of: &entry, tellingNode: true, &turn)
        register(entry, naming: [], &turn)
      } else {
        if request.purpose == .registration { entry.anchorMayHoldBinding = false }
        if status == .proxyRegistrationNotEnabled { deniedNodes.insert(entry.identity.node) }
        refuse(entry, retrying: status != .proxyRegistrationNotEnabled, &turn)
      }
    }
  }

  private mutating func transmitAtOnceOrLater(_ known: BindingUpdateListEntry, _ turn: inout Turn) {
    var entry = known
    if entry.request?.mayRetryAtOnce() == true {
      transmitAgain(entry, &turn)
    } else {
      // The timer of the last transmission is still running.
      list[entry.key] = entry
    }
    turn.perform(.notify(.attachmentChanged(entry.summary)))
  }

  /// No service for this attachment. Tried again after MAX_BINDACK_TIMEOUT while the node is here, which probes tell,
  /// because the cause (a full anchor, a missing gateway entry) may be gone by then; or only when an operator attaches
  /// it.
  mutating func refuse(_ known: BindingUpdateListEntry, retrying: Bool, _ turn: inout Turn) {
    var entry = known
    dropBinding(of: &entry, tellingNode: true, &turn)
    entry.state = .refused
    entry.request = nil
    entry.departure = nil
    cancelTimers([.request], of: entry.key)
    if retrying {
      setTimer(.retry, of: entry.key, to: turn.now.monotonic + configuration.timers.maxBindackTimeout)
    }
    list[entry.key] = entry
    startProbing(entry, &turn)
    turn.perform(.notify(.attachmentChanged(entry.summary)))
  }

  private static func counter(of status: BindingStatus) -> MAGCounters.Counter {
    switch status {
    case .sequenceNumberOutOfWindow: .sequenceNumbersOutOfWindow
    case .proxyRegistrationNotEnabled: .notEnabled
    case .notAuthorizedForHomeNetworkPrefix: .prefixesNotAuthorized
    case .timestampMismatch: .timestampMismatches
    case .timestampLowerThanPreviousAccepted: .timestampsTooLow
    case .prefixSetDoesNotMatch: .prefixSetMismatches
    default: .otherRefusals
    }
  }
}
