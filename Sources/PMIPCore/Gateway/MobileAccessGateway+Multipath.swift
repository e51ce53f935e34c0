import MobilityWire
import NetTypes

// Several uplinks, RFC 8278. Each uplink of an attachment is an entry of the binding update list, with its own request,
// binding and tunnel. The node knows nothing of it: one of the entries advertises, and among equal claims of a prefix
// the one of the first uplink has the node's packets.
//
// Of an anchor that is not known to support multipath one path is tried first. An acknowledgement without the option,
// or status 180, says that it does not: then the attachment has one path, which moves when its uplink goes.
extension MobileAccessGateway {
  /// Whether an anchor takes part.
  enum MultipathSupport: Hashable, Sendable { case supported, unsupported }

  var isMultipath: Bool { configuration.uplinks.count > 1 }

  /// The Proxy-CoA of an entry.
  func careOfAddress(of key: AttachmentKey) -> IPv6Address {
    configuration.uplinks.indices.contains(key.uplink)
      ? configuration.uplinks[key.uplink].address : configuration.proxyCareOfAddress
  }

  /// Uplinks that work; when none does, all of them, because the interfaces may say so wrongly.
  private var livingUplinks: [Int] {
    let living = configuration.uplinks.indices.filter { !failedUplinks.contains($0) }
    return living.isEmpty ? Array(configuration.uplinks.indices) : living
  }

  /// Where a new attachment begins.
  var firstUplink: Int { isMultipath ? livingUplinks[0] : 0 }

  func isOwn(_ address: IPv6Address) -> Bool {
    address == configuration.proxyCareOfAddress || configuration.uplinks.contains { $0.address == address }
  }

  /// Where messages that belong to no session come from.
  var preferredAddress: IPv6Address {
    isMultipath ? configuration.uplinks[firstUplink].address : configuration.proxyCareOfAddress
  }

  /// Entries of that interface on that link, first uplink first.
  func paths(on link: String, _ address: LinkLayerAddress) -> [AttachmentKey] {
    (0..<max(1, configuration.uplinks.count)).compactMap { uplink in
      let key = AttachmentKey(link: link, linkLayerAddress: address, uplink: uplink)
      return list[key] == nil ? nil : key
    }
  }

  /// The other paths of the attachment.
  func paths(beside entry: BindingUpdateListEntry) -> [BindingUpdateListEntry] {
    list.keys(of: entry.identity.node).compactMap { key in
      key != entry.key && key.isPath(of: entry.key) ? list[key] : nil
    }
  }

  /// Options 63 and 64 for a request; nil when they are not to be sent.
  func multipathOptions(
    for entry: BindingUpdateListEntry, _ purpose: OutstandingRequest.Purpose
  ) -> OutstandingRequest.Multipath? {
    guard purpose != .deregistration else { return entry.multipath }
    guard isMultipath, configuration.uplinks.indices.contains(entry.key.uplink),
      multipathSupport[entry.anchorAddress] != .unsupported
    else { return nil }
    let uplink = configuration.uplinks[entry.key.uplink]
    return OutstandingRequest.Multipath(
      binding: MAGMultipathBinding(
        interfaceTechnology: uplink.accessTechnology, interfaceLabel: uplink.label,
        binding: UInt8(entry.key.uplink + 1)),
      gateway: MAGIdentifier(
        subtype: configuration.identifier.subtype, identifier: configuration.identifier.identifier))
  }

  /// Where a request about a Proxy-CoA leaves, and that Proxy-CoA if it is another address: a path whose uplink has
  /// gone is ended through a living one (RFC 5213 section 5.3.1, Alternate Care-of Address).
  func route(
    _ purpose: OutstandingRequest.Purpose, about careOfAddress: IPv6Address, of key: AttachmentKey
  ) -> (source: IPv6Address, alternate: IPv6Address?) {
    guard purpose == .deregistration, isMultipath, failedUplinks.contains(key.uplink) else {
      return (careOfAddress, nil)
    }
    let source = configuration.uplinks[firstUplink].address
    return source == careOfAddress ? (source, nil) : (source, careOfAddress)
  }

  /// What an acceptance says about the anchor. Other paths begin when it takes part and the node is served.
  mutating func learnMultipath(
    _ request: OutstandingRequest, _ acknowledgement: BindingAcknowledgement, _ entry: inout BindingUpdateListEntry
  ) {
    let isAccepted = acknowledgement.options.magMultipathBinding?.binding == request.multipath?.binding.binding
    entry.multipath = isAccepted ? request.multipath : nil
    guard request.multipath != nil else { return }
    for anchor in [request.anchorAddress, entry.anchorAddress] {
      multipathSupport[anchor] = isAccepted ? .supported : .unsupported
    }
    counters.count(entry.isPath ? .pathsAccepted : .multipathUnsupported)
  }

  /// Registers the attachment over every living uplink that it does not use yet, with the same prefixes, and ends the
  /// paths whose uplinks have gone.
  mutating func extendPaths(of key: AttachmentKey, _ turn: inout Turn) {
    guard isMultipath, let entry = list[key], entry.isPath, entry.state != .deregistering,
      !failedUplinks.contains(key.uplink), let binding = entry.binding,
      multipathSupport[entry.anchorAddress] == .supported
    else { return }
    for path in paths(beside: entry) where failedUplinks.contains(path.key.uplink) { pathLost(path, &turn) }
    for uplink in livingUplinks {
      var further = key
      further.uplink = uplink
      guard list[further] == nil, list.count < configuration.limits.attachments else { continue }
      beginPath(further, like: entry, naming: binding.prefixes, &turn)
    }
  }

  private mutating func beginPath(
    _ key: AttachmentKey, like entry: BindingUpdateListEntry, naming prefixes: [IPv6Prefix],
    handoffIndicator: HandoffIndicator? = nil, _ turn: inout Turn
  ) {
    var path = BindingUpdateListEntry(
      key: key, identity: entry.identity, accessTechnology: entry.accessTechnology, trigger: entry.trigger,
      linkLocalAddress: entry.linkLocalAddress, attachedAt: entry.attachedAt, lastSeen: entry.lastSeen,
      sequence: currentSequence(at: turn.now.wallClock))
    path.assignedAnchorAddress = entry.assignedAnchorAddress
    path.gatewayLinkLocalAddress = entry.gatewayLinkLocalAddress
    register(path, naming: prefixes, handoffIndicator: handoffIndicator, &turn)
  }

  /// Status 180: the attachment goes on with its first path, registered without the options. That replaces the others
  /// at the anchor.
  mutating func multipathRefused(_ refused: BindingUpdateListEntry, _ turn: inout Turn) {
    multipathSupport[refused.anchorAddress] = .unsupported
    counters.count(.multipathUnsupported)
    let all = paths(beside: refused) + [refused]
    let living = all.filter { $0.state != .deregistering && !failedUplinks.contains($0.key.uplink) }
    let chosen = living.min { $0.key < $1.key } ?? refused
    register(chosen, naming: chosen.binding?.prefixes ?? refused.binding?.prefixes ?? [], &turn)
    dropPaths(beside: chosen, &turn)
  }

  /// Paths that the anchor does not know any more.
  mutating func dropPaths(beside entry: BindingUpdateListEntry, _ turn: inout Turn) {
    for path in paths(beside: entry) { remove(path, .pathEnded, tellingNode: false, &turn) }
  }

  mutating func uplinkChanged(_ interface: String, isUp: Bool, _ turn: inout Turn) {
    guard isMultipath, let uplink = configuration.uplinks.firstIndex(where: { $0.interface == interface }),
      failedUplinks.contains(uplink) == isUp
    else { return }
    if isUp {
      failedUplinks.remove(uplink)
      counters.count(.uplinksReturned)
    } else {
      failedUplinks.insert(uplink)
      counters.count(.uplinksLost)
    }
    guard failedUplinks.count < configuration.uplinks.count else { return }
    for key in list.sortedKeys where failedUplinks.contains(key.uplink) {
      if let entry = list[key] { pathLost(entry, &turn) }
    }
    for key in list.sortedKeys { extendPaths(of: key, &turn) }
  }

  /// The uplink of this path has gone: the others carry the node's packets at once, and the anchor is told to send
  /// nothing here. An attachment without another path moves to the first uplink that works.
  private mutating func pathLost(_ lost: BindingUpdateListEntry, _ turn: inout Turn) {
    guard lost.state != .revoked else { return }
    if lost.isPath, paths(beside: lost).contains(where: { $0.isServed }) {
      if lost.state != .deregistering { depart(lost, .remove(.pathEnded), &turn) }
      guard var entry = list[lost.key] else { return }
      dropBinding(of: &entry, tellingNode: false, &turn)
      list[lost.key] = entry
      return
    }
    var key = lost.key
    key.uplink = firstUplink
    guard lost.state != .deregistering, list[key] == nil else { return }
    let prefixes = lost.binding?.prefixes ?? []
    if lost.isPath {
      beginPath(key, like: lost, naming: prefixes, &turn)
      depart(lost, .remove(.pathEnded), &turn)
    } else {
      // For the anchor it is one session, which moves to the other Proxy-CoA.
      beginPath(key, like: lost, naming: prefixes, handoffIndicator: .betweenGateways, &turn)
      remove(lost, .pathEnded, tellingNode: false, &turn)
    }
  }
}

extension AttachmentKey {
  /// The same interface on the same access link.
  func isPath(of other: Self) -> Bool { link == other.link && linkLayerAddress == other.linkLayerAddress }
}
