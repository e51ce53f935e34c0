import MobilityWire
import NetTypes

// Prefixes of a node's other interfaces, and how a gateway learns to serve them off-link: RFC 7864 sections 3.2.2, 3.3
// and 4, section 3.2.2 of the paper.
extension LocalMobilityAnchor {
  private typealias Question = FlowMobilityExchange.Question

  /// Prefixes of the node's other active interfaces.
  func otherPrefixes(for entry: BindingCacheEntry) -> Set<IPv6Prefix> {
    let others = cache.bindings(of: entry.node, except: entry.identifier).filter(\.isActive)
    if others.isEmpty { return [] }
    return Set(others.flatMap(\.prefixes)).subtracting(entry.prefixes)
  }

  /// What the acknowledgement of `entry` tells its gateway to serve off-link, sorted. With the paper's option everything
  /// there is. With RFC 7864 what initiates have brought there or are about to bring: an acknowledgement that leaves
  /// out a prefix takes it away again.
  mutating func offLinkPrefixes(for entry: BindingCacheEntry, isSameGateway: Bool) -> [IPv6Prefix] {
    var prefixes = otherPrefixes(for: entry)
    if prefixes.isEmpty { return [] }
    if !configuration.tellsByAcknowledgement {
      guard configuration.flowMobilityMode.usesInitiation, isSameGateway else { return [] }
      prefixes.formIntersection(agreedOffLinkPrefixes(of: entry.identifier))
    }
    let room = max(0, ProtocolConstants.maximumPrefixesPerAcknowledgement - entry.prefixes.count)
    if prefixes.count > room { counters.count(.offLinkPrefixesLeftOut) }
    return Array(prefixes.sorted().prefix(room))
  }

  /// What the gateway of the session serves off-link, and what an initiate is telling it.
  func agreedOffLinkPrefixes(of binding: BindingIdentifier) -> [IPv6Prefix] {
    (cache[binding]?.offLinkPrefixes ?? []) + (exchanges[binding]?.prefixes ?? [])
  }

  /// The Flow Manager wants to move a flow of one of `prefixes` to the gateway of `binding`. Answered when the gateway
  /// serves them, or will not.
  mutating func serve(
    _ prefixes: [IPv6Prefix], at binding: BindingIdentifier, _ token: QuestionToken, _ turn: inout Turn
  ) {
    ask(Question(token: token, prefixes: prefixes), about: binding, &turn)
  }

  private mutating func ask(_ question: Question, about binding: BindingIdentifier, _ turn: inout Turn) {
    do throws(ServiceRefusal) {
      let entry = try entry(binding, for: question)
      let served = entry.prefixes + entry.offLinkPrefixes
      if question.prefixes.allSatisfy(served.contains) {
        turn.effects.append(.answer(question.token, .served(summary(entry))))
      } else if let exchange = exchanges[binding] {
        let isIncluded = question.prefixes.allSatisfy((entry.prefixes + exchange.prefixes).contains)
        if isIncluded {
          exchanges[binding]?.questions.append(question)
        } else {
          exchanges[binding]?.queued.append(question)
        }
      } else {
        try initiate(question, entry, &turn)
      }
    } catch {
      refuse([question], error, &turn)
    }
  }

  private func entry(
    _ binding: BindingIdentifier, for question: Question
  ) throws(ServiceRefusal) -> BindingCacheEntry {
    guard let entry = cache[binding], entry.isActive else {
      throw ServiceRefusal(reason: .noSuchBinding, message: "there is no active binding \(binding)")
    }
    let known = otherPrefixes(for: entry).union(entry.prefixes)
    if let foreign = question.prefixes.first(where: { !known.contains($0) }) {
      throw ServiceRefusal(
        reason: .prefixNotOfNode, message: "\(foreign) is no prefix of \(entry.node.displayText) at this moment")
    }
    guard configuration.flowMobilityMode.usesInitiation else {
      throw ServiceRefusal(
        reason: .notInThisMode,
        message:
          "flow-mobility.mode is paper: \(gatewayName(entry.attachment.proxyCareOfAddress)) learns of the prefix "
          + "when it next refreshes the registration; try again then, or choose the mode rfc7864 or both")
    }
    return entry
  }

  /// Sends the Flow Mobility Initiate: the complete list of off-link prefixes of the session (RFC 7864 section 4.2).
  private mutating func initiate(
    _ question: Question, _ entry: BindingCacheEntry, _ turn: inout Turn
  ) throws(ServiceRefusal) {
    let gateway = entry.attachment.proxyCareOfAddress
    guard !gatewaysWithoutNotifications.contains(gateway) else { throw Self.unsupported(by: gatewayName(gateway)) }
    let prefixes = otherPrefixes(for: entry).intersection(entry.offLinkPrefixes + question.prefixes).sorted()
    guard entry.prefixes.count + prefixes.count <= ProtocolConstants.maximumPrefixesPerAcknowledgement else {
      counters.count(.offLinkPrefixesLeftOut)
      throw ServiceRefusal(
        reason: .limitReached,
        message: "one message tells at most \(ProtocolConstants.maximumPrefixesPerAcknowledgement) prefixes of a node")
    }
    let options =
      sessionIdentity(of: entry) + prefixes.map { .homeNetworkPrefix(HomeNetworkPrefixOption($0, offLink: true)) }
    let sequence = sendNotification(
      .flowMobility, flags: .acknowledge, options: options, for: .flowMobility(entry.identifier),
      from: entry.anchorAddress, to: gateway, &turn)
    guard let sequence else {
      throw ServiceRefusal(
        reason: .limitReached,
        message: "limits.outstanding-notifications = \(configuration.limits.outstandingNotifications) notifications "
          + "wait for gateways; try again in a moment")
    }
    counters.count(.flowMobilityInitiatesSent)
    exchanges[entry.identifier] = FlowMobilityExchange(sequence: sequence, prefixes: prefixes, questions: [question])
  }

  /// The gateway has answered, or has not (`acknowledgement` nil).
  mutating func initiationEnded(
    _ binding: BindingIdentifier, _ acknowledgement: UpdateNotificationAcknowledgement?, _ turn: inout Turn
  ) {
    guard let exchange = exchanges.removeValue(forKey: binding) else { return }
    if let acknowledgement, acknowledgement.status.isAccepted {
      served(exchange, at: binding, acknowledgement, &turn)
    } else {
      let address = cache[binding]?.attachment.proxyCareOfAddress
      let gateway = address.map(gatewayName) ?? "the gateway"
      let isUnsupported = address.map(gatewaysWithoutNotifications.contains) ?? false
      refuse(
        exchange.questions,
        isUnsupported ? Self.unsupported(by: gateway) : Self.refusal(by: gateway, acknowledgement?.status), &turn)
    }
    for question in exchange.queued { ask(question, about: binding, &turn) }
  }

  /// The gateway serves what it repeats in its answer (RFC 7864 section 4.3) as far as that is still the node's.
  private mutating func served(
    _ exchange: FlowMobilityExchange, at binding: BindingIdentifier,
    _ acknowledgement: UpdateNotificationAcknowledgement, _ turn: inout Turn
  ) {
    guard var entry = cache[binding] else { return }
    counters.count(.flowMobilityAcknowledged)
    let confirmed = Set(acknowledgement.options.homeNetworkPrefixes.compactMap(\.prefix))
    let current = otherPrefixes(for: entry)
    entry.offLinkPrefixes = exchange.prefixes.filter { confirmed.contains($0) && current.contains($0) }
    store(entry)
    turn.notify(.bindingChanged(summary(entry)))
    for question in exchange.questions {
      let missing = question.prefixes.first { !entry.prefixes.contains($0) && !entry.offLinkPrefixes.contains($0) }
      if let missing {
        let gateway = gatewayName(entry.attachment.proxyCareOfAddress)
        let reason =
          current.contains(missing)
          ? ServiceRefusal(reason: .gatewayRefused, message: "\(gateway) accepted, but without \(missing)")
          : ServiceRefusal(reason: .prefixNotOfNode, message: "\(missing) has ended meanwhile")
        refuse([question], reason, &turn)
      } else {
        turn.effects.append(.answer(question.token, .served(summary(entry))))
      }
    }
    turn.persist(.store(entry.record(at: turn.now)))
  }

  private static func unsupported(by gateway: String) -> ServiceRefusal {
    ServiceRefusal(
      reason: .gatewayRefused,
      message: "\(gateway) does not know Update Notifications (it answered with Binding Error status 2); choose "
        + "flow-mobility.mode paper, or notify it again with `lmad notify` when it does")
  }

  private static func refusal(by gateway: String, _ status: UpdateNotificationStatus?) -> ServiceRefusal {
    guard let status else {
      return ServiceRefusal(
        reason: .gatewayUnanswered,
        message: "\(gateway) did not acknowledge the Flow Mobility Initiate; is its magd running, and is it reachable?")
    }
    let meaning =
      switch status {
      case .mobileNodeNotAttached: "the node is not attached there"
      case .failedToUpdateSessionParameters: "it failed to update the session parameters"
      case .reasonUnspecified: "it cannot serve the prefix, see its log and counters"
      default: "see RFC 7864 section 4.3"
      }
    return ServiceRefusal(
      reason: .gatewayRefused,
      message: "\(gateway) refused the Flow Mobility Initiate with status \(status.rawValue): \(meaning)")
  }

  /// The session has ended or is with another gateway now: an answer would mean nothing.
  mutating func abandonInitiation(of entry: BindingCacheEntry, _ turn: inout Turn) {
    guard let exchange = exchanges.removeValue(forKey: entry.identifier) else { return }
    cancelNotification(exchange.sequence)
    let refusal = ServiceRefusal(
      reason: .bindingGone,
      message: "\(entry.node.displayText) has left \(gatewayName(entry.attachment.proxyCareOfAddress)) meanwhile")
    refuse(exchange.questions + exchange.queued, refusal, &turn)
  }

  private mutating func refuse(
    _ questions: [FlowMobilityExchange.Question], _ refusal: ServiceRefusal, _ turn: inout Turn
  ) {
    for question in questions {
      counters.count(.servicesRefused)
      turn.effects.append(.answer(question.token, .refused(refusal)))
    }
  }
}

extension LMAConfiguration {
  /// Acknowledgements carry the paper's option with the prefixes of the node's other interfaces.
  var tellsByAcknowledgement: Bool { flowMobilityMode != .rfc7864 && codePoints.flowMobilityOption != nil }
}
