import DatapathModel
import MobilityWire
import NetTypes
import PMIPCore

/// A gateway between nodes that come and go, an anchor that answers anything, and a `FuzzedKernel`; killed and started
/// again at will.
struct FuzzedGateway: FuzzedDaemon {
  private struct Place: Hashable {
    var link: String
    var address: LinkLayerAddress
    var uplink: Int
  }

  private var gateway: MobileAccessGateway
  var clock = FuzzedClock()
  var kernel = FuzzedKernel()
  /// What the state file holds, and what it held some time ago.
  private var records: [Place: AttachmentRecord] = [:]
  private var olderRecords: [Place: AttachmentRecord] = [:]
  private var peers: [IPv6Address: PeerRecord] = [:]
  /// What the gateway has sent: for late answers.
  private var updates: [(update: BindingUpdate, source: IPv6Address, anchor: IPv6Address)] = []
  var received: [MAGEvent] = []
  private var lastHeartbeat: (heartbeat: Heartbeat, source: IPv6Address, anchor: IPv6Address)?
  private var restarts: UInt32 = 1
  var input: FuzzInput
  private let trace: ((String) -> Void)?

  private static let links = ["acc0", "acc1", "lte0", "nowhere"]

  init(_ octets: [UInt8], _ trace: ((String) -> Void)?) {
    input = FuzzInput(octets)
    self.trace = trace
    gateway = MobileAccessGateway(configuration: Self.configuration(&input))
  }

  var nextDeadline: Duration? { gateway.nextDeadline }
  var desiredDatapath: DatapathSnapshot { gateway.desiredDatapath }
  var counted: UInt64 { gateway.counters.named.reduce(0) { $0 + $1.value } }
  var unsettled: String? { nil }

  /// Small enough that every limit is reached.
  private static func configuration(_ input: inout FuzzInput) -> MAGConfiguration {
    let variant = input.uint16()
    func has(_ bit: UInt16) -> Bool { variant & bit != 0 }
    let addresses = FuzzedDomain.linkLayerAddresses
    var configuration = MAGConfiguration(
      proxyCareOfAddress: FuzzedDomain.gateways[has(1) ? 1 : 0], anchorAddress: FuzzedDomain.anchors[0],
      accessLinks: [
        AccessLink(name: links[0], accessTechnology: .wlan),
        AccessLink(name: links[1], accessTechnology: has(2) ? .wimax : .wlan),
        AccessLink(name: links[2], accessTechnology: .eutran),
      ],
      nodes: [
        GatewayNodePolicy(linkLayerAddress: addresses[0], identifier: FuzzedDomain.nodes[0]),
        GatewayNodePolicy(linkLayerAddress: addresses[1], identifier: FuzzedDomain.nodes[has(4) ? 1 : 0]),
        GatewayNodePolicy(
          linkLayerAddress: addresses[2], identifier: FuzzedDomain.nodes[2], kind: .logical,
          anchorAddress: FuzzedDomain.anchors[1]),
      ], unknownNodes: has(8) ? .refuse : .derive(realm: "example.net"), useTimestamps: !has(16),
      codePoints: CodePoints(flowMobilityOption: has(64) ? nil : 250))
    if has(32) { configuration.fixedLinkLocalAddress = .unspecified }
    configuration.acceptsRedirect = has(128)
    if has(0x100) {
      configuration.anchors = [
        AnchorPolicy(address: FuzzedDomain.anchors[0], tolerated: PeerDeviations(PeerDeviation.ofAnchors))
      ]
      configuration.nodes[0].homeNetworkPrefixes = [FuzzedDomain.prefixes[0]]
    }
    if has(0x200) { configuration.heartbeat.interval = .seconds(1) }
    configuration.heartbeat.missingAllowed = 1
    configuration.limits.attachments = 4
    configuration.limits.prefixesPerNode = 3
    return configuration
  }

  // MARK: Events

  mutating func step() throws(FuzzFailure) {
    switch input.octet() % 20 {
    case 0...2: try handle(.attached(attachment()))
    case 3: try handle(.detached(link: input.choose(Self.links), anyAddress(), input.choose(Self.causes)))
    case 4: if input.seldom() { try handle(.linkDown(input.choose(Self.links))) }
    case 5...8: try receiveAnswer()
    case 9: if let message = input.anyMessage(gateway.configuration.codePoints) { try receive(message) }
    case 10: if let event = input.chooseIfAny(received) { try handle(event) }
    case 11: try answerOfKernel()
    case 12: clock.pass(&input)
    case 13: try reachDeadline()
    case 14: try handle(.linkMTU(input.choose(Self.links), UInt32(input.uint16())))
    case 15, 16: try receive(.updateNotification(notification()))
    case 17: try receiveHeartbeat()
    case 18: try receive(.bindingError(BindingError(status: input.choose([BindingError.unrecognizedType, 1]))))
    default:
      switch input.octet() % 4 {
      case 0: try handle(.configurationChanged(Self.configuration(&input)))
      case 1: try handle(.datapathOutcome(EffectID(rawValue: UInt64(input.octet())), .installed))
      case 2: try handle(.revokeAll)
      default: try restart()
      }
    }
  }

  private static let causes: [DetachmentCause] = [
    .linkDown, .neighbourUnreachable, .operatorRequest, .rejected, .revoked, .shutdown, .moved,
  ]

  private mutating func anyAddress() -> LinkLayerAddress {
    input.seldom()
      ? LinkLayerAddress(rawValue: UInt64(input.uint16()) << 32) : input.choose(FuzzedDomain.linkLayerAddresses)
  }

  private mutating func attachment() -> Attachment {
    Attachment(
      link: input.choose(Self.links), linkLayerAddress: anyAddress(),
      linkLocalAddress: input.flag() ? input.choose(FuzzedDomain.linkLocalAddresses) : nil,
      trigger: input.choose([.routerSolicitation, .neighbour, .link, .operatorRequest]),
      identifier: input.seldom() ? input.choose(FuzzedDomain.nodes) : nil)
  }

  /// An answer to one of the last updates, mostly to the last one, with something wrong in it or not.
  private mutating func receiveAnswer() throws(FuzzFailure) {
    let back = input.seldom() ? Int(input.octet() & 7) : 0
    guard let (update, source, anchor) = updates.dropLast(min(back, max(0, updates.count - 1))).last else { return }
    var status = BindingStatus.accepted
    if input.octet() % 4 == 3 { status = BindingStatus(rawValue: input.octet()) }
    var options = MobilityOptions(
      update.options.filter { if case .homeNetworkPrefix = $0 { update.lifetime == .zero } else { true } })
    if input.seldom(), !options.isEmpty { options.remove(at: Int(input.octet()) % options.count) }
    for _ in 0..<Int(input.octet() % 4) {
      let prefix = HomeNetworkPrefixOption(input.choose(FuzzedDomain.prefixes), offLink: input.seldom())
      options.append(input.seldom() ? .flowMobility(prefix) : .homeNetworkPrefix(prefix))
    }
    if input.seldom() { options.append(.linkLocalAddress(input.choose(FuzzedDomain.linkLocalAddresses))) }
    if input.seldom() { options.append(.redirect(.v6(input.choose(FuzzedDomain.anchors)))) }
    let acknowledgement = BindingAcknowledgement(
      status: status, flags: .proxyRegistration, sequence: input.seldom() ? input.uint16() : update.sequence,
      lifetime: input.seldom() ? BindingLifetime(rawValue: input.uint16()) : update.lifetime, options: options)
    var message: MobilityMessage? = .bindingAcknowledgement(acknowledgement)
    if input.seldom() {
      message = input.corrupted(.bindingAcknowledgement(acknowledgement), gateway.configuration.codePoints)
    }
    if let message { try receive(message, from: input.seldom() ? nil : anchor, to: source) }
  }

  private mutating func notification() -> UpdateNotification {
    var options = MobilityOptions()
    if !input.seldom() { options.append(.mobileNodeIdentifier(input.choose(FuzzedDomain.nodes))) }
    if input.flag() {
      let address = input.choose(FuzzedDomain.linkLayerAddresses)
      options.append(.mobileNodeLinkLayerIdentifier(MobileNodeLinkLayerIdentifier(address)))
    }
    if input.flag() { options.append(.accessTechnologyType(input.choose([.wlan, .eutran, .reserved]))) }
    for _ in 0..<Int(input.octet() % 4) {
      let prefix = HomeNetworkPrefixOption(input.choose(FuzzedDomain.prefixes), offLink: input.flag())
      options.append(.homeNetworkPrefix(prefix))
    }
    return UpdateNotification(
      sequence: UInt16(input.octet()), reason: NotificationReason(rawValue: UInt16(input.octet() % 10)),
      flags: UpdateNotificationFlags(rawValue: UInt16(input.octet()) << 8), options: options)
  }

  private mutating func receiveHeartbeat() throws(FuzzFailure) {
    let counter = MobilityOptions(input.seldom() ? [] : [.restartCounter(UInt32(input.octet() & 3))])
    if let (heartbeat, source, anchor) = lastHeartbeat, input.flag() {
      let flags: HeartbeatFlags = input.seldom() ? [.response, .unsolicited] : .response
      let response = Heartbeat(flags: flags, sequence: heartbeat.sequence, options: counter)
      try receive(.heartbeat(response), from: anchor, to: source)
    } else {
      try receive(.heartbeat(Heartbeat(sequence: UInt32(input.octet()), options: counter)))
    }
  }

  private mutating func receive(
    _ message: MobilityMessage, from source: IPv6Address? = nil, to destination: IPv6Address? = nil
  ) throws(FuzzFailure) {
    try receive(
      message, source: source ?? input.choose(FuzzedDomain.anchors),
      destination: destination ?? gateway.configuration.proxyCareOfAddress)
  }

  /// Killed, and started with what was written; perhaps with an older state file or another configuration.
  private mutating func restart() throws(FuzzFailure) {
    let variant = input.octet()
    if variant & 1 == 1 { records = olderRecords }
    olderRecords = records
    let configuration = variant & 2 == 2 ? Self.configuration(&input) : gateway.configuration
    if variant & 4 == 4, var record = input.chooseIfAny(stored) {
      corrupt(&record)
      records[Place(link: record.link, address: record.linkLayerAddress, uplink: record.uplink)] = record
    }
    let stored = self.stored
    trace?("restart with \(stored.map { "\($0.link) \($0.linkLayerAddress)" })")
    kernel.forget()
    updates = []
    gateway = MobileAccessGateway(configuration: configuration)
    try run(.restore(stored, peers: peers.keys.sorted().compactMap { peers[$0] }))
    kernel.reconcile(gateway.desiredDatapath)
    try check()
    let lost = input.flag()
    if lost { restarts += 1 }
    try handle(.started(restartCounter: restarts, sessionsLost: lost))
  }

  private var stored: [AttachmentRecord] {
    records.values.sorted { a, b in
      (a.link, a.linkLayerAddress, a.uplink) < (b.link, b.linkLayerAddress, b.uplink)
    }
  }

  /// Somebody has edited the state file.
  private mutating func corrupt(_ record: inout AttachmentRecord) {
    switch input.octet() % 8 {
    case 0: record.link = input.choose(Self.links)
    case 1: record.tunnel = TunnelIdentifier(rawValue: UInt32(input.octet()))
    case 2: record.prefixes = [input.choose(FuzzedDomain.prefixes)]
    case 3: record.offLinkPrefixes += [input.choose(FuzzedDomain.prefixes)]
    case 4: record.node = input.choose(FuzzedDomain.nodes)
    case 5: record.expiresAt = FuzzedClock.anyTime(record.expiresAt, &input)
    case 6: record.linkLayerAddress = input.choose(FuzzedDomain.linkLayerAddresses)
    default: record.prefixes += [input.choose(FuzzedDomain.prefixes)]
    }
  }

  // MARK: Effects

  mutating func run(_ event: MAGEvent) throws(FuzzFailure) {
    trace?("\(clock.now.monotonic) <- \(event)")
    for effect in gateway.handle(event, at: clock.now) {
      trace?("  -> \(effect)")
      switch effect {
      case .send(let message, let source, let destination):
        try checkSent(message, gateway.configuration.codePoints)
        if case .bindingUpdate(let update) = message { updates.append((update, source, destination)) }
        if case .heartbeat(let heartbeat) = message { lastHeartbeat = (heartbeat, source, destination) }
      case .install(let effect, let changes): try kernel.install(effect, changes, refusing: input.seldom())
      case .advertise(let plan): try checkAdvertised(plan)
      case .probe, .notify: break
      case .persist(.store(let record)):
        records[Place(link: record.link, address: record.linkLayerAddress, uplink: record.uplink)] = record
      case .persist(.remove(let link, let address, let uplink)):
        records[Place(link: link, address: address, uplink: uplink)] = nil
      case .persist(.storePeer(let peer)): peers[peer.address] = peer
      case .persist(.removePeer(let address)): peers[address] = nil
      }
    }
  }

  private func checkAdvertised(_ plan: AdvertisementPlan) throws(FuzzFailure) {
    try require(plan.routerLifetime <= 9_000, "router lifetime \(plan.routerLifetime) is longer than RFC 4861 allows")
    for prefix in plan.prefixes where plan.routerLifetime > 0 && prefix.validLifetime > 0 {
      try require(
        gateway.desiredDatapath.downlinks[prefix.prefix] != nil
          && gateway.desiredDatapath.uplinks[prefix.prefix] != nil,
        "\(prefix.prefix) was advertised without a route")
    }
  }

  // MARK: What holds after every event

  func check() throws(FuzzFailure) {
    let datapath = gateway.desiredDatapath
    if !kernel.isBroken {
      try require(kernel.datapath == datapath, "the kernel has something else than it should")
    }
    var users: [TunnelIdentifier: Int] = [:]
    var claimed: Set<IPv6Prefix> = []
    for attachment in gateway.attachments {
      let name = "\(attachment.link) \(attachment.linkLayerAddress)"
      guard let tunnel = attachment.tunnel else {
        try require(
          attachment.state != .registered && attachment.state != .refreshing, "\(name) is registered to nothing")
        continue
      }
      users[tunnel, default: 0] += 1
      claimed.formUnion(attachment.prefixes + attachment.offLinkPrefixes)
      try require(!attachment.prefixes.isEmpty, "\(name) has no prefix")
      try require(datapath.tunnels[tunnel] != nil, "\(name) has a tunnel that is not there")
    }
    for (tunnel, count) in users {
      try require(
        gateway.users(of: tunnel) == count, "tunnel \(tunnel) counts \(gateway.users(of: tunnel)) users, has \(count)")
    }
    try require(Set(users.keys) == Set(datapath.tunnels.keys), "the tunnels are not those of the attachments")
    try require(
      claimed == Set(datapath.downlinks.keys) && claimed == Set(datapath.uplinks.keys),
      "the routes are not those of the attachments")
    let held = Set(gateway.attachments.map { Place(link: $0.link, address: $0.linkLayerAddress, uplink: $0.uplink) })
    try require(Set(records.keys).isSubset(of: held), "an attachment is stored that is not there")
  }
}
