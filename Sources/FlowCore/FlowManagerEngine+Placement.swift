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
  /// Unmarked packets to the prefix take this binding.
  public var isDefault: Bool

  /// Packets can go there now, and probably arrive.
  public var isUsable: Bool { servesPrefix && isAnswering }

  /// By the gateway's name or the tunnel's number.
  func isNamed(_ target: String) -> Bool { gateway == target || tunnel.description == target }
}

/// Who has put a flow where it is. What an operator or a standing order has decided, policy does not change.
public enum FlowPlacer: String, Hashable, Sendable, Codable {
  /// Found in the kernel at start.
  case unknown
  case defaultBinding = "default-binding"
  case standingOrder = "standing-order"
  case operatorRequest = "operator-request"
}

/// Where a flow goes, and who says so.
struct Placement: Hashable, Sendable {
  var tunnel: TunnelIdentifier
  var placer: FlowPlacer
}

// Where a flow may go, and where it goes.
extension FlowManagerEngine {
  /// The ways of flows to `prefix` of `node`, by tunnel and binding.
  mutating func candidates(for prefix: IPv6Prefix, of node: NodeIndex) -> [PlacementCandidate] {
    if let known = knownCandidates[prefix] { return known }
    let standard = mirror.defaultBinding(of: prefix)?.id
    let candidates = mirror.activeBindings(of: node).filter { mirror.tunnels[$0.tunnel] != nil }.map { binding in
      PlacementCandidate(
        binding: binding.id, tunnel: binding.tunnel, gateway: binding.gateway,
        accessTechnology: binding.accessTechnology, servesPrefix: binding.serves(prefix),
        isAnswering: mirror.isAnswering(binding.tunnel), isDefault: binding.id == standard)
    }
    if knownCandidates.count >= Self.maximumKnownCandidates { knownCandidates.removeAll(keepingCapacity: true) }
    knownCandidates[prefix] = candidates
    return candidates
  }

  /// Where a new flow goes: as a standing order says; with the flow that it continues under another label; by the
  /// default binding. nil: nothing serves the prefix.
  mutating func placeNew(_ tuple: FlowSixTuple, _ owner: (prefix: IPv6Prefix, node: NodeIndex)) -> Placement? {
    let candidates = candidates(for: owner.prefix, of: owner.node)
    if let ordered = ordered(tuple, candidates) { return ordered }
    if let earlier = earlierFlow(of: tuple, owner.node), candidates.carry(earlier.tunnel) {
      counters.flowsContinued += 1
      return earlier.placement
    }
    return candidates.fallback.map { Placement(tunnel: $0, placer: .defaultBinding) }
  }

  /// Where a running flow goes when it cannot stay.
  func placeRunning(
    _ flow: Flow, _ owner: (prefix: IPv6Prefix, node: NodeIndex), _ candidates: [PlacementCandidate]
  ) -> Placement? {
    if let ordered = ordered(flow.tuple, candidates) { return ordered }
    return candidates.fallback.map { Placement(tunnel: $0, placer: .defaultBinding) }
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
    if let standard, standard.isAnswering { return standard.tunnel }
    return (first(where: \.isUsable) ?? standard ?? first(where: \.servesPrefix))?.tunnel
  }
}
