import DatapathModel
import MobilityWire
import NetTypes

/// Everything that can happen to a local mobility anchor.
public enum LMAEvent: Codable, Sendable {
  /// A message that passed the receive checks of RFC 6275 section 9.2.
  case message(MobilityMessage, source: IPv6Address, destination: IPv6Address)
  /// `nextDeadline` has come.
  case deadlineReached
  /// Outcome of the `install` effect with that identifier.
  case datapathOutcome(EffectID, DatapathOutcome)
  case configurationChanged(LMAConfiguration)
  /// At start, before anything else: what `persist` effects had stored. Lifetimes are absolute wall-clock times.
  case restore([BindingRecord], peers: [PeerRecord] = [])
  /// At start, after `restore`: our Restart Counter (RFC 5847 section 3.4). It has grown if `sessionsLost`; then the
  /// gateways are told.
  case started(restartCounter: UInt32, sessionsLost: Bool)
  /// The operator removes a binding by hand (`lmad delete BINDING`).
  case deleteBinding(BindingIdentifier)
  /// The operator revokes all bindings of a node, or of the gateway with that Proxy-CoA (RFC 5846).
  case revokeNode(MobileNodeIdentifier)
  case revokeGateway(IPv6Address)
  /// The operator has the node's gateways notified (`lmad notify NODE`).
  case notifyNode(MobileNodeIdentifier, NotificationRequest)
  /// The operator has a gateway register all its nodes again (`lmad notify --gateway NAME`).
  case reregisterGateway(IPv6Address, acknowledged: Bool)
  /// Before a flow of one of the prefixes moves to the gateway of the binding: that gateway must serve them. Answered by
  /// an `answer` effect, at once or when the gateway has answered.
  case servePrefixes(QuestionToken, [IPv6Prefix], at: BindingIdentifier)
}

/// What an operator can have a gateway notified of (RFC 7077).
public enum NotificationRequest: Hashable, Sendable, Codable {
  /// FORCE-REREGISTRATION; `acknowledged` asks for an answer besides the Proxy Binding Update.
  case reregister(acknowledged: Bool)
  /// UPDATE-SESSION-PARAMETERS: the prefixes of each session, as we hold them.
  case sessionParameters
}

/// What the shell must do, in this order.
public enum LMAEffect: Hashable, Sendable, Codable {
  case send(MobilityMessage, source: IPv6Address, destination: IPv6Address)
  /// Apply all or report failure; the shell answers every one with `.datapathOutcome`.
  case install(EffectID, [DatapathChange])
  case notify(LMANotification)
  /// Written after the messages of the same event are out; losing the newest ones in a crash is allowed.
  case persist(PersistenceChange)
  /// To the question with that token.
  case answer(QuestionToken, ServiceAnswer)
}

/// Answer to `servePrefixes`.
public enum ServiceAnswer: Hashable, Sendable, Codable {
  /// The gateway's kernel has the routes; the binding as it is now, which subscribers have been told before.
  case served(BindingSummary)
  case refused(ServiceRefusal)
}

/// For the Flow Manager and every other subscriber of the control socket.
public enum LMANotification: Hashable, Sendable, Codable {
  case tunnelAdded(TunnelDescription)
  case tunnelRemoved(TunnelDescription)
  /// New or changed in more than its times: a mere refresh is not told.
  indirect case bindingChanged(BindingSummary)
  indirect case bindingRemoved(BindingSummary, cause: RemovalCause)
  /// For the log.
  case notificationFailed(NotificationFailure)
  /// The path to the gateway has failed or works again, or the gateway has restarted without its sessions.
  case gatewayChanged(GatewaySummary, GatewayChange)
  /// A revocation by the operator is over.
  case revocationEnded(RevocationOutcome)
}

/// An Update Notification that a gateway has refused or not answered.
public struct NotificationFailure: Hashable, Sendable, Codable {
  public var gatewayName: String
  public var node: MobileNodeIdentifier?
  public var reason: NotificationReason
  /// nil: no answer came.
  public var status: UpdateNotificationStatus?
  public var transmissions: Int
}

public enum GatewayChange: String, Hashable, Sendable, Codable {
  case unreachable, reachable, restarted
  /// The round-trip time was measured, or has become another one.
  case delay
}

/// A gateway as the outside sees it.
public struct GatewaySummary: Hashable, Sendable, Codable {
  public var name: String
  public var address: IPv6Address
  public var ordering: GatewayPolicy.Ordering
  public var path: PeerPath
  /// As the gateway said last.
  public var restartCounter: UInt32?
  /// Heartbeat requests in a row without an answer.
  public var missedHeartbeats: Int
  /// Of heartbeats, smoothed; nil: not measured.
  public var roundTrip: Duration?
  public var bindings: Int
}

public enum RemovalCause: String, Hashable, Sendable, Codable {
  case deregistered, expired, operatorRequest = "operator-request"
  /// Another path of the same attachment has taken its place (RFC 8278).
  case replaced
  /// Its gateway has lost its sessions (RFC 5847 section 3.2).
  case gatewayRestarted = "gateway-restarted"
  /// Its gateway does not answer heartbeats, and the configuration says not to wait.
  case gatewayUnreachable = "gateway-unreachable"
  /// By the operator, or by the gateway for all of its bindings (RFC 5846).
  case revoked
}

/// Number of a binding cache entry at this anchor, unique over restarts; RFC 7864 section 5.1 calls it BID.
public struct BindingIdentifier: RawRepresentable, Hashable, Sendable, Codable, Comparable, CustomStringConvertible {
  public let rawValue: UInt32
  public init(rawValue: UInt32) { self.rawValue = rawValue }
  public static func < (a: Self, b: Self) -> Bool { a.rawValue < b.rawValue }
  public var description: String { String(rawValue) }
}

/// A binding as the outside sees it.
public struct BindingSummary: Hashable, Sendable, Codable {
  public enum State: String, Hashable, Sendable, Codable {
    case active
    /// De-registered, waits MinDelayBeforeBCEDelete; carries no traffic.
    case awaitingDeletion = "awaiting-deletion"
  }

  public var identifier: BindingIdentifier
  public var node: MobileNodeIdentifier
  public var kind: TerminalKind
  public var linkLayerIdentifier: MobileNodeLinkLayerIdentifier?
  public var accessTechnology: AccessTechnologyType
  /// nil: the gateway has one uplink.
  public var path: GatewayPath?
  public var proxyCareOfAddress: IPv6Address
  /// Configured name of the gateway, else its address.
  public var gatewayName: String
  public var anchorAddress: IPv6Address
  public var tunnel: TunnelIdentifier
  public var prefixes: [IPv6Prefix]
  /// Prefixes of the node's other interfaces that this gateway has been told to serve off-link.
  public var offLinkPrefixes: [IPv6Prefix]
  /// The prefix routes of `prefixes` point to this binding (one of several for a shared prefix).
  public var isDefault: Bool
  public var state: State
  public var lifetime: Duration
  /// Monotonic, on the clock of `Moment`.
  public var expiresAt: Duration
  public var registeredAt: NTPTimestamp
  public var lastUpdate: NTPTimestamp

  public init(
    identifier: BindingIdentifier, node: MobileNodeIdentifier, kind: TerminalKind,
    linkLayerIdentifier: MobileNodeLinkLayerIdentifier?, accessTechnology: AccessTechnologyType,
    path: GatewayPath? = nil,
    proxyCareOfAddress: IPv6Address, gatewayName: String, anchorAddress: IPv6Address, tunnel: TunnelIdentifier,
    prefixes: [IPv6Prefix], offLinkPrefixes: [IPv6Prefix], isDefault: Bool, state: State, lifetime: Duration,
    expiresAt: Duration, registeredAt: NTPTimestamp, lastUpdate: NTPTimestamp
  ) {
    self.identifier = identifier
    self.node = node
    self.kind = kind
    self.linkLayerIdentifier = linkLayerIdentifier
    self.accessTechnology = accessTechnology
    self.path = path
    self.proxyCareOfAddress = proxyCareOfAddress
    self.gatewayName = gatewayName
    self.anchorAddress = anchorAddress
    self.tunnel = tunnel
    self.prefixes = prefixes
    self.offLinkPrefixes = offLinkPrefixes
    self.isDefault = isDefault
    self.state = state
    self.lifetime = lifetime
    self.expiresAt = expiresAt
    self.registeredAt = registeredAt
    self.lastUpdate = lastUpdate
  }

  /// What `LMANotification.bindingChanged` is about: a refresh alone changes nothing of it.
  public var withoutTimes: BindingSummary {
    var summary = self
    (summary.lifetime, summary.expiresAt) = (.zero, .zero)
    (summary.registeredAt, summary.lastUpdate) = (NTPTimestamp(rawValue: 0), NTPTimestamp(rawValue: 0))
    return summary
  }
}

public enum PersistenceChange: Hashable, Sendable, Codable {
  // Boxed, as a summary is: effects pass through several lists on their way to where they are run.
  indirect case store(BindingRecord)
  case remove(BindingIdentifier)
  case storePeer(PeerRecord)
  case removePeer(IPv6Address)
}

/// What must survive a restart of the anchor.
public struct BindingRecord: Hashable, Sendable, Codable {
  public var identifier: BindingIdentifier
  public var node: MobileNodeIdentifier
  public var kind: TerminalKind
  public var linkLayerIdentifier: MobileNodeLinkLayerIdentifier?
  public var accessTechnology: AccessTechnologyType
  /// nil: the gateway has one uplink.
  public var path: GatewayPath?
  public var proxyCareOfAddress: IPv6Address
  public var anchorAddress: IPv6Address
  public var gatewayLinkLocalAddress: IPv6Address?
  /// Kept, so that marks in the kernel still name the right tunnel after a restart.
  public var tunnel: TunnelIdentifier
  public var prefixes: [IPv6Prefix]
  public var offLinkPrefixes: [IPv6Prefix]
  public var isDefault: Bool
  public var sequence: UInt16
  /// Value of the Timestamp option accepted last; nil when sequence numbers are used.
  public var timestamp: NTPTimestamp?
  public var lifetime: BindingLifetime
  public var expiresAt: NTPTimestamp
  public var registeredAt: NTPTimestamp
  public var lastUpdate: NTPTimestamp

  public init(
    identifier: BindingIdentifier, node: MobileNodeIdentifier, kind: TerminalKind,
    linkLayerIdentifier: MobileNodeLinkLayerIdentifier?, accessTechnology: AccessTechnologyType,
    path: GatewayPath? = nil,
    proxyCareOfAddress: IPv6Address, anchorAddress: IPv6Address, gatewayLinkLocalAddress: IPv6Address?,
    tunnel: TunnelIdentifier, prefixes: [IPv6Prefix], offLinkPrefixes: [IPv6Prefix], isDefault: Bool,
    sequence: UInt16, timestamp: NTPTimestamp?, lifetime: BindingLifetime, expiresAt: NTPTimestamp,
    registeredAt: NTPTimestamp, lastUpdate: NTPTimestamp
  ) {
    self.identifier = identifier
    self.node = node
    self.kind = kind
    self.linkLayerIdentifier = linkLayerIdentifier
    self.accessTechnology = accessTechnology
    self.path = path
    self.proxyCareOfAddress = proxyCareOfAddress
    self.anchorAddress = anchorAddress
    self.gatewayLinkLocalAddress = gatewayLinkLocalAddress
    self.tunnel = tunnel
    self.prefixes = prefixes
    self.offLinkPrefixes = offLinkPrefixes
    self.isDefault = isDefault
    self.sequence = sequence
    self.timestamp = timestamp
    self.lifetime = lifetime
    self.expiresAt = expiresAt
    self.registeredAt = registeredAt
    self.lastUpdate = lastUpdate
  }
}
