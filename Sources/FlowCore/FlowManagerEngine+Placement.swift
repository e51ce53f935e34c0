import DatapathModel
import NetTypes

/// A way that the packets of a flow could take: an active binding of its node whose tunnel is there.
public struct PlacementCandidate: Hashable, Sendable {
  public var binding: UInt32
  public var tunnel: TunnelIdentifier
  public var gateway: String
  /// Access Technology Type, RFC 5213 section 8.5.
  public var accessTechnology: UInt8
  /// false: the gateway has the node, and the anchor would have to be asked to make it serve the prefix as well.
  public var servesPrefix: Bool
  /// Nothing says that the gateway is away.
  public var isAnswering: Bool
  /// Something outside has called the path bad, see `ExternalTrigger`.
  public var isDegraded = false
  /// Unmarked packets to the prefix take this binding.
  public var isDefault: Bool
  /// More is sent into the tunnel than it carries.
  public var isCongested = false
  /// To the gateway and back, by the anchor's heartbeats; nil: not measured.
  public var roundTrip: Duration?
  /// Why the gateway does not serve the prefix though it was asked to, a short while ago.
  public var refusal: String?

  /// Packets can go there now, and probably arrive.
  public var isUsable: Bool { servesPrefix && isAnswering && !isDegraded }

  /// By the gateway's name or the tunnel's number.
  func isNamed(_ target: String) -> Bool { gateway == target || tunnel.description == target }
}

/// Who has put a flow where it is. What an operator or a standing order has decided, policy does not change.
public enum FlowPlacer: String, Hashable, Sendable, Codable, CaseIterable {
  /// Found in the kernel at start, as written by a version that did not say.
  case unknown
  case defaultBinding = "default-binding"
  case standingOrder = "standing-order"
  case operatorRequest = "operator-request"
  /// Moved away from congestion, bad quality or a degraded path.
  case trigger
  case policy
}

/// Where a flow goes, and who says so.
struct Placement: Hashable, Sendable {
  var tunnel: TunnelIdentifier
  var placer: FlowPlacer
  /// Of the policy.
  var rule = Self.noRule
  /// A new flow is pinned when it continues one that is.
  var isPinned = false
}

// Where a flow may go, and where it goes.
extension FlowManagerEngine {
  /// The ways of flows to `prefix` of `node`, by tunnel and binding.
  mutating func candidates(for prefix: IPv6Prefix, of node: NodeIndex) -> [PlacementCandidate] {
    if let known = knownCandidates[prefix] { return known }
    if knownCandidates.count >= Self.maximumKnownCandidates { knownCandidates.removeAll(keepingCapacity: true) }
    let candidates = gatherCandidates(for: prefix, of: node)
    knownCandidates[prefix] = candidates
    return candidates
  }

  /// What candidates are made of has changed, and the mirror has not.
  mutating func placementChanged() { knownCandidates.removeAll(keepingCapacity: true) }

  func gatherCandidates(for prefix: IPv6Prefix, of node: NodeIndex) -> [PlacementCandidate] {
    let standard = mirror.defaultBinding(of: prefix)?.id
    return mirror.activeBindings(of: node).filter { mirror.tunnels[$0.tunnel] != nil }.map { binding in
      PlacementCandidate(
        binding: binding.id, tunnel: binding.tunnel, gateway: binding.gateway,
        accessTechnology: binding.accessTechnology, servesPrefix: binding.serves(prefix),
        isAnswering: mirror.isAnswering(binding.tunnel), isDegraded: isDegraded(binding.tunnel, node: node),
        isDefault: binding.id == standard, isCongested: load(of: binding.tunnel)?.detector.state == .congested,
        roundTrip: mirror.tunnels[binding.tunnel]?.roundTripMicroseconds.map { .microseconds($0) },
        refusal: refusal(PrefixWish(binding: binding.id, prefix: prefix)))
    }
  }

  private func refusal(_ wish: PrefixWish) -> String? {
    if case .refused(let reason, _)? = steering.wishes[wish] { reason } else { nil }
  }

  /// Where a new flow goes: as a standing order says; with the flow that it continues under another label; as the policy
  /// says; by the default binding. nil: nothing serves the prefix.
  mutating func placeNew(
    _ tuple: FlowSixTuple, _ owner: (prefix: IPv6Prefix, node: NodeIndex), _ dscp: UInt8?, _ work: inout Work
  ) -> Placement? {
    let candidates = candidates(for: owner.prefix, of: owner.node)
    if let ordered = ordered(tuple, candidates) { return ordered }
    if let earlier = earlierFlow(of: tuple, owner.node), candidates.carry(earlier.tunnel) {
      counters.flowsContinued += 1
      return earlier.placement
    }
    let facts = FlowFacts(
      tuple: tuple, node: mirror.name(of: owner.node) ?? "", dscp: dscp, time: work.now.localTime)
    return placeByPolicy(facts, owner, candidates, &work)
  }

  /// Where a running flow goes when it cannot stay.
  mutating func placeRunning(
    _ flow: Flow, _ owner: (prefix: IPv6Prefix, node: NodeIndex), _ candidates: [PlacementCandidate],
    _ work: inout Work
  ) -> Placement? {
    if let ordered = ordered(flow.tuple, candidates) { return ordered }
    let facts = facts(flow, owner.node, work.now.localTime)
    return placeByPolicy(facts, owner, candidates, &work)
  }

  /// The first standing order that matches and can be followed.
  private func ordered(_ tuple: FlowSixTuple, _ candidates: [PlacementCandidate]) -> Placement? {
    for entry in selectors where entry.selector.matches(tuple) {
      if let way = candidates.first(where: { $0.isNamed(entry.target) && $0.isUsable }) {
        return Placement(tunnel: way.tunnel, placer: .standingOrder)
      }
    }
    return nil
  }

  /// The flow that `tuple` continues under another flow label. Linux gives a TCP connection a new label after a
  /// retransmission timeout; on the default binding a loss would undo what has been decided.
  private func earlierFlow(of tuple: FlowSixTuple, _ node: NodeIndex) -> Flow? {
    guard tuple.transport == .tcp else { return nil }
    return table.newestFlow(ofConnection: tuple).flatMap { $0.node == node ? $0 : nil }
  }
}

extension [PlacementCandidate] {
  /// Whether packets to the prefix may be put into the tunnel.
  func carry(_ tunnel: TunnelIdentifier) -> Bool { contains { $0.tunnel == tunnel && $0.servesPrefix } }

  /// Where flows go by themselves: to the default binding, else to the lowest tunnel that serves the prefix; to a
  /// gateway that does not answer only if there is no other.
  var fallback: TunnelIdentifier? {
    let standard = first(where: \.isDefault)
    if let standard, standard.isUsable { return standard.tunnel }
    if let other = first(where: \.isUsable) { return other.tunnel }
    if let standard, standard.isAnswering { return standard.tunnel }
    return (first { $0.servesPrefix && $0.isAnswering } ?? standard ?? first(where: \.servesPrefix))?.tunnel
  }
}
