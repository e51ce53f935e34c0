import AccessTriggers
import DaemonKit
import Datapath
import DatapathModel
import Glibc
import LinuxNet
import Logging
import MobilityWire
import NetTypes
import PMIPCore
import SignallingKit

/// The gateway as a process: one thread on one event loop owns the protocol core and everything it touches.
///
/// Who is there it hears from Router Solicitations on the access links, from the kernel's link and neighbour events, from
/// the operator, and from the access points (`AttachmentTriggers`). A neighbour entry that the kernel has not verified is probed first, so a stale one never registers
/// a node that left long ago; a node that the operator has detached does not come back by a mere neighbour event.
final class Daemon {
  private let configuration: MAGDaemonConfiguration
  private let file: String
  private let log: Logger
  private let loop: EventLoop
  private let kernel: RouteNetlink
  private let monitor: InterfaceMonitor
  private let mobility: MobilityEndpoint
  private let control: ControlServer
  private let state: StateFile<StoredAttachment>
  /// What the anchors have told of themselves.
  private let peers: StateFile<StoredPeer>
  /// Restart Counter of RFC 5847 section 3.4.
  private let restarts: GrowingNumber
  private let ports: [String: AccessLinkPort]
  private let triggers: AttachmentTriggers
  private var core: MobileAccessGateway
  private let recorder: EventRecorder<MobileAccessGateway>
  private let datapath: ObservedDatapath
  /// Verified neighbours on access links.
  private var neighbours: Set<Station> = []
  /// The kernel may lack what it had; looked after once, when all events received together have been handled.
  private var mustReconcile = false
  private var unwritten: [AttachmentPersistenceChange] = []
  private var advertisementsSent: UInt64 = 0
  private var advertisementFailures: UInt64 = 0
  private var stateFailures: UInt64 = 0

  private struct Station: Hashable {
    var interface: UInt32
    var address: IPv6Address
  }

  /// Takes over what an earlier run left in the state directory and in the kernel; traffic goes on meanwhile.
  init(_ configuration: MAGDaemonConfiguration, file: String, log: Logger) throws {
    self.configuration = configuration
    self.file = file
    self.log = log
    loop = try EventLoop()
    kernel = try RouteNetlink()
    monitor = try InterfaceMonitor()
    mobility = try MobilityEndpoint(
      codePoints: configuration.core.codePoints, answersBindingUpdates: false, peers: configuration.peers)
    datapath = try ObservedDatapath(configuration.datapathConfiguration, log: log)
    state = try StateFile(directory: configuration.stateDirectory, name: "magd")
    peers = try StateFile(directory: configuration.stateDirectory, name: "magd-peers")
    restarts = try GrowingNumber(directory: configuration.stateDirectory, name: "magd-restarts")
    control = try ControlServer(
      loop: loop, path: configuration.control.socket, group: configuration.control.group)
    ports = Dictionary(
      configuration.core.accessLinks.map { ($0.name, AccessLinkPort(name: $0.name)) },
      uniquingKeysWith: { first, _ in first })
    triggers = AttachmentTriggers(configuration.triggers, capacity: configuration.core.limits.attachments)
    core = try MobileAccessGateway(start: configuration.core)
    recorder = EventRecorder(
      configuration.recording, program: GatewayProgram.daemon.name, start: configuration.core, log: log)
  }

  func run() throws {
    let records = state.takeRecords().map(\.record)
    handle(.restore(records, peers: peers.takeRecords().map(\.record)))
    try datapath.reconcile(to: core.desiredDatapath)
    // Before the first registration, which an anchor may take for one of the sessions that are lost.
    try start(sessionsLost: records.isEmpty || state.counters.unreadableLines > 0)
    try triggers.start(
      file: file, ownPath: configuration.control.socket, loop: loop, log: log,
      perform: { [unowned self] action in perform(action) }, settle: { [unowned self] in settle() })
    let present = try monitor.resynchronize()
    for event in present { handle(event) }
    for uplink in configuration.core.uplinks where !present.contains(where: { $0.isLink(uplink.interface) }) {
      handle(.uplinkChanged(uplink.interface, isUp: false))
    }
    log.info("ready: \(core.attachments.count) attachments, encapsulation \(datapath.kernel.encapsulation.rawValue)")
    serve()
    try loop.add(mobility.descriptor) { [unowned self] _ in receiveMobility() }
    try loop.add(monitor.descriptor) { [unowned self] _ in receiveInterfaceEvents() }
    loop.onDeadline = { [unowned self] in
      handle(.deadlineReached)
      triggers.deadlineReached(at: SystemClock.monotonic)
      settle()
    }
    try loop.handleSignals { [unowned self] signal in received(signal: signal) }
    settle()
    ServiceNotifier.ready()
    try loop.run()
    log.info("stopped; tunnels and routes stay in the kernel (`magd cleanup` removes them)")
  }

  /// Tells anchors with heartbeats if attachments may be lost.
  private func start(sessionsLost: Bool) throws {
    if sessionsLost { try restarts.grow(atLeast: UInt32(truncatingIfNeeded: Moment.now.wallClock.seconds)) }
    handle(.started(restartCounter: restarts.value, sessionsLost: sessionsLost))
  }

  // MARK: Events

  private func receiveMobility() {
    do {
      try mobility.receive { message, source, destination in
        handle(.message(message, source: source, destination: destination))
        return .useful
      }
    } catch {
      log.error("\(error)")
    }
    settle()
  }

  private func receiveInterfaceEvents() {
    do {
      try monitor.receive { handle($0) }
    } catch {
      log.error("\(error)")
    }
    settle()
  }

  private func receiveSolicitations(_ port: AccessLinkPort) {
    do {
      try port.receive { node, source in
        observed(
          Attachment(
            link: port.name, linkLayerAddress: triggers.pointToPointNode(onLink: port.name) ?? node,
            linkLocalAddress: source.isLinkLocal ? source : nil, trigger: .routerSolicitation))
      }
    } catch {
      log.error("\(error)")
    }
    settle()
  }

  private func handle(_ event: InterfaceEvent) {
    switch event {
    case .link(let link): changed(link)
    case .linkRemoved(let link): removed(link)
    case .neighbour(let neighbour): changed(neighbour)
    case .neighbourRemoved(let neighbour):
      neighbours.remove(Station(interface: neighbour.interface, address: neighbour.address))
    case .address, .addressRemoved: break
    }
  }

  private func changed(_ link: Link) {
    if configuration.datapathConfiguration.coreLinks.contains(where: { $0.interface == link.name }) {
      // The kernel drops routes of an interface that goes down; they come back with it. Its MTU is the tunnels'.
      if link.hasCarrier { mustReconcile = true }
      for port in ports.values { advertiseMTU(port) }
    }
    handle(.uplinkChanged(link.name, isUp: link.hasCarrier))
    triggers.changed(link)
    guard let port = ports[link.name] else { return }
    let hadCarrier = port.link?.index == link.index && port.link?.hasCarrier ?? false
    if port.link?.index != link.index {
      open(port, link)
      mustReconcile = true  // the rule of the access link names an interface that was not there
    } else {
      port.update(link)
    }
    guard link.hasCarrier else { return linkDown(link.name) }
    advertiseMTU(port)
    if !hadCarrier { linkUp(link.name) }
  }

  private func linkDown(_ name: String) {
    triggers.linkDown(name)
    handle(.linkDown(name))
  }

  private func linkUp(_ name: String) {
    triggers.linkUp(name)
    if let node = triggers.pointToPointNode(onLink: name) {
      observed(Attachment(link: name, linkLayerAddress: node, trigger: .pointToPoint))
    }
  }

  private func open(_ port: AccessLinkPort, _ link: Link) {
    if let socket = port.socket { loop.remove(socket.descriptor.rawValue) }
    do {
      try port.open(
        link, fixedLinkLayer: configuration.core.fixedLinkLayerAddress,
        fixedLinkLocal: configuration.core.fixedLinkLocalAddress, kernel: kernel)
      if let socket = port.socket {
        try loop.add(socket.descriptor.rawValue) { [unowned self] _ in receiveSolicitations(port) }
      }
    } catch {
      log.error("access link \(port.name) is not served: \(error)")
    }
  }

  private func removed(_ link: Link) {
    handle(.uplinkChanged(link.name, isUp: false))
    triggers.removed(link)
    guard let port = ports[link.name], port.link?.index == link.index else { return }
    if let socket = port.socket { loop.remove(socket.descriptor.rawValue) }
    port.close()
    linkDown(link.name)
  }

  private func advertiseMTU(_ port: AccessLinkPort) {
    guard let mtu = advertisedMTU(port) else { return }
    handle(.linkMTU(port.name, mtu))
  }

  private func advertisedMTU(_ port: AccessLinkPort) -> UInt32? {
    guard let link = port.link, let tunnel = try? datapath.kernel.tunnelMTU() else { return nil }
    return min(link.mtu, tunnel)
  }

  private func changed(_ neighbour: Neighbour) {
    guard neighbour.address.isLinkLocal,
      let port = ports.values.first(where: { $0.link?.index == neighbour.interface })
    else { return }
    let station = Station(interface: neighbour.interface, address: neighbour.address)
    switch neighbour.state {
    case .reachable:
      guard let address = neighbour.linkLayerAddress, neighbours.insert(station).inserted else { return }
      observed(
        Attachment(
          link: port.name, linkLayerAddress: address, linkLocalAddress: neighbour.address, trigger: .neighbour))
    case .stale:
      if !neighbours.contains(station) { probe(neighbour) }
    case .failed:
      neighbours.remove(station)
      let gone = core.attachments.filter { $0.link == port.name && $0.linkLocalAddress == neighbour.address }
      for address in Set(gone.map(\.linkLayerAddress)).sorted() {
        triggers.unreachable(address, onLink: port.name)
        handle(.detached(link: port.name, address, .neighbourUnreachable))
      }
    case .incomplete, .delay, .probe, .permanent, .other: break
    }
  }

  private func probe(_ neighbour: Neighbour) {
    do {
      try kernel.run(neighbour.probe)
    } catch {
      log.warning("\(error)")
    }
  }

  // MARK: Attachment

  /// A sign of a node that we have seen ourselves.
  private func observed(_ attachment: Attachment) {
    let now = SystemClock.monotonic
    let isKnown = core.attachment(of: attachment.linkLayerAddress, onLink: attachment.link) != nil
    guard triggers.admits(attachment, isKnown: isKnown, at: now) else { return }
    attach(attachment, TriggerOrigin(source: attachment.trigger, link: attachment.link), since: now)
  }

  private func perform(_ action: PresenceLedger.Action) {
    switch action {
    case .attach(let origin, let node, let since):
      attach(Attachment(link: origin.link, linkLayerAddress: node, trigger: origin.source), origin, since: since)
    case .detach(let origin, let node): handle(.detached(link: origin.link, node, .disassociated))
    case .verify(let origin, let node):
      guard let interface = ports[origin.link]?.link?.index,
        let address = core.attachment(of: node, onLink: origin.link)?.linkLocalAddress
      else { return }
      probe(Neighbour(interface: interface, address: address, linkLayerAddress: node, state: .probe))
    }
  }

  private func attach(_ attachment: Attachment, _ origin: TriggerOrigin, since: Duration) {
    let isKnown = core.attachment(of: attachment.linkLayerAddress, onLink: attachment.link) != nil
    handle(.attached(attachment))
    guard !isKnown else { return }
    if core.attachment(of: attachment.linkLayerAddress, onLink: attachment.link) != nil {
      triggers.registering(origin.source, since: since)
    } else {
      triggers.refused(origin)
    }
  }

  private func received(signal: Int32) {
    if signal == SIGHUP { reload() } else { loop.stop() }
  }

  /// SIGHUP: takes over policies, timers and limits.
  private func reload() {
    guard let new = configuration.reloaded(from: file, log: log) else { return }
    guard new.triggers == configuration.triggers else {
      return log.error(
        "configuration not reloaded, the old one stays: changes of \(MAGDaemonConfiguration.keysOfTriggers) need a restart"
      )
    }
    handle(.configurationChanged(new.core))
    mobility.codePoints = new.core.codePoints
    mobility.peers = new.peers
    settle()
    log.info("configuration reloaded")
  }

  // MARK: Effects

  private func handle(_ event: MAGEvent) {
    let now = Moment.now
    let effects = core.handle(event, at: now)
    recorder.add(event, at: now, effects: effects)
    run(effects)
  }

  private func run(_ effects: [MAGEffect]) {
    for effect in effects {
      switch effect {
      case .send(let message, let source, let destination):
        do {
          try mobility.send(message, source: source, destination: destination)
        } catch {
          log.warning("message to \(destination) not sent: \(error)")
        }
      case .install(let identifier, let changes):
        handle(.datapathOutcome(identifier, datapath.apply(changes)))
      case .advertise(let plan):
        advertise(plan)
      case .probe(let link, let linkLayerAddress, let address):
        guard let interface = ports[link]?.link?.index, triggers.pointToPointNode(onLink: link) == nil else { continue }
        probe(Neighbour(interface: interface, address: address, linkLayerAddress: linkLayerAddress, state: .probe))
      case .notify(let notification):
        publish(notification)
      case .persist(let change):
        unwritten.append(change)
      }
    }
  }

  private func advertise(_ plan: AdvertisementPlan) {
    do {
      try ports[plan.link]?.send(plan, kernel: kernel)
      advertisementsSent += 1
    } catch {
      // The node solicits again, and the core advertises at intervals.
      advertisementFailures += 1
      log.warning("\(error)")
    }
  }

  /// After a batch of events: repairs the data plane if need be, sends the messages, writes the state file and arms the
  /// timer.
  private func settle() {
    if mustReconcile {
      mustReconcile = false
      do {
        try datapath.reconcile(to: core.desiredDatapath)
      } catch {
        log.error("\(error)")
      }
    }
    do {
      try mobility.flush()
    } catch {
      log.warning("\(error)")
    }
    triggers.messagesSent(at: SystemClock.monotonic)
    do {
      for change in unwritten {
        switch change {
        case .store(let record):
          try state.store(
            StoredAttachment(record),
            key: StoredAttachment.key(link: record.link, record.linkLayerAddress, uplink: record.uplink))
        case .remove(let link, let address, let uplink):
          try state.remove(key: StoredAttachment.key(link: link, address, uplink: uplink))
        case .storePeer(let peer): try peers.store(StoredPeer(peer), key: peer.address.description)
        case .removePeer(let address): try peers.remove(key: address.description)
        }
      }
      unwritten.removeAll(keepingCapacity: true)
      try state.flush()
      try peers.flush()
    } catch {
      // Attachments live on in memory; a restart would have to see those nodes anew.
      stateFailures += 1
      log.error("\(error)")
    }
    recorder.flush()
    do {
      try loop.setDeadline([core.nextDeadline, triggers.nextDeadline].compactMap { $0 }.min())
    } catch {
      log.critical("\(error)")
      loop.stop()
    }
  }

  // MARK: Control socket

  private func publish(_ notification: MAGNotification) {
    switch notification {
    case .attachmentChanged(let attachment):
      log.info("\(attachment.node.displayText) on \(attachment.link): \(attachment.state.rawValue)")
      control.publish("attachment-changed", topic: "attachments", entry(attachment))
    case .attachmentRemoved(let attachment, let cause):
      log.info("\(attachment.node.displayText) on \(attachment.link): gone (\(cause.rawValue))")
      control.publish("attachment-removed", topic: "attachments", entry(attachment))
    case .notificationRefused(let reason, let node, let status):
      let subject = "Update Notification (reason \(reason.rawValue)) about \(node?.displayText ?? "no node")"
      log.warning("\(subject) refused: \(status.rawValue)")
    case .anchorChanged(let anchor, let change):
      log.warning("anchor \(anchor.address): \(change.rawValue)")
      control.publish(
        "anchor-changed", topic: "attachments",
        AnchorChangeDocument(anchor: AnchorsDocument.Anchor(anchor), change: change.rawValue))
    case .revocationEnded(let anchor, let status):
      log.info("revocation of all bindings at \(anchor): \(status.map { "status \($0.rawValue)" } ?? "no answer")")
    }
  }

  private func entry(_ attachment: AttachmentSummary) -> AttachmentsDocument.Entry {
    AttachmentsDocument.Entry(attachment, now: Moment.now)
  }

  private var attachments: AttachmentsDocument { AttachmentsDocument(attachments: core.attachments.map(entry)) }

  private func serve() {
    recorder.serve(control)
    control.handleSubscription("subscribe", topic: "attachments", NoArguments.self) { [unowned self] _, _ in
      attachments
    }
    control.handle("show attachments", NoArguments.self) { [unowned self] _, _ in attachments }
    control.handle("show links", NoArguments.self) { [unowned self] _, _ in links }
    control.handle("show anchors", NoArguments.self) { [unowned self] _, _ in
      AnchorsDocument(anchors: core.anchors.map(AnchorsDocument.Anchor.init))
    }
    control.handle("show triggers", NoArguments.self) { [unowned self] _, _ in
      triggers.document(at: SystemClock.monotonic)
    }
    control.handle("show counters", NoArguments.self) { [unowned self] _, _ in counters }
    control.handle("attach", AttachArguments.self) { [unowned self] arguments, _ throws(ControlError) in
      try attach(arguments)
    }
    control.handle("detach", DetachArguments.self) { [unowned self] arguments, _ throws(ControlError) in
      try detach(arguments)
    }
    control.handle("revoke", NoArguments.self) { [unowned self] _, _ in
      let bound = core.attachments.filter { $0.tunnel != nil }
      handle(.revokeAll)
      settle()
      return AttachmentsDocument(attachments: bound.map(entry))
    }
  }

  private func attach(_ arguments: AttachArguments) throws(ControlError) -> AttachmentsDocument {
    try requireLink(arguments.link)
    observed(
      Attachment(
        link: arguments.link, linkLayerAddress: arguments.linkLayerAddress, trigger: .operatorRequest,
        identifier: arguments.node.map(MobileNodeIdentifier.init(nai:))))
    settle()
    let result = of(arguments.link, arguments.linkLayerAddress)
    guard !result.attachments.isEmpty else {
      throw ControlError(
        code: "unknown-node",
        message: "\(arguments.linkLayerAddress) is not in the node map and unknown nodes are refused",
        hint: "name the node with --id, add it to the node map, or set unknown-nodes: derive")
    }
    return result
  }

  private func detach(_ arguments: DetachArguments) throws(ControlError) -> AttachmentsDocument {
    try requireLink(arguments.link)
    let before = of(arguments.link, arguments.linkLayerAddress)
    guard !before.attachments.isEmpty else {
      throw ControlError(
        code: "no-such-attachment", message: "\(arguments.linkLayerAddress) is not attached on \(arguments.link)",
        hint: "`magd show attachments` lists what is")
    }
    handle(.detached(link: arguments.link, arguments.linkLayerAddress, .operatorRequest))
    settle()
    return of(arguments.link, arguments.linkLayerAddress)
  }

  private func of(_ link: String, _ address: LinkLayerAddress) -> AttachmentsDocument {
    AttachmentsDocument(
      attachments: core.attachments.filter { $0.link == link && $0.linkLayerAddress == address }.map(entry))
  }

  private func requireLink(_ name: String) throws(ControlError) {
    guard ports[name] == nil else { return }
    throw ControlError(
      code: "no-such-link", message: "'\(name)' is not an access link",
      hint: "the access links are \(ports.keys.sorted().joined(separator: ", "))")
  }

  private var links: LinksDocument {
    let users = Dictionary(grouping: core.attachments, by: \.link).mapValues { Set($0.map(\.linkLayerAddress)).count }
    return LinksDocument(
      links: configuration.core.accessLinks.map { access in
        let port = ports[access.name]
        return LinksDocument.Link(
          link: access.name, accessTechnology: access.accessTechnology.rawValue,
          isUp: port?.link?.hasCarrier ?? false, mtu: port?.link?.mtu, advertisedMTU: port.flatMap(advertisedMTU),
          attachments: users[access.name, default: 0])
      })
  }

  private var counters: CountersDocument {
    var result = mobility.counters
    for (name, value) in core.counters.named { result[name] = value }
    result.merge(control.counters.named) { own, _ in own }
    result.merge(state.counters.named) { own, _ in own }
    result.merge(recorder.counters) { own, _ in own }
    result.merge(triggers.counters) { own, _ in own }
    result["advertisements-sent"] = advertisementsSent
    result["advertisement-failures"] = advertisementFailures
    result["datapath-failures"] = datapath.failures
    result["state-write-failures"] = stateFailures
    result["restart-counter"] = UInt64(restarts.value)
    result["interface-event-overruns"] = monitor.overruns
    result["malformed-solicitations"] = ports.values.reduce(0) { $0 + $1.malformedPackets }
    result["attachments"] = UInt64(core.attachments.count)
    return CountersDocument(counters: result)
  }
}

struct AttachArguments: Codable {
  var link: String
  var linkLayerAddress: LinkLayerAddress
  /// NAI; looked up by link-layer address when absent.
  var node: String?
}

struct DetachArguments: Codable {
  var link: String
  var linkLayerAddress: LinkLayerAddress
}

extension InterfaceEvent {
  fileprivate func isLink(_ name: String) -> Bool {
    if case .link(let link) = self { link.name == name } else { false }
  }
}
