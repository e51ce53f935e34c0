import DatapathModel
import NetTypes

/// Number of a flow. Unique among the flows of an anchor as long as the flow lives, also over a restart: the kernel's
/// map element carries it.
public struct FlowIdentifier: RawRepresentable, Hashable, Sendable, Comparable, Codable, CustomStringConvertible {
  public let rawValue: UInt32
  public init(rawValue: UInt32) { self.rawValue = rawValue }
  public init(from decoder: any Decoder) throws { rawValue = try decoder.singleValueContainer().decode(UInt32.self) }
  public func encode(to encoder: any Encoder) throws {
    var container = encoder.singleValueContainer()
    try container.encode(rawValue)
  }
  public static func < (a: Self, b: Self) -> Bool { a.rawValue < b.rawValue }
  public var description: String { String(rawValue) }
}

/// Packets and octets.
public struct TrafficCount: Hashable, Sendable, Codable {
  public var packets: UInt64
  public var octets: UInt64

  public static let zero = TrafficCount(packets: 0, octets: 0)

  public init(packets: UInt64, octets: UInt64) {
    self.packets = packets
    self.octets = octets
  }
}

/// A flow and the tunnel it takes.
public struct Flow: Hashable, Sendable {
  public var identifier: FlowIdentifier
  public var tuple: FlowSixTuple
  public var placer: FlowPlacer
  /// Differentiated services code point of the first packet; nil: that was not seen.
  public var dscp: UInt8?
  public var tunnel: TunnelIdentifier
  /// Index of the node in the mirror of the anchor; nil when no binding covers the destination (yet).
  var node: NodeIndex?
  /// Only an operator, or an outage of its tunnel, moves it.
  public internal(set) var isPinned = false
  /// Of the policy, which has decided about it last; `Placement.noRule`: none, `Placement.unknownRule`: before a restart.
  var rule = Placement.noRule
  /// Seconds since 1970.
  public var createdAt: UInt32
  /// Seconds on the monotonic clock; when a packet was last seen, to the grain of the counter poll.
  public var lastActive: UInt32
  /// The counter of the map element when it was last read. It starts with the first packets, which the queue showed us,
  /// and goes along when the flow moves. Packets that meet the queue although there is an element by now (those that
  /// waited in it) are not in the count.
  public var count: TrafficCount
  /// Octets a second, averaged over the last seconds before `readAt`.
  public var rate: UInt32 = 0
  /// When the counter was last read: milliseconds on the monotonic clock, modulo 2^32.
  var readAt: UInt32 = 0

  var placement: Placement { Placement(tunnel: tunnel, placer: placer, rule: rule, isPinned: isPinned) }
}

/// All flows: a slab of records, found by identifier or 6-tuple, and chained by tunnel and by node.
///
/// The two chains make a tunnel that goes away cost only the flows on it, and a node that loses a binding only the flows
/// of that node, whatever else is in the table. All links are 32-bit slots, and the tuple is stored once. A flow takes
/// 128 octets in the slab and 11 to 22 in each of the three indexes.
public struct FlowTable: Sendable {
  /// Place of a flow in the slab; valid until the flow is removed.
  typealias Slot = Int32
  private static let none: Slot = -1
  /// A bound for address space; more flows are taken, at the price of copies.
  private static let reservedRecords = 4_194_304

  private struct Record {
    var flow: Flow
    var tunnelLinks = Links()
    var nodeLinks = Links()
    /// Flows of one connection under different labels, newest first.
    var connectionLinks = Links()
    /// A free slot is chained to the next free one by `tunnelLinks.next`.
    var isFree = false
  }

  private struct Links {
    var previous: Slot = FlowTable.none
    var next: Slot = FlowTable.none
  }

  private struct Chain {
    var first: Slot = FlowTable.none
    var count = 0
  }

  private var records: [Record] = []
  private var firstFree: Slot = FlowTable.none
  private var byTuple = SlotIndex()
  private var byIdentifier = SlotIndex()
  /// One entry for each connection, the newest flow: somebody who goes through a million labels adds no entries.
  private var byConnection = SlotIndex()
  private var tunnelChains: [TunnelIdentifier: Chain] = [:]
  private var nodeChains: [NodeIndex?: Chain] = [:]
  private var lastIdentifier: UInt32 = 0

  public private(set) var count = 0
  /// More are not taken.
  public let maximum: Int

  public init(maximum: Int) {
    self.maximum = maximum
    // Memory that nothing has been written to costs nothing, and the slab never has to be copied while packets wait.
    records.reserveCapacity(min(maximum, Self.reservedRecords))
  }

  public var isFull: Bool { count >= maximum }

  // MARK: Lookup

  public func flow(_ identifier: FlowIdentifier) -> Flow? { slot(of: identifier).map { self[$0] } }
  public func flow(_ tuple: FlowSixTuple) -> Flow? { slot(of: tuple).map { self[$0] } }

  func slot(of identifier: FlowIdentifier) -> Slot? {
    byIdentifier.find(hash: Self.hash(identifier)) { records[Int($0)].flow.identifier == identifier }
  }

  func slot(of tuple: FlowSixTuple) -> Slot? { slot(of: tuple, hash: Self.hash(tuple)) }

  /// With the hash of the tuple, for who needs it more than once.
  func slot(of tuple: FlowSixTuple, hash: UInt32) -> Slot? {
    byTuple.find(hash: hash) { records[Int($0)].flow.tuple == tuple }
  }

  subscript(slot: Slot) -> Flow { records[Int(slot)].flow }

  /// All flows in slab order.
  public func forEach(_ body: (Flow) -> Void) {
    for record in records where !record.isFree { body(record.flow) }
  }

  /// The tuples of at most `limit` flows from `position` on, and where the next call goes on; nil at the end. Begin with 0.
  public func tuples(from position: Int, limit: Int) -> (tuples: [FlowSixTuple], next: Int?) {
    var tuples: [FlowSixTuple] = []
    tuples.reserveCapacity(limit)
    var position = position
    while position < records.count, tuples.count < limit {
      if !records[position].isFree { tuples.append(records[position].flow.tuple) }
      position += 1
    }
    return (tuples, position < records.count ? position : nil)
  }

  func forEachSlot(_ body: (Slot) -> Void) {
    for index in records.indices where !records[index].isFree { body(Slot(index)) }
  }

  /// Places of the slab, free ones too; grows only.
  var slotCount: Int { records.count }

  /// The flows in a part of the slab.
  func slots(in range: Range<Int>) -> [Slot] {
    range.clamped(to: 0..<records.count).filter { !records[$0].isFree }.map { Slot($0) }
  }

  /// Sorted by identifier.
  public var sorted: [Flow] {
    var result: [Flow] = []
    result.reserveCapacity(count)
    forEach { result.append($0) }
    return result.sorted { $0.identifier < $1.identifier }
  }

  public func count(on tunnel: TunnelIdentifier) -> Int { tunnelChains[tunnel]?.count ?? 0 }

  func slots(on tunnel: TunnelIdentifier) -> [Slot] { walk(tunnelChains[tunnel]) { $0.tunnelLinks.next } }
  func slots(ofNode node: NodeIndex?) -> [Slot] { walk(nodeChains[node]) { $0.nodeLinks.next } }

  func count(ofNode node: NodeIndex?) -> Int { nodeChains[node]?.count ?? 0 }

  /// Of the flows with the 5-tuple of `tuple`, whatever their flow labels, the one that was added last. Errors show the
  /// label of the other direction, and a sender may change labels within a connection.
  func newestFlow(ofConnection tuple: FlowSixTuple) -> Flow? {
    byConnection.find(hash: Self.connectionHash(tuple)) { records[Int($0)].flow.tuple.matchesIgnoringLabel(tuple) }
      .map { self[$0] }
  }

  private func walk(_ chain: Chain?, next: (Record) -> Slot) -> [Slot] {
    guard let chain else { return [] }
    var result: [Slot] = []
    result.reserveCapacity(chain.count)
    var slot = chain.first
    while slot != Self.none {
      result.append(slot)
      slot = next(records[Int(slot)])
    }
    return result
  }

  // MARK: Change

  /// A new flow with a new identifier; nil when the table is full or has the tuple.
  mutating func insert(
    _ tuple: FlowSixTuple, _ placement: Placement, dscp: UInt8? = nil, node: NodeIndex?, count: TrafficCount,
    at now: FlowMoment
  ) -> Slot? {
    let hash = Self.hash(tuple)
    guard slot(of: tuple, hash: hash) == nil else { return nil }
    return insertNew(tuple, hash: hash, placement, dscp: dscp, node: node, count: count, at: now)
  }

  /// The same for a tuple that is known not to be there, with its hash; nil when the table is full.
  mutating func insertNew(
    _ tuple: FlowSixTuple, hash: UInt32, _ placement: Placement, dscp: UInt8? = nil, node: NodeIndex?,
    count: TrafficCount, at now: FlowMoment
  ) -> Slot? {
    guard !isFull else { return nil }
    var identifier: FlowIdentifier
    repeat {
      lastIdentifier = lastIdentifier == .max ? 1 : lastIdentifier + 1
      identifier = FlowIdentifier(rawValue: lastIdentifier)
    } while slot(of: identifier) != nil
    return insertNew(
      Flow(
        identifier: identifier, tuple: tuple, placer: placement.placer, dscp: dscp, tunnel: placement.tunnel,
        node: node, isPinned: placement.isPinned, rule: placement.rule, createdAt: now.secondsSince1970,
        lastActive: now.monotonicSeconds,
        count: count, readAt: now.milliseconds), hash: hash)
  }

  /// A flow that has its identifier already; nil when the table is full or has the tuple or the identifier.
  mutating func insert(_ flow: Flow) -> Slot? {
    let hash = Self.hash(flow.tuple)
    guard !isFull, slot(of: flow.tuple, hash: hash) == nil, slot(of: flow.identifier) == nil else { return nil }
    lastIdentifier = max(lastIdentifier, flow.identifier.rawValue)
    return insertNew(flow, hash: hash)
  }

  private mutating func insertNew(_ flow: Flow, hash: UInt32) -> Slot {
    let slot: Slot
    if firstFree != Self.none {
      slot = firstFree
      firstFree = records[Int(slot)].tunnelLinks.next
      records[Int(slot)] = Record(flow: flow)
    } else {
      slot = Slot(records.count)
      records.append(Record(flow: flow))
    }
    count += 1
    byTuple.insert(slot, hash: hash)
    byIdentifier.insert(slot, hash: Self.hash(flow.identifier))
    linkTunnel(slot)
    linkNode(slot)
    // Without a label the tuple is its connection.
    linkConnection(slot, hash: flow.tuple.flowLabel == 0 ? hash : Self.connectionHash(flow.tuple))
    return slot
  }

  @discardableResult
  mutating func remove(_ slot: Slot) -> Flow {
    let flow = records[Int(slot)].flow
    unlinkTunnel(slot)
    unlinkNode(slot)
    unlinkConnection(slot)
    byTuple.remove(slot, hash: Self.hash(flow.tuple))
    byIdentifier.remove(slot, hash: Self.hash(flow.identifier))
    records[Int(slot)].isFree = true
    records[Int(slot)].tunnelLinks = Links(previous: Self.none, next: firstFree)
    firstFree = slot
    count -= 1
    return flow
  }

  mutating func setPlacement(_ placement: Placement, of slot: Slot) {
    unlinkTunnel(slot)
    records[Int(slot)].flow.tunnel = placement.tunnel
    records[Int(slot)].flow.placer = placement.placer
    records[Int(slot)].flow.rule = placement.rule
    linkTunnel(slot)
  }

  mutating func setRule(_ rule: UInt16, of slot: Slot) { records[Int(slot)].flow.rule = rule }

  mutating func setNode(_ node: NodeIndex?, of slot: Slot) {
    unlinkNode(slot)
    records[Int(slot)].flow.node = node
    linkNode(slot)
  }

  mutating func setPinned(_ isPinned: Bool, of slot: Slot) { records[Int(slot)].flow.isPinned = isPinned }

  mutating func setCount(_ count: TrafficCount, lastActive: UInt32, of slot: Slot) {
    records[Int(slot)].flow.count = count
    records[Int(slot)].flow.lastActive = lastActive
  }

  /// A reading of the counter: count, rate and activity follow from it.
  ///
  /// The rate is an exponential average over `FlowRate.span`, weighted by the time between readings, so that readings at
  /// any distance may be mixed. A counter that goes back was reset by somebody: the rate stays what it was.
  mutating func setReading(_ count: TrafficCount, at now: FlowMoment, of slot: Slot) {
    let flow = records[Int(slot)].flow
    if count.octets >= flow.count.octets {
      let milliseconds = now.milliseconds &- flow.readAt
      guard milliseconds > 0 || flow.count != count else { return }
      records[Int(slot)].flow.rate = FlowRate.average(
        flow.rate, octets: count.octets - flow.count.octets, milliseconds: milliseconds)
    }
    records[Int(slot)].flow.readAt = now.milliseconds
    guard flow.count != count else { return }
    records[Int(slot)].flow.count = count
    records[Int(slot)].flow.lastActive = now.monotonicSeconds
  }

  private mutating func linkTunnel(_ slot: Slot) {
    var chain = tunnelChains[records[Int(slot)].flow.tunnel] ?? Chain()
    link(slot, in: &chain, \.tunnelLinks)
    tunnelChains[records[Int(slot)].flow.tunnel] = chain
  }

  private mutating func linkNode(_ slot: Slot) {
    var chain = nodeChains[records[Int(slot)].flow.node] ?? Chain()
    link(slot, in: &chain, \.nodeLinks)
    nodeChains[records[Int(slot)].flow.node] = chain
  }

  private mutating func linkConnection(_ slot: Slot, hash: UInt32) {
    let tuple = records[Int(slot)].flow.tuple
    let earlier = byConnection.find(hash: hash) { records[Int($0)].flow.tuple.matchesIgnoringLabel(tuple) }
    records[Int(slot)].connectionLinks = Links(previous: Self.none, next: earlier ?? Self.none)
    if let earlier {
      records[Int(earlier)].connectionLinks.previous = slot
      byConnection.replace(earlier, with: slot, hash: hash)
    } else {
      byConnection.insert(slot, hash: hash)
    }
  }

  private mutating func unlinkConnection(_ slot: Slot) {
    let own = records[Int(slot)].connectionLinks
    if own.next != Self.none { records[Int(own.next)].connectionLinks.previous = own.previous }
    if own.previous != Self.none {
      records[Int(own.previous)].connectionLinks.next = own.next
      return
    }
    let hash = Self.connectionHash(records[Int(slot)].flow.tuple)
    if own.next != Self.none {
      byConnection.replace(slot, with: own.next, hash: hash)
    } else {
      byConnection.remove(slot, hash: hash)
    }
  }

  private mutating func link(_ slot: Slot, in chain: inout Chain, _ links: WritableKeyPath<Record, Links>) {
    records[Int(slot)][keyPath: links] = Links(previous: Self.none, next: chain.first)
    if chain.first != Self.none { records[Int(chain.first)][keyPath: links].previous = slot }
    chain.first = slot
    chain.count += 1
  }

  private mutating func unlinkTunnel(_ slot: Slot) {
    let tunnel = records[Int(slot)].flow.tunnel
    guard var chain = tunnelChains[tunnel] else { return }
    unlink(slot, from: &chain, \.tunnelLinks)
    tunnelChains[tunnel] = chain.count == 0 ? nil : chain
  }

  private mutating func unlinkNode(_ slot: Slot) {
    let node = records[Int(slot)].flow.node
    guard var chain = nodeChains[node] else { return }
    unlink(slot, from: &chain, \.nodeLinks)
    nodeChains[node] = chain.count == 0 ? nil : chain
  }

  private mutating func unlink(_ slot: Slot, from chain: inout Chain, _ links: WritableKeyPath<Record, Links>) {
    let own = records[Int(slot)][keyPath: links]
    if own.previous != Self.none {
      records[Int(own.previous)][keyPath: links].next = own.next
    } else {
      chain.first = own.next
    }
    if own.next != Self.none { records[Int(own.next)][keyPath: links].previous = own.previous }
    chain.count -= 1
  }

  // `Hasher` is keyed per process: correspondents choose addresses and ports, and must not choose collisions.
  static func hash(_ tuple: FlowSixTuple) -> UInt32 { UInt32(truncatingIfNeeded: tuple.hashValue) }
  private static func connectionHash(_ tuple: FlowSixTuple) -> UInt32 {
    var connection = tuple
    connection.flowLabel = 0
    return hash(connection)
  }
  private static func hash(_ identifier: FlowIdentifier) -> UInt32 { identifier.rawValue &* 0x9e37_79b1 }
}
