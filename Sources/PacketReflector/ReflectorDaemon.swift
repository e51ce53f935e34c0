import DaemonKit
import LinuxNet
import Logging

/// `packet-reflector run`: one thread on one event loop. All packets stay in the kernel; what is left to do is to follow
/// routes and interfaces, and to answer on the control socket.
final class ReflectorDaemon {
  private let loop: EventLoop
  private let kernel: ReflectorKernel
  private let monitor: RouteMonitor
  private let control: ControlServer
  private let log: Logger
  private var hasWarnedOfRoutes = false

  /// After a failed reading of the kernel's tables.
  private static let retryDelay: Duration = .seconds(1)

  /// Takes the control socket, by which two reflectors exclude each other. The kernel is left alone until `run`.
  init(_ configuration: ReflectorConfiguration, log: Logger) throws(LinuxError) {
    self.log = log
    loop = try EventLoop()
    control = try ControlServer(loop: loop, path: configuration.control.socket, group: configuration.control.group)
    kernel = try ReflectorKernel(ReflectorPlan(configuration))
    monitor = try RouteMonitor(ignoringAdditionsOf: configuration.routeProtocol)
  }

  /// Puts everything into the kernel, runs until SIGTERM, SIGINT or SIGHUP and takes everything out again. After SIGKILL
  /// it stays there. Signals wait until the loop runs, so an early one does not leave half of it behind.
  func run() throws(LinuxError) {
    try loop.handleSignals { [unowned self] signal in
      log.notice("stopping", metadata: ["signal": "\(signal)"])
      loop.stop()
    }
    try kernel.install()
    try loop.add(monitor.descriptor) { [unowned self] _ in routesChanged() }
    loop.onDeadline = { [unowned self] in follow() }
    serve()
    log.notice("reflecting", metadata: ["interfaces": "\(kernel.plan.interfaces.map(\.name).joined(separator: ","))"])
    ServiceNotifier.ready()
    try loop.run()
    ServiceNotifier.stopping()
    _ = try kernel.remove()
  }

  private func routesChanged() {
    do throws(LinuxError) {
      if try monitor.receive() { follow() }
    } catch {
      log.error("\(error)")
      follow()
    }
  }

  private func follow() {
    do throws(LinuxError) {
      let restored = kernel.restoredRules
      for refusal in try kernel.follow() { log.warning("\(refusal)") }
      if kernel.restoredRules > restored { log.warning("somebody took our routing rules out; they are back") }
      if kernel.omittedRoutes > 0, !hasWarnedOfRoutes {
        hasWarnedOfRoutes = true
        log.warning("flows follow on the first \(ReflectorPlan.maximumRoutes) routes of an interface only")
      }
    } catch {
      log.error("\(error)")
      retryLater()
    }
  }

  private func retryLater() {
    do throws(LinuxError) {
      try loop.setDeadline(SystemClock.monotonic + Self.retryDelay)
    } catch {
      log.error("\(error)")
    }
  }

  private func serve() {
    control.handle("show", NoArguments.self) { [unowned self] _, _ throws(ControlError) in
      try answer { () throws(LinuxError) in
        var status = try kernel.status()
        status.counters.merge(control.counters.named) { own, _ in own }
        return status
      }
    }
    control.handle("list", NoArguments.self) { [unowned self] _, _ throws(ControlError) in
      try answer { () throws(LinuxError) in ReflectedFlows(flows: try kernel.flows()) }
    }
    control.handle("flush", NoArguments.self) { [unowned self] _, _ throws(ControlError) in
      try answer { () throws(LinuxError) in FlushResult(releasedFlows: try kernel.releaseFlows()) }
    }
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
