import DatapathModel
import FlowCore
import Glibc
import LinuxNet

/// Our nftables table: carries out the engine's changes, each list in one transaction, and reads back what an earlier
/// run left. Knows which chains and rules are in the kernel, so that what is already there is not written again.
final class KernelFlowTable {
  private let socket: NetfilterSocket
  private let table: NftTable
  private let rules: FlowRules
  /// What is in the kernel.
  private var state = State()

  private struct State {
    var exists = false
    var tag: RulesetTag?
    /// Comments of the tunnel chains' rules; empty when unknown.
    var chains: [TunnelIdentifier: String] = [:]
  }

  init(_ configuration: FlowManagerConfiguration) throws(LinuxError) {
    socket = try NetfilterSocket()
    table = NftTable(family: .ipv6, name: configuration.nftTable)
    rules = FlowRules(
      key: configuration.flows.key, maximumFlows: configuration.flows.maximumFlows,
      queueNumber: configuration.queueNumber,
      queue: try socket.queueExpression(number: configuration.queueNumber))
  }

  // MARK: Start and end

  /// Reads what is there. Flows under another key kind are not taken over; their elements go with the next ruleset.
  func adopt() throws(LinuxError) -> (flows: [KernelFlow], chains: [TunnelIdentifier]) {
    state = State()
    guard try socket.tableExists(table) else { return ([], []) }
    state.exists = true
    let chains = try socket.chains(of: table)
    guard !chains.isEmpty else { return ([], []) }
    state.tag = try Self.tag(of: table, socket)
    for chain in chains where chain.base == nil {
      if let tunnel = FlowRules.tunnel(ofChain: chain.name), tunnel != .drop { state.chains[tunnel] = "" }
    }
    for rule in try socket.rules(of: table) {
      if let tunnel = FlowRules.tunnel(ofChain: rule.chain), tunnel != .drop {
        state.chains[tunnel] = rule.comment ?? ""
      }
    }
    let flows = try socket.elements(of: FlowRules.flows, in: table).compactMap { flow($0) }
    return (flows, state.chains.keys.sorted())
  }

  /// The tag in the rules; throws when the table is not ours.
  private static func tag(of table: NftTable, _ socket: NetfilterSocket) throws(LinuxError) -> RulesetTag {
    for rule in try socket.rules(of: table) where rule.chain == FlowRules.prerouting {
      if let tag = rule.comment.flatMap(RulesetTag.init(comment:)) { return tag }
    }
    throw LinuxError(
      "use", table.description, code: EEXIST,
      advice: "it was not made by flow-manager; set nft-table to another name, or remove it with "
        + "`nft delete table ip6 \(table.name)`")
  }

  /// Removes a table of ours; false when there is none.
  static func remove(name: String) throws(LinuxError) -> Bool {
    let socket = try NetfilterSocket()
    let table = NftTable(family: .ipv6, name: name)
    guard try socket.tableExists(table) else { return false }
    if try !socket.chains(of: table).isEmpty { _ = try tag(of: table, socket) }
    var transaction = NftTransaction(table: table)
    transaction.deleteTable()
    try socket.commit(transaction)
    return true
  }

  // MARK: Changes

  /// All of `changes`, or none.
  func apply(_ changes: [FlowMapChange]) -> KernelOutcome {
    do throws(LinuxError) {
      var transaction = NftTransaction(table: table)
      var after = state
      var elements = ElementRun()
      for change in changes {
        if !elements.takes(change, element) {
          elements.flush(into: &transaction)
          try add(change, to: &transaction, &after)
          _ = elements.takes(change, element)
        }
      }
      elements.flush(into: &transaction)
      try socket.commit(transaction)
      state = after
      return .applied
    } catch {
      return .refused(error.description)
    }
  }

  /// Changes of structure; those of elements are gathered by `ElementRun`.
  private func add(
    _ change: FlowMapChange, to transaction: inout NftTransaction, _ after: inout State
  ) throws(LinuxError) {
    switch change {
    case .ruleset(let ruleset):
      let tag = rules.tag(ruleset)
      guard tag != after.tag else { return }
      var kept: [NftElement]?
      if let old = after.tag, old.map != tag.map {
        let ours = try socket.elements(of: FlowRules.flows, in: table).filter { flow($0) != nil }
        kept = Array(ours.prefix(rules.maximumFlows))
      }
      rules.write(ruleset, into: &transaction, rebuildMapWith: kept)
      after.exists = true
      after.tag = tag
    case .setTunnelChain(let tunnel, let mark, let mask):
      let comment = FlowRules.tunnelComment(mark: mark, mask: mask)
      guard after.chains[tunnel] != comment else { return }
      FlowRules.writeTunnelChain(tunnel, mark: mark, mask: mask, into: &transaction)
      after.chains[tunnel] = comment
    case .removeTunnelChain(let tunnel):
      guard after.chains.removeValue(forKey: tunnel) != nil else { return }
      transaction.deleteChain(FlowRules.chainName(tunnel))
    case .set, .remove: break
    }
  }

  /// Whether somebody has removed the table that we made; forgets it then.
  func hasBeenLost() throws(LinuxError) -> Bool {
    guard state.exists, try !socket.tableExists(table) else { return false }
    state = State()
    return true
  }

  // MARK: Readings

  /// Counters of all flows.
  func counters() throws(LinuxError) -> [KernelCounter] {
    guard state.tag != nil else { return [] }
    return try socket.elements(of: FlowRules.flows, in: table).compactMap(Self.counter)
  }

  /// Counters of these flows, as far as they have elements.
  func counters(of flows: [FlowSixTuple]) throws(LinuxError) -> [KernelCounter] {
    guard state.tag != nil else { return [] }
    return try socket.elements(withKeys: flows.map(rules.key.key(of:)), of: FlowRules.flows, in: table)
      .compactMap(Self.counter)
  }

  private static func counter(_ element: NftElement) -> KernelCounter? {
    guard let tag = FlowElementTag(userData: element.userData), let counter = element.counter else { return nil }
    return KernelCounter(flow: tag.flow, count: TrafficCount(packets: counter.packets, octets: counter.octets))
  }

  struct ChainCounters {
    /// What each tunnel's chain has marked.
    var tunnels: [TunnelIdentifier: TrafficCount] = [:]
    /// Packets that were offered to the queue since the rules were written.
    var offeredToQueue: UInt64 = 0
  }

  func chainCounters() throws(LinuxError) -> ChainCounters {
    var result = ChainCounters()
    guard state.tag != nil else { return result }
    for rule in try socket.rules(of: table) {
      guard let counter = rule.counter else { continue }
      if rule.chain == FlowRules.unknown {
        result.offeredToQueue = counter.packets
      } else if let tunnel = FlowRules.tunnel(ofChain: rule.chain) {
        result.tunnels[tunnel] = TrafficCount(packets: counter.packets, octets: counter.octets)
      }
    }
    return result
  }

  // MARK: Elements

  private func element(_ flow: KernelFlow) -> NftElement {
    NftElement(
      key: rules.key.key(of: flow.tuple), value: .verdict(.goTo(FlowRules.chainName(flow.tunnel))),
      userData: FlowElementTag(flow: flow.identifier, createdAt: flow.createdAt, isPinned: flow.isPinned).userData,
      counter: NftCounter(packets: flow.count.packets, octets: flow.count.octets))
  }

  private func element(_ change: FlowMapChange) -> (ElementRun.Kind, NftElement)? {
    switch change {
    case .set(let flow, let replacing): (replacing ? .replace : .add, element(flow))
    case .remove(let tuple): (.remove, NftElement(key: rules.key.key(of: tuple)))
    case .ruleset, .setTunnelChain, .removeTunnelChain: nil
    }
  }

  /// nil for an element that no Flow Manager with our key has made.
  private func flow(_ element: NftElement) -> KernelFlow? {
    guard let tuple = rules.key.tuple(ofKey: element.key), let tag = FlowElementTag(userData: element.userData),
      case .verdict(.goTo(let chain))? = element.value, let tunnel = FlowRules.tunnel(ofChain: chain)
    else { return nil }
    let counter = element.counter ?? NftCounter()
    return KernelFlow(
      identifier: tag.flow, tuple: tuple, tunnel: tunnel, createdAt: tag.createdAt, isPinned: tag.isPinned,
      count: TrafficCount(packets: counter.packets, octets: counter.octets))
  }
}

/// Neighbouring changes of one kind become one message: moving a tunnel's flows is two messages, whatever their number.
private struct ElementRun {
  enum Kind { case add, replace, remove }
  private var kind = Kind.add
  private var elements: [NftElement] = []

  /// false when the change is of another kind than the run so far, or not about an element.
  mutating func takes(_ change: FlowMapChange, _ element: (FlowMapChange) -> (Kind, NftElement)?) -> Bool {
    guard let (kind, element) = element(change), elements.isEmpty || kind == self.kind else { return false }
    self.kind = kind
    elements.append(element)
    return true
  }

  mutating func flush(into transaction: inout NftTransaction) {
    guard !elements.isEmpty else { return }
    switch kind {
    case .add: transaction.addElements(elements, to: FlowRules.flows)
    case .replace: transaction.replaceElements(elements, in: FlowRules.flows)
    case .remove: transaction.deleteElements(elements, from: FlowRules.flows)
    }
    elements.removeAll(keepingCapacity: true)
  }
}
