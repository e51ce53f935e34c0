import DaemonKit
import Datapath
import DatapathModel
import FlowCore
import Glibc
import LinuxNet
import Logging
import MobilityWire
import NetTypes
import PMIPCore
import SignallingKit

/// The anchor as a process: one thread on one event loop owns the protocol core and everything it touches.
///
/// Events go to the core one by one, as they come; their effects gather and run in rounds when everything that was
/// received together has been handled (`settle`). A round begins with all its `install`s, in one dialogue with the
/// kernel, so that thousands of registrations share the cost of it; then the other effects run in the order in which
/// the core gave them; then the core learns the outcomes, and what it wants then (the acknowledgements first) is the
/// next round. What is slow and may be lost, the state file, waits until everything has been answered.
final class Daemon {
  private let configuration: LMADaemonConfiguration
  private let file: String
  private let log: Logger
  private let loop: EventLoop
  private let mobility: MobilityEndpoint
  private let control: ControlServer
  private let state: StateFile<StoredBinding>
  /// What the gateways have told of themselves.
  private let peers: StateFile<StoredPeer>
  /// Highest binding number ever given, so that no number comes back after a restart.
  private let numbers: StateFile<UInt32>
  private var highestNumber: UInt32
  /// Restart Counter of RFC 5847 section 3.4.
  private let restarts: GrowingNumber
  private var core: LocalMobilityAnchor
  private let recorder: EventRecorder<LocalMobilityAnchor>
  /// For the next round, by event.
  private var effects: [[LMAEffect]] = []
  private let datapath: ObservedDatapath
  private let monitor: InterfaceMonitor
  private var unwritten: [PersistenceChange] = []
  /// Of `serve-prefixes`: who waits for an answer of the core.
  private var questions: [QuestionToken: DeferredAnswer<AnchorBindingChange>] = [:]
  private var nextQuestion: UInt64 = 1
  private var stateFailures: UInt64 = 0

  /// Topic of the control socket that the Flow Manager follows.
  private static let bindingsTopic = "bindings"

  /// Takes over what an earlier run left in the state directory and in the kernel; traffic goes on meanwhile.
  init(_ configuration: LMADaemonConfiguration, file: String, log: Logger) throws {
    self.configuration = configuration
    self.file = file
    self.log = log
    loop = try EventLoop()
    mobility = try MobilityEndpoint(
      codePoints: configuration.core.codePoints, answersBindingUpdates: true, peers: configuration.peers,
      limits: configuration.refusalLimits)
    datapath = try ObservedDatapath(configuration.datapathConfiguration, log: log)
    monitor = try InterfaceMonitor()
    state = try StateFile(directory: configuration.stateDirectory, name: "lmad")
    peers = try StateFile(directory: configuration.stateDirectory, name: "lmad-peers")
    numbers = try StateFile(directory: configuration.stateDirectory, name: "lmad-numbers")
    highestNumber = numbers.takeRecords().max() ?? 0
    restarts = try GrowingNumber(directory: configuration.stateDirectory, name: "lmad-restarts")
    control = try ControlServer(
      loop: loop, path: configuration.control.socket, group: configuration.control.group)
    let start = LocalMobilityAnchor.Start(
      configuration: configuration.core, firstBinding: BindingIdentifier(rawValue: highestNumber + 1),
      firstNotification: .random(in: .min ... .max))
    core = try LocalMobilityAnchor(start: start)
    recorder = EventRecorder(configuration.recording, program: AnchorProgram.daemon.name, start: start, log: log)
  }

  func run() throws {
    let records = state.takeRecords().map(\.record)
    handle(.restore(records, peers: peers.takeRecords().map(\.record)))
    runEffects()
    _ = try monitor.resynchronize()
    try datapath.reconcile(to: core.desiredDatapath)
    log.info("ready: \(core.bindingCount) bindings, encapsulation \(datapath.kernel.encapsulation.rawValue)")
    serve()
    try loop.add(monitor.descriptor) { [unowned self] _ in receiveInterfaceEvents() }
    try loop.add(mobility.descriptor) { [unowned self] _ in receive() }
    loop.onDeadline = { [unowned self] in
      handle(.deadlineReached)
      settle()
    }
    try loop.handleSignals { [unowned self] signal in received(signal: signal) }
    try start(sessionsLost: records.isEmpty || state.counters.unreadableLines > 0)
    settle()
    ServiceNotifier.ready()
    try loop.run()
    log.info("stopped; tunnels and routes stay in the kernel (`lmad cleanup` removes them)")
  }

  /// Tells gateways with heartbeats if bindings may be lost.
  private func start(sessionsLost: Bool) throws {
    if sessionsLost { try restarts.grow(atLeast: UInt32(truncatingIfNeeded: Moment.now.wallClock.seconds)) }
    handle(.started(restartCounter: restarts.value, sessionsLost: sessionsLost))
  }

  // MARK: Events

  private func receive() {
    // One moment for all that is received together.
    let now = Moment.now
    do {
      try mobility.receive { message, source, destination in
        Self.verdict(handle(.message(message, source: source, destination: destination), at: now))
      }
    } catch {
      log.error("\(error)")
    }
    settle()
  }

  private static func verdict(_ effects: [LMAEffect]) -> MessageVerdict {
    for effect in effects {
      switch effect {
      case .install: return .useful
      case .send(.bindingAcknowledgement(let answer), _, _): return answer.status.isAccepted ? .useful : .refused
      case .send, .notify, .persist, .answer: continue
      }
    }
    return .fruitless
  }

  /// The kernel drops routes of an interface that goes down; they come back with it.
  private func receiveInterfaceEvents() {
    do throws(LinuxError) {
      var isBack = false
      try monitor.receive { event in
        if case .link(let link) = event, link.name == configuration.datapath.coreInterface { isBack = link.hasCarrier }
      }
      if isBack { try datapath.reconcile(to: core.desiredDatapath) }
    } catch {
      log.error("\(error)")
    }
  }

  private func received(signal: Int32) {
    if signal == SIGHUP { reload() } else { loop.stop() }
  }

  /// SIGHUP: takes over policies, timers and limits.
  private func reload() {
    guard let new = configuration.reloaded(from: file, log: log) else { return }
    handle(.configurationChanged(new.core))
    mobility.codePoints = new.core.codePoints
    mobility.peers = new.peers
    mobility.limits = new.refusalLimits
    settle()
    log.info("configuration reloaded")
  }

  @discardableResult
  private func handle(_ event: LMAEvent, at now: Moment = .now) -> [LMAEffect] {
    let new = core.handle(event, at: now)
    recorder.add(event, at: now, effects: new)
    if !new.isEmpty { effects.append(new) }
    return new
  }

  private func runEffects() {
    while !effects.isEmpty {
      var round: [[LMAEffect]] = []
      swap(&round, &effects)
      let outcomes = install(round)
      for effects in round { for effect in effects { run(effect) } }
      let now = Moment.now
      for (identifier, outcome) in outcomes { handle(.datapathOutcome(identifier, outcome), at: now) }
    }
    do {
      try mobility.flush()
    } catch {
      log.warning("\(error)")
    }
  }

  private func run(_ effect: LMAEffect) {
    switch effect {
    case .send(let message, let source, let destination):
      do {
        try mobility.send(message, source: source, destination: destination)
      } catch {
        log.warning("message to \(destination) not sent: \(error)")
      }
    // The round began with it.
    case .install: break
    case .notify(let notification): publish(notification)
    case .persist(let change): unwritten.append(change)
    case .answer(let token, let answer): questions.removeValue(forKey: token)?(answer.result)
    }
  }

  /// All installs of a round, and what the kernel said to each.
  private func install(_ round: [[LMAEffect]]) -> [(EffectID, DatapathOutcome)] {
    var identifiers: [EffectID] = []
    var lists: [[DatapathChange]] = []
    for effects in round {
      for case .install(let identifier, let changes) in effects {
        identifiers.append(identifier)
        lists.append(changes)
      }
    }
    guard !lists.isEmpty else { return [] }
    return Array(zip(identifiers, datapath.apply(lists)))
  }

  /// After a batch of events: runs the effects, writes the state file and arms the timer.
  private func settle() {
    runEffects()
    do {
      var newest = highestNumber
      for change in unwritten {
        switch change {
        case .store(let record):
          state.store(StoredBinding(record), key: StoredBinding.key(record.identifier))
          newest = max(newest, record.identifier.rawValue)
        case .remove(let identifier): try state.remove(key: StoredBinding.key(identifier))
        case .storePeer(let peer): try peers.store(StoredPeer(peer), key: peer.address.description)
        case .removePeer(let address): try peers.remove(key: address.description)
        }
      }
      unwritten.removeAll(keepingCapacity: true)
      if newest > highestNumber {
        highestNumber = newest
        try numbers.store(newest, key: "binding")
      }
      try state.flush()
      try peers.flush()
      try numbers.flush()
    } catch {
      // Bindings live on in memory; a restart would lose the ones not written.
      stateFailures += 1
      log.error("\(error)")
    }
    recorder.flush()
    do {
      try loop.setDeadline(core.nextDeadline)
    } catch {
      log.critical("\(error)")
      loop.stop()
    }
  }

  // MARK: Control socket

  private func publish(_ notification: LMANotification) {
    report(notification)
    // A description costs more than all the rest of a refresh.
    guard control.hasSubscribers(topic: Self.bindingsTopic) else { return }
    let event: AnchorEvent
    switch notification {
    case .notificationFailed, .revocationEnded: return
    case .tunnelAdded(let tunnel): event = .tunnelAdded(anchorTunnel(tunnel))
    case .tunnelRemoved(let tunnel): event = .tunnelRemoved(anchorTunnel(tunnel))
    case .bindingChanged(let binding):
      event = .bindingChanged(AnchorBindingChange(binding: AnchorBinding(binding)))
    case .bindingRemoved(let binding, let cause):
      event = .bindingRemoved(AnchorBindingChange(binding: AnchorBinding(binding), cause: cause.rawValue))
    case .gatewayChanged(let gateway, let change):
      event = .gatewayChanged(
        AnchorGateway(
          name: gateway.name, address: gateway.address, path: gateway.path.rawValue, change: change.rawValue,
          roundTripMicroseconds: gateway.roundTrip?.microseconds))
    }
    switch event {
    case .tunnelAdded(let tunnel), .tunnelRemoved(let tunnel):
      control.publish(event.name.rawValue, topic: Self.bindingsTopic, tunnel)
    case .bindingChanged(let change), .bindingRemoved(let change):
      control.publish(event.name.rawValue, topic: Self.bindingsTopic, change)
    case .gatewayChanged(let gateway):
      control.publish(event.name.rawValue, topic: Self.bindingsTopic, gateway)
    }
  }

  private func report(_ notification: LMANotification) {
    switch notification {
    case .notificationFailed(let failure): log.warning("\(failure.text)")
    case .tunnelAdded(let tunnel): log.info("tunnel \(tunnel.identifier) to \(tunnel.remote) added")
    case .tunnelRemoved(let tunnel): log.info("tunnel \(tunnel.identifier) to \(tunnel.remote) removed")
    case .bindingChanged(let binding):
      log.debug("binding \(binding.identifier) of \(binding.node.displayText) at \(binding.gatewayName)")
    case .bindingRemoved(let binding, let cause):
      log.info("binding \(binding.identifier) of \(binding.node.displayText) removed: \(cause.rawValue)")
    case .revocationEnded(let outcome):
      let status = outcome.status.map { "status \($0.rawValue)" } ?? "no answer"
      log.info("revocation of \(outcome.node?.displayText ?? "all nodes") at \(outcome.gateway): \(status)")
    case .gatewayChanged(let gateway, let change):
      log.log(
        level: change == .delay ? .debug : .warning, "gateway \(gateway.name) (\(gateway.address)): \(change.rawValue)")
    }
  }

  private func serve() {
    recorder.serve(control)
    control.handleSubscription("subscribe", topic: Self.bindingsTopic, NoArguments.self) { [unowned self] _, _ in
      snapshot
    }
    control.handle("show bindings", NoArguments.self) { [unowned self] _, _ in
      let now = Moment.now
      return BindingsDocument(bindings: core.bindings.map { BindingsDocument.Binding($0, now: now) })
    }
    control.handle("show tunnels", NoArguments.self) { [unowned self] _, _ in tunnels }
    control.handle("show nodes", NoArguments.self) { [unowned self] _, _ in nodes }
    control.handle("show gateways", NoArguments.self) { [unowned self] _, _ in gateways }
    control.handle("show counters", NoArguments.self) { [unowned self] _, _ in counters }
    control.handle("delete", DeleteArguments.self) { [unowned self] arguments, _ throws(ControlError) in
      try delete(arguments.binding)
    }
    control.handle("revoke", RevokeArguments.self) { [unowned self] arguments, _ throws(ControlError) in
      try revoke(arguments)
    }
    control.handle("notify", NotifyArguments.self) { [unowned self] arguments, _ throws(ControlError) in
      try notify(arguments)
    }
    control.handleDeferred("serve-prefixes", ServePrefixesRequest.self) { [unowned self] arguments, _, answer in
      let token = QuestionToken(rawValue: nextQuestion)
      nextQuestion += 1
      questions[token] = answer
      handle(.servePrefixes(token, arguments.prefixes, at: BindingIdentifier(rawValue: arguments.binding)))
      settle()
    }
  }

  private func notify(_ arguments: NotifyArguments) throws(ControlError) -> NotifiedDocument {
    guard let name = arguments.node else { return try notify(gateway: arguments.gateway ?? "", arguments.notification) }
    let node = MobileNodeIdentifier(nai: name)
    let bindings = core.bindings(of: node).filter { $0.state == .active }
    guard !bindings.isEmpty else {
      throw ControlError(
        code: "no-such-node", message: "no gateway has '\(name)'", hint: "`lmad show nodes` lists them")
    }
    handle(.notifyNode(node, arguments.notification.request))
    settle()
    return NotifiedDocument(node: name, gateways: Set(bindings.map(\.gatewayName)).sorted())
  }

  private func notify(
    gateway name: String, _ notification: NotifyArguments.Notification
  ) throws(ControlError) -> NotifiedDocument {
    let gateway = core.configuration.gateways.first { $0.name == name }
    let addresses = (gateway?.addresses ?? []).filter { address in core.tunnels.contains { $0.remote == address } }
    guard !addresses.isEmpty else {
      throw ControlError(
        code: "no-such-gateway", message: "no gateway '\(name)' has a session here",
        hint: "`lmad show gateways` lists them")
    }
    guard case .reregister(let acknowledged) = notification.request else {
      throw ControlError(
        code: ControlError.invalidArguments, message: "session parameters are those of one node", hint: "name a node")
    }
    for address in addresses { handle(.reregisterGateway(address, acknowledged: acknowledged)) }
    settle()
    return NotifiedDocument(gateways: [name])
  }

  private func delete(_ number: UInt32) throws(ControlError) -> BindingsDocument {
    let identifier = BindingIdentifier(rawValue: number)
    guard let binding = core.binding(identifier) else {
      throw ControlError(
        code: "no-such-binding", message: "there is no binding \(number)", hint: "`lmad show bindings` lists them")
    }
    handle(.deleteBinding(identifier))
    settle()
    return BindingsDocument(bindings: [BindingsDocument.Binding(binding, now: Moment.now)])
  }

  /// The bindings that are revoked: they end when their gateways have answered, or do not answer.
  private func revoke(_ arguments: RevokeArguments) throws(ControlError) -> BindingsDocument {
    let now = Moment.now
    let bindings: [BindingSummary]
    let events: [LMAEvent]
    if let name = arguments.gateway {
      guard let gateway = core.configuration.gateways.first(where: { $0.name == name }) else {
        throw ControlError(
          code: "no-such-gateway", message: "there is no gateway '\(name)'", hint: "`lmad show gateways` lists them")
      }
      bindings = core.bindings.filter { gateway.addresses.contains($0.proxyCareOfAddress) }
      events = Set(bindings.map(\.proxyCareOfAddress)).sorted().map { .revokeGateway($0) }
    } else {
      let node = MobileNodeIdentifier(nai: arguments.node ?? "")
      bindings = core.bindings(of: node)
      events = [.revokeNode(node)]
    }
    guard !bindings.isEmpty else {
      throw ControlError(
        code: "no-such-binding", message: "\(arguments.gateway ?? arguments.node ?? "nobody") has no binding",
        hint: "`lmad show bindings` lists them")
    }
    for event in events { handle(event) }
    settle()
    return BindingsDocument(bindings: bindings.map { BindingsDocument.Binding($0, now: now) })
  }

  private var snapshot: AnchorSnapshot {
    AnchorSnapshot(
      markMask: configuration.core.markLayout.mask, homePrefixes: core.configuration.prefixPools.map(\.prefix),
      tunnels: core.tunnels.map(anchorTunnel), bindings: core.bindings.map(AnchorBinding.init))
  }

  private func anchorTunnel(_ tunnel: TunnelDescription) -> AnchorTunnel {
    AnchorTunnel(
      id: tunnel.identifier, gateway: gatewayName(tunnel.remote), local: tunnel.local, remote: tunnel.remote,
      mark: configuration.core.markLayout.mark(of: tunnel.identifier),
      interface: datapath.kernel.deviceName(of: tunnel.identifier),
      isUnreachable: core.path(to: tunnel.remote) == .unreachable,
      roundTripMicroseconds: core.roundTrip(to: tunnel.remote)?.microseconds)
  }

  private func gatewayName(_ address: IPv6Address) -> String {
    core.configuration.gateways.first { $0.addresses.contains(address) }?.name ?? address.description
  }

  private var tunnels: TunnelsDocument {
    let users = Dictionary(grouping: core.bindings, by: \.tunnel).mapValues(\.count)
    return TunnelsDocument(
      tunnels: core.tunnels.map { tunnel in
        TunnelsDocument.Tunnel(
          id: tunnel.identifier, gateway: gatewayName(tunnel.remote), local: tunnel.local, remote: tunnel.remote,
          mark: "0x" + String(configuration.core.markLayout.mark(of: tunnel.identifier), radix: 16),
          encapsulation: datapath.kernel.encapsulation.rawValue, mtu: try? datapath.kernel.tunnelMTU(),
          bindings: users[tunnel.identifier, default: 0])
      })
  }

  private var nodes: NodesDocument {
    NodesDocument(
      nodes: Dictionary(grouping: core.bindings, by: \.node).values.compactMap { bindings in
        bindings.first.map { first in
          NodesDocument.Node(
            node: first.node.displayText, kind: first.kind.rawValue, bindings: bindings.map(\.identifier.rawValue),
            gateways: bindings.map(\.gatewayName), prefixes: Set(bindings.flatMap(\.prefixes)).sorted())
        }
      }.sorted { $0.node < $1.node })
  }

  private var gateways: GatewaysDocument {
    GatewaysDocument(
      gateways: core.gatewaySummaries.map { gateway in
        GatewaysDocument.Gateway(
          gateway, tunnel: core.tunnels.first { $0.remote == gateway.address }?.identifier)
      })
  }

  private var counters: CountersDocument {
    var result = mobility.counters
    for (name, value) in core.counters.list { result[name] = value }
    result.merge(control.counters.named) { own, _ in own }
    result.merge(state.counters.named) { own, _ in own }
    result.merge(recorder.counters) { own, _ in own }
    result["datapath-failures"] = datapath.failures
    result["state-write-failures"] = stateFailures
    result["restart-counter"] = UInt64(restarts.value)
    result["bindings"] = UInt64(core.bindingCount)
    result["pending-registrations"] = UInt64(core.pendingRegistrations)
    return CountersDocument(counters: result)
  }
}

/// One of the two.
struct RevokeArguments: Codable {
  var node: String?
  var gateway: String?
}

struct DeleteArguments: Codable {
  var binding: UInt32
}

struct NotifyArguments: Codable {
  enum Notification: String, Codable {
    case reregister
    /// The same, and the gateway acknowledges.
    case reregisterAcknowledged = "reregister-acknowledged"
    case sessionParameters = "session-parameters"

    var request: NotificationRequest {
      switch self {
      case .reregister: .reregister(acknowledged: false)
      case .reregisterAcknowledged: .reregister(acknowledged: true)
      case .sessionParameters: .sessionParameters
      }
    }
  }

  /// One of the two.
  var node: String?
  var gateway: String?
  var notification: Notification
}

extension ServiceAnswer {
  fileprivate var result: Result<AnchorBindingChange, ControlError> {
    switch self {
    case .served(let binding): .success(AnchorBindingChange(binding: AnchorBinding(binding)))
    case .refused(let refusal): .failure(ControlError(code: refusal.reason.rawValue, message: refusal.message))
    }
  }
}

extension NotificationFailure {
  fileprivate var text: String {
    let subject = "Update Notification (reason \(reason.rawValue)) about \(node?.displayText ?? "all nodes")"
    guard let status else {
      return "\(gatewayName) did not answer the \(subject), sent \(transmissions) times"
    }
    return "\(gatewayName) refused the \(subject) with status \(status.rawValue)"
  }
}
