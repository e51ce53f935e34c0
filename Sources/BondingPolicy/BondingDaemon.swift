import DaemonKit
import LinuxNet
import Logging
import NetTypes

/// `bonding-policy run`: one thread on one event loop. All packets stay in the kernel; what is left to do is to follow
/// interfaces, to solicit gateways on new links, and to answer on the control socket.
final class BondingDaemon {
  private let loop: EventLoop
  private let kernel: BondingKernel
  private let monitor: InterfaceMonitor
  private let control: ControlServer
  private let log: Logger
  private var solicitations = RouterSolicitations()
  /// Hears Router Advertisements on the logical interface while a point-to-point link is a slave.
  private var routers: AccessLinkSocket?
  private var routersLearned: UInt64 = 0
  private var retry: Duration?
  private var solicitationsSent: UInt64 = 0
  /// For want of room.
  private var refusedSelections: UInt64 = 0

  /// After a failed reading of the kernel's tables.
  private static let retryDelay: Duration = .seconds(1)

  /// Takes the control socket, by which two programs exclude each other. Interfaces are left alone until `run`.
  init(_ configuration: BondingConfiguration, log: Logger) throws(LinuxError) {
    self.log = log
    loop = try EventLoop()
    control = try ControlServer(loop: loop, path: configuration.control.socket, group: configuration.control.group)
    kernel = try BondingKernel(BondingPlan(configuration), stateDirectory: configuration.stateDirectory)
    monitor = try InterfaceMonitor()
    _ = try monitor.resynchronize()
  }

  /// Puts everything into the kernel, runs until SIGTERM, SIGINT or SIGHUP and takes everything out again. After SIGKILL
  /// it stays there. Signals wait until the loop runs, so an early one does not leave half of it behind.
  func run() throws(LinuxError) {
    try loop.handleSignals { [unowned self] signal in
      log.notice("stopping", metadata: ["signal": "\(signal)"])
      loop.stop()
    }
    note(try kernel.install())
    try loop.add(monitor.descriptor) { [unowned self] _ in interfacesChanged() }
    loop.onDeadline = { [unowned self] in deadlinePassed() }
    serve()
    setDeadline()
    log.notice(
      "bonding",
      metadata: [
        "interface": "\(kernel.plan.interface)", "backend": "\(kernel.choice.backEnd.rawValue)",
        "slaves": "\(kernel.plan.slaves.map(\.name).joined(separator: ","))",
      ])
    ServiceNotifier.ready()
    try loop.run()
    ServiceNotifier.stopping()
    _ = try kernel.remove()
  }

  // MARK: Interfaces

  private func interfacesChanged() {
    var hasChanged = false
    do throws(LinuxError) {
      try monitor.receive { event in
        switch event {
        case .link, .linkRemoved: hasChanged = true
        case .address, .addressRemoved, .neighbour, .neighbourRemoved: break
        }
      }
    } catch {
      log.error("\(error)")
      hasChanged = true
    }
    if hasChanged { followLinks() }
  }

  private func followLinks() {
    do throws(LinuxError) {
      note(try kernel.followLinks())
      retry = nil
    } catch {
      log.error("\(error)")
      retry = SystemClock.monotonic + Self.retryDelay
    }
    setDeadline()
  }

  private func note(_ following: BondingKernel.LinkFollowing) {
    for refusal in following.refusals { log.warning("\(refusal)") }
    for link in following.arrived {
      log.info("slave has carrier", metadata: ["slave": "\(link.slave.name)"])
      solicitations.begin(link.slave.name, at: SystemClock.monotonic)
    }
    listenToRouters()
  }

  // MARK: Routers

  private func listenToRouters() {
    let wanted = kernel.interfaceWithoutAddresses
    guard wanted != routers?.interface else { return }
    if let routers { loop.remove(routers.descriptor.rawValue) }
    routers = nil
    guard let wanted else { return }
    do throws(LinuxError) {
      let socket = try AccessLinkSocket(
        interface: wanted, name: kernel.plan.interface, receiving: AccessLinkSocket.routerTypes)
      try loop.add(socket.descriptor.rawValue) { [unowned self] _ in routersAdvertised() }
      routers = socket
    } catch {
      log.error("\(error)")
    }
  }

  private func routersAdvertised() {
    var packets: [AccessLinkSocket.Packet] = []
    do throws(LinuxError) {
      try routers?.receive { packets.append($0) }
      for packet in packets where try kernel.learn(packet) { routersLearned += 1 }
    } catch {
      log.warning("\(error)")
    }
  }

  // MARK: Time

  private func setDeadline() {
    do throws(LinuxError) {
      try loop.setDeadline([retry, solicitations.deadline].compactMap(\.self).min())
    } catch {
      log.error("\(error)")
    }
  }

  private func deadlinePassed() {
    let now = SystemClock.monotonic
    for slave in solicitations.due(at: now) {
      do throws(LinuxError) {
        if try kernel.solicit(on: slave) { solicitationsSent += 1 }
      } catch {
        log.warning("\(error)")
      }
    }
    if let moment = retry, moment <= now { followLinks() } else { setDeadline() }
  }

  // MARK: Commands

  private func serve() {
    control.handle("show", NoArguments.self) { [unowned self] _, _ throws(ControlError) in
      try answer { () throws(LinuxError) in
        var status = try kernel.status()
        status.counters["router-solicitations-sent"] = solicitationsSent
        status.counters["refused-selections"] = refusedSelections
        status.counters["routers-learned"] = routersLearned
        status.counters.merge(control.counters.named) { own, _ in own }
        return status
      }
    }
    control.handle("list", NoArguments.self) { [unowned self] _, _ throws(ControlError) in
      try answer { () throws(LinuxError) in LogicalFlows(flows: try kernel.flows()) }
    }
    control.handle("select", Selection.self) { [unowned self] selection, _ throws(ControlError) in
      try select(selection)
    }
    control.handle("unselect", SelectedFlows.self) { [unowned self] flows, _ throws(ControlError) in
      guard kernel.selections[flows.selector] != nil else {
        throw ControlError(
          code: "no-such-selection", message: "\(flows.selector) is not selected",
          hint: "`\(BondingPolicy.name) show` lists the selections")
      }
      try answer { () throws(LinuxError) in try kernel.select(flows.selector, nil) }
      return flows
    }
  }

  private func select(_ selection: Selection) throws(ControlError) -> Selection {
    if let problem = selection.selector.problem {
      throw ControlError(code: ControlError.invalidArguments, message: "selector: \(problem)")
    }
    guard let slave = kernel.plan.slaves.first(where: { $0.name == selection.slave }) else {
      throw ControlError(
        code: "no-such-slave", message: "'\(selection.slave)' is not a slave of \(kernel.plan.interface)",
        hint: "slaves are \(kernel.plan.slaves.map(\.name).joined(separator: ", "))")
    }
    guard kernel.selections.hasRoom(for: selection.selector) else {
      refusedSelections += 1
      throw ControlError(
        code: "too-many-selections",
        message: "\(Selections.maximumPorts) ports or \(Selections.maximumSelectors) others are selected already",
        hint: "take one away with `\(BondingPolicy.name) unselect`")
    }
    try answer { () throws(LinuxError) in try kernel.select(selection.selector, slave) }
    return selection
  }

  private func answer<Document>(_ body: () throws(LinuxError) -> Document) throws(ControlError) -> Document {
    do {
      return try body()
    } catch {
      throw ControlError(
        code: "kernel-refused", message: "\(error.operation) \(error.object): \(error.reason)", hint: error.hint)
    }
  }
}
