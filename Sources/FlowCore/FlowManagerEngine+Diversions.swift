import DatapathModel
import NetTypes

/// While it lasts, packets to `prefix` whose element names the tunnel with this diversion go into another tunnel.
public struct TunnelDiversion: Hashable, Sendable {
  public var prefix: IPv6Prefix
  public var tunnel: TunnelIdentifier
  /// Of `tunnel`.
  public var mark: UInt32

  public init(prefix: IPv6Prefix, tunnel: TunnelIdentifier, mark: UInt32) {
    self.prefix = prefix
    self.tunnel = tunnel
    self.mark = mark
  }
}

/// Flows to one prefix that have left a tunnel together, and whose elements do not say so yet.
struct Diversion: Sendable {
  let from: TunnelIdentifier
  let way: TunnelDiversion
  var flows: ArraySlice<FlowIdentifier>
}

/// Flows that one event moves, by where they come from.
struct JointMoves {
  struct Way: Hashable {
    var prefix: IPv6Prefix
    var from: TunnelIdentifier
  }

  struct Group {
    let way: Way
    var steps: [FlowManagerEngine.Step] = []
    /// nil: several, or some flow of the prefix stays.
    var target: TunnelIdentifier?
  }

  private(set) var groups: [Group] = []
  private var places: [Way: Int] = [:]

  mutating func add(_ step: FlowManagerEngine.Step, on way: Way, to target: TunnelIdentifier) {
    let place = place(of: way, target)
    groups[place].steps.append(step)
    if groups[place].target != target { groups[place].target = nil }
  }

  mutating func stays(on way: Way) { groups[place(of: way, nil)].target = nil }

  private mutating func place(of way: Way, _ target: TunnelIdentifier?) -> Int {
    if let place = places[way] { return place }
    places[way] = groups.count
    groups.append(Group(way: way, target: target))
    return groups.count - 1
  }
}

// An outage moves all flows of a prefix from one tunnel to another. Their elements are many, and a transaction of ten
// thousand takes the kernel a tenth of a second, in which the packets are lost and nobody else is served. So one rule in
// the old tunnel's chain diverts the prefix at once, and the elements follow by and by; then the rule goes.
extension FlowManagerEngine {
  /// In the chain of one tunnel: its packets pass these rules one by one.
  static let maximumDiversions = 64

  /// Brings to the kernel what the table has already.
  mutating func moveJointly(_ moves: JointMoves, _ work: inout Work) {
    for group in moves.groups {
      let way = group.way
      guard group.steps.count >= configuration.divertedTogether, let target = group.target,
        let tunnel = mirror.tunnels[target], mark(ofChain: way.from) != nil,
        diversions(from: way.from).count < Self.maximumDiversions
      else {
        work.steps += group.steps
        continue
      }
      let flows = group.steps.compactMap { step in
        if case .move(let flow, _, _, _) = step.consequence { flow } else { nil }
      }
      counters.flowsDiverted += UInt64(flows.count)
      diversions.append(
        Diversion(
          from: way.from, way: TunnelDiversion(prefix: way.prefix, tunnel: target, mark: tunnel.mark),
          flows: flows[...]))
      guard let change = chainChange(way.from) else { continue }
      work.steps.append(Step(change: change, consequence: .diversion(way.prefix, from: way.from, group.steps)))
    }
  }

  func diversions(from tunnel: TunnelIdentifier) -> [TunnelDiversion] {
    diversions.filter { $0.from == tunnel }.map(\.way)
  }

  /// The next elements of the oldest diversion.
  mutating func rewriteFurther(_ work: inout Work) {
    guard let first = diversions.first, nextRewrite <= work.now.monotonic else { return }
    nextRewrite = work.now.monotonic + configuration.restBetweenRewrites
    let part = first.flows.prefix(configuration.rewrittenAtOnce)
    diversions[0].flows = first.flows.dropFirst(part.count)
    work.steps += rewrites(part, first)
    guard diversions[0].flows.isEmpty else { return }
    diversions.removeFirst()
    if let change = chainChange(first.from) { work.change(change) }
  }

  /// Rewrites what is left of these diversions in a transaction of its own, before anything else.
  mutating func endDiversions(_ work: inout Work, where isMeant: (Diversion) -> Bool) {
    let ended = diversions.filter(isMeant)
    guard !ended.isEmpty else { return }
    diversions.removeAll(where: isMeant)
    var last = Work(now: work.now)
    for diversion in ended { last.steps += rewrites(diversion.flows, diversion) }
    for tunnel in Set(ended.map(\.from)).sorted() { if let change = chainChange(tunnel) { last.change(change) } }
    submitAll(last.steps, &work)
  }

  /// Those of the prefix that lead where its flows cannot stay.
  mutating func endDiversions(of prefix: IPv6Prefix, except candidates: [PlacementCandidate], _ work: inout Work) {
    let lost = Set(diversions.filter { $0.way.prefix == prefix }.map(\.way.tunnel)).filter {
      !candidates.carry($0) || !mirror.isAnswering($0)
    }
    if !lost.isEmpty { endDiversions(&work) { $0.way.prefix == prefix && lost.contains($0.way.tunnel) } }
  }

  /// Those that have moved again meanwhile have the right element.
  private func rewrites(_ flows: ArraySlice<FlowIdentifier>, _ diversion: Diversion) -> [Step] {
    flows.compactMap { table.flow($0) }.filter { $0.tunnel == diversion.way.tunnel }.map {
      Step(change: .set(kernelFlow($0), replacing: true), consequence: .rewriting($0.identifier))
    }
  }

  /// The chain as it should be, or its end; nil when it is gone.
  private mutating func chainChange(_ tunnel: TunnelIdentifier) -> FlowMapChange? {
    guard let mark = mark(ofChain: tunnel) else { return nil }
    let diversions = diversions(from: tunnel)
    if diversions.isEmpty, mirror.tunnels[tunnel] == nil, table.count(on: tunnel) == 0 {
      chains[tunnel] = nil
      return .removeTunnelChain(tunnel)
    }
    return .setTunnelChain(tunnel, mark: mark, mask: mirror.markMask, diversions: diversions)
  }

  private func mark(ofChain tunnel: TunnelIdentifier) -> UInt32? { chains[tunnel].flatMap(\.self) }
}
