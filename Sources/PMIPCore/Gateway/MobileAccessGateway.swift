import DatapathModel
import MobilityWire
import NetTypes

/// A mobile access gateway: RFC 5213 section 6 with the flow-mobility extensions of RFC 7864 (HNP option with the L
/// flag) and of the paper (flow-mob option, logical interfaces), as a value without I/O and without a clock.
///
/// Events go in, effects come out, in the order in which the shell must run them: what serves the node first (PBUs,
/// routes, advertisements), then what records it (persistence, notifications). All state is here: the binding update
/// list, one timer table, the tunnels with their user counts, and for each prefix which attachment has it.
///
/// A node comes and goes on an access link (`+Attachment`); each attachment is one mobility session, which is
/// registered, refreshed and ended at the anchor (`+Registration`); what the anchor grants becomes tunnels, routes and
/// unicast Router Advertisements (`+Datapath`). The prefixes are advertised only when the kernel has confirmed the
/// routes, and never while a registration is refused. Restart and reconfiguration are in `+Configuration`. What an
/// anchor asks for by itself comes as an Update Notification (`+Notifications`); a Flow Mobility Initiate
/// (`+FlowMobility`) has prefixes of the node's other interfaces served here too.
///
/// Heartbeats with the anchors are in `+Heartbeat`, revocation of bindings in `+Revocation`.
///
/// Left out: DHCP relay, local routing and IPv4 (RFC 5213 sections 6.11 and 6.10.3, RFC 5844). MAX_UPDATE_RATE of
/// RFC 6275 is kept per session by the retransmission timers; only two
/// answers in a row may cause another PBU at once.
public struct MobileAccessGateway: Sendable {
  /// A timer of one attachment.
  struct Timer: Hashable, Sendable {
    enum Kind: Hashable, Sendable {
      /// The outstanding request was not answered.
      case request
      /// A refused attachment is tried again.
      case retry
      case refresh, expiry, advertisement, probe
    }
    var key: AttachmentKey
    var kind: Kind
  }

  enum Deadline: Hashable, Sendable {
    case attachment(Timer)
    /// The next heartbeat request to that anchor.
    case heartbeat(IPv6Address)
    /// The answer to a revocation indication with that number.
    case revocation(UInt16)
    /// The next attachments of a group that ends.
    case groupDeparture(UInt64)
  }

  /// The effects of one event while it is handled.
  struct Turn {
    let now: Moment
    private var actions: [MAGEffect] = []
    private var records: [MAGEffect] = []

    init(now: Moment) { self.now = now }

    /// Persistence and notifications go behind everything that a node or the anchor waits for.
    var effects: [MAGEffect] { actions + records }

    mutating func perform(_ effect: MAGEffect) {
      switch effect {
      case .send, .install, .advertise, .probe: actions.append(effect)
      case .persist, .notify: records.append(effect)
      }
    }
  }

  /// What an `install` effect decides about.
  struct PendingInstall: Hashable, Sendable {
    var key: AttachmentKey
    /// `BindingUpdateListEntry.Binding.claim`: a later session of the same attachment is not concerned.
    var claim: UInt64
  }

  public internal(set) var configuration: MAGConfiguration
  public internal(set) var counters = MAGCounters()
  /// What the kernel should have if every `install` so far has succeeded.
  public internal(set) var desiredDatapath = DatapathSnapshot()

  var list = BindingUpdateList()
  var timers = DeadlineTable<Deadline>()
  var tunnels = GatewayTunnels()
  var claims = PrefixClaims()
  var directory: NodeDirectory
  /// MTU to advertise, octets.
  var linkMTUs: [String: UInt32] = [:]
  /// Nodes refused with status 152: not tried again until an operator attaches them (RFC 5213 section 6.9.1.2) or the
  /// configuration changes.
  var deniedNodes: Set<MobileNodeIdentifier> = []
  /// By address; not there: unknown.
  var multipathSupport: [IPv6Address: MultipathSupport] = [:]
  /// Positions in `configuration.uplinks`.
  var failedUplinks: Set<Int> = []
  var pendingInstalls: [EffectID: PendingInstall] = [:]
  /// Update Notifications that the kernel must answer first.
  var pendingNotifications: [EffectID: PendingNotification] = [:]
  var recentNotifications = RecentNotifications()
  /// By anchor address; only of anchors that we know.
  var peers: [IPv6Address: HeartbeatExchange] = [:]
  var revocations = RevocationExchange<RevocationOfAll>()
  /// By anchor address; only of anchors that we know.
  var answeredRevocations: [IPv6Address: AnsweredRevocations] = [:]
  /// They have answered an indication with a Binding Error.
  var anchorsWithoutRevocation: Set<IPv6Address> = []
  var groupDepartures = GroupDepartures()
  /// Grows when we lose our sessions (RFC 5847 section 3.4).
  var restartCounter: UInt32 = 0
  private var lastEffectID: UInt64 = 0
  private var lastClaim: UInt64 = 0
  private var lastSign: UInt64 = 0
  /// Not less than any number used by a session (modulo 2^16), so that an answer to an ended session fits no new one.
  /// nil: nothing was sent since the start.
  var sequence: UInt16?

  /// `configuration` must have no `problems()`.
  public init(configuration: MAGConfiguration) {
    self.configuration = configuration
    directory = NodeDirectory(configuration)
  }

  public mutating func handle(_ event: MAGEvent, at now: Moment) -> [MAGEffect] {
    var turn = Turn(now: now)
    // What is due has happened, even if the event that says so comes later than another one.
    while let deadline = timers.popDue(at: now.monotonic) {
      switch deadline {
      case .attachment(let timer): expired(timer, &turn)
      case .heartbeat(let anchor): heartbeatDue(anchor, &turn)
      case .revocation(let sequence): revocationDue(sequence, &turn)
      case .groupDeparture(let number): continueGroupDeparture(number, &turn)
      }
    }
    switch event {
    case .attached(let attachment): attached(attachment, &turn)
    case .detached(let link, let address, let cause):
      detached(AttachmentKey(link: link, linkLayerAddress: address), cause, &turn)
    case .linkDown(let link):
      for key in list.keys(onLink: link) {
        if let entry = list[key] { depart(entry, .remove(.linkDown), &turn) }
      }
    case .message(let message, let source, let destination):
      receive(message, source: source, destination: destination, &turn)
    case .deadlineReached: break
    case .datapathOutcome(let identifier, let outcome): datapathAnswered(identifier, outcome, &turn)
    case .uplinkChanged(let interface, let isUp): uplinkChanged(interface, isUp: isUp, &turn)
    case .linkMTU(let link, let mtu): linkMTUChanged(link, mtu, &turn)
    case .configurationChanged(let configuration): reconfigure(configuration, &turn)
    case .restore(let records, let peers): restore(records, peers, &turn)
    case .started(let counter, let sessionsLost): started(restartCounter: counter, sessionsLost: sessionsLost, &turn)
    case .revokeAll: revokeAllByOperator(&turn)
    }
    return turn.effects
  }

  private mutating func receive(
    _ message: MobilityMessage, source: IPv6Address, destination: IPv6Address, _ turn: inout Turn
  ) {
    switch message {
    case .bindingAcknowledgement(let acknowledgement):
      acknowledged(acknowledgement, source: source, destination: destination, &turn)
    case .bindingError(let error): receive(error, source: source, &turn)
    case .heartbeat(let heartbeat): receive(heartbeat, source: source, destination: destination, &turn)
    case .bindingRevocation(let revocation): receive(revocation, source: source, destination: destination, &turn)
    case .updateNotification(let notification):
      notified(notification, source: source, destination: destination, &turn)
    // For anchors and mobile nodes; nobody has reason to send us one.
    case .bindingUpdate, .bindingRefreshRequest, .updateNotificationAcknowledgement:
      counters.count(.strayMessages)
    }
  }

  /// Monotonic time of the next `.deadlineReached`; nil: nothing to wait for.
  public var nextDeadline: Duration? { timers.next }

  /// The anchors that nodes are registered with, and those of the configuration, sorted.
  public var anchors: [AnchorSummary] {
    directory.anchors.union(list.anchors).sorted().map(anchorSummary)
  }

  /// The binding update list, sorted by link and link-layer address.
  public var attachments: [AttachmentSummary] { list.sortedKeys.compactMap { list[$0]?.summary } }

  public func attachment(of address: LinkLayerAddress, onLink link: String) -> AttachmentSummary? {
    paths(on: link, address).first.flatMap { list[$0]?.summary }
  }

  /// Bindings that use a tunnel.
  public func users(of tunnel: TunnelIdentifier) -> Int { tunnels.users(of: tunnel) }

  private mutating func expired(_ timer: Timer, _ turn: inout Turn) {
    guard let entry = list[timer.key] else { return }
    switch timer.kind {
    case .request: requestUnanswered(entry, &turn)
    case .retry: register(entry, naming: [], &turn)
    case .refresh: refresh(entry, &turn)
    case .expiry: bindingExpired(entry, &turn)
    case .advertisement: advertise(entry, &turn)
    case .probe: probe(entry, &turn)
    }
  }

  mutating func setTimer(_ kind: Timer.Kind, of key: AttachmentKey, to deadline: Duration) {
    timers.set(.attachment(Timer(key: key, kind: kind)), to: deadline)
  }

  mutating func cancelTimers(_ kinds: [Timer.Kind], of key: AttachmentKey) {
    for kind in kinds { timers.cancel(.attachment(Timer(key: key, kind: kind))) }
  }

  mutating func nextEffectID() -> EffectID {
    lastEffectID += 1
    return EffectID(rawValue: lastEffectID)
  }

  mutating func nextClaim() -> UInt64 {
    lastClaim += 1
    return lastClaim
  }

  /// `BindingUpdateListEntry.lastSeen` of a node that has just been seen.
  mutating func nextSign() -> UInt64 {
    lastSign += 1
    return lastSign
  }
}
