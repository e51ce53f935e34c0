import DatapathModel
import FlowCore
import Glibc
import LinuxNet
import NetTypes

/// Our nftables table: carries out the engine's changes, each list in one transaction, and reads back what an earlier
/// run left. Knows which chains and rules are in the kernel, so that what is already there is not written again.
final class KernelFlowTable {
  private let socket: NetfilterSocket
  /// Elements are read by another socket than they are written by, so that what is read may cause changes at once.
  private let reader: NetfilterSocket
  private let table: NftTable
  private let rules: FlowRules
  /// What is in the kernel.
  private var state = State()

  private struct State {
    var exists = false
    var tag: RulesetTag?
    /// Of another version.
    var isObsolete = false
    /// Comments of the tunnel chains' rules; empty when unknown.
    var chains: [TunnelIdentifier: String] = [:]
  }

  init(_ configuration: FlowManagerConfiguration) throws(LinuxError) {
    socket = try NetfilterSocket()
    reader = try NetfilterSocket()
    table = NftTable(family: .ipv6, name: configuration.nftTable)
    rules = FlowRules(
      key: configuration.flows.key, maximumFlows: configuration.flows.maximumFlows,
      queueNumber: configuration.queueNumber,
      queue: try socket.queueExpression(number: configuration.queueNumber))
  }

  // MARK: Start and end

  /// Flows handed over at once by `adopt`: all of a million together would take more memory than the table.
  private static let adoptedAtOnce = 4_096

  /// Reads what is there; hands over the flows in parts, some of them perhaps twice, and gives the tunnels that have a
  /// chain. Flows under another key kind are not taken over; their elements go with the next ruleset.
  func adopt(
    _ keys: FlowKeyFile? = nil, _ body: ([KernelFlow]) -> Void
  ) throws(LinuxError) -> [TunnelIdentifier] {
    state = State()
    guard try socket.tableExists(table) else { return [] }
    state.exists = true
    let chains = try socket.chains(of: table)
    guard !chains.isEmpty else { return [] }
    state.tag = try Self.tag(of: table, socket)
    for chain in chains where chain.base == nil {
      if let tunnel = FlowRules.tunnel(ofChain: chain.name), tunnel != .drop { state.chains[tunnel] = "" }
    }
    for rule in try socket.rules(of: table) {
      if let tunnel = FlowRules.tunnel(ofChain: rule.chain), tunnel != .drop {
        state.chains[tunnel] = rule.comment ?? ""
      }
    }
    guard state.tag?.hasOurKindOfMap == true else {
      // Written by a version of us that kept flows otherwise: everything begins anew.
      state.chains = [:]
      state.isObsolete = true
      return []
    }
    let named = try adoptNamed(by: keys, body)
    if try reader.elementCount(of: rules.flowMap, in: table) == named { return state.chains.keys.sorted() }
    var flows: [KernelFlow] = []
    try reader.forEachFlow(of: rules.flowMap, in: table) { element in
      flows.append(Self.flow(element))
      guard flows.count == Self.adoptedAtOnce else { return }
      body(flows)
      flows.removeAll(keepingCapacity: true)
    }
    body(flows)
    return state.chains.keys.sorted()
  }

  /// Hands over the flows that the file names and the kernel has; how many.
  private func adoptNamed(by keys: FlowKeyFile?, _ body: ([KernelFlow]) -> Void) throws(LinuxError) -> Int {
    guard let keys, state.tag?.map == rules.mapTag else { return 0 }
    var count = 0
    try keys.take { tuples throws(LinuxError) in
      var flows: [KernelFlow] = []
      flows.reserveCapacity(tuples.count)
      try reader.forEachFlow(among: tuples.map { Self.element($0) }, of: rules.flowMap, in: table) {
        flows.append(Self.flow($0))
      }
      count += flows.count
      body(flows)
    }
    return count
  }

  /// The tag in the rules; throws when the table is not ours.
  private static func tag(of table: NftTable, _ socket: NetfilterSocket) throws(LinuxError) -> RulesetTag {
    for rule in try socket.rules(of: table) {
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
      var run = ElementRun(map: rules.flowMap)
      for change in changes {
        switch change {
        case .set(let flow, let replacing): run.add(Self.element(flow), replacing ? .replace : .add, &transaction)
        case .remove(let tuple): run.add(Self.element(tuple), .remove, &transaction)
        case .ruleset, .setTunnelChain, .removeTunnelChain:
          run.flush(into: &transaction)
          try add(change, to: &transaction, &after)
        }
      }
      run.flush(into: &transaction)
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
      if after.isObsolete {
        transaction.deleteTable()
        after = State()
      }
      var kept: [NftFlow]?
      if let old = after.tag, old.map != tag.map {
        var ours: [NftFlow] = []
        try reader.forEachFlow(of: rules.flowMap, in: table) { if ours.count < rules.maximumFlows { ours.append($0) } }
        kept = ours
      }
      rules.write(ruleset, into: &transaction, rebuildMapWith: kept)
      after.exists = true
      after.tag = tag
    case .setTunnelChain(let tunnel, let mark, let mask, let diversions):
      let comment = FlowRules.tunnelComment(mark: mark, mask: mask, diversions: diversions)
      // It does not say which prefixes are diverted.
      guard after.chains[tunnel] != comment || !diversions.isEmpty else { return }
      FlowRules.writeTunnelChain(tunnel, mark: mark, mask: mask, diversions: diversions, into: &transaction)
      after.chains[tunnel] = comment
    case .removeTunnelChain(let tunnel):
      guard after.chains.removeValue(forKey: tunnel) != nil else { return }
      FlowRules.removeTunnelChain(tunnel, from: &transaction)
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

  /// Counters of these flows; those without an element are left out.
  func counters(of tuples: [FlowSixTuple]) throws(LinuxError) -> [KernelCounter] {
    guard state.tag != nil else { return [] }
    var counters: [KernelCounter] = []
    counters.reserveCapacity(tuples.count)
    try reader.forEachFlow(among: tuples.map { Self.element($0) }, of: rules.flowMap, in: table) {
      counters.append(Self.counter($0))
    }
    return counters
  }

  struct ChainCounters {
    /// What each tunnel's chain has marked.
    var tunnels: [TunnelIdentifier: TrafficCount] = [:]
    /// Packets that were offered to the queue since the rules were written.
    var offeredToQueue: UInt64 = 0
    /// First fragments whose mark found no room; their later fragments take the default binding.
    var fragmentsNotRecorded: UInt64 = 0
  }

  func chainCounters() throws(LinuxError) -> ChainCounters {
    var result = ChainCounters()
    guard state.tag != nil else { return result }
    try reader.forEachRuleCounter(of: table) { chain, counter in
      if chain == FlowRules.unknown {
        result.offeredToQueue = counter.packets
      } else if chain == FlowRules.fragmented {
        result.fragmentsNotRecorded = counter.packets
      } else if let tunnel = FlowRules.tunnel(ofChain: chain) {
        result.tunnels[tunnel] = TrafficCount(packets: counter.packets, octets: counter.octets)
      }
    }
    return result
  }

  // MARK: Elements

  private static func element(_ tuple: FlowSixTuple) -> NftFlow {
    NftFlow(
      source: tuple.source, destination: tuple.destination, label: tuple.flowLabel,
      transport: tuple.transport.rawValue, sourcePort: tuple.sourcePort, destinationPort: tuple.destinationPort,
      tunnel: 0, identifier: 0, createdAt: 0, counter: NftCounter())
  }

  private static func element(_ flow: KernelFlow) -> NftFlow {
    var element = element(flow.tuple)
    element.tunnel = flow.tunnel.rawValue
    element.identifier = flow.identifier.rawValue
    element.createdAt = flow.createdAt
    element.isPinned = flow.isPinned
    element.placer = placer(flow.placer)
    element.dscp = flow.dscp
    element.counter = NftCounter(packets: flow.count.packets, octets: flow.count.octets)
    return element
  }

  private static func flow(_ element: NftFlow) -> KernelFlow {
    KernelFlow(
      identifier: FlowIdentifier(rawValue: element.identifier),
      tuple: FlowSixTuple(
        source: element.source, destination: element.destination, flowLabel: element.label,
        transport: TransportProtocol(rawValue: element.transport), sourcePort: element.sourcePort,
        destinationPort: element.destinationPort),
      tunnel: TunnelIdentifier(rawValue: element.tunnel), createdAt: element.createdAt, isPinned: element.isPinned,
      placer: placer(element.placer), dscp: element.dscp,
      count: TrafficCount(packets: element.counter.packets, octets: element.counter.octets))
  }

  private static func placer(_ placer: FlowPlacer) -> NftFlow.Placer {
    switch placer {
    case .unknown: .unknown
    case .defaultBinding: .defaultBinding
    case .standingOrder: .standingOrder
    case .operatorRequest: .operatorRequest
    case .trigger: .trigger
    case .policy: .policy
    }
  }

  private static func placer(_ placer: NftFlow.Placer) -> FlowPlacer {
    switch placer {
    case .unknown: .unknown
    case .defaultBinding: .defaultBinding
    case .standingOrder: .standingOrder
    case .operatorRequest: .operatorRequest
    case .trigger: .trigger
    case .policy: .policy
    }
  }

  private static func counter(_ element: NftFlow) -> KernelCounter {
    KernelCounter(
      flow: FlowIdentifier(rawValue: element.identifier),
      count: TrafficCount(packets: element.counter.packets, octets: element.counter.octets))
  }
}

/// Neighbouring changes of one kind become one message: moving a tunnel's flows is two messages, whatever their number.
private struct ElementRun {
  enum Kind { case add, replace, remove }
  let map: NftFlowMap
  private var kind = Kind.add
  private var elements: [NftFlow] = []

  init(map: NftFlowMap) { self.map = map }

  mutating func add(_ element: NftFlow, _ kind: Kind, _ transaction: inout NftTransaction) {
    if kind != self.kind { flush(into: &transaction) }
    self.kind = kind
    elements.append(element)
  }

  mutating func flush(into transaction: inout NftTransaction) {
    guard !elements.isEmpty else { return }
    switch kind {
    case .add: transaction.addFlows(elements, to: map)
    case .replace: transaction.replaceFlows(elements, in: map)
    case .remove: transaction.deleteFlows(elements, from: map)
    }
    elements.removeAll(keepingCapacity: true)
  }
}
