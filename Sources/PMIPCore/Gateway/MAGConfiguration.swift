import MobilityWire
import NetTypes

/// Configuration of a mobile access gateway.
public struct MAGConfiguration: Hashable, Sendable, Codable {
  public var proxyCareOfAddress: IPv6Address
  /// The anchor of nodes that name none of their own.
  public var anchorAddress: IPv6Address
  public var accessLinks: [AccessLink]
  public var nodes: [GatewayNodePolicy]
  public var unknownNodes: UnknownNodePolicy
  /// FixedMAGLinkLocalAddressOnAllAccessLinks, RFC 5213 section 9.3; `.unspecified` switches the mode off.
  public var fixedLinkLocalAddress: IPv6Address
  /// FixedMAGLinkLayerAddressOnAllAccessLinks.
  public var fixedLinkLayerAddress: LinkLayerAddress
  /// TimestampBasedApproachInUse.
  public var useTimestamps: Bool
  public var sharedPrefixesIndicator: HandoffIndicator
  public var codePoints: CodePoints
  public var timers: MAGTimers
  public var limits: MAGLimits
  /// Several ways to the anchors (RFC 8278), the preferred one first: its address is the `proxyCareOfAddress`. Empty:
  /// one way.
  public var uplinks: [Uplink] = []
  /// What is known about single anchors; for all others the defaults hold.
  public var anchors: [AnchorPolicy] = []
  /// With anchors that have no settings of their own under `anchors`; off unless configured.
  public var heartbeat = HeartbeatSettings()
  public var revocation = RevocationTimers()
  /// NAI of this gateway where a message names it (RFC 5846 section 9.2, RFC 8278 section 4.2); nil: its Proxy-CoA as text.
  public var identity: String?
  /// EnableLMARedirectFunction, RFC 6463 section 7: the anchor may send new sessions to another anchor.
  public var acceptsRedirect = false

  public init(
    proxyCareOfAddress: IPv6Address, anchorAddress: IPv6Address, accessLinks: [AccessLink],
    nodes: [GatewayNodePolicy] = [], unknownNodes: UnknownNodePolicy = .refuse,
    fixedLinkLocalAddress: IPv6Address = LinkLayerAddress.fixedGateway.linkLocalAddress,
    fixedLinkLayerAddress: LinkLayerAddress = .fixedGateway, useTimestamps: Bool = true,
    sharedPrefixesIndicator: HandoffIndicator = .sharedPrefixes, codePoints: CodePoints = CodePoints(),
    timers: MAGTimers = MAGTimers(), limits: MAGLimits = MAGLimits()
  ) {
    self.proxyCareOfAddress = proxyCareOfAddress
    self.anchorAddress = anchorAddress
    self.accessLinks = accessLinks
    self.nodes = nodes
    self.unknownNodes = unknownNodes
    self.fixedLinkLocalAddress = fixedLinkLocalAddress
    self.fixedLinkLayerAddress = fixedLinkLayerAddress
    self.useTimestamps = useTimestamps
    self.sharedPrefixesIndicator = sharedPrefixesIndicator
    self.codePoints = codePoints
    self.timers = timers
    self.limits = limits
  }

  var identifier: MobileNodeIdentifier {
    MobileNodeIdentifier(nai: identity ?? proxyCareOfAddress.description)
  }

  public enum UnknownNodePolicy: Hashable, Sendable, Codable {
    case refuse
    /// `<mac without separators>@realm`.
    case derive(realm: String)
  }
}

/// What a gateway knows about an anchor.
public struct AnchorPolicy: Hashable, Sendable, Codable {
  public var address: IPv6Address
  public var tolerated: PeerDeviations
  /// nil: `MAGConfiguration.heartbeat`.
  public var heartbeat: HeartbeatSettings?

  public init(address: IPv6Address, tolerated: PeerDeviations = .none, heartbeat: HeartbeatSettings? = nil) {
    self.address = address
    self.tolerated = tolerated
    self.heartbeat = heartbeat
  }
}

/// An interface towards mobile nodes.
public struct AccessLink: Hashable, Sendable, Codable {
  public var name: String
  public var accessTechnology: AccessTechnologyType
  /// What an anchor is told that asks for the access network (RFC 6757 section 3.1.1), such as an SSID; 1 to 255 octets.
  public var networkName: String?

  public init(name: String, accessTechnology: AccessTechnologyType, networkName: String? = nil) {
    self.name = name
    self.accessTechnology = accessTechnology
    self.networkName = networkName
  }
}

/// A line of the MAC to MN-ID file: several addresses may name one node (the paper, section 3.2.2).
public struct GatewayNodePolicy: Hashable, Sendable, Codable {
  public var linkLayerAddress: LinkLayerAddress
  public var identifier: MobileNodeIdentifier
  public var kind: TerminalKind
  /// nil: the gateway's anchor.
  public var anchorAddress: IPv6Address?
  /// Proposed to an anchor with `PeerDeviation.noDynamicPrefix`.
  public var homeNetworkPrefixes: [IPv6Prefix]

  public init(
    linkLayerAddress: LinkLayerAddress, identifier: MobileNodeIdentifier, kind: TerminalKind = .interfaces,
    anchorAddress: IPv6Address? = nil, homeNetworkPrefixes: [IPv6Prefix] = []
  ) {
    self.linkLayerAddress = linkLayerAddress
    self.identifier = identifier
    self.kind = kind
    self.anchorAddress = anchorAddress
    self.homeNetworkPrefixes = homeNetworkPrefixes
  }
}

public struct MAGTimers: Hashable, Sendable, Codable {
  /// First retransmission of a registration; the issue and RFC 6275's InitialBindackTimeoutFirstReg: 1.5 s.
  public var initialBindackTimeoutFirstRegistration: Duration = .milliseconds(1_500)
  /// INITIAL_BINDACK_TIMEOUT, for refreshes and de-registrations.
  public var initialBindackTimeout: Duration = .seconds(1)
  public var maxBindackTimeout: Duration = .seconds(32)
  /// Wanted lifetime of a binding; a multiple of 4 s.
  public var lifetime: Duration = .seconds(300)
  /// A refresh is sent this long before expiry (RFC 8127: 40 s), for short lifetimes at half of the granted lifetime.
  public var refreshBeforeExpiry: Duration = .seconds(40)
  /// Router lifetime in advertisements.
  public var routerLifetime: Duration = .seconds(1_800)
  /// Unsolicited unicast advertisements while registered.
  public var advertisementInterval: Duration = .seconds(600)
  /// Neighbour probes while attached, to notice a silent departure; zero: none.
  public var probeInterval: Duration = .seconds(10)
  public init() {}
}

public struct MAGLimits: Hashable, Sendable, Codable {
  public var attachments = 100_000
  public var prefixesPerNode = 16
  public init() {}
}
