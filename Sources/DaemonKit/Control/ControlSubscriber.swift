import Glibc
import LinuxNet

/// How long to wait before the next attempt to connect: doubling, so that a daemon that is away is neither missed for
/// long after its return nor asked all the time.
public struct BackOff: Hashable, Sendable {
  public var first: Duration
  public var maximum: Duration
  private var next: Duration

  public init(first: Duration = .milliseconds(50), maximum: Duration = .seconds(2)) {
    self.first = first
    self.maximum = maximum
    next = first
  }

  public mutating func delay() -> Duration {
    defer { next = min(next * 2, maximum) }
    return next
  }

  public mutating func reset() { next = first }
}

/// Keeps one subscription to another daemon's control socket on an event loop, over that daemon's restarts.
///
/// After each connection the subscribing command is sent; its result, the snapshot, comes first, then events. A lost
/// connection is tried again after a back-off. Commands can be sent over the same connection meanwhile; their answers come
/// between the events, in the order in which the daemon did both. The subscriber has no timer of its own: its owner asks `nextDeadline`
/// whenever `onChange` is called, and calls `deadlineReached` then.
public final class ControlSubscriber<Snapshot: Decodable> {
  public enum State: Hashable, Sendable {
    case stopped
    /// Tries again at this monotonic time.
    case waiting(until: Duration)
    /// Connected; the snapshot has not come yet.
    case subscribing
    case subscribed
  }

  public private(set) var state = State.stopped
  /// Connections that were lost or could not be made.
  public private(set) var failures: UInt64 = 0
  /// A connection is complete: replace everything known by this.
  public var onSnapshot: (Snapshot) -> Void = { _ in }
  public var onEvent: (ControlEvent) -> Void = { _ in }
  /// With the reason for people. What was known stays true as far as anybody knows.
  public var onDisconnect: (String) -> Void = { _ in }
  /// `nextDeadline` is another one now.
  public var onChange: () -> Void = {}

  private static var subscriptionID: UInt64 { 1 }
  private static var readSize: Int { 256 << 10 }
  private let loop: EventLoop
  private let path: String
  private let request: [UInt8]
  private var backOff: BackOff
  private var connection: Connection?
  private var nextID: UInt64 = subscriptionID + 1
  /// What to do with the answers that are under way, by request.
  private var answers: [UInt64: (Result<[UInt8], ControlClientError>) -> Void] = [:]

  /// The reference owns the descriptor, so that a handler that is still running keeps it open.
  private final class Connection {
    let descriptor: FileDescriptor
    var input = LineBuffer(maximumLength: ControlClient.maximumAnswerLength)
    init(_ descriptor: consuming FileDescriptor) { self.descriptor = descriptor }
  }

  /// - Throws: when `arguments` cannot be encoded.
  public init(
    loop: EventLoop, path: String, command: String, arguments: some Encodable = NoArguments(),
    backOff: BackOff = BackOff()
  ) throws {
    self.loop = loop
    self.path = path
    self.backOff = backOff
    request =
      try ControlProtocol.encode(Request(id: Self.subscriptionID, command: command, arguments: arguments))
      + [UInt8(ascii: "\n")]
  }

  deinit { close() }

  /// Connects now.
  public func start() {
    guard state == .stopped else { return }
    connect()
  }

  public func stop() {
    close()
    state = .stopped
    onChange()
  }

  /// Monotonic time of the next attempt.
  public var nextDeadline: Duration? {
    if case .waiting(let moment) = state { moment } else { nil }
  }

  public func deadlineReached(at now: Duration = SystemClock.monotonic) {
    if case .waiting(let moment) = state, now >= moment { connect() }
  }

  /// Sends a command. `completion` is called once: with the answer, or with the reason for which none will come.
  public func request<Answer: Decodable>(
    _ command: String, _ arguments: some Encodable,
    _ completion: @escaping (Result<Answer, ControlClientError>) -> Void
  ) {
    guard let connection, state == .subscribed else {
      return completion(.failure(.notReachable(socket: path, reason: "not connected")))
    }
    let id = nextID
    nextID += 1
    let line: [UInt8]
    do {
      line = try ControlProtocol.encode(Request(id: id, command: command, arguments: arguments)) + [UInt8(ascii: "\n")]
    } catch {
      return completion(.failure(.failed("\(command): \(ControlProtocol.explain(error))")))
    }
    answers[id] = { outcome in completion(outcome.flatMap { Self.decode($0, command) }) }
    guard send(connection.descriptor.rawValue, line, line.count, Int32(MSG_NOSIGNAL)) == line.count else {
      return failed("\(path) does not take requests any more")
    }
  }

  private static func decode<Answer: Decodable>(
    _ line: [UInt8], _ command: String
  ) -> Result<Answer, ControlClientError> {
    do {
      return .success(try ControlProtocol.decode(ServerLineResult<Answer>.self, from: line).result)
    } catch {
      return .failure(.failed("the answer to '\(command)' is not understood: \(ControlProtocol.explain(error))"))
    }
  }

  private func connect() {
    do throws(LinuxError) {
      let connection = Connection(try UnixSocket.connect(path: path, blocking: false))
      let sent = send(connection.descriptor.rawValue, request, request.count, Int32(MSG_NOSIGNAL))
      // A request is far smaller than the buffer of a fresh socket.
      guard sent == request.count else { throw LinuxError("send to", path) }
      try loop.add(connection.descriptor.rawValue) { [weak self] _ in self?.ready(connection) }
      self.connection = connection
      state = .subscribing
      onChange()
    } catch {
      failed("\(error.operation) \(error.object): \(error.reason)")
    }
  }

  private func close() {
    if let connection { loop.remove(connection.descriptor.rawValue) }
    connection = nil
    let unanswered = answers.sorted { $0.key < $1.key }
    answers = [:]
    for (_, complete) in unanswered {
      complete(.failure(.notReachable(socket: path, reason: "the connection was lost before the answer")))
    }
  }

  private func failed(_ reason: String) {
    close()
    failures += 1
    state = .waiting(until: SystemClock.monotonic + backOff.delay())
    onDisconnect(reason)
    onChange()
  }

  private func ready(_ connection: Connection) {
    var failure: Int32?
    let chunk = [UInt8](unsafeUninitializedCapacity: Self.readSize) { buffer, count in
      let received = recv(connection.descriptor.rawValue, buffer.baseAddress, buffer.count, 0)
      if received < 0 { failure = errno }
      count = max(0, received)
    }
    if chunk.isEmpty {
      if failure == EAGAIN || failure == EINTR { return }
      return failed("\(path) was closed by the other side")
    }
    connection.input.append(chunk)
    // A handler may stop the subscriber, which drops the connection.
    while self.connection === connection, let line = connection.input.next() {
      guard case .line(let bytes) = line else { return failed("\(path) sent a line beyond every bound") }
      receive(bytes)
    }
  }

  private func receive(_ line: [UInt8]) {
    do {
      let head = try ControlProtocol.decode(ServerLineHead.self, from: line)
      if let id = head.id, let complete = answers.removeValue(forKey: id) {
        return complete(head.error.map { .failure(.refused($0)) } ?? .success(line))
      }
      if let error = head.error { return failed("\(path) refused the subscription: \(error)") }
      guard head.id == Self.subscriptionID else { return }
      if let name = head.event { return onEvent(ControlEvent(name: name, line: line)) }
      let snapshot = try ControlProtocol.decode(ServerLineResult<Snapshot>.self, from: line).result
      backOff.reset()
      state = .subscribed
      onSnapshot(snapshot)
    } catch {
      failed("\(path) sent what is not understood: \(ControlProtocol.explain(error))")
    }
  }
}
