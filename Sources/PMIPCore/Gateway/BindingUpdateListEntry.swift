import DatapathModel
import MobilityWire
import NetTypes

/// Names an attachment at this gateway: one interface of one node on one access link, over one uplink.
struct AttachmentKey: Hashable, Sendable, Comparable {
  var link: String
  var linkLayerAddress: LinkLayerAddress
  /// Position in `MAGConfiguration.uplinks`; 0 when there is one way to the anchor only.
  var uplink = 0

  static func < (a: Self, b: Self) -> Bool {
    (a.link, a.linkLayerAddress, a.uplink) < (b.link, b.linkLayerAddress, b.uplink)
  }
}

/// Who is behind a link-layer address, and how it is registered.
struct NodeIdentity: Hashable, Sendable {
  var node: MobileNodeIdentifier
  var kind: TerminalKind
  var anchorAddress: IPv6Address
  /// For an anchor that assigns nothing by itself; empty: it chooses.
  var proposedPrefixes: [IPv6Prefix]
  /// The address stands in the node map, so the gateway knows which interfaces the node has.
  var isMapped: Bool
  /// The identifier was given by the operator, not looked up.
  var isNamedByOperator: Bool
}

/// One line of the binding update list (RFC 5213 section 6.1): an attached interface, its state and what the anchor
/// has granted. All changes are made by `MobileAccessGateway`; the state says which of them may come next:
///
/// ```
///              PBA < 128            refresh due             detached
///  registering ---------> registered ---------> refreshing ---------> deregistering ---> (removed)
///    ^   |  \                  ^                    |  |                  |
///    |   |   \ detached        +--------------------+  | expired          | attached again
///    |   |    +---> deregistering      PBA < 128       v                  v
///    |   | PBA >= 128                              registering        registering
///    |   +-------------> refused <-- PBA >= 128, contradicting answer, kernel
///    +----------------------+  retry timer or operator
/// ```
struct BindingUpdateListEntry: Hashable, Sendable {
  typealias State = AttachmentSummary.State

  /// What the anchor granted, and what the data plane does for it.
  struct Binding: Hashable, Sendable {
    /// On-link, in the order of the acknowledgement.
    var prefixes: [IPv6Prefix]
    /// Prefixes of the node's other interfaces, served through its link-local address, never advertised.
    var offLinkPrefixes: [IPv6Prefix]
    var tunnel: TunnelIdentifier
    var lifetime: BindingLifetime
    /// Monotonic: transmission of the request, no mere refresh, that made the anchor's binding.
    var registeredAt: Duration
    /// Monotonic. Counted from the transmission that was answered, so never later than the anchor's own idea.
    var expiresAt: Duration
    /// Rises with each registration, the same for all paths of an attachment; among attachments that claim one prefix
    /// on-link the highest has it.
    var claim: UInt64
    /// From an earlier run of ours, and not acknowledged since.
    var isRestored = false
  }

  /// What follows when the de-registration is answered or given up.
  enum Departure: Hashable, Sendable {
    case remove(DetachmentCause)
    /// The identity of the attachment changed: end this session, then begin another one.
    case attachAgain(Attachment)
    /// The kernel refused the routes: the anchor must not send here, and we try again later.
    case refuse
    /// The anchor has revoked the binding.
    case revoke(Revocation)
  }

  /// Why a binding was revoked.
  enum Revocation: Hashable, Sendable {
    /// An operator wants it so.
    case administrative
    /// The anchor has seen the node elsewhere.
    case handover
  }

  /// The newest list of prefixes that came in an Update Notification.
  struct PrefixList: Hashable, Sendable {
    /// Of the notification.
    var sequence: UInt16
    /// Monotonic.
    var receivedAt: Duration
  }

  let key: AttachmentKey
  var identity: NodeIdentity
  var accessTechnology: AccessTechnologyType
  var trigger: Attachment.Trigger
  /// As seen on the link; nil until then.
  var linkLocalAddress: IPv6Address?
  let attachedAt: NTPTimestamp
  /// Rises with every sign of the node at this gateway: of two links that say they have the same interface, the one
  /// with the last word has it.
  var lastSeen: UInt64

  var state: State = .registering
  var request: OutstandingRequest?
  var departure: Departure?
  var binding: Binding?
  var lastStatus: BindingStatus?
  /// The options that the anchor has accepted (RFC 8278); nil: this is the only path.
  var multipath: OutstandingRequest.Multipath?
  var isPath: Bool { multipath != nil }
  /// The anchor that the configured one has assigned to this session (RFC 6463).
  var assignedAnchorAddress: IPv6Address?
  /// A request may have reached the anchor and was not refused: leaving needs a de-registration.
  var anchorMayHoldBinding = false

  /// The anchor has lost the binding: the next refresh asks for it like a registration.
  var isLostByAnchor = false
  /// Of the last PBU of this session.
  var sequence: UInt16
  /// Of the last PBU of this session; the next one must be greater (RFC 5213 section 5.5).
  var lastTimestamp = NTPTimestamp.zero
  /// Our address towards this node; nil until the anchor has chosen one (mode without a fixed address).
  var gatewayLinkLocalAddress: IPv6Address?
  /// Chosen by us instead, because the node itself uses the one the anchor chose (RFC 5213 section 6.9.1.2, item 15).
  var proposedLinkLocalAddress: IPv6Address?

  var newestPrefixList: PrefixList?
  /// The newest `install` whose outcome decides about this entry.
  var installing: EffectID?
  /// The node must get a new advertisement once the data plane is ready.
  var needsAdvertisement = false
  /// The node has been told about its prefixes.
  var isAdvertised = false
  /// The attachment is stored for a restart.
  var isPersisted = false
  /// Prefixes that the node was told about and must be told to forget.
  var withdrawnPrefixes: [IPv6Prefix] = []

  init(
    key: AttachmentKey, identity: NodeIdentity, accessTechnology: AccessTechnologyType, trigger: Attachment.Trigger,
    linkLocalAddress: IPv6Address?, attachedAt: NTPTimestamp, lastSeen: UInt64, sequence: UInt16
  ) {
    self.key = key
    self.identity = identity
    self.accessTechnology = accessTechnology
    self.trigger = trigger
    self.linkLocalAddress = linkLocalAddress
    self.attachedAt = attachedAt
    self.lastSeen = lastSeen
    self.sequence = sequence
  }

  /// The node may use its prefixes: routes are in the kernel and the binding stands.
  var isServed: Bool { (state == .registered || state == .refreshing) && installing == nil }

  /// Next hop for off-link prefixes. A node that has not yet shown its link-local address is assumed to use the one
  /// that RFC 4291 derives from its link-layer address; the first one seen replaces it.
  var nextHop: IPv6Address { linkLocalAddress ?? key.linkLayerAddress.linkLocalAddress }

  var summary: AttachmentSummary {
    AttachmentSummary(
      node: identity.node, kind: identity.kind, link: key.link, linkLayerAddress: key.linkLayerAddress,
      uplink: key.uplink,
      linkLocalAddress: linkLocalAddress, accessTechnology: accessTechnology, trigger: trigger, state: state,
      anchorAddress: anchorAddress, tunnel: binding?.tunnel, prefixes: binding?.prefixes ?? [],
      offLinkPrefixes: binding?.offLinkPrefixes ?? [], lastStatus: lastStatus, lifetime: binding?.lifetime.duration,
      expiresAt: binding?.expiresAt, attachedAt: attachedAt)
  }

  /// Where the session is.
  var anchorAddress: IPv6Address { assignedAnchorAddress ?? identity.anchorAddress }

  /// The same session for the anchor (RFC 5213 section 5.4.1.2: MN-ID, access technology, link-layer identifier).
  func isSameSession(as other: Self) -> Bool {
    identity.node == other.identity.node && identity.anchorAddress == other.identity.anchorAddress
      && accessTechnology == other.accessTechnology && key.linkLayerAddress == other.key.linkLayerAddress
      && key.uplink == other.key.uplink
  }
}
