import AccessTriggers
import LinuxNet
import Logging
import NetTypes

/// One control socket of hostapd. When hostapd goes away, what it has said stays as it is, and the socket is tried again
/// until hostapd is back and says who is there.
final class HostapdSource: TriggerSource {
  /// Between attempts to reach a hostapd that is not there.
  static let retryInterval: Duration = .milliseconds(500)

  private let path: String
  private let ownPath: String
  private let loop: EventLoop
  private let log: Logger
  private let report: (TriggerReport) -> Void
  private let settle: () -> Void
  private var session: HostapdSession
  private var socket: UnixDatagramSocket?
  private var retryAt: Duration? = .zero
  private var problem: String?

  /// - Parameters:
  ///   - ownPath: of our end of the socket.
  ///   - settle: called after all reports of one reading.
  init(
    origin: TriggerOrigin, ownPath: String, loop: EventLoop, log: Logger, report: @escaping (TriggerReport) -> Void,
    settle: @escaping () -> Void
  ) {
    path = origin.name
    self.ownPath = ownPath
    self.loop = loop
    self.log = log
    self.report = report
    self.settle = settle
    session = HostapdSession(origin: origin)
  }

  var nextDeadline: Duration? { retryAt ?? session.deadline }

  func deadlineReached(at now: Duration) {
    guard let retryAt else { return run(session.deadlineReached(at: now)) }
    if retryAt <= now { connect(at: now) }
  }

  func resynchronize(link: String) {
    guard link == session.origin.link else { return }
    run(session.resynchronize(at: SystemClock.monotonic))
  }

  var statuses: [TriggerStatus] {
    [
      TriggerStatus(
        origin: session.origin, state: session.state.rawValue, problem: problem, counters: session.counters)
    ]
  }

  var counters: [String: UInt64] { session.counters.prefixed("hostapd") }

  private func connect(at now: Duration) {
    do {
      let socket = try UnixDatagramSocket(connecting: path, from: ownPath)
      try loop.add(socket.descriptor.rawValue) { [unowned self] _ in receive() }
      self.socket = socket
      retryAt = nil
      run(session.opened(at: now))
    } catch {
      retryAt = now + Self.retryInterval
      note("\(error)")
    }
  }

  private func receive() {
    do {
      try socket?.receive { datagram in
        let wasConnected = session.state == .connected
        run(session.received(datagram, at: SystemClock.monotonic))
        if session.state == .connected, !wasConnected, problem != nil {
          problem = nil
          log.info("hostapd at \(path): connected")
        }
      }
    } catch {
      disconnect("\(error)")
    }
    settle()
  }

  private func run(_ effects: [HostapdSession.Effect]) {
    for effect in effects {
      switch effect {
      case .send(let command):
        do {
          try socket?.send(Array(command.utf8))
        } catch {
          disconnect("\(error)")
        }
      case .report(let report): self.report(report)
      case .reconnect(let reason): disconnect(reason)
      }
    }
  }

  private func disconnect(_ reason: String) {
    if let socket { loop.remove(socket.descriptor.rawValue) }
    socket = nil
    session.closed()
    retryAt = SystemClock.monotonic + Self.retryInterval
    note(reason)
  }

  /// One line in the log for each new problem.
  private func note(_ reason: String) {
    if problem == nil { log.warning("hostapd at \(path): \(reason); tried again until it is there") }
    problem = reason
  }
}
