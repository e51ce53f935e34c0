import DatapathModel
import NetTypes

/// What has happened to the nodes: accesses that came and went, and moves of their flows. Bounded for each node and in
/// total; the oldest entries go first, and are counted.
public struct FlowHistory: Sendable {
  public static let maximumOfNode = 256
  public static let maximum = 100_000
  /// Flows named in an entry about more.
  public static let maximumFlowsNamed = 8

  public struct Entry: Hashable, Sendable {
    public var at: FlowMoment
    public var event: Event
  }

  public enum Event: Hashable, Sendable {
    /// `isFound`: it was there before we began to listen.
    case attached(Access, isFound: Bool)
    /// `lasted`: since it attached, if that is known.
    case detached(Access, cause: String?, lasted: Duration?)
    case moved(Move)
  }

  public struct Access: Hashable, Sendable {
    public var binding: UInt32
    public var gateway: String
    public var tunnel: TunnelIdentifier
    /// Access Technology Type, RFC 5213 section 8.5.
    public var accessTechnology: UInt8
  }

  /// Of one flow, or of all that have moved together.
  public struct Move: Hashable, Sendable {
    public var count: Int
    /// The first of them.
    public var flows: [FlowIdentifier]
    public var from: TunnelIdentifier
    public var to: TunnelIdentifier
    public var fromGateway: String?
    public var toGateway: String?
    public var cause: FlowNotification.MoveCause
    /// How long the first flow had been where it was, in seconds.
    public var stayedSeconds: UInt32
  }

  private struct Place {
    var sequence: UInt64
    var node: String
  }

  /// Oldest first.
  private var entries: [String: [(sequence: UInt64, entry: Entry)]] = [:]
  /// All entries, oldest first; those that have gone with their node's own bound are still in it.
  private var order: [Place] = []
  private var oldest = 0
  private var nextSequence: UInt64 = 0
  /// When a flow that an entry names has moved last, in seconds since 1970.
  private var lastMoves: [FlowIdentifier: UInt32] = [:]
  public private(set) var count = 0
  /// Entries that had to go for newer ones.
  public private(set) var dropped: UInt64 = 0

  let maximum: Int

  public init(maximum: Int = Self.maximum) { self.maximum = maximum }

  /// Of one node, oldest first.
  public func entries(ofNode node: String) -> [Entry] { entries[node]?.map(\.entry) ?? [] }

  // MARK: Recording

  mutating func attached(_ access: Access, of node: String, isFound: Bool, at now: FlowMoment) {
    append(.attached(access, isFound: isFound), of: node, at: now)
  }

  mutating func detached(_ access: Access, of node: String, cause: String?, at now: FlowMoment) {
    var beginning: FlowMoment?
    for (_, entry) in entries[node] ?? [] {
      if case .attached(access, let isFound) = entry.event { beginning = isFound ? nil : entry.at }
    }
    append(
      .detached(access, cause: cause, lasted: beginning.map { now.monotonic - $0.monotonic }), of: node, at: now)
  }

  /// Flows that move at the same moment between the same tunnels for the same cause are one entry.
  mutating func moved(_ move: Move, of node: String, at now: FlowMoment) {
    guard let first = move.flows.first else { return }
    if let last = entries[node]?.indices.last, let entry = entries[node]?[last].entry, entry.at == now,
      case .moved(var before) = entry.event,
      (before.from, before.to, before.cause) == (move.from, move.to, move.cause)
    {
      before.count += move.count
      before.flows += move.flows.prefix(Self.maximumFlowsNamed - before.flows.count)
      entries[node]?[last].entry.event = .moved(before)
      for flow in before.flows { lastMoves[flow] = now.secondsSince1970 }
      return
    }
    var move = move
    if let earlier = lastMoves[first] { move.stayedSeconds = now.secondsSince1970 &- earlier }
    for flow in move.flows { lastMoves[flow] = now.secondsSince1970 }
    append(.moved(move), of: node, at: now)
  }

  private mutating func append(_ event: Event, of node: String, at now: FlowMoment) {
    if entries[node]?.count ?? 0 >= Self.maximumOfNode { dropOldest(ofNode: node) }
    entries[node, default: []].append((nextSequence, Entry(at: now, event: event)))
    order.append(Place(sequence: nextSequence, node: node))
    nextSequence += 1
    count += 1
    while count > maximum, oldest < order.count {
      let place = order[oldest]
      oldest += 1
      if entries[place.node]?.first?.sequence == place.sequence { dropOldest(ofNode: place.node) }
    }
    if order.count > 2 * (count + Self.maximumOfNode) { compact() }
  }

  private mutating func dropOldest(ofNode node: String) {
    if case .moved(let move)? = entries[node]?.first?.entry.event {
      let at = entries[node]?.first?.entry.at.secondsSince1970
      for flow in move.flows where lastMoves[flow] == at { lastMoves[flow] = nil }
    }
    entries[node]?.removeFirst()
    if entries[node]?.isEmpty ?? true { entries[node] = nil }
    count -= 1
    dropped += 1
  }

  private mutating func compact() {
    order = order[oldest...].filter { place in entries[place.node]?.first.map { $0.sequence <= place.sequence } ?? false
    }
    oldest = 0
  }
}

// What the engine tells becomes history.
extension FlowManagerEngine {
  /// An outage moves thousands of flows at once: neighbours that belong to one entry are gathered before they are noted.
  mutating func note(_ effects: [FlowEffect], _ now: FlowMoment) {
    var gathered: (node: NodeIndex, move: FlowHistory.Move)?
    for case .notify(let notification) in effects {
      guard case .flowMoved(let flow, let from, let cause) = notification, let node = flow.node else {
        note(gathered, now)
        gathered = nil
        note(notification, now)
        continue
      }
      if let (known, move) = gathered, known == node, (move.from, move.to, move.cause) == (from, flow.tunnel, cause) {
        gathered?.move.count += 1
        if move.flows.count < FlowHistory.maximumFlowsNamed { gathered?.move.flows.append(flow.identifier) }
        continue
      }
      note(gathered, now)
      let move = FlowHistory.Move(
        count: 1, flows: [flow.identifier], from: from, to: flow.tunnel,
        fromGateway: mirror.tunnels[from]?.gateway, toGateway: mirror.tunnels[flow.tunnel]?.gateway, cause: cause,
        stayedSeconds: now.secondsSince1970 > flow.createdAt ? now.secondsSince1970 - flow.createdAt : 0)
      gathered = (node, move)
    }
    note(gathered, now)
  }

  private mutating func note(_ gathered: (node: NodeIndex, move: FlowHistory.Move)?, _ now: FlowMoment) {
    guard let gathered, let name = mirror.name(of: gathered.node) else { return }
    history.moved(gathered.move, of: name, at: now)
  }

  private mutating func note(_ notification: FlowNotification, _ now: FlowMoment) {
    switch notification {
    case .accessAttached(let binding, let isFound):
      history.attached(access(binding), of: binding.node, isFound: isFound, at: now)
    case .accessDetached(let binding, let cause):
      history.detached(access(binding), of: binding.node, cause: cause, at: now)
    default: break
    }
  }

  private func access(_ binding: AnchorBinding) -> FlowHistory.Access {
    FlowHistory.Access(
      binding: binding.id, gateway: binding.gateway, tunnel: binding.tunnel, accessTechnology: binding.accessTechnology)
  }
}
