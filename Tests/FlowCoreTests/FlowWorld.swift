import DatapathModel
import FlowCore
import NetTypes

/// The engine with a kernel's map in memory around it, and a domain of two gateways.
struct FlowWorld {
  static let mn1 = IPv6Address(high: 0x2001_0db8_0100_0001, low: 0x10)
  static let mn1Prefix = IPv6Prefix.slash64(mn1)
  static let mn1Second = IPv6Address(high: 0x2001_0db8_0100_0002, low: 0x10)
  static let mn1SecondPrefix = IPv6Prefix.slash64(mn1Second)
  static let correspondent = IPv6Address(high: 0x2001_0db8_000c_0000, low: 2)
  static let mask: UInt32 = 0x0fff_0000
  static let one = TunnelIdentifier(rawValue: 1)
  static let two = TunnelIdentifier(rawValue: 2)

  var engine: FlowManagerEngine
  var clock = Duration.seconds(1_000)
  var localTime: LocalTime?
  /// The map as a kernel would have it.
  private(set) var map: [FlowSixTuple: KernelFlow] = [:]
  private(set) var chains: [TunnelIdentifier: UInt32] = [:]
  private(set) var diversions: [TunnelIdentifier: [TunnelDiversion]] = [:]
  private(set) var ruleset: FlowRuleset?
  /// How many transactions the kernel has taken.
  private(set) var transactions = 0
  private(set) var lastTransaction: [FlowMapChange] = []
  private(set) var verdicts: [UInt32: UInt32?] = [:]
  private(set) var dropped: Set<UInt32> = []
  private(set) var replies: [UInt64: Result<FlowReply, FlowRefusal>] = [:]
  private(set) var notifications: [FlowNotification] = []
  /// Standing orders on disk.
  private(set) var stored: [FlowSelectorEntry] = []
  /// Questions to the anchor.
  private(set) var questions: [(AnchorQuestion, ServePrefixesRequest)] = []
  /// A transaction with such a change is refused.
  var refuses: (FlowMapChange) -> Bool = { _ in false }
  private var nextToken: UInt32 = 1
  private var lastCommand: UInt64 = 0

  init(_ configure: (inout FlowManagerEngine.Configuration) -> Void = { _ in }) {
    var configuration = FlowManagerEngine.Configuration()
    configure(&configuration)
    engine = FlowManagerEngine(configuration)
  }

  // MARK: The domain

  static func tunnel(_ number: UInt32) -> AnchorTunnel {
    AnchorTunnel(
      id: TunnelIdentifier(rawValue: number), gateway: "mag\(number)", local: IPv6Address(high: 1, low: 1),
      remote: IPv6Address(high: 1, low: UInt64(number)), mark: number << 16, interface: nil)
  }

  static func gateway(_ number: UInt32, path: String) -> AnchorGateway {
    AnchorGateway(
      name: "mag\(number)", address: IPv6Address(high: 1, low: UInt64(number)), path: path, change: path)
  }

  /// Terminal (a) of the paper: a prefix for each interface, both gateways serve both.
  static func interfaceBinding(_ number: UInt32, offLink: Bool = true, state: String = "active") -> AnchorBinding {
    let prefixes = [mn1Prefix, mn1SecondPrefix]
    return AnchorBinding(
      id: number, node: "mn1@example.net", kind: "interfaces", gateway: "mag\(number)",
      tunnel: TunnelIdentifier(rawValue: number), accessTechnology: 4, prefixes: [prefixes[Int(number) - 1]],
      offLinkPrefixes: offLink ? [prefixes[2 - Int(number)]] : [], isDefault: true, state: state)
  }

  /// Terminal (b): the same prefix over every access.
  static func logicalBinding(_ number: UInt32, isDefault: Bool) -> AnchorBinding {
    AnchorBinding(
      id: number, node: "mn1@example.net", kind: "logical", gateway: "mag\(number)",
      tunnel: TunnelIdentifier(rawValue: number), accessTechnology: 4, prefixes: [mn1Prefix], offLinkPrefixes: [],
      isDefault: isDefault, state: "active")
  }

  static func snapshot(_ bindings: [AnchorBinding], tunnels: [UInt32] = [1, 2]) -> AnchorSnapshot {
    AnchorSnapshot(
      markMask: mask, homePrefixes: [IPv6Prefix(mn1, length: 48)].compactMap { $0 }, tunnels: tunnels.map(tunnel),
      bindings: bindings)
  }

  static func tuple(_ port: UInt16, to destination: IPv6Address = mn1) -> FlowSixTuple {
    FlowSixTuple(
      source: correspondent, destination: destination, flowLabel: 0xabc, transport: .tcp, sourcePort: port,
      destinationPort: 5_000)
  }

  // MARK: What happens

  mutating func handle(_ event: FlowEvent) {
    let moment = FlowMoment(
      monotonic: clock, secondsSince1970: UInt32(1_700_000_000 + clock.components.seconds), localTime: localTime)
    var outcomes: [FlowEvent] = []
    for effect in engine.handle(event, at: moment) {
      switch effect {
      case .apply(let identifier, let changes):
        if changes.contains(where: refuses) {
          outcomes.append(.kernelOutcome(identifier, .refused("No space left on device")))
        } else {
          changes.forEach { apply($0) }
          transactions += 1
          lastTransaction = changes
          outcomes.append(.kernelOutcome(identifier, .applied))
        }
      case .verdict(let token, let mark): verdicts[token.rawValue] = .some(mark)
      case .drop(let token): dropped.insert(token.rawValue)
      case .reply(let token, let result): replies[token.rawValue] = result
      case .notify(let notification): notifications.append(notification)
      case .storeSelector(let entry): stored.append(entry)
      case .forgetSelector(let identifier): stored.removeAll { $0.identifier == identifier }
      case .askAnchor(let question, let request): questions.append((question, request))
      case .readCounters(let flows):
        outcomes.append(
          .counters(
            map.values.filter { flows.contains($0.identifier) }.map {
              KernelCounter(flow: $0.identifier, count: $0.count)
            }))
      }
    }
    outcomes.forEach { handle($0) }
  }

  private mutating func apply(_ change: FlowMapChange) {
    switch change {
    case .ruleset(let new): ruleset = new
    case .setTunnelChain(let tunnel, let mark, _, let diversions):
      chains[tunnel] = mark
      self.diversions[tunnel] = diversions.isEmpty ? nil : diversions
    case .removeTunnelChain(let tunnel):
      precondition(!map.values.contains { $0.tunnel == tunnel }, "a chain with elements cannot be removed")
      chains[tunnel] = nil
      diversions[tunnel] = nil
    case .set(let flow, let replacing):
      precondition((map[flow.tuple] != nil) == replacing, "replacing says whether there is an element")
      precondition(flow.tunnel == .drop || chains[flow.tunnel] != nil, "an element needs its chain")
      map[flow.tuple] = flow
    case .remove(let tuple):
      precondition(map.removeValue(forKey: tuple) != nil, "the element is there")
    }
  }

  /// The mark that the packet got.
  @discardableResult
  mutating func packet(_ dissection: Dissection, mark: UInt32 = 0, dscp: UInt8? = nil) -> UInt32? {
    let token = nextToken
    nextToken += 1
    handle(
      .queuedPackets([
        QueuedPacket(
          token: PacketToken(rawValue: token), mark: mark, dissection: .success(dissection), length: 100, dscp: dscp)
      ]))
    if dropped.contains(token) { return nil }
    guard let verdict = verdicts[token] else { preconditionFailure("packet \(token) got no verdict") }
    return verdict
  }

  mutating func command(_ command: FlowCommand) -> Result<FlowReply, FlowRefusal>? {
    let token = issue(command)
    return replies[token]
  }

  /// A command that may be answered later.
  @discardableResult
  mutating func issue(_ command: FlowCommand) -> UInt64 {
    lastCommand += 1
    handle(.command(CommandToken(rawValue: lastCommand), command))
    return lastCommand
  }

  /// The anchor answers its oldest question.
  mutating func answer(_ answer: AnchorAnswer) {
    let (question, _) = questions.removeFirst()
    handle(.anchorAnswer(question, answer))
  }

  /// The refusal that the command got; nil: none (yet).
  func refusal(of command: UInt64) -> FlowRefusal? {
    if case .failure(let refusal)? = replies[command] { refusal } else { nil }
  }

  /// The refusal's text; empty when the command was carried out.
  mutating func refusal(_ command: FlowCommand) -> String {
    guard case .failure(let refusal)? = self.command(command) else { return "" }
    return refusal.message
  }

  /// `nft flush ruleset`.
  mutating func loseTable() {
    (map, chains, diversions, ruleset) = ([:], [:], [:], nil)
    handle(.kernelTableLost)
  }

  /// `kill -9` and start: a new engine that reads what the map holds.
  mutating func restart() {
    engine = FlowManagerEngine(engine.configuration)
    handle(.kernelState(flows: Array(map.values), chains: Array(chains.keys)))
  }

  /// What the element of the flow says.
  func tunnel(of tuple: FlowSixTuple) -> TunnelIdentifier? { map[tuple]?.tunnel }

  /// The mark that the kernel gives the flow's packets.
  func mark(of tuple: FlowSixTuple) -> UInt32? {
    guard let tunnel = map[tuple]?.tunnel else { return nil }
    return diversions[tunnel]?.first { $0.prefix.contains(tuple.destination) }?.mark ?? chains[tunnel]
  }

  /// The kernel counts a packet of the flow.
  mutating func countPacket(_ tuple: FlowSixTuple) { map[tuple]?.count.packets += 1 }

  mutating func count(_ tuple: FlowSixTuple, octets: UInt64) {
    map[tuple]?.count.packets += octets / 1_000
    map[tuple]?.count.octets += octets
  }

  mutating func pollCounters() {
    handle(.counters(map.values.map { KernelCounter(flow: $0.identifier, count: $0.count) }))
  }

  /// The table and the map say the same.
  var isConsistent: Bool {
    engine.table.count == map.count
      && engine.table.sorted.allSatisfy {
        map[$0.tuple]?.tunnel == $0.tunnel && map[$0.tuple]?.identifier == $0.identifier
      }
  }
}
