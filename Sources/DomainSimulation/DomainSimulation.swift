import DatapathModel
import FlowCore
import MobilityWire
import NetTypes
import PMIPCore
import SeededRandom

/// A whole domain in virtual time: one anchor with its flow manager, several gateways, some of them with more than one
/// uplink (RFC 8278), nodes of both kinds, a network that loses, repeats, delays and reorders messages and falls into parts, hosts that crash and start again from what
/// they had stored, clocks that jump. The seed fixes everything. The cores run unchanged; what the daemons do around
/// them is done here: both clocks, a kernel that answers a moment later, a state file that is a moment behind, the
/// neighbour table.
///
/// A class, because it is large and is looked at after every step: a copy would cost more than the step.
public final class DomainSimulation {
  /// 0 is the anchor, 1... the gateways.
  typealias Host = Int

  enum Occurrence {
    case message(MobilityMessage, source: IPv6Address, destination: IPv6Address)
    case outcome(Host, incarnation: Int, EffectID, DatapathOutcome)
    case stored(Host, incarnation: Int, Storage)
    /// Stands for the host's next deadline unless that has changed since.
    case timer(Host)
    case restart(Host)
    case flowManagerRestart
    /// Stands for the flow manager's next deadline.
    case flowManagerTimer
    case question(QuestionToken, ServePrefixesRequest)
    case answer(QuestionToken, AnchorAnswer)
    case clockSet(Host)
    case reunion(Host)
    case uplinkReturn(Port)
    case firstMove(Int)
    /// Nodes whose sessions an operator has revoked solicit.
    case returnOfTheRevoked
    case trigger(Place, LinkLayerAddress, IPv6Address?, Attachment.Trigger)
    case departure(Place, LinkLayerAddress, DetachmentCause)
    case world
  }

  enum Storage {
    case anchor(PersistenceChange)
    case gateway(AttachmentPersistenceChange)
  }

  struct Place: Hashable, Comparable {
    var gateway: Host
    var link: String
    static func < (a: Self, b: Self) -> Bool { (a.gateway, a.link) < (b.gateway, b.link) }
  }

  /// A physical interface of a node.
  struct Interface {
    var node: MobileNodeIdentifier
    var kind: TerminalKind
    var linkLayerAddress: LinkLayerAddress
    var accessTechnology: AccessTechnologyType
    var place: Place?
    var linkLocalAddress: IPv6Address {
      IPv6Address(high: 0xfe80_0000_0000_0000, low: 0x1000 + linkLayerAddress.rawValue)
    }
  }

  /// What an install that the kernel has not answered is about.
  struct Busy {
    var prefixes: [IPv6Prefix: Int] = [:]
    var tunnels: [TunnelIdentifier: Int] = [:]

    mutating func count(_ changes: [DatapathChange], by step: Int) {
      func count<Key>(_ key: Key, in counts: inout [Key: Int]) {
        let sum = counts[key, default: 0] + step
        counts[key] = sum == 0 ? nil : sum
      }
      for change in changes {
        switch change {
        case .addTunnel(let tunnel): count(tunnel.identifier, in: &tunnels)
        case .removeTunnel(let tunnel): count(tunnel, in: &tunnels)
        case .setPrefixRoute(let prefix, let tunnel):
          count(prefix, in: &prefixes)
          count(tunnel, in: &tunnels)
        case .removePrefixRoute(let prefix): count(prefix, in: &prefixes)
        case .setUplink, .removeUplink, .setDownlink, .removeDownlink: break
        }
      }
    }
  }

  struct HostState {
    var isUp = true
    var incarnation = 0
    /// As in its state directory (RFC 5847 section 3.4).
    var restartCounter: UInt32 = 1
    /// Wall clock of the host minus the true time.
    var clockError: Duration = .zero
    /// What its kernel has.
    var datapath = DatapathSnapshot()
    /// Installs that it has not answered.
    var unanswered: [EffectID: [DatapathChange]] = [:]
    var busy = Busy()
    /// Between a failed install and the reconciliation that follows it.
    var isBroken = false
    /// No message gets from or to it.
    var isCutOff = false
    /// Over these ways no message does; of some of them its kernel says so; and the gateway has heard it.
    var cutUplinks: Set<Int> = []
    var downUplinks: Set<Int> = []
    var knownDownUplinks: Set<Int> = []
    var deadline: Duration?
  }

  /// What goes wrong, chosen by the seed.
  struct Faults {
    var loss: Double
    var duplication: Double
    var delay: ClosedRange<Int>
    var kernelFailures: Double
    var crashes: Bool
    var clockJumps: Bool
    var partitions: Bool
    /// A crash may take the state file with it.
    var losesState: Bool
    /// Operators revoke.
    var revocations: Bool
    /// Of gateways that have several.
    var uplinkFailures: Bool

    static let none = Faults(
      loss: 0, duplication: 0, delay: 1...20, kernelFailures: 0, crashes: false, clockJumps: false, partitions: false,
      losesState: false, revocations: false, uplinkFailures: false)
  }

  /// Every hundredth seed makes a large domain, the others have room for many steps of few nodes.
  struct Size {
    static let largest = Size(gateways: 50, nodes: 2_000)
    var gateways: Int
    var nodes: Int

    init(gateways: Int, nodes: Int) {
      self.gateways = gateways
      self.nodes = nodes
    }

    init(seed: UInt64, _ random: inout SplitMix64) {
      if seed % 1_000 == 0 {
        self = .largest
      } else if seed % 100 == 0 {
        gateways = Int.random(in: 10...Self.largest.gateways, using: &random)
        nodes = Int.random(in: 100...Self.largest.nodes / 4, using: &random)
      } else {
        gateways = Int.random(in: 2...10, using: &random)
        nodes = Int.random(in: 1...(random.chance(0.2) ? 50 : 12), using: &random)
      }
    }
  }

  static let anchorAddress = IPv6Address(high: 0x2001_0db8_0001_0000, low: 1)
  static let pool = IPv6Prefix(IPv6Address(high: 0x2001_0db8_0100_0000, low: 0), length: 40)
  static let links: [(name: String, technology: AccessTechnologyType)] = [
    ("wlan0", .wlan), ("wlan1", .wlan), ("lte0", .eutran),
  ]
  static let epoch = NTPTimestamp(seconds: 1_767_225_600, nanoseconds: 0)
  /// Clocks of a domain agree this well, half of TimestampValidityWindow, so that only jumps are refused.
  static let ordinaryClockError = -50...50

  public let seed: UInt64
  var random: SplitMix64
  var faults: Faults
  private(set) var clock: Duration = .seconds(1)
  private var queue = EventQueue<Occurrence>()
  public private(set) var steps = 0
  var hosts: [HostState] = []
  private(set) var ports: [IPv6Address: Port] = [:]
  private(set) var anchor: LocalMobilityAnchor
  private(set) var gateways: [MobileAccessGateway]
  var interfaces: [Interface] = []
  /// Those of a logical interface have one address.
  private(set) var interfacesByAddress: [LinkLayerAddress: [Int]] = [:]
  private var anchorRecords: [BindingIdentifier: BindingRecord] = [:]
  private var gatewayRecords: [[AttachmentPlace: AttachmentRecord]]
  /// Of each host, what it has stored of its peers.
  private var peerRecords: [[IPv6Address: PeerRecord]]
  private var highestBinding: UInt32 = 0
  private(set) var isQuiet = false
  /// By an operator, at any time.
  private var revokedNodes: Set<MobileNodeIdentifier> = []
  private var revokedGateways: Set<Host> = []
  var flows = DomainFlows()
  /// What the flow manager has asked the anchor.
  private var questions: [QuestionToken: (question: AnchorQuestion, incarnation: Int)] = [:]
  private var lastQuestion: UInt64 = 0
  /// Of the earliest timer of the flow manager that is set.
  private var flowManagerDeadline: Duration?
  private let checker = DomainChecker()
  /// Texts cost more than the simulation: only when somebody will read them.
  private let isTracing: Bool
  public private(set) var trace: [String] = []

  /// What broke; empty if nothing did.
  public var violations: [String] { checker.violations }
  /// How many times the invariants were looked at.
  public var checks: Int { checker.checks }
  public var nodeCount: Int { Set(interfaces.map(\.node)).count }
  public var gatewayCount: Int { gateways.count }

  public init(seed: UInt64, isTracing: Bool = false) {
    self.seed = seed
    self.isTracing = isTracing
    var random = SplitMix64(seed: seed)
    let size = Size(seed: seed, &random)
    faults = Faults(
      loss: random.chance(0.3) ? 0 : .random(in: 0...0.3, using: &random),
      duplication: random.chance(0.3) ? 0 : .random(in: 0...0.3, using: &random),
      delay: 1...(random.chance(0.5) ? 20 : 2_500),
      kernelFailures: random.chance(0.7) ? 0 : 0.05, crashes: random.chance(0.6), clockJumps: random.chance(0.3),
      partitions: random.chance(0.4), losesState: random.chance(0.3), revocations: random.chance(0.5),
      uplinkFailures: random.chance(0.7))
    let hasMultipath = random.chance(0.4)
    let uplinks = (1...size.gateways).map { host in
      let count = hasMultipath && random.chance(0.5) ? Int.random(in: 2...3, using: &random) : 1
      return (0..<count).map { Self.uplink($0, of: host) }
    }
    let ordering: GatewayPolicy.Ordering = random.chance(0.2) ? .sequence : .timestamp
    let usesTimestamps = ordering == .timestamp || random.chance(0.5)

    for index in 1...size.nodes {
      let kind: TerminalKind = random.chance(0.4) ? .logical : .interfaces
      let node = MobileNodeIdentifier(nai: "mn\(index)@example.net")
      for number in 1...Int.random(in: 1...3, using: &random) {
        let address = UInt64(0x0200_0000_0000) + UInt64(index) << 8 + (kind == .logical ? 0 : UInt64(number))
        interfaces.append(
          Interface(
            node: node, kind: kind, linkLayerAddress: LinkLayerAddress(rawValue: address),
            accessTechnology: random.chance(0.6) ? .wlan : .eutran))
      }
    }
    for (index, interface) in interfaces.enumerated() {
      interfacesByAddress[interface.linkLayerAddress, default: []].append(index)
    }
    let kinds = Dictionary(interfaces.map { ($0.node, $0.kind) }) { first, _ in first }
    var configuration = LMAConfiguration(
      addresses: [Self.anchorAddress],
      gateways: uplinks.enumerated().map { index, uplinks in
        GatewayPolicy(
          name: "mag\(index + 1)", address: uplinks[0].address, ordering: ordering,
          uplinks: uplinks.dropFirst().map(\.address))
      },
      prefixPools: Self.pool.map { [PrefixPool(prefix: $0, quarantine: .seconds(5))] } ?? [],
      nodes: kinds.map { NodePolicy(identifier: $0.key, kind: $0.value) }
        .sorted { $0.identifier.identifier.lexicographicallyPrecedes($1.identifier.identifier) })
    // Three interfaces with three paths each, and those that they have just left.
    configuration.limits.bindingsPerNode = 18
    configuration.timers.minDelayBeforeBCEDelete = random.milliseconds(1_000...10_000)
    configuration.flowMobilityMode = FlowMobilityMode.allCases.randomElement(using: &random) ?? .both
    var heartbeat = HeartbeatSettings()
    if random.chance(0.5) { heartbeat.interval = random.milliseconds(1_000...10_000) }
    let pathFailure: GatewayPolicy.PathFailurePolicy = random.chance(0.5) ? .keep : .remove
    let revokesAfterHandover = random.chance(0.5)
    for index in configuration.gateways.indices {
      configuration.gateways[index].heartbeat = heartbeat
      configuration.gateways[index].pathFailure = pathFailure
      configuration.gateways[index].revokesAfterHandover = revokesAfterHandover
      configuration.gateways[index].mayRevokeAll = true
    }
    anchor = LocalMobilityAnchor(configuration: configuration)

    let map = Dictionary(
      interfaces.map { ($0.linkLayerAddress, GatewayNodePolicy($0)) }, uniquingKeysWith: { first, _ in first })
    let nodes = map.values.sorted { $0.linkLayerAddress < $1.linkLayerAddress }
    gateways = uplinks.map { uplinks in
      var configuration = MAGConfiguration(
        proxyCareOfAddress: uplinks[0].address, anchorAddress: Self.anchorAddress,
        accessLinks: Self.links.map { AccessLink(name: $0.name, accessTechnology: $0.technology) },
        nodes: nodes, useTimestamps: usesTimestamps)
      configuration.timers.lifetime = .seconds(40)
      configuration.heartbeat = heartbeat
      if uplinks.count > 1 { configuration.uplinks = uplinks }
      return MobileAccessGateway(configuration: configuration)
    }
    gatewayRecords = Array(repeating: [:], count: size.gateways)
    peerRecords = Array(repeating: [:], count: size.gateways + 1)
    hosts = Array(repeating: HostState(), count: size.gateways + 1)
    for host in hosts.indices {
      hosts[host].clockError = .milliseconds(Int.random(in: Self.ordinaryClockError, using: &random))
      let addresses = host == 0 ? [Self.anchorAddress] : uplinks[host - 1].map(\.address)
      for (uplink, address) in addresses.enumerated() { ports[address] = Port(host: host, uplink: uplink) }
    }
    checker.checksOrder = !faults.clockJumps
    self.random = random
    for host in hosts.indices { started(host, sessionsLost: false) }
    flows.start(anchor: anchorSnapshot, at: flowMoment)
    schedule(.world, after: .zero)
    // In a large domain chance would attach only a few.
    guard interfaces.count > Self.fewInterfaces else { return }
    for index in interfaces.indices { schedule(.firstMove(index), after: self.random.milliseconds(0...10_000)) }
  }

  static let fewInterfaces = 150

  /// A busy time in which everything goes wrong, then quiet until all timers of the protocol have run out.
  public func run(busy: Duration = .seconds(35), quiet: Duration = .seconds(160)) {
    runUntil(clock + busy)
    calm()
    runUntil(clock + quiet)
    if violations.isEmpty { checker.checkAgreement(self) }
  }

  private func runUntil(_ end: Duration) {
    while violations.isEmpty, let (time, occurrence) = queue.next(until: end) {
      clock = max(clock, time)
      steps += 1
      happen(occurrence)
    }
    clock = end
  }

  /// No more faults and movements; whoever is down comes up.
  private func calm() {
    isQuiet = true
    faults = .none
    for host in hosts.indices {
      hosts[host].clockError = .zero
      hosts[host].isCutOff = false
      for uplink in hosts[host].cutUplinks.sorted() { uplinkReturns(Port(host: host, uplink: uplink)) }
      if !hosts[host].isUp { restart(host) }
    }
    if !flows.isUp { restartFlowManager() }
    // Behind every revocation that is still under way.
    schedule(.returnOfTheRevoked, after: .seconds(15))
    note("quiet")
  }

  // MARK: Occurrences

  func schedule(_ occurrence: Occurrence, after delay: Duration) { queue.schedule(occurrence, at: clock + delay) }

  private func happen(_ occurrence: Occurrence) {
    switch occurrence {
    case .message(let message, let source, let destination):
      guard let receiver = ports[destination], hosts[receiver.host].isUp, carriesMessages(receiver),
        let sender = ports[source], carriesMessages(sender)
      else { return }
      deliver(message, source: source, destination: destination, to: receiver.host)
    case .outcome(let host, let incarnation, let effect, let outcome):
      guard hosts[host].incarnation == incarnation, hosts[host].isUp else { return }
      if let changes = hosts[host].unanswered.removeValue(forKey: effect) { hosts[host].busy.count(changes, by: -1) }
      if host == 0 {
        anchorEvent(.datapathOutcome(effect, outcome))
      } else {
        gatewayEvent(host, .datapathOutcome(effect, outcome))
      }
      // Once more when nothing is under way that an old picture could undo.
      if hosts[host].isBroken, hosts[host].unanswered.isEmpty { reconcile(host) }
    case .stored(let host, let incarnation, let change):
      // A crash loses what was not written yet.
      if hosts[host].incarnation == incarnation { store(change, at: host) }
    case .timer(let host):
      guard hosts[host].isUp, let deadline = hosts[host].deadline, deadline <= clock else { return }
      hosts[host].deadline = nil
      host == 0 ? anchorEvent(.deadlineReached) : gatewayEvent(host, .deadlineReached)
    case .restart(let host): if !hosts[host].isUp { restart(host) }
    case .flowManagerRestart: if !flows.isUp { restartFlowManager() }
    case .flowManagerTimer:
      flowManagerDeadline = nil
      flows.deadlineReached(at: flowMoment)
      askAnchor()
    case .question(let token, let request):
      guard hosts[0].isUp, questions[token] != nil else { return }
      anchorEvent(.servePrefixes(token, request.prefixes, at: BindingIdentifier(rawValue: request.binding)))
    case .answer(let token, let answer):
      guard let question = questions.removeValue(forKey: token), question.incarnation == flows.incarnation
      else { return }
      flows.answered(question.question, answer, at: flowMoment)
      askAnchor()
    case .clockSet(let host):
      hosts[host].clockError = isQuiet ? .zero : .milliseconds(Int.random(in: Self.ordinaryClockError, using: &random))
    case .reunion(let host): hosts[host].isCutOff = false
    case .uplinkReturn(let port): uplinkReturns(port)
    case .returnOfTheRevoked: for index in interfaces.indices where isRevoked(index) { solicit(index) }
    case .firstMove(let index): if !isQuiet, interfaces[index].place == nil { move(index) }
    case .trigger(let place, let address, let linkLocal, let trigger):
      guard isPresent(address, at: place), hosts[place.gateway].isUp else { return }
      gatewayEvent(
        place.gateway,
        .attached(
          Attachment(link: place.link, linkLayerAddress: address, linkLocalAddress: linkLocal, trigger: trigger)))
    case .departure(let place, let address, let cause):
      guard !isPresent(address, at: place), hosts[place.gateway].isUp else { return }
      gatewayEvent(place.gateway, .detached(link: place.link, address, cause))
    case .world:
      guard !isQuiet else { return }
      world()
      schedule(.world, after: random.milliseconds(10...1_500))
    }
  }

  private func deliver(_ message: MobilityMessage, source: IPv6Address, destination: IPv6Address, to host: Host) {
    guard host == 0 else { return gatewayEvent(host, .message(message, source: source, destination: destination)) }
    if case .bindingUpdate(let update) = message { checker.beforeBindingUpdate(update) }
    anchorEvent(.message(message, source: source, destination: destination))
    if case .bindingUpdate(let update) = message { checker.afterBindingUpdate(update, source: source) }
  }

  private func moment(at host: Host) -> Moment {
    let time = Self.epoch.advanced(by: .seconds(100_000) + clock + hosts[host].clockError)
    return Moment(monotonic: clock, wallClock: time)
  }

  private var flowMoment: FlowMoment {
    FlowMoment(monotonic: clock, secondsSince1970: UInt32(truncatingIfNeeded: moment(at: 0).wallClock.seconds))
  }

  private func send(_ message: MobilityMessage, source: IPv6Address, destination: IPv6Address) {
    if case .bindingUpdate(let update) = message { checker.sent(update, at: clock) }
    for _ in 0...(random.chance(faults.duplication) ? 1 : 0) where !random.chance(faults.loss) {
      schedule(
        .message(message, source: source, destination: destination), after: random.milliseconds(faults.delay))
    }
  }

  // MARK: What the daemons do

  func revokeByOperator() {
    guard hosts[0].isUp, let index = interfaces.indices.randomElement(using: &random) else { return }
    if random.chance(0.7) {
      revokedNodes.insert(interfaces[index].node)
      return anchorEvent(.revokeNode(interfaces[index].node))
    }
    let host = Int.random(in: 1..<hosts.count, using: &random)
    revokedGateways.insert(host)
    if random.chance(0.5) {
      for uplink in 0..<uplinkCount(of: host) {
        anchorEvent(.revokeGateway(Self.address(of: host, uplink: uplink)))
      }
      return
    }
    if hosts[host].isUp { gatewayEvent(host, .revokeAll) }
  }

  /// Its attachment, by an operator: what the protocol revokes by itself it must also bring back by itself.
  private func isRevoked(_ index: Int) -> Bool {
    guard let place = interfaces[index].place,
      revokedNodes.contains(interfaces[index].node) || revokedGateways.contains(place.gateway)
    else { return false }
    let attachment = gateways[place.gateway - 1].attachment(
      of: interfaces[index].linkLayerAddress, onLink: place.link)
    return attachment?.state == .revoked
  }

  private func started(_ host: Host, sessionsLost: Bool) {
    if sessionsLost { hosts[host].restartCounter += 1 }
    let counter = hosts[host].restartCounter
    if host == 0 {
      anchorEvent(.started(restartCounter: counter, sessionsLost: sessionsLost))
    } else {
      gatewayEvent(host, .started(restartCounter: counter, sessionsLost: sessionsLost))
    }
  }

  private func anchorEvent(_ event: LMAEvent, reconciles: Bool = false) {
    note("lma <- \(event)")
    var concerned = DomainChecker.Concerned()
    if case .message(let message, _, _) = event, let node = message.options.mobileNodeIdentifier {
      concerned.nodes.insert(node)
    }
    if case .datapathOutcome = event { concerned.everyBusyTunnel(hosts[0].busy) }
    for effect in anchor.handle(event, at: moment(at: 0)) {
      switch effect {
      case .send(let message, let source, let destination):
        send(message, source: source, destination: destination)
      case .install(let identifier, let changes):
        concerned.insert(changes)
        install(identifier, changes, at: 0)
      case .notify(let notification):
        concerned.insert(notification)
        checker.notified(notification)
        flows.notified(notification, at: flowMoment)
      case .persist(let change):
        if case .store(let record) = change {
          highestBinding = max(highestBinding, record.identifier.rawValue)
          checker.accepted(record)
        }
        scheduleStore(.anchor(change), at: 0)
      case .answer(let token, .served): schedule(.answer(token, .granted), after: .zero)
      case .answer(let token, .refused(let refusal)): schedule(.answer(token, .refused(refusal.message)), after: .zero)
      }
    }
    askAnchor()
    if reconciles { reconcile(0) }
    setTimer(of: 0, to: anchor.nextDeadline)
    checker.checkAnchor(self, concerned)
  }

  func gatewayEvent(_ host: Host, _ event: MAGEvent, reconciles: Bool = false) {
    note("mag\(host) <- \(event)")
    for effect in gateways[host - 1].handle(event, at: moment(at: host)) {
      switch effect {
      case .send(let message, let source, let destination):
        send(message, source: source, destination: destination)
      case .install(let identifier, let changes): install(identifier, changes, at: host)
      case .advertise(let plan): checker.advertised(plan, by: gateways[host - 1])
      case .probe(let link, let address, _):
        let place = Place(gateway: host, link: link)
        if !isPresent(address, at: place) {
          schedule(.departure(place, address, .neighbourUnreachable), after: .seconds(3))
        }
      case .notify: break
      case .persist(let change): scheduleStore(.gateway(change), at: host)
      }
    }
    if reconciles { reconcile(host) }
    setTimer(of: host, to: gateways[host - 1].nextDeadline)
    checker.checkGateway(self, host)
  }

  private func askAnchor() {
    for (question, request) in flows.popQuestions() {
      lastQuestion += 1
      questions[QuestionToken(rawValue: lastQuestion)] = (question, flows.incarnation)
      schedule(.question(QuestionToken(rawValue: lastQuestion), request), after: .zero)
    }
    // What is due at once may come after other things.
    guard let deadline = flows.engine.nextDeadline.map({ max($0, clock + random.milliseconds(1...20)) }),
      flowManagerDeadline.map({ deadline < $0 }) ?? true
    else { return }
    flowManagerDeadline = deadline
    schedule(.flowManagerTimer, after: deadline - clock)
  }

  private func setTimer(of host: Host, to deadline: Duration?) {
    let deadline = deadline.map { max($0, clock) }
    guard deadline != hosts[host].deadline else { return }
    hosts[host].deadline = deadline
    if let deadline { schedule(.timer(host), after: deadline - clock) }
  }

  private func install(_ identifier: EffectID, _ changes: [DatapathChange], at host: Host) {
    var outcome = DatapathOutcome.installed
    if random.chance(faults.kernelFailures) {
      outcome = .failed("ENOBUFS")
      hosts[host].isBroken = true
    } else {
      for change in changes { hosts[host].datapath.apply(change) }
    }
    hosts[host].unanswered[identifier] = changes
    hosts[host].busy.count(changes, by: 1)
    schedule(
      .outcome(host, incarnation: hosts[host].incarnation, identifier, outcome), after: random.milliseconds(0...5))
  }

  private func reconcile(_ host: Host) {
    hosts[host].datapath = host == 0 ? anchor.desiredDatapath : gateways[host - 1].desiredDatapath
    hosts[host].isBroken = false
  }

  private func scheduleStore(_ change: Storage, at host: Host) {
    schedule(.stored(host, incarnation: hosts[host].incarnation, change), after: .milliseconds(50))
  }

  private func store(_ change: Storage, at host: Host) {
    switch change {
    case .anchor(.store(let record)): anchorRecords[record.identifier] = record
    case .anchor(.remove(let identifier)): anchorRecords[identifier] = nil
    case .gateway(.store(let record)):
      let place = AttachmentPlace(link: record.link, address: record.linkLayerAddress, uplink: record.uplink)
      gatewayRecords[host - 1][place] = record
    case .gateway(.remove(let link, let address, let uplink)):
      gatewayRecords[host - 1][AttachmentPlace(link: link, address: address, uplink: uplink)] = nil
    case .anchor(.storePeer(let peer)), .gateway(.storePeer(let peer)): peerRecords[host][peer.address] = peer
    case .anchor(.removePeer(let address)), .gateway(.removePeer(let address)): peerRecords[host][address] = nil
    }
  }

  func crash(_ host: Host) {
    note("\(host == 0 ? "lma" : "mag\(host)") crashes")
    hosts[host].isUp = false
    hosts[host].incarnation += 1
    hosts[host].unanswered = [:]
    hosts[host].busy = Busy()
    hosts[host].deadline = nil
    hosts[host].knownDownUplinks = []
    if host == 0 {
      questions = [:]
      flows.anchorLost(at: flowMoment)
    }
    schedule(.restart(host), after: random.milliseconds(100...8_000))
  }

  /// Restores, reconciles the kernel, and (a gateway) reads the neighbour table.
  private func restart(_ host: Host) {
    note("\(host == 0 ? "lma" : "mag\(host)") starts")
    hosts[host].isUp = true
    let isStateLost = faults.losesState && random.chance(0.3)
    if isStateLost {
      note("without its sessions")
      if host == 0 { anchorRecords = [:] } else { gatewayRecords[host - 1] = [:] }
      peerRecords[host] = [:]
    }
    let peers = peerRecords[host].values.sorted { $0.address < $1.address }
    if host == 0 {
      anchor = LocalMobilityAnchor(
        configuration: anchor.configuration, firstBinding: BindingIdentifier(rawValue: highestBinding + 1))
      checker.anchorRestarted()
      let records = anchorRecords.values.sorted { $0.identifier < $1.identifier }
      for record in records { checker.accepted(record) }
      anchorEvent(.restore(records, peers: peers), reconciles: true)
      started(host, sessionsLost: isStateLost)
      flows.anchorIsBack(anchorSnapshot, at: flowMoment)
    } else {
      gateways[host - 1] = MobileAccessGateway(configuration: gateways[host - 1].configuration)
      let records = gatewayRecords[host - 1].sorted { $0.key < $1.key }.map(\.value)
      gatewayEvent(host, .restore(records, peers: peers), reconciles: true)
      started(host, sessionsLost: isStateLost)
      tellDownUplinks(host)
      for interface in interfaces {
        guard let place = interface.place, place.gateway == host else { continue }
        schedule(
          .trigger(place, interface.linkLayerAddress, interface.linkLocalAddress, .neighbour),
          after: random.milliseconds(0...500))
      }
    }
  }

  private var anchorSnapshot: AnchorSnapshot {
    AnchorSnapshot(
      markMask: anchor.configuration.markLayout.mask, homePrefixes: anchor.configuration.prefixPools.map(\.prefix),
      tunnels: anchor.tunnels.map(AnchorTunnel.init), bindings: anchor.bindings.map(AnchorBinding.init))
  }

  func crashFlowManager() {
    note("the flow manager crashes")
    flows.isUp = false
    schedule(.flowManagerRestart, after: random.milliseconds(100...8_000))
  }

  private func restartFlowManager() {
    note("the flow manager starts")
    flows.start(anchor: hosts[0].isUp ? anchorSnapshot : nil, at: flowMoment)
  }

  /// First packets of new flows, and an operator who moves old ones.
  func traffic() {
    flows.traffic(at: flowMoment, &random)
    askAnchor()
  }

  func note(_ text: @autoclosure () -> String) {
    if isTracing { trace.append("\(clock) \(text())") }
  }
}

/// Where an attachment record belongs.
struct AttachmentPlace: Hashable, Comparable {
  var link: String
  var address: LinkLayerAddress
  var uplink: Int
  static func < (a: Self, b: Self) -> Bool { (a.link, a.address, a.uplink) < (b.link, b.address, b.uplink) }
}

extension GatewayNodePolicy {
  fileprivate init(_ interface: DomainSimulation.Interface) {
    self.init(linkLayerAddress: interface.linkLayerAddress, identifier: interface.node, kind: interface.kind)
  }
}
