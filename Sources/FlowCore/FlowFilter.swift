import DatapathModel
import HeapModule
import NetTypes

/// Flows by what they have in common; a field that is nil takes every value.
public struct FlowFilter: Hashable, Sendable {
  public var selector: FlowSelector?
  public var node: String?
  /// Name of a gateway: all tunnels to it.
  public var gateway: String?
  public var tunnel: TunnelIdentifier?
  public var isPinned: Bool?

  public init(
    selector: FlowSelector? = nil, node: String? = nil, gateway: String? = nil, tunnel: TunnelIdentifier? = nil,
    isPinned: Bool? = nil
  ) {
    self.selector = selector
    self.node = node
    self.gateway = gateway
    self.tunnel = tunnel
    self.isPinned = isPinned
  }
}

/// A page of the flow table.
public struct FlowQuery: Hashable, Sendable {
  /// By identifier the lowest comes first, by anything else the largest.
  public enum Order: String, Hashable, Sendable, Codable, CaseIterable {
    case identifier = "id"
    case rate, octets, packets, idle, age
  }

  public static let standardLimit = 1_000
  /// A page is one document, which takes time to write; who wants more takes several.
  public static let maximumLimit = 10_000

  public var filter: FlowFilter
  public var order: Order
  /// At most `maximumLimit`; larger values count as that.
  public var limit: Int
  /// Only flows with higher identifiers: the last of the page before.
  public var after: FlowIdentifier?

  public init(
    _ filter: FlowFilter = FlowFilter(), order: Order = .identifier, limit: Int = Self.standardLimit,
    after: FlowIdentifier? = nil
  ) {
    self.filter = filter
    self.order = order
    self.limit = limit
    self.after = after
  }
}

public struct FlowPage: Hashable, Sendable {
  public var flows: [Flow]
  /// Flows that the filter chooses but that are not in the page.
  public var more: Int
}

extension FlowManagerEngine {
  /// - Throws: when the filter names a node, gateway or tunnel that there is not.
  public func list(_ query: FlowQuery) throws(FlowRefusal) -> FlowPage {
    let limit = min(max(query.limit, 0), FlowQuery.maximumLimit)
    var best = Heap<RankedFlow>()
    var chosen = 0
    try forEachSlot(of: query.filter) { slot in
      let flow = table[slot]
      if let after = query.after, flow.identifier <= after { return }
      chosen += 1
      let ranked = RankedFlow(rank: rank(flow, query.order), identifier: flow.identifier, slot: slot)
      if best.count < limit {
        best.insert(ranked)
      } else if let last = best.max, ranked < last {
        best.replaceMax(with: ranked)
      }
    }
    return FlowPage(flows: best.unordered.sorted().map { table[$0.slot] }, more: chosen - best.count)
  }

  /// The flows that `filter` chooses.
  /// - Throws: when it names a node, gateway or tunnel that there is not.
  public func identifiers(_ filter: FlowFilter) throws(FlowRefusal) -> [FlowIdentifier] {
    var identifiers: [FlowIdentifier] = []
    try forEachSlot(of: filter) { identifiers.append(table[$0].identifier) }
    return identifiers
  }

  /// Low ranks come first.
  private func rank(_ flow: Flow, _ order: FlowQuery.Order) -> UInt64 {
    switch order {
    case .identifier: 0
    case .rate: .max - UInt64(flow.rate)
    case .octets: .max - flow.count.octets
    case .packets: .max - flow.count.packets
    case .idle: UInt64(flow.lastActive)
    case .age: UInt64(flow.createdAt)
    }
  }

  /// By way of the chain of the node or of the tunnels, when the filter names one.
  func forEachSlot(of filter: FlowFilter, _ body: (FlowTable.Slot) -> Void) throws(FlowRefusal) {
    let node = try filter.node.map { name throws(FlowRefusal) in try index(ofNode: name) }
    let tunnels = try tunnels(of: filter)
    func visit(_ slot: FlowTable.Slot) {
      let flow = table[slot]
      guard node == nil || flow.node == node, tunnels?.contains(flow.tunnel) ?? true,
        filter.isPinned ?? flow.isPinned == flow.isPinned, filter.selector?.matches(flow.tuple) ?? true
      else { return }
      body(slot)
    }
    if let node {
      table.slots(ofNode: node).forEach(visit)
    } else if let tunnels {
      for tunnel in tunnels { table.slots(on: tunnel).forEach(visit) }
    } else {
      table.forEachSlot(visit)
    }
  }

  private func index(ofNode name: String) throws(FlowRefusal) -> NodeIndex {
    if let index = mirror.node(named: name) { return index }
    throw FlowRefusal(
      reason: .noSuchNode,
      message: "no node '\(name)' is attached; `flow-manager nodes` shows those that are"
        + (mirror.isStale ? " (the anchor is away: this is its last known state)" : ""))
  }

  /// In ascending order; nil: all.
  private func tunnels(of filter: FlowFilter) throws(FlowRefusal) -> [TunnelIdentifier]? {
    var tunnels: [TunnelIdentifier]?
    if let gateway = filter.gateway {
      let named = mirror.tunnels.values.filter { $0.gateway == gateway }.map(\.id).sorted()
      if named.isEmpty { throw noSuchTunnel(gateway) }
      tunnels = named
    }
    guard let tunnel = filter.tunnel else { return tunnels }
    guard mirror.tunnels[tunnel] != nil, tunnels?.contains(tunnel) ?? true else {
      throw noSuchTunnel(tunnel.description)
    }
    return [tunnel]
  }

  func noSuchTunnel(_ target: String) -> FlowRefusal {
    let all = mirror.tunnels.values.sorted { $0.id < $1.id }
    let named = list(all.prefix(Self.tunnelsNamed).map { "\($0.gateway) (tunnel \($0.id))" })
    return FlowRefusal(
      reason: .noSuchTunnel,
      message: "the anchor has no tunnel to '\(target)'; it has \(named)"
        + (all.count > Self.tunnelsNamed ? " and \(all.count - Self.tunnelsNamed) more" : ""))
  }
}

/// The slot goes along so that the flow need not be looked up again.
private struct RankedFlow: Comparable {
  var rank: UInt64
  var identifier: FlowIdentifier
  var slot: FlowTable.Slot

  static func < (a: Self, b: Self) -> Bool { (a.rank, a.identifier) < (b.rank, b.identifier) }
}
