import MobilityWire
import NetTypes

// Gateways with several uplinks, RFC 8278. Each path of an attachment is a binding of its own with its own tunnel; all
// have the same prefixes, like the attachments of a logical interface, and share what is done for those: one of them is
// the default, and when it goes the next one takes over.
extension LocalMobilityAnchor {
  /// RFC 8278 section 4: both options, a number that is none of the reserved ones, and not both flags.
  func checkMultipath(of request: RegistrationRequest) throws(Refusal) {
    guard let multipath = request.update.options.magMultipathBinding, !request.isDeregistration else { return }
    let gateway = gateways[request.attachment.proxyCareOfAddress]
    guard let gateway, !gateway.uplinks.isEmpty, let path = request.attachment.path,
      !(multipath.bulkReRegistration && multipath.overwrite)
    else { throw Refusal(.multipathBindingRefused) }
    // Two gateways with one MAG Identifier would take each other's paths away.
    let isOthers = cache.bindings(of: request.node).contains { entry in
      guard entry.attachment.path?.gateway == path.gateway else { return false }
      return gateways[entry.attachment.proxyCareOfAddress].map { $0.name != gateway.name } ?? false
    }
    guard !isOthers else { throw Refusal(.multipathBindingRefused) }
  }

  /// After a registration was accepted: the paths that it has ended, and those that it has refreshed.
  mutating func settlePaths(
    of entry: BindingCacheEntry, _ previous: BindingCacheEntry?, _ request: RegistrationRequest, _ turn: inout Turn
  ) {
    if let left = previous, let path = left.attachment.path, entry.attachment.path?.gateway != path.gateway {
      // The attachment has moved to another gateway, or this one has given up multipath.
      endPaths(beside: entry, of: left.attachment, &turn)
    }
    guard let multipath = request.update.options.magMultipathBinding else { return }
    if multipath.overwrite { endPaths(beside: entry, of: entry.attachment, &turn) }
    if multipath.bulkReRegistration { refreshPaths(like: entry, &turn) }
  }

  /// Those of `attachment`, at the gateway that it names. Other interfaces of the node are sessions of their own.
  private mutating func endPaths(
    beside entry: BindingCacheEntry, of attachment: RegistrationRequest.Attachment, _ turn: inout Turn
  ) {
    let paths = cache.bindings(of: entry.node).filter {
      $0.identifier != entry.identifier && $0.attachment.isFurtherPath(of: attachment)
    }
    // The default one last: then its packets have only one place to go.
    for path in paths.filter({ !$0.isDefault }) + paths.filter(\.isDefault) {
      counters.count(.pathsReplaced)
      delete(path, cause: .replaced, &turn)
    }
  }

  /// All that the node has at this gateway; those at others are not the gateway's to refresh.
  private mutating func refreshPaths(like entry: BindingCacheEntry, _ turn: inout Turn) {
    let paths = cache.bindings(of: entry.node).filter {
      $0.identifier != entry.identifier && $0.isActive && $0.attachment.path?.gateway == entry.attachment.path?.gateway
    }
    for var path in paths {
      counters.count(.pathsRefreshedInBulk)
      path.lifetime = entry.lifetime
      path.expiresAt = entry.expiresAt
      path.lastUpdate = turn.now.wallClock
      store(path)
      turn.notify(.bindingChanged(summary(path)))
      turn.persist(.store(path.record(at: turn.now)))
    }
  }
}

extension RegistrationRequest.Attachment {
  /// Another path (or the same) of the same interface at the same gateway.
  func isFurtherPath(of other: Self) -> Bool {
    path != nil && path?.gateway == other.path?.gateway && isSameInterface(as: other)
  }
}

extension HandoffDecision {
  /// What a request for a path means among the paths that the attachment has at that gateway; nil when it has none,
  /// and the request means what it would mean without multipath.
  static func decidePath(_ request: RegistrationRequest, _ sessions: [BindingCacheEntry]) -> HandoffDecision? {
    guard request.attachment.path != nil else { return nil }
    let paths = sessions.filter { $0.attachment.isFurtherPath(of: request.attachment) }
    guard let first = paths.first else { return nil }
    let same = paths.first { $0.attachment.path?.binding == request.attachment.path?.binding }
    guard request.prefixes.isEmpty || paths.allSatisfy({ $0.prefixes == request.prefixes }) else {
      return .reject(.prefixSetDoesNotMatch, session: (same ?? first).identifier)
    }
    if let same { return .update(same.identifier) }
    return request.isDeregistration ? .new : .share(first.identifier)
  }
}

extension [BindingCacheEntry] {
  /// One binding for each attachment: of several paths the one at the Proxy-CoA of `attachment`, else the oldest.
  func withoutFurtherPaths(than attachment: RegistrationRequest.Attachment) -> [BindingCacheEntry] {
    guard contains(where: { $0.attachment.path != nil }) else { return self }
    return filter { entry in
      guard entry.attachment.path != nil else { return true }
      let paths = filter { $0.attachment.isFurtherPath(of: entry.attachment) }
      let chosen = paths.first { $0.attachment.proxyCareOfAddress == attachment.proxyCareOfAddress } ?? paths.first
      return chosen?.identifier == entry.identifier
    }
  }
}
