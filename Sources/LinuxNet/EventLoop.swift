import CLinuxNet
import Glibc

/// The one thread of a daemon: waits with epoll for descriptors, one deadline and signals, and calls their handlers one
/// after the other.
///
/// - A handler may add and remove any descriptor, its own included, set the deadline and stop the loop. A descriptor
///   removed by one handler is not reported to its handler any more, even if its event was already fetched and its
///   number is in use again: events carry a registration number, not the descriptor.
/// - Polling is level-triggered: a handler that leaves data unread is called again.
/// - The core keeps all timers itself and only tells the next deadline, so a single timerfd (CLOCK_MONOTONIC, absolute)
///   is enough.
/// - Signals come through signalfd. They are blocked for the calling thread when `handleSignals` is called, which must
///   be before any other thread starts.
public final class EventLoop {
  /// What to wait for, and what has happened.
  public struct Readiness: OptionSet, Hashable, Sendable {
    public let rawValue: UInt32
    public init(rawValue: UInt32) { self.rawValue = rawValue }
    public static let readable = Self(rawValue: EPOLLIN.rawValue)
    public static let writable = Self(rawValue: EPOLLOUT.rawValue)
    /// Always reported, whether asked for or not.
    public static let error = Self(rawValue: EPOLLERR.rawValue)
    /// Always reported, whether asked for or not.
    public static let hangUp = Self(rawValue: EPOLLHUP.rawValue)
  }

  public typealias Handler = (Readiness) -> Void

  private struct Registration {
    var number: UInt64
    var handler: Handler
  }

  /// Events fetched by one epoll_wait.
  static let eventsPerWait = 64

  private let epoll: FileDescriptor
  private let timer: FileDescriptor
  private var registrations: [Int32: Registration] = [:]
  private var descriptors: [UInt64: Int32] = [:]
  private var nextNumber: UInt64 = 0
  private var signals: FileDescriptor?
  private var signalSet = sigset_t()
  private var stopped = false
  private var deadline: Duration?
  /// Called once when the deadline has passed; the deadline is cleared before.
  public var onDeadline: () -> Void = {}
  /// Work that may wait for everything else. While there is some the loop does not sleep: whenever all that was ready has
  /// been served, it calls this once. A call should take far less than a millisecond. False: nothing is left.
  public var background: (() -> Bool)?

  public init() throws(LinuxError) {
    let epoll = epoll_create1(Int32(EPOLL_CLOEXEC))
    guard epoll >= 0 else { throw LinuxError("create", "epoll instance") }
    self.epoll = FileDescriptor(owning: epoll)
    let timer = timerfd_create(CLOCK_MONOTONIC, Int32(TFD_CLOEXEC | TFD_NONBLOCK))
    guard timer >= 0 else { throw LinuxError("create", "timer descriptor") }
    self.timer = FileDescriptor(owning: timer)
    try add(timer) { [unowned self] _ in deadlinePassed() }
  }

  // MARK: Descriptors

  /// Calls `handler` whenever `descriptor` is ready. The loop does not own the descriptor: remove it before closing it.
  public func add(
    _ descriptor: Int32, _ interest: Readiness = .readable, handler: @escaping Handler
  ) throws(LinuxError) {
    precondition(registrations[descriptor] == nil, "descriptor \(descriptor) is registered already")
    nextNumber += 1
    var event = epoll_event(events: interest.rawValue, data: epoll_data_t(u64: nextNumber))
    guard epoll_ctl(epoll.rawValue, EPOLL_CTL_ADD, descriptor, &event) == 0 else {
      throw LinuxError("watch", "descriptor \(descriptor)")
    }
    registrations[descriptor] = Registration(number: nextNumber, handler: handler)
    descriptors[nextNumber] = descriptor
  }

  /// Changes what `descriptor` is watched for.
  public func modify(_ descriptor: Int32, _ interest: Readiness) throws(LinuxError) {
    guard let registration = registrations[descriptor] else {
      throw LinuxError("watch", "descriptor \(descriptor)", code: ENOENT, advice: "it was not added to the loop")
    }
    var event = epoll_event(events: interest.rawValue, data: epoll_data_t(u64: registration.number))
    guard epoll_ctl(epoll.rawValue, EPOLL_CTL_MOD, descriptor, &event) == 0 else {
      throw LinuxError("watch", "descriptor \(descriptor)")
    }
  }

  /// Stops watching; does nothing when `descriptor` is not watched.
  public func remove(_ descriptor: Int32) {
    guard let registration = registrations.removeValue(forKey: descriptor) else { return }
    descriptors[registration.number] = nil
    epoll_ctl(epoll.rawValue, EPOLL_CTL_DEL, descriptor, nil)
  }

  // MARK: Deadline

  /// `onDeadline` is called as soon as `SystemClock.monotonic` has reached `moment`; nil: never. Replaces the earlier
  /// deadline.
  public func setDeadline(_ moment: Duration?) throws(LinuxError) {
    guard moment != deadline else { return }
    deadline = moment
    var setting = itimerspec()
    if let moment {
      let (seconds, attoseconds) = max(moment, .nanoseconds(1)).components
      // Rounded up, so that the clock has reached the deadline when the timer fires. Zero would disarm the timer.
      let nanoseconds = (attoseconds + 999_999_999) / 1_000_000_000
      setting.it_value = timespec(
        tv_sec: Int(seconds + nanoseconds / 1_000_000_000), tv_nsec: Int(nanoseconds % 1_000_000_000))
    }
    guard timerfd_settime(timer.rawValue, Int32(TFD_TIMER_ABSTIME), &setting, nil) == 0 else {
      throw LinuxError("arm", "timer descriptor")
    }
  }

  private func deadlinePassed() {
    var expirations: UInt64 = 0
    guard read(timer.rawValue, &expirations, MemoryLayout<UInt64>.size) == MemoryLayout<UInt64>.size else { return }
    deadline = nil
    onDeadline()
  }

  // MARK: Signals

  /// Blocks `numbers` for the calling thread and delivers them to `handler` from now on. May be called once.
  public func handleSignals(
    _ numbers: [Int32] = [SIGTERM, SIGINT, SIGHUP], handler: @escaping (Int32) -> Void
  ) throws(LinuxError) {
    precondition(signals == nil, "signals are handled already")
    sigemptyset(&signalSet)
    for number in numbers { sigaddset(&signalSet, number) }
    pthread_sigmask(SIG_BLOCK, &signalSet, nil)
    let descriptor = signalfd(-1, &signalSet, Int32(SFD_CLOEXEC | SFD_NONBLOCK))
    guard descriptor >= 0 else { throw LinuxError("create", "signal descriptor") }
    signals = FileDescriptor(owning: descriptor)
    try add(descriptor) { _ in
      var information = signalfd_siginfo()
      let size = MemoryLayout<signalfd_siginfo>.size
      while read(descriptor, &information, size) == size { handler(Int32(bitPattern: information.ssi_signo)) }
    }
  }

  // MARK: Running

  /// Runs handlers until `stop` is called.
  public func run() throws(LinuxError) {
    stopped = false
    var events = [epoll_event](repeating: epoll_event(), count: Self.eventsPerWait)
    while !stopped {
      let count = epoll_wait(epoll.rawValue, &events, Int32(events.count), background == nil ? -1 : 0)
      if count < 0, errno == EINTR { continue }
      guard count >= 0 else { throw LinuxError("wait for", "events") }
      for event in events[..<Int(count)] {
        guard let descriptor = descriptors[event.data.u64], let registration = registrations[descriptor] else {
          continue
        }
        registration.handler(Readiness(rawValue: event.events))
        if stopped { return }
      }
      if let background, !background() { self.background = nil }
    }
  }

  /// Makes `run` return after the current handler. What is still ready is reported by the next `run`.
  public func stop() { stopped = true }
}
