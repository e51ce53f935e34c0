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

  /// After a failed reading of the kernel's tables.
  private static let retryDelay: Duration = .seconds(1)

  /// Takes the control socket, then puts everything into the kernel. Two reflectors exclude each other by the socket.
  init(_ configuration: ReflectorConfiguration, log: Logger) throws(LinuxError) {
    self.log = log
    loop = try EventLoop()
    control = try ControlServer(loop: loop, path: configuration.control.socket, group: configuration.control.group)
    kernel = try ReflectorKernel(ReflectorPlan(configuration))
    monitor = try RouteMonitor(ignoringAdditionsOf: configuration.routeProtocol)
    try kernel.install()
  }

  /// Runs until SIGTERM, SIGINT or SIGHUP, then takes everything out of the kernel. After SIGKILL it stays there.
  func run() throws(LinuxError) {
    try loop.handleSignals { [unowned self] signal in
      log.notice("stopping", metadata: ["signal": "\(signal)"])
      loop.stop()
    }
    try loop.add(monitor.descriptor) { [unowned self] _ in routesChanged() }
    loop.onDeadline = { [unowned self] in followRoutes() }
    serve()
    log.notice("reflecting", metadata: ["interfaces": "\(kernel.plan.interfaces.map(\.name))"])
    try loop.run()
    _ = try kernel.remove()
  }

  private func routesChanged() {
    do throws(LinuxError) {
      if try monitor.receive() { followRoutes() }
    } catch {
      log.error("\(error)")
      followRoutes()
    }
  }

  private func followRoutes() {
    do throws(LinuxError) {
      for refusal in try kernel.followRoutes() { log.warning("\(refusal)") }
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
