import DatapathModel
import MobilityWire
import NetTypes

/// A node is on an access link.
public struct Attachment: Hashable, Sendable, Codable {
  public enum Trigger: String, Hashable, Sendable, Codable, CaseIterable {
    case routerSolicitation = "router-solicitation", neighbour, link, operatorRequest = "operator"
    /// The access point: over hostapd's control socket, as the kernel's station event, in RADIUS accounting, or in a
    /// message of its own (the paper's AttachmentTrigger).
    case hostapd, nl80211, radius, remote = "remote-trigger"
    /// A link with one node at its other end came up.
    case pointToPoint = "point-to-point"

    /// The node arrives, or says that it is here; a neighbour entry only tells that it was, and perhaps still is.
    var isArrival: Bool { self != .neighbour }
  }
  /// Name of the access link (interface).
  public var link: String
  public var linkLayerAddress: LinkLayerAddress
  /// The node's link-local address on this link, once seen; needed for off-link prefixes.
  public var linkLocalAddress: IPv6Address?
  public var trigger: Trigger
  /// Given by the operator (`magd attach`); otherwise looked up by link-layer address.
  public var identifier: MobileNodeIdentifier?

  public init(
    link: String, linkLayerAddress: LinkLayerAddress, linkLocalAddress: IPv6Address? = nil, trigger: Trigger,
    identifier: MobileNodeIdentifier? = nil
  ) {
    self.link = link
    self.linkLayerAddress = linkLayerAddress
    self.linkLocalAddress = linkLocalAddress
    self.trigger = trigger
    self.identifier = identifier
  }
}

public enum DetachmentCause: String, Hashable, Sendable, Codable {
  case linkDown = "link-down", neighbourUnreachable = "neighbour-unreachable", operatorRequest = "operator"
  case rejected, revoked, shutdown
  /// The access point says that the node has left it.
  case disassociated
  /// The same interface is now registered on another access link of this gateway.
  case moved
  /// One of several paths; others of the attachment go on or begin.
  case pathEnded = "path-ended"
}

/// Everything that can happen to a mobile access gateway.
public enum MAGEvent: Codable, Sendable {
  /// Seen by any trigger; several triggers for one attachment register once. A Router Solicitation of a registered
  /// node is answered with an advertisement.
  case attached(Attachment)
  case detached(link: String, LinkLayerAddress, DetachmentCause)
  /// Everybody on the link is gone.
  case linkDown(String)
  /// A message that passed the receive checks of RFC 6275 section 9.2.
  case message(MobilityMessage, source: IPv6Address, destination: IPv6Address)
  case deadlineReached
  case datapathOutcome(EffectID, DatapathOutcome)
  /// An interface towards the anchors has lost or got back its carrier; of interest if it is one of several uplinks.
  case uplinkChanged(String, isUp: Bool)
  /// The MTU to advertise on a link has changed: min(access link MTU, tunnel MTU), octets.
  case linkMTU(String, UInt32)
  case configurationChanged(MAGConfiguration)
  /// At start: what `persist` effects had stored. The gateway keeps their routes and refreshes them.
  case restore([AttachmentRecord], peers: [PeerRecord] = [])
  /// At start, after `restore`: our Restart Counter (RFC 5847 section 3.4). It has grown if `sessionsLost`; then the
  /// anchors are told.
  case started(restartCounter: UInt32, sessionsLost: Bool)
  /// The operator ends all bindings of this gateway (`magd revoke --all`, RFC 5846 section 9.2).
  case revokeAll
}

public enum MAGEffect: Hashable, Sendable, Codable {
  case send(MobilityMessage, source: IPv6Address, destination: IPv6Address)
  case install(EffectID, [DatapathChange])
  /// Unicast Router Advertisement to one node.
  case advertise(AdvertisementPlan)
  /// Ask the kernel to verify that the neighbour is still there (NUD); failure comes back as `.detached`.
  case probe(link: String, LinkLayerAddress, IPv6Address)
  case notify(MAGNotification)
  case persist(AttachmentPersistenceChange)
}

/// One Router Advertisement (RFC 5213 sections 6.7 and 6.9; RFC 4861 section 4.2).
public struct AdvertisementPlan: Hashable, Sendable, Codable {
  public struct Prefix: Hashable, Sendable, Codable {
    public var prefix: IPv6Prefix
    /// Seconds as sent; 0 withdraws.
    public var validLifetime: UInt32
    public var preferredLifetime: UInt32
    public init(prefix: IPv6Prefix, validLifetime: UInt32, preferredLifetime: UInt32) {
      self.prefix = prefix
      self.validLifetime = validLifetime
      self.preferredLifetime = preferredLifetime
    }
  }
  public var link: String
  public var destinationLinkLayer: LinkLayerAddress
  /// The node's link-local address when known, else all-nodes (still sent to one link-layer address only).
  public var destination: IPv6Address
  public var source: IPv6Address
  public var sourceLinkLayer: LinkLayerAddress
  /// Seconds, 0...9000; 0: not a default router (any more).
  public var routerLifetime: UInt16
  public var mtu: UInt32?
  public var prefixes: [Prefix]

  public init(
    link: String, destinationLinkLayer: LinkLayerAddress, destination: IPv6Address, source: IPv6Address,
    sourceLinkLayer: LinkLayerAddress, routerLifetime: UInt16, mtu: UInt32?, prefixes: [Prefix]
  ) {
    self.link = link
    self.destinationLinkLayer = destinationLinkLayer
    self.destination = destination
    self.source = source
    self.sourceLinkLayer = sourceLinkLayer
    self.routerLifetime = routerLifetime
    self.mtu = mtu
    self.prefixes = prefixes
  }
}

public enum MAGNotification: Hashable, Sendable, Codable {
  case attachmentChanged(AttachmentSummary)
  case attachmentRemoved(AttachmentSummary, DetachmentCause)
  /// For the log: what an anchor has asked for was not done.
  case notificationRefused(NotificationReason, MobileNodeIdentifier?, UpdateNotificationStatus)
  /// The path to the anchor has failed or works again, or the anchor has restarted without its sessions.
  case anchorChanged(AnchorSummary, AnchorChange)
  /// A revocation of all bindings with that anchor is over; no status: no answer, or the anchor has no revocation.
  case revocationEnded(anchor: IPv6Address, BindingRevocationStatus?)
}

public enum AnchorChange: String, Hashable, Sendable, Codable {
  case unreachable, reachable, restarted
}

/// An anchor as the outside sees it.
public struct AnchorSummary: Hashable, Sendable, Codable {
  public var address: IPv6Address
  public var path: PeerPath
  /// As the anchor said last.
  public var restartCounter: UInt32?
  /// Heartbeat requests in a row without an answer.
  public var missedHeartbeats: Int
  public var bindings: Int
}

/// A binding update list entry as the outside sees it.
public struct AttachmentSummary: Hashable, Sendable, Codable {
  public enum State: String, Hashable, Sendable, Codable {
    case registering, registered, refreshing, deregistering
    /// Refused by the anchor or by the kernel; `lastStatus` says why.
    case refused
    /// The anchor or the operator has ended the session; the node must attach anew, or, after a handover that the
    /// anchor has seen, be found on its link all the same.
    case revoked
  }
  public var node: MobileNodeIdentifier
  public var kind: TerminalKind
  public var link: String
  public var linkLayerAddress: LinkLayerAddress
  /// Position in `MAGConfiguration.uplinks`.
  public var uplink: Int
  public var linkLocalAddress: IPv6Address?
  public var accessTechnology: AccessTechnologyType
  public var trigger: Attachment.Trigger
  public var state: State
  public var anchorAddress: IPv6Address
  /// nil without a binding.
  public var tunnel: TunnelIdentifier?
  public var prefixes: [IPv6Prefix]
  public var offLinkPrefixes: [IPv6Prefix]
  public var lastStatus: BindingStatus?
  public var lifetime: Duration?
  /// Monotonic, on the clock of `Moment`.
  public var expiresAt: Duration?
  public var attachedAt: NTPTimestamp

  public init(
    node: MobileNodeIdentifier, kind: TerminalKind, link: String, linkLayerAddress: LinkLayerAddress,
    uplink: Int = 0, linkLocalAddress: IPv6Address?, accessTechnology: AccessTechnologyType,
    trigger: Attachment.Trigger, state: State, anchorAddress: IPv6Address, tunnel: TunnelIdentifier?,
    prefixes: [IPv6Prefix], offLinkPrefixes: [IPv6Prefix], lastStatus: BindingStatus?, lifetime: Duration?,
    expiresAt: Duration?, attachedAt: NTPTimestamp
  ) {
    self.node = node
    self.kind = kind
    self.link = link
    self.linkLayerAddress = linkLayerAddress
    self.uplink = uplink
    self.linkLocalAddress = linkLocalAddress
    self.accessTechnology = accessTechnology
    self.trigger = trigger
    self.state = state
    self.anchorAddress = anchorAddress
    self.tunnel = tunnel
    self.prefixes = prefixes
    self.offLinkPrefixes = offLinkPrefixes
    self.lastStatus = lastStatus
    self.lifetime = lifetime
    self.expiresAt = expiresAt
    self.attachedAt = attachedAt
  }
}

public enum AttachmentPersistenceChange: Hashable, Sendable, Codable {
  case store(AttachmentRecord)
  case remove(link: String, LinkLayerAddress, uplink: Int)
  case storePeer(PeerRecord)
  case removePeer(IPv6Address)
}

/// What must survive a restart of the gateway.
public struct AttachmentRecord: Hashable, Sendable, Codable {
  public var node: MobileNodeIdentifier
  public var kind: TerminalKind
  public var link: String
  public var linkLayerAddress: LinkLayerAddress
  /// Position in `MAGConfiguration.uplinks`.
  public var uplink: Int
  public var linkLocalAddress: IPv6Address?
  public var accessTechnology: AccessTechnologyType
  public var trigger: Attachment.Trigger
  public var anchorAddress: IPv6Address
  /// Where `anchorAddress` has sent the session (RFC 6463).
  public var assignedAnchorAddress: IPv6Address?
  /// One of several paths (RFC 8278).
  public var isPath: Bool
  public var tunnel: TunnelIdentifier
  public var prefixes: [IPv6Prefix]
  public var offLinkPrefixes: [IPv6Prefix]
  public var gatewayLinkLocalAddress: IPv6Address
  public var sequence: UInt16
  public var lifetime: BindingLifetime
  public var expiresAt: NTPTimestamp
  public var attachedAt: NTPTimestamp

  public init(
    node: MobileNodeIdentifier, kind: TerminalKind, link: String, linkLayerAddress: LinkLayerAddress,
    uplink: Int = 0, linkLocalAddress: IPv6Address?, accessTechnology: AccessTechnologyType,
    trigger: Attachment.Trigger,
    anchorAddress: IPv6Address, assignedAnchorAddress: IPv6Address? = nil, isPath: Bool = false,
    tunnel: TunnelIdentifier,
    prefixes: [IPv6Prefix], offLinkPrefixes: [IPv6Prefix],
    gatewayLinkLocalAddress: IPv6Address, sequence: UInt16, lifetime: BindingLifetime, expiresAt: NTPTimestamp,
    attachedAt: NTPTimestamp
  ) {
    self.node = node
    self.kind = kind
    self.link = link
    self.linkLayerAddress = linkLayerAddress
    self.uplink = uplink
    self.linkLocalAddress = linkLocalAddress
    self.accessTechnology = accessTechnology
    self.trigger = trigger
    self.anchorAddress = anchorAddress
    self.assignedAnchorAddress = assignedAnchorAddress
    self.isPath = isPath
    self.tunnel = tunnel
    self.prefixes = prefixes
    self.offLinkPrefixes = offLinkPrefixes
    self.gatewayLinkLocalAddress = gatewayLinkLocalAddress
    self.sequence = sequence
    self.lifetime = lifetime
    self.expiresAt = expiresAt
    self.attachedAt = attachedAt
  }
}
