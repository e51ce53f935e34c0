import MobilityWire
import NetTypes

/// A Proxy Binding Update from an authorised gateway for a known node, with what the later steps need read out of it.
///
/// It never changes and passes through many hands: an object, of which only the reference is copied.
final class RegistrationRequest: Sendable {
  /// What tells one attachment of a node from another. The LLID is nil when the node's is not known.
  struct Attachment: Hashable, Sendable {
    var proxyCareOfAddress: IPv6Address
    var accessTechnology: AccessTechnologyType
    var linkLayerIdentifier: MobileNodeLinkLayerIdentifier?
    /// Of a gateway that registers each of its uplinks (RFC 8278).
    var path: GatewayPath?

    /// Same interface, wherever it is attached.
    func isSameInterface(as other: Attachment) -> Bool {
      accessTechnology == other.accessTechnology && linkLayerIdentifier == other.linkLayerIdentifier
    }

    /// Same interface at the same Proxy-CoA, whatever the gateway calls the path.
    func isSamePlace(as other: Attachment) -> Bool {
      proxyCareOfAddress == other.proxyCareOfAddress && isSameInterface(as: other)
    }
  }

  let update: BindingUpdate
  /// The acknowledgement goes there, also when the Proxy-CoA is another address (RFC 5213 section 5.3.6).
  let source: IPv6Address
  /// The LMAA that the gateway uses: source of the acknowledgement, our end of the tunnel.
  let destination: IPv6Address
  let arrival: Moment
  let node: MobileNodeIdentifier
  /// How the gateway's requests are ordered.
  let ordering: GatewayPolicy.Ordering
  let attachment: Attachment
  let handoff: HandoffIndicator
  /// As the request names them.
  let homeNetworkPrefixes: [HomeNetworkPrefixOption]
  /// The NON_ZERO ones, sorted; a prefix named twice stands here twice.
  let prefixes: [IPv6Prefix]
  /// As meant, whatever its byte order in `update`.
  let timestamp: NTPTimestamp?
  /// What is tolerated from the gateway.
  let tolerated: PeerDeviations
  /// What of that this request shows.
  let deviations: PeerDeviations
  /// The gateway lets itself be sent to another anchor (RFC 6463).
  let offersRedirect: Bool

  var isDeregistration: Bool { update.lifetime == .zero }

  init(
    _ update: BindingUpdate, source: IPv6Address, destination: IPv6Address, at arrival: Moment,
    node: MobileNodeIdentifier, gateway: GatewayPolicy, proxyCareOfAddress: IPv6Address
  ) {
    let tolerated = gateway.tolerated
    var deviations = PeerDeviations.none
    self.update = update
    self.source = source
    self.destination = destination
    self.arrival = arrival
    self.node = node
    ordering = gateway.ordering
    let options = update.options
    let linkLayer = options.linkLayerIdentifier.flatMap { $0.isAllZero ? nil : $0 }
    attachment = Attachment(
      proxyCareOfAddress: proxyCareOfAddress, accessTechnology: options.accessTechnologyType ?? .reserved,
      linkLayerIdentifier: linkLayer, path: GatewayPath(options))
    handoff = options.handoffIndicator ?? .reserved
    offersRedirect = options.offersRedirect
    homeNetworkPrefixes = options.homeNetworkPrefixes
    let named = homeNetworkPrefixes.compactMap { option in
      guard tolerated.contains(.hostPrefixLength), let meant = option.asSlash64 else { return option.prefix }
      deviations.insert(.hostPrefixLength)
      return meant.prefix
    }
    prefixes = named.count > 1 ? named.sorted() : named
    timestamp = options.timestamp.map { timestamp in
      guard tolerated.contains(.hostByteOrderTimestamp),
        let meant = timestamp.byteSwapped(ifNearerTo: arrival.wallClock)
      else { return timestamp }
      deviations.insert(.hostByteOrderTimestamp)
      return meant
    }
    if tolerated.contains(.reservedAccessTechnology), options.accessTechnologyType == .reserved {
      deviations.insert(.reservedAccessTechnology)
    }
    if options.mobileNodeIdentifier != node { deviations.insert(.nulPaddedIdentifier) }
    self.tolerated = tolerated
    self.deviations = deviations
  }

  /// How the gateway is told its prefixes.
  func options(for prefixes: [IPv6Prefix]) -> [HomeNetworkPrefixOption] {
    prefixes.map { prefix in
      let option = HomeNetworkPrefixOption(prefix)
      return tolerated.contains(.hostPrefixLength) ? option.asHost : option
    }
  }

  /// The request that the session has accepted last, sent once more as it was. Whether it may be answered again is for
  /// the gateway's configuration to say.
  func repeats(_ session: BindingCacheEntry) -> Bool {
    attachment == session.attachment && orderingMark == session.lastAccepted && isDeregistration != session.isActive
  }

  /// A retransmission differs from the original in its sequence number and timestamp only (RFC 5213 section 6.9.4).
  func isRetransmission(of other: RegistrationRequest) -> Bool {
    node == other.node && attachment == other.attachment && source == other.source && destination == other.destination
      && handoff == other.handoff && offersRedirect == other.offersRedirect
      && update.options.magMultipathBinding == other.update.options.magMultipathBinding && prefixes == other.prefixes
      && update.lifetime == other.update.lifetime
  }

  /// The status that answers it if it is not newer than what was accepted before.
  func orderingRejection(after last: Ordering.Mark?, window: Duration) -> BindingStatus? {
    Ordering.rejection(
      sequence: update.sequence, timestamp: timestamp, policy: ordering, last: last,
      clock: arrival.wallClock, window: window)
  }

  var usesTimestamp: Bool { orderingMark.timestamp != nil }

  /// What a session remembers of it, or would.
  var orderingMark: Ordering.Mark {
    Ordering.Mark(
      sequence: update.sequence, timestamp: ordering == .sequence ? nil : timestamp)
  }
}
