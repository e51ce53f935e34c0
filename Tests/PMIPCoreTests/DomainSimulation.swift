import DatapathModel
import MobilityWire
import NetTypes

@testable import PMIPCore

/// A whole domain in virtual time: one anchor, several gateways, nodes of both kinds, a network that loses, repeats,
/// delays and reorders messages, hosts that crash and start again from what they had stored, clocks that jump. The
/// seed fixes everything. The cores run unchanged; what the daemons do around them is done here: both clocks, a kernel
/// that answers a moment later, a state file that is a moment behind, the neighbour table.
struct DomainSimulation {
  /// 0 is the anchor, 1... the gateways.
  typealias Host = Int

  enum Occurrence {
    case message(MobilityMessage, source: IPv6Address, destination: IPv6Address)
    case outcome(Host, incarnation: Int, EffectID, DatapathOutcome)
    case stored(Host, incarnation: Int, Storage)
    case restart(Host)
    case clockSet(Host)
    case trigger(Place, LinkLayerAddress, IPv6Address?, Attachment.Trigger)
    case departure(Place, LinkLayerAddress, DetachmentCause)
    case world
  }

  enum Storage {
    case anchor(PersistenceChange)
    case gateway(AttachmentPersistenceChange)
  }

  enum DeadlineKey: Hashable {
    case occurrence(Int)
    case timer(Host)
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

  struct HostState {
    var isUp = true
    var incarnation = 0
    /// Wall clock of the host minus the true time.
    var clockError: Duration = .zero
    /// What its kernel has.
    var datapath = DatapathSnapshot()
    /// Installs that it has not answered.
    var kernelIsBusy = 0
    /// Between a failed install and the reconciliation that follows it.
    var isBroken = false
  }

  /// What goes wrong, chosen by the seed.
  struct Faults {
    var loss: Double
    var duplication: Double
    var delay: ClosedRange<Int>
    var kernelFailures: Double
    var crashes: Bool
    var clockJumps: Bool
  }

  static let anchorAddress = IPv6Address(high: 0x2001_0db8_0001_0000, low: 1)
  static let links: [(name: String, technology: AccessTechnologyType)] = [
    ("wlan0", .wlan), ("wlan1", .wlan), ("lte0", .eutran),
  ]
  static let epoch = NTPTimestamp(seconds: 1_767_225_600, nanoseconds: 0)
  /// Clocks of a domain agree this well, half of TimestampValidityWindow, so that only jumps are refused.
  static let ordinaryClockError = -50...50

  let seed: UInt64
  var random: DomainRandom
  var faults: Faults
  private(set) var clock: Duration = .seconds(1)
  private var deadlines = DeadlineTable<DeadlineKey>()
  private var occurrences: [Int: Occurrence] = [:]
  private var lastOccurrence = 0
  private(set) var steps = 0
  private(set) var hosts: [HostState] = []
  private(set) var anchor: LocalMobilityAnchor
  private(set) var gateways: [MobileAccessGateway]
  var interfaces: [Interface] = []
  private var anchorRecords: [BindingIdentifier: BindingRecord] = [:]
  private var gatewayRecords: [[AttachmentKey: AttachmentRecord]]
  private var highestBinding: UInt32 = 0
  private(set) var isQuiet = false
  var checker = DomainChecker()
  /// Texts cost more than the simulation: only when somebody will read them.
  let isTracing: Bool
  private(set) var trace: [String] = []

  init(seed: UInt64, isTracing: Bool = false) {
    self.seed = seed
    self.isTracing = isTracing
    var random = DomainRandom(seed: seed)
    let gatewayCount = Int.random(in: 2...10, using: &random)
    let nodeCount = Int.random(in: 1...(random.chance(0.2) ? 50 : 12), using: &random)
    faults = Faults(
      loss: random.chance(0.3) ? 0 : .random(in: 0...0.3, using: &random),
      duplication: random.chance(0.3) ? 0 : .random(in: 0...0.3, using: &random),
      delay: 1...(random.chance(0.5) ? 20 : 2_500),
      kernelFailures: random.chance(0.7) ? 0 : 0.05, crashes: random.chance(0.6), clockJumps: random.chance(0.3))
    let addresses = (1...gatewayCount).map { Self.address(of: $0) }
    let ordering: GatewayPolicy.Ordering = random.chance(0.2) ? .sequence : .timestamp
    let usesTimestamps = ordering == .timestamp || random.chance(0.5)

    for index in 1...nodeCount {
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
    let kinds = Dictionary(interfaces.map { ($0.node, $0.kind) }) { first, _ in first }
    var configuration = LMAConfiguration(
      addresses: [Self.anchorAddress],
      gateways: addresses.enumerated().map {
        GatewayPolicy(name: "mag\($0.offset + 1)", address: $0.element, ordering: ordering)
      },
      prefixPools: [
        PrefixPool(
          prefix: IPv6Prefix.slash64(IPv6Address(high: 0x2001_0db8_0100_0000, low: 0)).widened(to: 54),
          quarantine: .seconds(5))
      ],
      nodes: kinds.map { NodePolicy(identifier: $0.key, kind: $0.value) }
        .sorted { $0.identifier.identifier.lexicographicallyPrecedes($1.identifier.identifier) })
    configuration.timers.minDelayBeforeBCEDelete = random.milliseconds(1_000...10_000)
    anchor = LocalMobilityAnchor(configuration: configuration)

    let map = Dictionary(
      interfaces.map { ($0.linkLayerAddress, GatewayNodePolicy($0)) }, uniquingKeysWith: { first, _ in first })
    gateways = addresses.map { address in
      var configuration = MAGConfiguration(
        proxyCareOfAddress: address, anchorAddress: Self.anchorAddress,
        accessLinks: Self.links.map { AccessLink(name: $0.name, accessTechnology: $0.technology) },
        nodes: map.values.sorted { $0.linkLayerAddress < $1.linkLayerAddress }, useTimestamps: usesTimestamps)
      configuration.timers.lifetime = .seconds(40)
      return MobileAccessGateway(configuration: configuration)
    }
    gatewayRecords = Array(repeating: [:], count: gatewayCount)
    hosts = Array(repeating: HostState(), count: gatewayCount + 1)
    for host in hosts.indices {
      hosts[host].clockError = .milliseconds(Int.random(in: Self.ordinaryClockError, using: &random))
    }
    checker.checksOrder = !faults.clockJumps
    self.random = random
    schedule(.world, after: .zero)
  }

  static func address(of host: Host) -> IPv6Address {
    host == 0 ? anchorAddress : IPv6Address(high: 0x2001_0db8_0001_0000, low: UInt64(0x10 + host))
  }

  private func host(at address: IPv6Address) -> Host? {
    hosts.indices.first { Self.address(of: $0) == address }
  }

  /// A busy time in which everything goes wrong, then quiet until all timers of the protocol have run out.
  mutating func run(busy: Duration = .seconds(35), quiet: Duration = .seconds(160)) {
    runUntil(clock + busy)
    calm()
    runUntil(clock + quiet)
    if checker.violations.isEmpty { checker.checkAgreement(self) }
  }

  private mutating func runUntil(_ end: Duration) {
    while checker.violations.isEmpty, let next = deadlines.next, next <= end {
      clock = max(clock, next)
      guard let key = deadlines.popDue(at: clock) else { break }
      steps += 1
      switch key {
      case .timer(let host): host == 0 ? anchorEvent(.deadlineReached) : gatewayEvent(host, .deadlineReached)
      case .occurrence(let number): if let occurrence = occurrences.removeValue(forKey: number) { happen(occurrence) }
      }
    }
    clock = end
  }

  /// No more faults and movements; whoever is down comes up.
  private mutating func calm() {
    isQuiet = true
    faults = Faults(loss: 0, duplication: 0, delay: 1...20, kernelFailures: 0, crashes: false, clockJumps: false)
    for host in hosts.indices {
      hosts[host].clockError = .zero
      if !hosts[host].isUp { restart(host) }
    }
    note("quiet")
  }

  // MARK: Occurrences

  private mutating func schedule(_ occurrence: Occurrence, after delay: Duration) {
    lastOccurrence += 1
    occurrences[lastOccurrence] = occurrence
    deadlines.set(.occurrence(lastOccurrence), to: clock + delay)
  }

  private mutating func happen(_ occurrence: Occurrence) {
    switch occurrence {
    case .message(let message, let source, let destination):
      guard let host = host(at: destination), hosts[host].isUp else { return }
      deliver(message, source: source, destination: destination, to: host)
    case .outcome(let host, let incarnation, let effect, let outcome):
      guard hosts[host].incarnation == incarnation, hosts[host].isUp else { return }
      hosts[host].kernelIsBusy -= 1
      if host == 0 {
        anchorEvent(.datapathOutcome(effect, outcome))
      } else {
        gatewayEvent(host, .datapathOutcome(effect, outcome))
      }
      // Once more when nothing is under way that an old picture could undo.
      if hosts[host].isBroken, hosts[host].kernelIsBusy == 0 { reconcile(host) }
    case .stored(let host, let incarnation, let change):
      // A crash loses what was not written yet.
      if hosts[host].incarnation == incarnation { store(change, at: host) }
    case .restart(let host): if !hosts[host].isUp { restart(host) }
    case .clockSet(let host):
      hosts[host].clockError = isQuiet ? .zero : .milliseconds(Int.random(in: Self.ordinaryClockError, using: &random))
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

  private mutating func deliver(
    _ message: MobilityMessage, source: IPv6Address, destination: IPv6Address, to host: Host
  ) {
    guard host == 0 else { return gatewayEvent(host, .message(message, source: source, destination: destination)) }
    if case .bindingUpdate(let update) = message { checker.beforeBindingUpdate(update) }
    anchorEvent(.message(message, source: source, destination: destination))
    if case .bindingUpdate(let update) = message { checker.afterBindingUpdate(update, source: source) }
  }

  private func moment(at host: Host) -> Moment {
    let time = Self.epoch.advanced(by: .seconds(100_000) + clock + hosts[host].clockError)
    return Moment(monotonic: clock, wallClock: time)
  }

  private mutating func send(_ message: MobilityMessage, source: IPv6Address, destination: IPv6Address) {
    if case .bindingUpdate(let update) = message { checker.sent(update, at: clock) }
    for _ in 0...(random.chance(faults.duplication) ? 1 : 0) where !random.chance(faults.loss) {
      schedule(
        .message(message, source: source, destination: destination), after: random.milliseconds(faults.delay))
    }
  }

  // MARK: What the daemons do

  private mutating func anchorEvent(_ event: LMAEvent, reconciles: Bool = false) {
    note("lma <- \(event)")
    for effect in anchor.handle(event, at: moment(at: 0)) {
      switch effect {
      case .send(let message, let source, let destination):
        send(message, source: source, destination: destination)
      case .install(let identifier, let changes): install(identifier, changes, at: 0)
      case .notify(let notification): checker.notified(notification)
      case .persist(let change):
        if case .store(let record) = change {
          highestBinding = max(highestBinding, record.identifier.rawValue)
          checker.accepted(record)
        }
        scheduleStore(.anchor(change), at: 0)
      }
    }
    if reconciles { reconcile(0) }
    setTimer(of: 0, to: anchor.nextDeadline)
    checker.check(self, host: 0)
  }

  private mutating func gatewayEvent(_ host: Host, _ event: MAGEvent, reconciles: Bool = false) {
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
    checker.check(self, host: host)
  }

  private mutating func setTimer(of host: Host, to deadline: Duration?) {
    if let deadline { deadlines.set(.timer(host), to: max(deadline, clock)) } else { deadlines.cancel(.timer(host)) }
  }

  private mutating func install(_ identifier: EffectID, _ changes: [DatapathChange], at host: Host) {
    var outcome = DatapathOutcome.installed
    if random.chance(faults.kernelFailures) {
      outcome = .failed("ENOBUFS")
      hosts[host].isBroken = true
    } else {
      for change in changes { hosts[host].datapath.apply(change) }
    }
    hosts[host].kernelIsBusy += 1
    schedule(
      .outcome(host, incarnation: hosts[host].incarnation, identifier, outcome), after: random.milliseconds(0...5))
  }

  private mutating func reconcile(_ host: Host) {
    hosts[host].datapath = host == 0 ? anchor.desiredDatapath : gateways[host - 1].desiredDatapath
    hosts[host].isBroken = false
  }

  private mutating func scheduleStore(_ change: Storage, at host: Host) {
    schedule(.stored(host, incarnation: hosts[host].incarnation, change), after: .milliseconds(50))
  }

  private mutating func store(_ change: Storage, at host: Host) {
    switch change {
    case .anchor(.store(let record)): anchorRecords[record.identifier] = record
    case .anchor(.remove(let identifier)): anchorRecords[identifier] = nil
    case .gateway(.store(let record)):
      gatewayRecords[host - 1][AttachmentKey(link: record.link, linkLayerAddress: record.linkLayerAddress)] = record
    case .gateway(.remove(let link, let address, _)):
      gatewayRecords[host - 1][AttachmentKey(link: link, linkLayerAddress: address)] = nil
    }
  }

  private mutating func crash(_ host: Host) {
    note("\(host == 0 ? "lma" : "mag\(host)") crashes")
    hosts[host].isUp = false
    hosts[host].incarnation += 1
    hosts[host].kernelIsBusy = 0
    deadlines.cancel(.timer(host))
    schedule(.restart(host), after: random.milliseconds(100...8_000))
  }

  /// Restores, reconciles the kernel, and (a gateway) reads the neighbour table.
  private mutating func restart(_ host: Host) {
    note("\(host == 0 ? "lma" : "mag\(host)") starts")
    hosts[host].isUp = true
    if host == 0 {
      anchor = LocalMobilityAnchor(
        configuration: anchor.configuration, firstBinding: BindingIdentifier(rawValue: highestBinding + 1))
      checker.anchorRestarted()
      let records = anchorRecords.values.sorted { $0.identifier < $1.identifier }
      for record in records { checker.accepted(record) }
      anchorEvent(.restore(records), reconciles: true)
    } else {
      gateways[host - 1] = MobileAccessGateway(configuration: gateways[host - 1].configuration)
      let records = gatewayRecords[host - 1].keys.sorted().compactMap { gatewayRecords[host - 1][$0] }
      gatewayEvent(host, .restore(records), reconciles: true)
      for interface in interfaces {
        guard let place = interface.place, place.gateway == host else { continue }
        schedule(
          .trigger(place, interface.linkLayerAddress, interface.linkLocalAddress, .neighbour),
          after: random.milliseconds(0...500))
      }
    }
  }

  // MARK: The world

  func isPresent(_ address: LinkLayerAddress, at place: Place) -> Bool {
    interfaces.contains { $0.linkLayerAddress == address && $0.place == place }
  }

  private mutating func world() {
    for _ in 0..<Int.random(in: 1...3, using: &random) {
      switch Int.random(in: 0..<100, using: &random) {
      case 0..<75: move(Int.random(in: interfaces.indices, using: &random))
      case 75..<85: solicit(Int.random(in: interfaces.indices, using: &random))
      case 85..<92:
        let host = Int.random(in: hosts.indices, using: &random)
        if faults.crashes, hosts[host].isUp { crash(host) }
      default:
        if faults.clockJumps { jump(Int.random(in: hosts.indices, using: &random)) }
      }
    }
  }

  /// To another place, or away; the old gateway hears of it or finds out by itself.
  private mutating func move(_ index: Int) {
    let interface = interfaces[index]
    let target = random.chance(0.15) ? nil : freePlace(for: interface)
    guard target != interface.place else { return }
    interfaces[index].place = target
    note("\(interface.linkLayerAddress) goes to \(target.map { "mag\($0.gateway) \($0.link)" } ?? "nowhere")")
    if let old = interface.place, noticesDeparture(interface, at: old) {
      schedule(.departure(old, interface.linkLayerAddress, .linkDown), after: random.milliseconds(0...100))
    }
    if let target { announce(interface, at: target) }
  }

  /// A departure goes unseen only where probes will find it out.
  private mutating func noticesDeparture(_ interface: Interface, at place: Place) -> Bool {
    let key = AttachmentKey(link: place.link, linkLayerAddress: interface.linkLayerAddress)
    return gateways[place.gateway - 1].list[key]?.linkLocalAddress == nil || random.chance(0.6)
  }

  private mutating func announce(_ interface: Interface, at place: Place) {
    let address = interface.linkLayerAddress
    let delay = random.milliseconds(0...100)
    if random.chance(0.3) { schedule(.trigger(place, address, nil, .link), after: delay) }
    schedule(.trigger(place, address, interface.linkLocalAddress, .routerSolicitation), after: delay + .milliseconds(1))
  }

  private mutating func solicit(_ index: Int) {
    if let place = interfaces[index].place { announce(interfaces[index], at: place) }
  }

  /// Two accesses of a logical interface (one link-layer address) on one gateway need different technologies: the
  /// anchor could not tell them apart.
  private mutating func freePlace(for interface: Interface) -> Place? {
    let gateway = Int.random(in: 1..<hosts.count, using: &random)
    let links = Self.links.filter { $0.technology == interface.accessTechnology }
    guard let link = links.randomElement(using: &random) else { return nil }
    let isTaken = interfaces.contains {
      $0.linkLayerAddress == interface.linkLayerAddress && $0.accessTechnology == interface.accessTechnology
        && $0.place?.gateway == gateway
    }
    return isTaken ? interface.place : Place(gateway: gateway, link: link.name)
  }

  private mutating func jump(_ host: Host) {
    let seconds = Int.random(in: 1...3_600, using: &random)
    hosts[host].clockError = random.chance(0.5) ? .seconds(seconds) : .seconds(-seconds)
    let error = hosts[host].clockError
    note("clock of \(host) jumps by \(error)")
    schedule(.clockSet(host), after: random.milliseconds(1_000...20_000))
  }

  private mutating func note(_ text: @autoclosure () -> String) {
    if isTracing { trace.append("\(clock) \(text())") }
  }
}

extension GatewayNodePolicy {
  fileprivate init(_ interface: DomainSimulation.Interface) {
    self.init(linkLayerAddress: interface.linkLayerAddress, identifier: interface.node, kind: interface.kind)
  }
}

extension IPv6Prefix {
  fileprivate func widened(to length: Int) -> IPv6Prefix { IPv6Prefix(address, length: length) ?? self }
}
