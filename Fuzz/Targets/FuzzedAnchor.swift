import DatapathModel
import MobilityWire
import NetTypes
import PMIPCore

/// An anchor between gateways that send anything, an operator, and a `FuzzedKernel`; killed and started again at will.
struct FuzzedAnchor: FuzzedDaemon {
  private var anchor: LocalMobilityAnchor
  var clock = FuzzedClock()
  var kernel = FuzzedKernel()
  /// What the state file holds, and what it held some time ago.
  private var records: [BindingIdentifier: BindingRecord] = [:]
  private var olderRecords: [BindingIdentifier: BindingRecord] = [:]
  private var peers: [IPv6Address: PeerRecord] = [:]
  private var highestBinding: UInt32 = 0
  /// What a subscriber of the control socket knows.
  private var subscriber: [BindingIdentifier: BindingSummary] = [:]
  private var subscribedTunnels: Set<TunnelDescription> = []
  var received: [LMAEvent] = []
  /// What waits for an answer of a gateway.
  private var requests: [(message: MobilityMessage, gateway: IPv6Address, anchor: IPv6Address)] = []
  /// Of `servePrefixes`, without an answer so far.
  private var questions: Set<QuestionToken> = []
  private var lastQuestion: UInt64 = 0
  private var restarts: UInt32 = 1
  private var sequence: UInt16 = 0
  var input: FuzzInput
  private let trace: ((String) -> Void)?

  init(_ octets: [UInt8], _ trace: ((String) -> Void)?) {
    input = FuzzInput(octets)
    self.trace = trace
    anchor = LocalMobilityAnchor(configuration: Self.configuration(&input))
  }

  var nextDeadline: Duration? { anchor.nextDeadline }
  var desiredDatapath: DatapathSnapshot { anchor.desiredDatapath }
  var counted: UInt64 { anchor.counters.list.reduce(0) { $0 + $1.value } }
  var unsettled: String? {
    questions.isEmpty ? nil : "nobody has answered the questions \(questions.map(\.rawValue).sorted())"
  }

  /// Small enough that every limit is reached.
  private static func configuration(_ input: inout FuzzInput) -> LMAConfiguration {
    let variant = input.uint16()
    func has(_ bit: UInt16) -> Bool { variant & bit != 0 }
    let addresses = Array(FuzzedDomain.anchors.prefix(2))
    var configuration = LMAConfiguration(
      addresses: addresses,
      gateways: FuzzedDomain.gateways.prefix(has(1) ? 2 : 3).enumerated().map { index, address in
        var gateway = GatewayPolicy(
          name: "mag\(index)", address: address, ordering: index == 1 ? .sequence : .timestamp)
        if has(0x100), index == 0 { gateway.tolerated = PeerDeviations(PeerDeviation.ofGateways) }
        if has(0x200) { gateway.heartbeat.interval = .seconds(1) }
        gateway.heartbeat.missingAllowed = 1
        gateway.pathFailure = has(0x400) ? .remove : .keep
        return gateway
      },
      prefixPools: FuzzedDomain.pool.map { [PrefixPool(prefix: $0, quarantine: has(2) ? .zero : .seconds(60))] } ?? [],
      nodes: [
        NodePolicy(identifier: FuzzedDomain.nodes[0], reservedPrefixes: has(4) ? [FuzzedDomain.prefixes[3]] : []),
        NodePolicy(identifier: FuzzedDomain.nodes[2], kind: .logical),
        NodePolicy(identifier: FuzzedDomain.nodes[3], proxyRegistrationEnabled: false),
      ], unknownNodes: has(8) ? .refuse : .accept,
      codePoints: CodePoints(flowMobilityOption: has(16) ? nil : 250),
      markLayout: MarkLayout(mask: 0x0003_0000) ?? .default,
      flowMobilityMode: has(16) ? .rfc7864 : has(0x800) ? .paper : .both)
    configuration.limits.bindings = has(32) ? 3 : 6
    configuration.limits.bindingsPerNode = 3
    configuration.limits.prefixesPerRequest = 3
    configuration.limits.pendingRegistrations = 2
    configuration.limits.outstandingNotifications = 2
    configuration.timers.minDelayBeforeBCEDelete = has(2) ? .zero : .seconds(10)
    configuration.advertisesLoad = has(64)
    if has(128) {
      configuration.redirections = [
        Redirection(
          from: addresses[0], to: [addresses[1]], maximumSessions: 2, fallback: has(64) ? .refuse : .serve)
      ]
    }
    return configuration
  }

  // MARK: Events

  mutating func step() throws(FuzzFailure) {
    switch input.octet() % 24 {
    case 0...4: try receive(.bindingUpdate(update()))
    case 5:
      if let message = input.corrupted(.bindingUpdate(update()), anchor.configuration.codePoints) {
        try receive(message)
      }
    case 6: if let message = input.anyMessage(anchor.configuration.codePoints) { try receive(message) }
    case 7: if let event = input.chooseIfAny(received) { try handle(event) }
    case 8, 9, 10: try answerOfKernel()
    case 11: clock.pass(&input)
    case 12: try reachDeadline()
    case 13:
      let known = anchor.bindings.map(\.identifier) + [BindingIdentifier(rawValue: UInt32(input.octet()))]
      try handle(.deleteBinding(input.choose(known)))
    case 14: try handle(.configurationChanged(Self.configuration(&input)))
    case 15, 16: try ask()
    case 17:
      let request: NotificationRequest =
        input.flag() ? .sessionParameters : .reregister(acknowledged: input.flag())
      try handle(.notifyNode(input.choose(FuzzedDomain.nodes), request))
    case 18:
      switch input.octet() % 4 {
      case 0: try handle(.revokeNode(input.choose(FuzzedDomain.nodes)))
      case 1: try handle(.revokeGateway(input.choose(FuzzedDomain.gateways)))
      default: try handle(.reregisterGateway(input.choose(FuzzedDomain.gateways), acknowledged: input.flag()))
      }
    case 19, 20, 21: try receiveAnswer()
    case 22: try receive(.bindingError(BindingError(status: input.choose([BindingError.unrecognizedType, 1]))))
    default:
      if input.flag() {
        try restart()
      } else {
        try handle(.datapathOutcome(EffectID(rawValue: UInt64(input.octet())), .installed))
      }
    }
  }

  private mutating func receive(
    _ message: MobilityMessage, from source: IPv6Address? = nil, to destination: IPv6Address? = nil
  ) throws(FuzzFailure) {
    try receive(
      message, source: source ?? input.choose(FuzzedDomain.gateways),
      destination: destination ?? input.choose(FuzzedDomain.anchors))
  }

  /// A gateway answers a heartbeat or an Update Notification.
  private mutating func receiveAnswer() throws(FuzzFailure) {
    guard let (request, gateway, anchor) = input.chooseIfAny(requests) else { return }
    switch request {
    case .heartbeat(let heartbeat):
      let counter = UInt32(input.octet() & 3)
      let response = Heartbeat(
        flags: input.seldom() ? [.response, .unsolicited] : .response, sequence: heartbeat.sequence,
        options: MobilityOptions(input.seldom() ? [] : [.restartCounter(counter)]))
      try receive(.heartbeat(response), from: gateway, to: anchor)
    case .updateNotification(let notification):
      let status = input.seldom() ? UpdateNotificationStatus(rawValue: input.octet()) : .success
      let answer = UpdateNotificationAcknowledgement(
        sequence: notification.sequence, status: status,
        options: input.flag() ? notification.options : MobilityOptions())
      try receive(.updateNotificationAcknowledgement(answer), from: gateway, to: anchor)
    default: return
    }
  }

  /// The flow manager wants to move flows.
  private mutating func ask() throws(FuzzFailure) {
    lastQuestion += 1
    let token = QuestionToken(rawValue: lastQuestion)
    let bindings = anchor.bindings
    let binding = input.chooseIfAny(bindings)?.identifier ?? BindingIdentifier(rawValue: UInt32(input.octet()))
    let prefixes = input.chooseIfAny(bindings)?.prefixes ?? [input.choose(FuzzedDomain.prefixes)]
    questions.insert(token)
    try handle(.servePrefixes(token, prefixes, at: binding))
  }

  private mutating func update() -> BindingUpdate {
    var options = MobilityOptions()
    if !input.seldom() { options.append(.mobileNodeIdentifier(input.choose(FuzzedDomain.nodes))) }
    switch input.octet() % 8 {
    case 0...2: options.append(.homeNetworkPrefix(.allZero))
    case 3: options += [input.choose(FuzzedDomain.prefixes)].map { .homeNetworkPrefix(HomeNetworkPrefixOption($0)) }
    case 4...6:
      let bound = input.chooseIfAny(anchor.bindings)?.prefixes ?? []
      options += bound.map { .homeNetworkPrefix(HomeNetworkPrefixOption($0)) }
    default:
      for _ in 0..<Int(input.octet() & 0x7f) {
        options.append(.homeNetworkPrefix(HomeNetworkPrefixOption(input.choose(FuzzedDomain.prefixes))))
      }
    }
    if !input.seldom() { options.append(.handoffIndicator(HandoffIndicator(rawValue: input.octet() % 8))) }
    if !input.seldom() { options.append(.accessTechnologyType(input.choose([.wlan, .eutran, .reserved]))) }
    if !input.seldom() {
      let isTrue = !input.seldom()
      options.append(
        .timestamp(isTrue ? clock.now.wallClock : FuzzedClock.anyTime(clock.now.wallClock, &input)))
    }
    let linkLayer = input.octet()
    if linkLayer % 8 != 0 {
      let address = FuzzedDomain.linkLayerAddresses[Int(linkLayer / 8) % FuzzedDomain.linkLayerAddresses.count]
      options.append(.mobileNodeLinkLayerIdentifier(MobileNodeLinkLayerIdentifier(address)))
    }
    if input.seldom() { options.append(.alternateCareOfAddress(input.choose(FuzzedDomain.gateways))) }
    if input.seldom() { options.append(.linkLocalAddress(.unspecified)) }
    if input.seldom() { options.append(.redirectCapability) }
    sequence = input.seldom() ? input.uint16() : sequence &+ 1
    let flags: BindingUpdateFlags = [.acknowledge, .proxyRegistration]
    return BindingUpdate(
      sequence: sequence, flags: input.seldom() ? BindingUpdateFlags(rawValue: input.uint16()) : flags,
      lifetime: BindingLifetime(rawValue: input.choose([75, 0, 1, .max])), options: options)
  }

  /// Killed, and started with what was written; perhaps with an older state file or another configuration.
  private mutating func restart() throws(FuzzFailure) {
    let variant = input.octet()
    if variant & 1 == 1 { records = olderRecords }
    olderRecords = records
    let configuration = variant & 2 == 2 ? Self.configuration(&input) : anchor.configuration
    if variant & 4 == 4, var record = input.chooseIfAny(stored) {
      corrupt(&record)
      records[record.identifier] = record
    }
    let stored = self.stored
    trace?("restart with \(stored.map(\.identifier))")
    kernel.forget()
    (subscriber, subscribedTunnels, questions) = ([:], [], [])
    anchor = LocalMobilityAnchor(
      configuration: configuration, firstBinding: BindingIdentifier(rawValue: highestBinding &+ 1),
      firstNotification: input.uint16())
    try run(.restore(stored, peers: peers.keys.sorted().compactMap { peers[$0] }))
    kernel.reconcile(anchor.desiredDatapath)
    try check()
    let lost = input.flag()
    if lost { restarts += 1 }
    try handle(.started(restartCounter: restarts, sessionsLost: lost))
  }

  private var stored: [BindingRecord] { records.values.sorted { $0.identifier < $1.identifier } }

  /// Somebody has edited the state file.
  private mutating func corrupt(_ record: inout BindingRecord) {
    switch input.octet() % 8 {
    case 0: record.identifier = BindingIdentifier(rawValue: UInt32(input.uint16()))
    case 1: record.tunnel = TunnelIdentifier(rawValue: UInt32(input.octet()))
    case 2: record.prefixes = [input.choose(FuzzedDomain.prefixes)]
    case 3: record.prefixes += [input.choose(FuzzedDomain.prefixes)]
    case 4: record.node = input.choose(FuzzedDomain.nodes)
    case 5: record.expiresAt = FuzzedClock.anyTime(record.expiresAt, &input)
    case 6: record.proxyCareOfAddress = input.choose(FuzzedDomain.gateways)
    default: record.isDefault.toggle()
    }
  }

  // MARK: Effects

  mutating func run(_ event: LMAEvent) throws(FuzzFailure) {
    trace?("\(clock.now.monotonic) <- \(event)")
    for effect in anchor.handle(event, at: clock.now) {
      trace?("  -> \(effect)")
      switch effect {
      case .send(let message, let source, let destination):
        try checkSent(message, anchor.configuration.codePoints)
        switch message {
        case .heartbeat, .updateNotification: requests.append((message, destination, source))
        default: break
        }
      case .install(let effect, let changes): try kernel.install(effect, changes, refusing: input.seldom())
      case .notify(let notification): try notified(notification)
      case .persist(.store(let record)):
        records[record.identifier] = record
        highestBinding = max(highestBinding, record.identifier.rawValue)
      case .persist(.remove(let identifier)): records[identifier] = nil
      case .persist(.storePeer(let peer)): peers[peer.address] = peer
      case .persist(.removePeer(let address)): peers[address] = nil
      case .answer(let token, _):
        try require(questions.remove(token) != nil, "question \(token.rawValue) is answered, but nobody waits for it")
      }
    }
  }

  private mutating func notified(_ notification: LMANotification) throws(FuzzFailure) {
    switch notification {
    case .tunnelAdded(let tunnel): subscribedTunnels.insert(tunnel)
    case .tunnelRemoved(let tunnel):
      try require(subscribedTunnels.remove(tunnel) != nil, "tunnel \(tunnel.identifier) goes, but was never announced")
    case .bindingChanged(let summary):
      try require(
        summary.state != .active || subscribedTunnels.contains { $0.identifier == summary.tunnel },
        "binding \(summary.identifier) is announced before its tunnel")
      subscriber[summary.identifier] = summary
    case .bindingRemoved(let summary, _):
      try require(
        subscriber.removeValue(forKey: summary.identifier) != nil,
        "binding \(summary.identifier) goes, but was never announced")
    default: break
    }
  }

  // MARK: What holds after every event

  func check() throws(FuzzFailure) {
    let bindings = anchor.bindings
    let active = bindings.filter { $0.state == .active }
    try require(
      subscriber.mapValues(\.withoutTimes)
        == Dictionary(bindings.map { ($0.identifier, $0.withoutTimes) }) { first, _ in first },
      "subscribers know other bindings than there are")
    try require(
      records.mapValues(\.isDefault) == Dictionary(active.map { ($0.identifier, $0.isDefault) }) { first, _ in first },
      "other bindings are stored than are active")
    try checkPrefixes(bindings)
    try require(
      anchor.pendingRegistrations <= anchor.configuration.limits.pendingRegistrations + bindings.count + received.count,
      "more registrations are held than were sent")
    guard kernel.isIdle, !kernel.isBroken else { return }
    try require(kernel.datapath == anchor.desiredDatapath, "the kernel has something else than it should")
    try require(subscribedTunnels == Set(anchor.tunnels), "subscribers know other tunnels than there are")
    for binding in active {
      try require(
        kernel.datapath.tunnels[binding.tunnel]?.remote == binding.proxyCareOfAddress,
        "the tunnel of binding \(binding.identifier) does not lead to its gateway")
    }
  }

  private func checkPrefixes(_ bindings: [BindingSummary]) throws(FuzzFailure) {
    var owners: [IPv6Prefix: BindingSummary] = [:]
    var defaults: Set<IPv6Prefix> = []
    for binding in bindings {
      try require(!binding.prefixes.isEmpty, "binding \(binding.identifier) has no prefix")
      for prefix in binding.prefixes {
        if let owner = owners.updateValue(binding, forKey: prefix) {
          try require(owner.node == binding.node, "\(prefix) belongs to two nodes")
        }
        guard binding.isDefault else { continue }
        try require(defaults.insert(prefix).inserted, "\(prefix) has two default attachments")
      }
    }
    let served = Set(bindings.filter { $0.state == .active }.flatMap(\.prefixes))
    try require(defaults == served, "an active prefix has no default attachment, or one that is not active has")
  }
}
