import DatapathModel
import MobilityWire
import NetTypes

/// A local mobility anchor (RFC 5213 section 5), without sockets, clock or kernel: events in, effects out. The same
/// events at the same moments give the same effects. One owner calls `handle`, runs the effects in order, answers every
/// `install` with a `datapathOutcome`, and calls again with `deadlineReached` at `nextDeadline`.
///
/// A Proxy Binding Update goes through
/// - the checks that concern its sender (`+Requests`): those of RFC 6275 section 9.2 that need our configuration, then
///   RFC 5213 section 5.3.1 in its order;
/// - `HandoffDecision`: which session it means, and `Ordering`: is it newer than what that session accepted;
/// - `+Bindings`: what it does to the binding cache, the prefixes and the tunnels.
///
/// A registration that needs the kernel is a `PendingInstall` until the kernel has answered: only then does the binding
/// exist, is acknowledged, announced and stored, in this order. If the kernel refuses, everything is as before and the
/// answer is status 130. A de-registration, an expiry or a deletion takes effect at once; if the kernel fails to
/// remove something, that is counted and left to the next reconciliation. While the kernel works for a node, further
/// requests of that node are deferred (`PendingRegistrations`); a retransmission of the pending one takes its place and
/// is the one acknowledged.
///
/// All bindings of a node form its group, the paper's flow-mob list (section 3.2.2). A node with several IP interfaces
/// has a prefix for each, and every acknowledgement tells a gateway the prefixes of the node's other interfaces.
/// Attachments of a logical interface share their prefixes: the oldest active one is the default for packets without a
/// flow mark, and when it goes the next takes over in the same install.
///
/// No call is long: of many deadlines that are due together each `deadlineReached` takes a few, and `nextDeadline` stays
/// in the past until all are done. So that this cannot be seen, what is due for a node comes before anything else that
/// happens to it. Likewise nothing is allocated for all bindings at once, except for the list that `restore` brings.
///
/// A gateway learns of the prefixes of other interfaces by its acknowledgements, and before a flow moves to it by a Flow
/// Mobility Initiate (`+FlowMobility`), which is one of the Update Notifications of RFC 7077 (`+Notifications`).
///
/// Heartbeats with the gateways are in `+Heartbeat`, revocation of bindings in `+Revocation`; what ends all bindings of a
/// gateway, in `+Groups`.
///
/// Left out: IPv4 home addresses (RFC 5844). Authentication of messages is IPsec's; here a gateway is known by its
/// Proxy-CoA.
public struct LocalMobilityAnchor: Sendable {
  public internal(set) var configuration: LMAConfiguration
  public internal(set) var counters = LMACounters()

  var gateways: [IPv6Address: GatewayPolicy] = [:]
  var policies: [MobileNodeIdentifier: NodePolicy] = [:]
  var cache = BindingCache()
  var allocator: PrefixAllocator
  var tunnelTable = TunnelTable()
  var pending = PendingRegistrations()
  var deadlines = DeadlineTable<Deadline>()
  /// Update Notifications that wait for an answer.
  var notifications: OutstandingNotifications
  /// They have answered a notification with Binding Error status 2.
  var gatewaysWithoutNotifications: Set<IPv6Address> = []
  /// Flow Mobility Initiates among them, by session.
  var exchanges: [BindingIdentifier: FlowMobilityExchange] = [:]
  var peerDeadlines = DeadlineTable<PeerDeadline>()
  /// Install effects that remove something, with the tunnels that are gone when they are answered.
  var removals = SegmentedDictionary<EffectID, [TunnelIdentifier]>()
  /// By Proxy-CoA; only of configured gateways.
  var peers: [IPv6Address: GatewayPeer] = [:]
  var groupRemovals = GroupRemovals()
  var revocations = RevocationExchange<AnchorRevocation>()
  /// Grows when we lose our sessions (RFC 5847 section 3.4).
  var restartCounter: UInt32 = 0

  var renaming: Renaming?

  var nextEffect: UInt64 = 1
  var nextBinding: UInt32
  var nextSeniority: UInt64 = 1

  /// Deadlines that one call takes, so that a hundred thousand lifetimes that end together hold up nobody. With their
  /// netlink messages these are a few milliseconds.
  static let deadlinesPerCall = 64

  /// Bindings that one call announces anew when gateways have other names.
  static let announcementsPerCall = 64

  /// Gateways have other names, and not all bindings have been announced with them.
  struct Renaming: Sendable {
    var gateways: Set<IPv6Address>
    /// Entries at the beginning of the cache.
    var unvisited: Int
    var since: Duration
  }

  /// Who owns a deadline; it is cancelled when its owner goes away.
  enum Deadline: Hashable, Sendable {
    /// Expiry, or the end of MinDelayBeforeBCEDelete, or what was one of them before a refresh.
    case binding(BindingIdentifier)
    /// The end of MaxDelayBeforeNewBCEAssign.
    case wait(WaitIdentifier)
    /// The end of MIN_DELAY_BETWEEN_UPDATE_NOTIFICATION_REPLAY, by sequence number.
    case notification(UInt16)
  }

  /// Those that no binding has; apart from the others, of which there are millions, because their keys are larger.
  enum PeerDeadline: Hashable, Sendable {
    /// The next heartbeat request to that gateway.
    case heartbeat(IPv6Address)
    /// The next bindings of a group that ends.
    case groupRemoval(UInt64)
    /// The answer to a revocation indication with that number.
    case revocation(UInt16)
  }

  /// - Parameters:
  ///   - configuration: without `problems()`.
  ///   - firstBinding: numbers of bindings start here, or behind the highest restored one. Pass one more than the
  ///     highest ever stored, so that no subscriber takes a new binding for an old one.
  ///   - firstNotification: sequence number of the first Update Notification; a random one (RFC 7077 section 5.1).
  public init(
    configuration: LMAConfiguration, firstBinding: BindingIdentifier = BindingIdentifier(rawValue: 1),
    firstNotification: UInt16 = 0
  ) {
    self.configuration = configuration
    notifications = OutstandingNotifications(first: firstNotification)
    allocator = PrefixAllocator(pools: configuration.prefixPools, nodes: configuration.nodes)
    nextBinding = max(1, firstBinding.rawValue)
    indexConfiguration()
  }

  public mutating func handle(_ event: LMAEvent, at now: Moment) -> [LMAEffect] {
    var turn = Turn(now: now)
    switch event {
    case .message(let message, let source, let destination):
      receive(message, source: source, destination: destination, &turn)
    case .deadlineReached: reachDeadlines(&turn)
    case .datapathOutcome(let effect, let outcome): finish(effect, outcome, &turn)
    case .configurationChanged(let configuration): reconfigure(configuration, &turn)
    case .restore(let records, let peers): restore(records, peers, &turn)
    case .started(let counter, let sessionsLost): started(restartCounter: counter, sessionsLost: sessionsLost, &turn)
    case .deleteBinding(let binding): deleteByOperator(binding, &turn)
    case .revokeNode(let node): revokeByOperator(node, &turn)
    case .revokeGateway(let gateway): revokeByOperator(gateway: gateway, &turn)
    case .notifyNode(let node, let request): notify(node, request, &turn)
    case .reregisterGateway(let gateway, let acknowledged):
      reregister(everybodyAt: gateway, acknowledged: acknowledged, &turn)
    case .servePrefixes(let token, let prefixes, let binding): serve(prefixes, at: binding, token, &turn)
    }
    return turn.effects
  }

  private mutating func receive(
    _ message: MobilityMessage, source: IPv6Address, destination: IPv6Address, _ turn: inout Turn
  ) {
    switch message {
    case .bindingUpdate(let update): receive(update, source: source, destination: destination, &turn)
    case .bindingError(let error): receive(error, source: source, &turn)
    case .heartbeat(let heartbeat): receive(heartbeat, source: source, destination: destination, &turn)
    case .bindingRevocation(let revocation): receive(revocation, source: source, destination: destination, &turn)
    case .updateNotificationAcknowledgement(let acknowledgement):
      receive(acknowledgement, source: source, destination: destination, &turn)
    // For gateways and mobile nodes; nobody has reason to send us one.
    case .bindingAcknowledgement, .bindingRefreshRequest, .updateNotification:
      counters.count(.strayMessages)
    }
  }

  private mutating func reachDeadlines(_ turn: inout Turn) {
    announceRenamed(&turn)
    for _ in 0..<Self.deadlinesPerCall {
      guard let deadline = peerDeadlines.popDue(at: turn.now.monotonic) else { break }
      reach(deadline, &turn)
    }
    for _ in 0..<Self.deadlinesPerCall {
      guard let deadline = deadlines.popDue(at: turn.now.monotonic) else { return }
      reach(deadline, &turn)
    }
  }

  /// What is due for the node is over, even if the event that says so comes later than another one.
  mutating func reachDeadlines(of node: MobileNodeIdentifier, _ turn: inout Turn) {
    guard let next = deadlines.next, next <= turn.now.monotonic else { return }
    let keys =
      cache.bindings(of: node).map { Deadline.binding($0.identifier) }
      + pending.waiting(of: node).map { .wait($0.identifier) }
    while let deadline = deadlines.popDue(at: turn.now.monotonic, of: keys) { reach(deadline, &turn) }
  }

  private mutating func reach(_ deadline: Deadline, _ turn: inout Turn) {
    switch deadline {
    case .binding(let identifier):
      guard let entry = cache.takeAlarm(of: identifier) else { return }
      guard entry.deadline <= turn.now.monotonic else { return store(entry) }
      perform(.deadline(identifier), for: entry.node, &turn)
    case .wait(let identifier):
      guard let request = pending.endWait(identifier) else { return }
      counters.count(.waitsTimedOut)
      perform(.registration(request, hasWaited: true), for: request.node, &turn)
    case .notification(let sequence): notificationUnanswered(sequence, &turn)
    }
  }

  private mutating func reach(_ deadline: PeerDeadline, _ turn: inout Turn) {
    switch deadline {
    case .heartbeat(let gateway): heartbeatDue(gateway, &turn)
    case .groupRemoval(let number): continueGroupRemoval(number, &turn)
    case .revocation(let sequence): revocationDue(sequence, &turn)
    }
  }

  /// A refresh, which only moves the deadline back, leaves the alarm where it is: of the two tables it touches the cache
  /// alone. When the alarm comes, it is set anew.
  mutating func store(_ entry: BindingCacheEntry) {
    if let alarm = cache.store(entry) { deadlines.set(.binding(entry.identifier), to: alarm) }
  }

  private mutating func deleteByOperator(_ identifier: BindingIdentifier, _ turn: inout Turn) {
    if let node = cache[identifier]?.node { reachDeadlines(of: node, &turn) }
    guard let entry = cache[identifier] else { return counters.count(.operatorDeletionsUnknown) }
    perform(.operatorDeletion(identifier), for: entry.node, &turn)
  }

  func gatewayName(_ address: IPv6Address) -> String { gateways[address]?.name ?? address.description }

  func summary(_ entry: BindingCacheEntry) -> BindingSummary {
    entry.summary(gatewayName: gatewayName(entry.attachment.proxyCareOfAddress))
  }
}

// Read-only views.
extension LocalMobilityAnchor {
  /// Monotonic; the earliest time at which something happens by itself.
  public var nextDeadline: Duration? {
    [deadlines.next, peerDeadlines.next, renaming?.since].compactMap(\.self).min()
  }

  public var bindingCount: Int { cache.count }

  /// By number.
  public var bindings: [BindingSummary] { cache.all.map(summary).sorted { $0.identifier < $1.identifier } }

  /// Oldest registration first.
  public func bindings(of node: MobileNodeIdentifier) -> [BindingSummary] { cache.bindings(of: node).map(summary) }

  public func binding(_ identifier: BindingIdentifier) -> BindingSummary? { cache[identifier].map(summary) }

  /// The configured gateways, in the order of the configuration, with each of their addresses.
  public var gatewaySummaries: [GatewaySummary] {
    configuration.gateways.flatMap { gateway in gateway.addresses.map { summary(gateway, at: $0) } }
  }

  /// What the heartbeats say about the path to a gateway.
  public func path(to gateway: IPv6Address) -> PeerPath { peers[gateway]?.heartbeat.path ?? .unknown }

  /// Tunnels that the kernel has, by number.
  public var tunnels: [TunnelDescription] { tunnelTable.installed }

  /// Registrations that wait for the kernel, for another one of their node, or for an old gateway.
  public var pendingRegistrations: Int { pending.count }

  /// What the kernel should hold for the bindings that exist.
  public var desiredDatapath: DatapathSnapshot {
    var snapshot = DatapathSnapshot()
    for tunnel in tunnelTable.inUse { snapshot.apply(.addTunnel(tunnel)) }
    for entry in cache.all where entry.isDefault {
      for prefix in entry.prefixes { snapshot.apply(.setPrefixRoute(prefix, entry.tunnel)) }
    }
    return snapshot
  }
}

/// One call of `handle`: when it is, and what came out of it so far.
struct Turn {
  let now: Moment
  var effects: [LMAEffect] = []

  init(now: Moment) {
    self.now = now
    // What a refresh gives: its answer, a notification, a record.
    effects.reserveCapacity(3)
  }

  mutating func notify(_ notification: LMANotification) { effects.append(.notify(notification)) }
  mutating func persist(_ change: PersistenceChange) { effects.append(.persist(change)) }
  mutating func send(_ message: MobilityMessage, from source: IPv6Address, to destination: IPv6Address) {
    effects.append(.send(message, source: source, destination: destination))
  }
}
