import DaemonKit
import DatapathModel
import FlowCore
import Glibc
import LinuxNet
import Logging
import NetTypes

/// The Flow Manager as a process: one thread on one event loop owns the engine, our nftables table, the packet queue,
/// the control socket and the subscription to the anchor.
///
/// Each event goes to the engine; its effects run here in order. The kernel answers a transaction at once, so its
/// outcome goes back to the engine before anything else happens, and a command is answered in the call that brought it,
/// unless it must wait for the anchor: then everything else goes on, and the answer follows.
///
/// Order at start: read the table (flows keep their tunnels all the while), then open the queue, then serve. The rules
/// are written when the anchor has told its mark mask and home prefixes; those of an earlier run are valid until then.
final class FlowManagerDaemon {
  let configuration: FlowManagerConfiguration
  let log: Logger
  let loop: EventLoop
  let kernel: KernelFlowTable
  let queue: PacketQueue
  let anchor: ControlSubscriber<AnchorSnapshot>
  let control: ControlServer
  let queues: TunnelQueues
  /// Standing orders: flows live in the kernel, these have no other place.
  let selectors: StateFile<FlowSelectorEntry>
  let keys: FlowKeyFile
  var engine: FlowManagerEngine

  var nextPoll: Duration
  /// Where in the flow table the next poll begins.
  var pollPosition = 0
  var nextTableCheck: Duration
  var nextTunnelReading: Duration
  /// Commands that wait for counters; the first one's are read next.
  var rounds: [CounterRound] = []
  /// When a large round last ended, and how long its readings took.
  var lastRound = (end: Duration.zero, length: Duration.zero)
  /// Who waits for the answer to a command.
  var clients: [CommandToken: DeferredAnswer<ChangeDocument>] = [:]
  var nextCommand: UInt64 = 1
  /// Of the counter in the kernel, when we began to listen.
  var offeredBefore: UInt64 = 0
  var anchorEventsNotUnderstood: UInt64 = 0
  var queueFailures: UInt64 = 0
  var kernelReadFailures: UInt64 = 0
  var selectorWritesFailed: UInt64 = 0
  /// Moves of one event are told together.
  var movesToLog = MoveSummary()
  var refusals = OncePerMinute()
  var fullTable = OncePerMinute()
  var refusedTableFullBefore: UInt64 = 0
  var loadedPolicy = PolicyFile.Loaded(policy: FlowPolicy(), warnings: [], file: nil, lines: [])
  var policyFilesRefused: UInt64 = 0
  /// The last minute that a rule of the policy was compared with.
  var minute: (secondsSince1970: UInt32, local: LocalTime)?

  static let topic = "flows"
  /// Bindings whose nodes are compared with a misspelt name.
  static let nearestSearchLimit = 10_000
  /// How often we look whether our table is still there: a firewall that reloads often flushes all rules.
  static let tableCheckInterval = Duration.seconds(2)
  /// Counters read in one go: first packets and commands wait so long at most.
  static let flowsPerReading = NetfilterSocket.flowsPerQuestion
  /// Up to this many flows, every command that shows counters has them read.
  static let alwaysReadFlows = 10_000
  /// With more, such reading takes at most one part in this many of our time, so that nobody who watches a million flows
  /// keeps us busy.
  static let readingShare = 10

  init(_ configuration: FlowManagerConfiguration, log: Logger) throws {
    self.configuration = configuration
    self.log = log
    loop = try EventLoop()
    kernel = try KernelFlowTable(configuration)
    queues = try TunnelQueues(configuration.tunnels)
    selectors = try StateFile(
      directory: configuration.stateDirectory, name: "flow-manager", durability: .powerLoss)
    var engine = FlowManagerEngine(configuration.flows)
    let policy = try PolicyFile.load(path: configuration.policyFile)
    // Before there are flows that it could be about.
    var effects = engine.handle(.policy(policy.policy), at: Self.now)
    keys = FlowKeyFile(directory: configuration.stateDirectory)
    let chains = try kernel.adopt(keys) { flows in
      effects += engine.handle(.kernelState(flows: flows, chains: []), at: Self.now)
    }
    effects += engine.handle(.kernelState(flows: [], chains: chains), at: Self.now)
    self.engine = consume engine
    queue = try PacketQueue(
      number: configuration.queueNumber, copyRange: PacketDissector.usefulLength,
      maximumLength: configuration.queueLength)
    control = try ControlServer(
      loop: loop, path: configuration.control.socket, group: configuration.control.group)
    anchor = try ControlSubscriber(loop: loop, path: configuration.anchorSocket, command: "subscribe")
    nextPoll = SystemClock.monotonic + configuration.pollInterval
    nextTableCheck = SystemClock.monotonic + Self.tableCheckInterval
    nextTunnelReading =
      configuration.flows.congestion.isEnabled ? SystemClock.monotonic : SystemClock.monotonic + .seconds(1 << 31)
    offeredBefore = try kernel.chainCounters().offeredToQueue
    loadedPolicy = policy
    announcePolicy()
    perform(effects)
    handle(.selectors(selectors.takeRecords()))
    log.info("\(self.engine.table.count) flows restored from nft table \(configuration.nftTable)")
  }

  /// Until SIGTERM or SIGINT. Table and elements stay: established flows go on.
  func run() throws {
    serve()
    servePolicy()
    try loop.add(queue.descriptor) { [unowned self] _ in readQueue() }
    try loop.handleSignals { [unowned self] signal in
      if signal == SIGHUP {
        reloadPolicy()
      } else {
        loop.stop()
      }
    }
    loop.onDeadline = { [unowned self] in deadlineReached() }
    anchor.onSnapshot = { [unowned self] snapshot in
      log.info(
        "anchor connected",
        metadata: ["bindings": "\(snapshot.bindings.count)", "tunnels": "\(snapshot.tunnels.count)"])
      handle(.anchorSnapshot(snapshot))
    }
    anchor.onEvent = { [unowned self] event in
      take(event)
      armTimer()
    }
    anchor.onDisconnect = { [unowned self] reason in
      guard !engine.mirror.isStale || anchor.failures == 1 else { return }
      log.warning("anchor away, its last word stays valid: \(reason)")
      handle(.anchorLost)
    }
    anchor.onChange = { [unowned self] in armTimer() }
    anchor.start()
    armTimer()
    ServiceNotifier.ready()
    try loop.run()
    do throws(LinuxError) {
      try keys.write(engine.table)
    } catch {
      log.warning("the next start will take longer: \(error)")
    }
    log.info("stopped; flows stay in the kernel (`flow-manager cleanup` removes them)")
  }

  static var now: FlowMoment {
    FlowMoment(
      monotonic: SystemClock.monotonic, secondsSince1970: UInt32(clamping: SystemClock.wallClock.seconds))
  }

  // MARK: Events

  func handle(_ event: FlowEvent) { perform(engine.handle(event, at: moment)) }

  private func perform(_ effects: [FlowEffect]) {
    var outcomes: [FlowEvent] = []
    perform(effects, &outcomes)
    var next = 0
    while next < outcomes.count {
      perform(engine.handle(outcomes[next], at: moment), &outcomes)
      next += 1
    }
    movesToLog.end { line in log.info("\(line)") }
  }

  private func perform(_ effects: [FlowEffect], _ outcomes: inout [FlowEvent]) {
    for effect in effects {
      switch effect {
      case .apply(let identifier, let changes):
        outcomes.append(.kernelOutcome(identifier, kernel.apply(changes)))
      case .verdict(let token, let mark): queue.decide(token.rawValue, .accept, mark: mark)
      case .drop(let token): queue.decide(token.rawValue, .drop)
      case .reply(let token, let result): answer(token, result)
      case .askAnchor(let question, let request): ask(question, request)
      case .readCounters(let flows): outcomes.append(.counters(currentCounters(of: flows)))
      case .notify(let notification): publish(notification)
      case .storeSelector(let entry): keep { try selectors.store(entry, key: "\(entry.identifier)") }
      case .forgetSelector(let identifier): keep { try selectors.remove(key: "\(identifier)") }
      }
    }
  }

  /// An order that cannot be written is valid until the next restart.
  private func keep(_ change: () throws -> Void) {
    do {
      try change()
      try selectors.flush()
    } catch {
      selectorWritesFailed += 1
      log.error("a standing order could not be stored, a restart would lose it: \(error)")
    }
  }

  func ask(_ question: AnchorQuestion, _ request: ServePrefixesRequest) {
    anchor.request("serve-prefixes", request) {
      [weak self] (outcome: Result<AnchorBindingChange, ControlClientError>) in
      switch outcome {
      case .success: self?.handle(.anchorAnswer(question, .granted))
      case .failure(let error): self?.handle(.anchorAnswer(question, .refused(error.description)))
      }
    }
    armTimer()
  }

  func readQueue() {
    var packets: [FlowCore.QueuedPacket] = []
    do {
      try queue.receive { packet, octets in
        let dissection: Result<Dissection, DissectionError>
        do throws(DissectionError) {
          dissection = .success(try PacketDissector.dissect(octets))
        } catch {
          dissection = .failure(error)
        }
        packets.append(
          FlowCore.QueuedPacket(
            token: PacketToken(rawValue: packet.identifier), mark: packet.mark, dissection: dissection,
            length: packet.length, dscp: PacketDissector.dscp(octets)))
      }
    } catch {
      queueFailures += 1
      log.error("\(error)")
    }
    guard !packets.isEmpty else { return }
    handle(.queuedPackets(packets))
    do {
      try queue.sendVerdicts()
    } catch {
      queueFailures += 1
      log.error("\(error)")
    }
  }

  func take(_ event: ControlEvent) {
    do throws(ControlClientError) {
      switch AnchorEvent.Name(rawValue: event.name) {
      case .tunnelAdded: handle(.anchorEvent(.tunnelAdded(try event.data())))
      case .tunnelRemoved: handle(.anchorEvent(.tunnelRemoved(try event.data())))
      case .bindingChanged: handle(.anchorEvent(.bindingChanged(try event.data())))
      case .bindingRemoved: handle(.anchorEvent(.bindingRemoved(try event.data())))
      case .gatewayChanged: handle(.anchorEvent(.gatewayChanged(try event.data())))
      case nil: throw .failed("unknown event '\(event.name)'")
      }
    } catch {
      // An anchor of another version; what we cannot read we do not act on.
      anchorEventsNotUnderstood += 1
      log.warning("event of the anchor ignored: \(error)")
    }
  }

  // MARK: Time

  func armTimer() {
    do {
      try loop.setDeadline(
        min(
          nextPoll, nextTableCheck, nextTunnelReading, anchor.nextDeadline ?? nextPoll, engine.nextDeadline ?? nextPoll)
      )
    } catch {
      log.critical("\(error)")
      loop.stop()
    }
  }

  func deadlineReached() {
    anchor.deadlineReached()
    if let deadline = engine.nextDeadline, SystemClock.monotonic >= deadline { handle(.deadlineReached) }
    if SystemClock.monotonic >= nextTableCheck {
      nextTableCheck = SystemClock.monotonic + Self.tableCheckInterval
      checkTable()
      checkRoom()
    }
    if SystemClock.monotonic >= nextTunnelReading { readTunnels() }
    if SystemClock.monotonic >= nextPoll {
      let wait = poll()
      nextPoll = SystemClock.monotonic + wait
    }
    armTimer()
  }

  func checkTable() {
    guard reading({ () throws(LinuxError) in try kernel.hasBeenLost() }) == true else { return }
    log.error("nft table \(configuration.nftTable) was removed by somebody; writing it again")
    offeredBefore = 0
    handle(.kernelTableLost)
  }

  /// What the kernel says; nil, counted and logged, when it does not.
  func reading<Value>(_ body: () throws(LinuxError) -> Value) -> Value? {
    do throws(LinuxError) {
      return try body()
    } catch {
      kernelReadFailures += 1
      log.error("\(error)")
      return nil
    }
  }

  /// Flows beyond the bound are counted one by one; who runs us should also read of it.
  func checkRoom() {
    let refused = engine.counters.refusedTableFull
    guard refused > refusedTableFullBefore else { return }
    fullTable.say(at: SystemClock.monotonic) { _ in
      log.error(
        "\(refused - refusedTableFullBefore) packets of new flows passed on the default binding: the table holds \(engine.table.count) flows; raise flows.maximum"
      )
      refusedTableFullBefore = refused
    }
  }
}
