import MobilityWire
import NetTypes

/// Which session a request means: RFC 5213 section 5.4.1, RFC 7864 section 3.2.1, and the paper's logical interface.
///
/// A pure function of the request and the node's sessions. Where the standards are silent:
/// - A de-registration never waits and never asks for a new session: it means a session or none.
/// - Prefixes that another live session of the same node holds are not given to a second one unless the request says
///   "shared": status 155. A session that awaits its deletion is not live; it moves to the interface that names its
///   prefixes.
/// - Of several sessions that share the named prefixes, the one with the same interface (access technology and LLID)
///   is meant, else the one at the same gateway, and for "handoff between two interfaces" the default one.
/// - "Shared" without named prefixes shares those of the node's oldest session.
/// - The paths of a gateway with several uplinks (RFC 8278) count as one session, of which each is a binding.
/// - A node with a logical interface shows the same link-layer address everywhere. Its attachments are told apart by
///   Proxy-CoA as well, and share one prefix set; only "handoff between gateways" (HI 3) moves one of them.
enum HandoffDecision: Hashable, Sendable {
  case new
  /// A further attachment with the prefixes of that binding.
  case share(BindingIdentifier)
  case update(BindingIdentifier)
  /// Until the gateway of that binding de-registers it, or MaxDelayBeforeNewBCEAssign is over.
  case wait(BindingIdentifier)
  /// `session`: the one whose order of requests applies, if there is one.
  case reject(BindingStatus, session: BindingIdentifier?)

  /// - Parameters:
  ///   - sessions: all of the node, oldest first.
  ///   - heldByAnotherNode: a binding of another node has one of the request's prefixes.
  ///   - shared: the handoff indicator that asks for shared prefixes.
  static func decide(
    _ request: RegistrationRequest, kind: TerminalKind, sessions: [BindingCacheEntry], heldByAnotherNode: Bool,
    shared: HandoffIndicator
  ) -> HandoffDecision {
    if heldByAnotherNode { return .reject(.notAuthorizedForHomeNetworkPrefix, session: nil) }
    if let decision = decidePath(request, sessions) { return decision }
    let sessions = sessions.withoutFurtherPaths(than: request.attachment)
    switch kind {
    case .logical: return decideLogical(request, sessions)
    case .interfaces:
      return request.prefixes.isEmpty
        ? decideWithoutPrefixes(request, sessions, shared) : decideByPrefixes(request, sessions, shared)
    }
  }

  /// RFC 5213 section 5.4.1.1.
  private static func decideByPrefixes(
    _ request: RegistrationRequest, _ sessions: [BindingCacheEntry], _ shared: HandoffIndicator
  ) -> HandoffDecision {
    // Nearly always all of them, which are not copied then.
    let areHolders = sessions.allSatisfy { $0.holdsAny(of: request.prefixes) }
    let holders = areHolders ? sessions : sessions.filter { $0.holdsAny(of: request.prefixes) }
    guard let oldest = holders.first?.identifier else { return .new }
    let attachment = request.attachment
    let sameInterface = holders.closest(to: attachment) { $0.isSameInterface(as: attachment) }
    var samePlace: BindingIdentifier? {
      holders.identifier {
        $0.proxyCareOfAddress == attachment.proxyCareOfAddress && $0.accessTechnology == attachment.accessTechnology
      }
    }
    guard holders.allSatisfy({ $0.prefixes == request.prefixes }) else {
      return .reject(.prefixSetDoesNotMatch, session: sameInterface ?? samePlace ?? oldest)
    }
    if request.handoff == shared, !request.isDeregistration {
      return decideShared(attachment, holders)
    }
    if attachment.linkLayerIdentifier != nil, let sameInterface { return .update(sameInterface) }
    if let samePlace { return .update(samePlace) }
    if request.handoff == .betweenInterfaces {
      return .update(holders.first(where: \.isDefault)?.identifier ?? oldest)
    }
    if request.handoff == .betweenGateways, attachment.linkLayerIdentifier == nil, let sameInterface {
      return .update(sameInterface)
    }
    if request.isDeregistration { return .new }
    return holders.allSatisfy { !$0.isActive }
      ? .update(oldest) : .reject(.notAuthorizedForHomeNetworkPrefix, session: nil)
  }

  /// RFC 5213 sections 5.4.1.2 (with an LLID) and 5.4.1.3 (without).
  private static func decideWithoutPrefixes(
    _ request: RegistrationRequest, _ sessions: [BindingCacheEntry], _ shared: HandoffIndicator
  ) -> HandoffDecision {
    guard !sessions.isEmpty else { return .new }
    let attachment = request.attachment
    if request.handoff == shared, !request.isDeregistration { return decideShared(attachment, sessions) }
    let hasLinkLayer = attachment.linkLayerIdentifier != nil
    if hasLinkLayer, let same = sessions.closest(to: attachment, where: { $0.isSameInterface(as: attachment) }) {
      return .update(same)
    }
    guard sessions.count == 1, let only = sessions.first else { return .new }
    switch request.handoff {
    case .betweenInterfaces: return .update(only.identifier)
    case .betweenGateways where !hasLinkLayer: return .update(only.identifier)
    case .unknown:
      if request.isDeregistration { return hasLinkLayer ? .new : .update(only.identifier) }
      return only.isActive ? .wait(only.identifier) : .update(only.identifier)
    default: return .new
    }
  }

  /// RFC 7864 section 3.2.1. Without an LLID a repeated request from the same place is not a further attachment.
  private static func decideShared(
    _ attachment: RegistrationRequest.Attachment, _ sessions: [BindingCacheEntry]
  ) -> HandoffDecision {
    let known = sessions.closest(to: attachment) {
      attachment.linkLayerIdentifier == nil ? $0.isSamePlace(as: attachment) : $0.isSameInterface(as: attachment)
    }
    if let known { return .update(known) }
    return sessions.first.map { .share($0.identifier) } ?? .new
  }

  private static func decideLogical(
    _ request: RegistrationRequest, _ sessions: [BindingCacheEntry]
  ) -> HandoffDecision {
    guard let oldest = sessions.first else { return .new }
    let attachment = request.attachment
    let here =
      sessions.first { $0.attachment.isSamePlace(as: attachment) }
      ?? sessions.first { $0.attachment.isAmbiguous(with: attachment) }
    let elsewhere = sessions.filter { $0.attachment.isSameInterface(as: attachment) }
    let partner = request.prefixes.isEmpty ? oldest : sessions.first { $0.prefixes == request.prefixes }
    guard let partner, here.map({ request.prefixes.isEmpty || $0.prefixes == request.prefixes }) ?? true else {
      return .reject(.prefixSetDoesNotMatch, session: (here ?? elsewhere.first ?? oldest).identifier)
    }
    if let here { return .update(here.identifier) }
    if request.isDeregistration { return elsewhere.first.map { .update($0.identifier) } ?? .new }
    if request.handoff == .betweenGateways, elsewhere.count == 1, let moved = elsewhere.first,
      request.prefixes.isEmpty || moved.prefixes == request.prefixes
    {
      return .update(moved.identifier)
    }
    return .share(partner.identifier)
  }
}

extension RegistrationRequest.Attachment {
  /// Same place and access technology, and one of the two has no LLID that could tell them apart.
  fileprivate func isAmbiguous(with other: Self) -> Bool {
    proxyCareOfAddress == other.proxyCareOfAddress && accessTechnology == other.accessTechnology
      && (linkLayerIdentifier == nil || other.linkLayerIdentifier == nil)
  }
}

extension [BindingCacheEntry] {
  /// The oldest one whose attachment fits.
  fileprivate func identifier(where fits: (RegistrationRequest.Attachment) -> Bool) -> BindingIdentifier? {
    firstIndex { fits($0.attachment) }.map { self[$0].identifier }
  }

  /// The one whose attachment fits; of several the one at the same gateway, else the oldest.
  fileprivate func closest(
    to attachment: RegistrationRequest.Attachment, where fits: (RegistrationRequest.Attachment) -> Bool
  ) -> BindingIdentifier? {
    identifier { $0.proxyCareOfAddress == attachment.proxyCareOfAddress && fits($0) } ?? identifier(where: fits)
  }
}

extension BindingCacheEntry {
  fileprivate func holdsAny(of prefixes: [IPv6Prefix]) -> Bool { prefixes.contains(where: self.prefixes.contains) }
}
