import DatapathModel
import MobilityWire
import NetTypes

/// Configuration of a local mobility anchor, checked by `problems()`.
public struct LMAConfiguration: Hashable, Sendable, Codable {
  /// LMAA: addresses that PBUs may be sent to.
  public var addresses: [IPv6Address]
  /// The gateways that may register nodes (RFC 5213 section 4); others get status 154.
  public var gateways: [GatewayPolicy]
  public var prefixPools: [PrefixPool]
  public var nodes: [NodePolicy]
  public var unknownNodes: UnknownNodePolicy
  public var timers: LMATimers
  public var limits: LMALimits
  public var codePoints: CodePoints
  /// The HI value that asks for shared prefixes: RFC 7864's 6, or the paper's own number.
  public var sharedPrefixesIndicator: HandoffIndicator
  public var markLayout: MarkLayout
  public var flowMobilityMode: FlowMobilityMode
  /// Empty: every session is created at the address that was asked (RFC 6463).
  public var redirections: [Redirection] = []
  public var revocation = RevocationTimers()
  /// Acknowledgements carry the Load Information option of RFC 6463.
  public var advertisesLoad = false

  public init(
    addresses: [IPv6Address], gateways: [GatewayPolicy], prefixPools: [PrefixPool], nodes: [NodePolicy] = [],
    unknownNodes: UnknownNodePolicy = .refuse, timers: LMATimers = LMATimers(), limits: LMALimits = LMALimits(),
    codePoints: CodePoints = CodePoints(), sharedPrefixesIndicator: HandoffIndicator = .sharedPrefixes,
    markLayout: MarkLayout = .default, flowMobilityMode: FlowMobilityMode = .both
  ) {
    self.addresses = addresses
    self.gateways = gateways
    self.prefixPools = prefixPools
    self.nodes = nodes
    self.unknownNodes = unknownNodes
    self.timers = timers
    self.limits = limits
    self.codePoints = codePoints
    self.sharedPrefixesIndicator = sharedPrefixesIndicator
    self.markLayout = markLayout
    self.flowMobilityMode = flowMobilityMode
  }

  public enum UnknownNodePolicy: String, Hashable, Sendable, Codable { case refuse, accept }
}

/// How a gateway learns which prefixes of a node's other interfaces it must serve.
public enum FlowMobilityMode: String, Hashable, Sendable, Codable, CaseIterable {
  /// By a Flow Mobility Initiate before the first flow moves there; acknowledgements repeat what has been agreed, in HNP
  /// options with the L flag.
  case rfc7864
  /// By the flow-mob option of every acknowledgement; a flow moves when the gateway has had one.
  case paper
  /// By the flow-mob option; a move that comes before the next acknowledgement sends a Flow Mobility Initiate.
  case both

  var usesInitiation: Bool { self != .paper }
}

/// A gateway that may register nodes.
public struct GatewayPolicy: Hashable, Sendable, Codable {
  public enum Ordering: String, Hashable, Sendable, Codable {
    /// A Timestamp option is judged by RFC 5213 section 5.5; a request without one by its sequence number.
    case timestamp
    /// The same, but it is the node's clock, and not compared with ours (MobileNodeGeneratedTimestampInUse, RFC 5213
    /// section 9.3).
    case nodeTimestamp = "node-timestamp"
    /// Timestamps are echoed but not judged; sequence numbers of RFC 6275 section 9.5.1 are.
    case sequence
  }

  public var name: String
  public var address: IPv6Address
  public var ordering: Ordering
  /// Further Proxy-CoAs of a gateway that registers each of its uplinks (RFC 8278). Empty: such requests get status 180.
  public var uplinks: [IPv6Address]
  /// Of `PeerDeviation.ofGateways`.
  public var tolerated = PeerDeviations.none
  /// Off unless configured.
  public var heartbeat = HeartbeatSettings()
  public var pathFailure = PathFailurePolicy.keep
  /// It is told when a node has moved on to another gateway (RFC 5846 section 8.1).
  public var revokesAfterHandover = false
  /// It may revoke all of its bindings at once (RFC 5846 section 8.2).
  public var mayRevokeAll = false

  /// What becomes of the bindings of a gateway that does not answer heartbeats any more.
  public enum PathFailurePolicy: String, Hashable, Sendable, Codable {
    /// They stay until their lifetimes end: the path may come back before a node notices anything, and subscribers
    /// are told, so flows can leave meanwhile.
    case keep
    /// They end as if the gateway had de-registered them.
    case remove
  }

  public init(
    name: String, address: IPv6Address, ordering: Ordering = .timestamp, uplinks: [IPv6Address] = []
  ) {
    self.name = name
    self.address = address
    self.ordering = ordering
    self.uplinks = uplinks
  }

  /// All Proxy-CoAs.
  public var addresses: [IPv6Address] { [address] + uplinks }
}

/// Home network prefixes to give out.
public struct PrefixPool: Hashable, Sendable, Codable {
  public var prefix: IPv6Prefix
  /// Length of a home network prefix; 64 for SLAAC.
  public var assignedLength: Int
  /// How long a released prefix stays unused, so that late packets do not reach a stranger.
  public var quarantine: Duration

  public init(prefix: IPv6Prefix, assignedLength: Int = 64, quarantine: Duration = .seconds(60)) {
    self.prefix = prefix
    self.assignedLength = assignedLength
    self.quarantine = quarantine
  }
}

/// What the anchor knows about one node.
public struct NodePolicy: Hashable, Sendable, Codable {
  public var identifier: MobileNodeIdentifier
  public var kind: TerminalKind
  /// false: status 152, PROXY_REG_NOT_ENABLED.
  public var proxyRegistrationEnabled: Bool
  /// Prefixes kept for this node, given out in this order, one per interface (one for all when `kind` is logical).
  public var reservedPrefixes: [IPv6Prefix]
  /// Names of the gateways it may use; empty: all.
  public var gateways: [String]

  public init(
    identifier: MobileNodeIdentifier, kind: TerminalKind = .interfaces, proxyRegistrationEnabled: Bool = true,
    reservedPrefixes: [IPv6Prefix] = [], gateways: [String] = []
  ) {
    self.identifier = identifier
    self.kind = kind
    self.proxyRegistrationEnabled = proxyRegistrationEnabled
    self.reservedPrefixes = reservedPrefixes
    self.gateways = gateways
  }
}

/// RFC 5213 section 9.1.
public struct LMATimers: Hashable, Sendable, Codable {
  public var minDelayBeforeBCEDelete: Duration = .milliseconds(10_000)
  public var maxDelayBeforeNewBCEAssign: Duration = .milliseconds(1_500)
  public var timestampValidityWindow: Duration = .milliseconds(300)
  /// Longer requests are granted this much.
  public var maximumLifetime: Duration = .seconds(3_600)
  /// MIN_DELAY_BETWEEN_UPDATE_NOTIFICATION_REPLAY, RFC 7077 section 7.
  public var minDelayBetweenUpdateNotificationReplay: Duration = .milliseconds(1_000)
  /// MAX_UPDATE_NOTIFICATION_RETRANSMIT_COUNT, RFC 7077 section 7; 0...5.
  public var maxUpdateNotificationRetransmitCount = 1
  public init() {}
}

/// Every bound of the anchor; reaching one is counted and answered with status 130.
public struct LMALimits: Hashable, Sendable, Codable {
  public var bindings = 1_000_000
  public var bindingsPerNode = 8
  public var prefixesPerRequest = 8
  /// Registrations that wait for an old gateway (MaxDelayBeforeNewBCEAssign) or for the kernel.
  public var pendingRegistrations = 10_000
  /// Update Notifications that wait for an answer; one more is not sent.
  public var outstandingNotifications = 4_096
  public init() {}
}
