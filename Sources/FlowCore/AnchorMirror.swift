import DatapathModel
import HeapModule
import NetTypes

/// A node in the mirror: small, so that a million flows can name theirs.
struct NodeIndex: RawRepresentable, Hashable, Sendable {
  let rawValue: UInt32
}

/// What the anchor has told us: tunnels and bindings, and who owns which prefix. Kept, marked stale, while the anchor
/// is away: the kernel goes on forwarding as it was told, and so do we.
public struct AnchorMirror: Sendable {
  public private(set) var markMask: UInt32 = 0
  public private(set) var homePrefixes: [IPv6Prefix] = []
  public private(set) var tunnels: [TunnelIdentifier: AnchorTunnel] = [:]
  public private(set) var bindings: [UInt32: AnchorBinding] = [:]
  /// The anchor does not answer; what stands here is its last word.
  public internal(set) var isStale = true

  private var nodes: [String: NodeIndex] = [:]
  private var nodeNames: [NodeIndex: String] = [:]
  private var bindingsOfNode: [NodeIndex: [UInt32]] = [:]
  /// Bindings with that prefix among their own, active or not. They all belong to one node.
  private var bindingsWithPrefix: [IPv6Prefix: [UInt32]] = [:]
  /// The node of each prefix that an active binding has.
  private var owners: [IPv6Prefix: NodeIndex] = [:]
  /// How many prefixes of each length there are, so that a lookup tries only lengths in use.
  private var prefixLengths: [Int: Int] = [:] {
    didSet { if prefixLengths.count != oldValue.count { longestFirst = prefixLengths.keys.sorted(by: >) } }
  }
  private var longestFirst: [Int] = []
  private var nextNode: UInt32 = 1

  public init() {}

  // MARK: What the anchor says

  mutating func replace(with snapshot: AnchorSnapshot) {
    markMask = snapshot.markMask
    homePrefixes = snapshot.homePrefixes.sorted()
    tunnels = Dictionary(snapshot.tunnels.map { ($0.id, $0) }, uniquingKeysWith: { _, last in last })
    for identifier in Array(bindings.keys) { remove(binding: identifier) }
    for binding in snapshot.bindings { set(binding) }
    isStale = false
  }

  mutating func set(_ tunnel: AnchorTunnel) { tunnels[tunnel.id] = tunnel }

  /// Marks the tunnels to a gateway that does or does not answer; returns those that changed.
  mutating func set(_ gateway: AnchorGateway) -> [TunnelIdentifier] {
    let isUnreachable = gateway.path == "unreachable"
    let changed = tunnels.values.filter {
      $0.remote == gateway.address && $0.isUnreachable ?? false != isUnreachable
    }
    for tunnel in changed { tunnels[tunnel.id]?.isUnreachable = isUnreachable }
    for tunnel in tunnels.values where tunnel.remote == gateway.address {
      tunnels[tunnel.id]?.roundTripMicroseconds = gateway.roundTripMicroseconds
    }
    return changed.map(\.id).sorted()
  }

  mutating func remove(tunnel identifier: TunnelIdentifier) { tunnels[identifier] = nil }

  mutating func set(_ binding: AnchorBinding) {
    remove(binding: binding.id)
    bindings[binding.id] = binding
    bindingsOfNode[index(ofNode: binding.node), default: []].append(binding.id)
    for prefix in Set(binding.prefixes) {
      if bindingsWithPrefix[prefix] == nil { prefixLengths[prefix.length, default: 0] += 1 }
      bindingsWithPrefix[prefix, default: []].append(binding.id)
      updateOwner(of: prefix)
    }
  }

  mutating func remove(binding identifier: UInt32) {
    guard let binding = bindings.removeValue(forKey: identifier) else { return }
    if let node = nodes[binding.node] {
      bindingsOfNode[node]?.removeAll { $0 == identifier }
      if bindingsOfNode[node]?.isEmpty ?? true { bindingsOfNode[node] = nil }
    }
    for prefix in Set(binding.prefixes) {
      bindingsWithPrefix[prefix]?.removeAll { $0 == identifier }
      updateOwner(of: prefix)
      guard bindingsWithPrefix[prefix]?.isEmpty ?? false else { continue }
      bindingsWithPrefix[prefix] = nil
      prefixLengths[prefix.length, default: 1] -= 1
      if prefixLengths[prefix.length] == 0 { prefixLengths[prefix.length] = nil }
    }
  }

  /// Forgets nodes without bindings; no flow may name one any more.
  mutating func forgetNodesWithoutBindings() {
    nodes = nodes.filter { bindingsOfNode[$0.value] != nil }
    nodeNames = nodeNames.filter { bindingsOfNode[$0.key] != nil }
  }

  mutating func forgetIfWithoutBindings(_ node: NodeIndex) {
    guard bindingsOfNode[node] == nil, let name = nodeNames.removeValue(forKey: node) else { return }
    nodes[name] = nil
  }

  private mutating func index(ofNode name: String) -> NodeIndex {
    if let known = nodes[name] { return known }
    let index = NodeIndex(rawValue: nextNode)
    nextNode &+= 1
    nodes[name] = index
    nodeNames[index] = name
    return index
  }

  // MARK: Questions

  /// The prefix that `destination` lies in and the node it is assigned to: by an active binding, longest prefix first.
  func owner(of destination: IPv6Address) -> (prefix: IPv6Prefix, node: NodeIndex)? {
    for length in longestFirst {
      guard let prefix = IPv6Prefix(destination, length: length) else { continue }
      if let node = owners[prefix] { return (prefix, node) }
    }
    return nil
  }

  private mutating func updateOwner(of prefix: IPv6Prefix) {
    let active = (bindingsWithPrefix[prefix] ?? []).compactMap { bindings[$0] }.first(where: \.isActive)
    owners[prefix] = active.flatMap { nodes[$0.node] }
  }

  /// The binding that unmarked packets to `prefix` take; when the anchor names none, the oldest active one.
  func defaultBinding(of prefix: IPv6Prefix) -> AnchorBinding? {
    let active = (bindingsWithPrefix[prefix] ?? []).compactMap { bindings[$0] }.filter(\.isActive)
    return active.first(where: \.isDefault) ?? active.min { $0.id < $1.id }
  }

  /// Active bindings of `node`, by tunnel.
  func activeBindings(of node: NodeIndex) -> [AnchorBinding] {
    (bindingsOfNode[node] ?? []).compactMap { bindings[$0] }.filter(\.isActive)
      .sorted { ($0.tunnel, $0.id) < ($1.tunnel, $1.id) }
  }

  /// Nothing says that the gateway of the tunnel is away.
  func isAnswering(_ tunnel: TunnelIdentifier) -> Bool { tunnels[tunnel]?.isUnreachable != true }

  func name(of node: NodeIndex) -> String? { nodeNames[node] }
  func node(named name: String) -> NodeIndex? { nodes[name] }

  /// The name of the node that has `destination`; nil when no active binding covers it.
  public func nodeName(of destination: IPv6Address) -> String? {
    owner(of: destination).flatMap { nodeNames[$0.node] }
  }

  /// The first `limit` names of nodes with bindings that come after `name`, in order, and how many more there are.
  public func nodeNames(after name: String?, limit: Int) -> (names: [String], more: Int) {
    var first = Heap<String>()
    var count = 0
    for index in bindingsOfNode.keys {
      guard let candidate = nodeNames[index], name.map({ $0 < candidate }) ?? true else { continue }
      count += 1
      if first.count < limit {
        first.insert(candidate)
      } else if let last = first.max, candidate < last {
        first.replaceMax(with: candidate)
      }
    }
    return (first.unordered.sorted(), count - first.count)
  }

  /// By number, whatever their state.
  public func bindings(ofNode name: String) -> [AnchorBinding] {
    (nodes[name].flatMap { bindingsOfNode[$0] } ?? []).compactMap { bindings[$0] }.sorted { $0.id < $1.id }
  }
}
