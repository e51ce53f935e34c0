import Glibc
import LinuxNet

/// Bounds of a control server.
public struct ControlLimits: Hashable, Sendable {
  public var clients = 64
  /// Octets of a request without its newline.
  public var requestLength = 64 << 10
  /// Octets of events that may wait for a client that does not read; one more and it is disconnected.
  public var pendingOutput = 4 << 20
  public var subscriptionsPerClient = 8
  /// Requests of a client that wait for a deferred answer; as long as there are so many, no further one is read.
  public var deferredAnswersPerClient = 64
  public init() {}
}

/// What a control server has done; every refusal has its own counter.
public struct ControlCounters: Hashable, Sendable {
  public var clientsAccepted: UInt64 = 0
  public var clientsRefused: UInt64 = 0
  public var slowClientsDisconnected: UInt64 = 0
  public var requestsAnswered: UInt64 = 0
  public var requestsRefused: UInt64 = 0
  public var malformedRequests: UInt64 = 0
  public var oversizeRequests: UInt64 = 0
  public var eventsPublished: UInt64 = 0

  /// For `show counters`.
  public var named: [String: UInt64] {
    [
      "control-clients-accepted": clientsAccepted, "control-clients-refused": clientsRefused,
      "control-slow-clients-disconnected": slowClientsDisconnected, "control-requests-answered": requestsAnswered,
      "control-requests-refused": requestsRefused, "control-malformed-requests": malformedRequests,
      "control-oversize-requests": oversizeRequests, "control-events-published": eventsPublished,
    ]
  }
}

/// Serves the control socket of a daemon on its event loop.
///
/// - Handlers run on the loop and answer at once: they read or change the one core that the loop owns, so a client sees
///   each command as a whole, before or after any other event. A command that must wait for somebody else
///   (`handleDeferred`) is answered later, and the client's further requests do not wait for it.
/// - A client never blocks the daemon. What it does not read waits in its connection; while anything waits, none of its
///   requests is read, so answers cannot pile up. Events can: past `pendingOutput` the client is disconnected and
///   counted, and subscribes again when it has caught up, which gives it a fresh snapshot.
/// - An error in a line is answered and the connection kept.
/// - Subscriptions: a subscribing command answers with a snapshot; later events of its topic carry the id of that
///   request.
public final class ControlServer {
  public struct Client: Hashable, Sendable {
    /// Unique in this server's life.
    public let number: UInt64
    public let credentials: PeerCredentials?
  }

  public private(set) var counters = ControlCounters()
  public let path: String
  let limits: ControlLimits

  /// Returns the encoded answer, nil if it comes later, or throws `ControlError`.
  typealias Command = (_ line: [UInt8], _ id: UInt64, ControlConnection) throws -> [UInt8]?

  private let loop: EventLoop
  private let listener: FileDescriptor
  private let identity: UnixSocket.FileIdentity?
  private var commands: [String: (topic: String?, run: Command)] = [:]
  private var connections: [UInt64: ControlConnection] = [:]
  private var nextNumber: UInt64 = 0

  /// Listens on `path` (mode 0660, group `group`). A stale socket file is replaced.
  public init(loop: EventLoop, path: String, group: String, limits: ControlLimits = ControlLimits())
    throws(LinuxError)
  {
    self.loop = loop
    self.path = path
    self.limits = limits
    listener = try UnixSocket.listen(path: path, group: group)
    identity = UnixSocket.identity(path)
    try loop.add(listener.rawValue) { [unowned self] _ in acceptClients() }
  }

  deinit {
    loop.remove(listener.rawValue)
    for connection in connections.values { connection.close() }
    UnixSocket.remove(path, ifStill: identity)
  }

  // MARK: Commands

  /// Serves a command. `handler` gets its decoded arguments and returns the result.
  public func handle<Arguments: Decodable, Result: Encodable>(
    _ command: String, _ arguments: Arguments.Type,
    _ handler: @escaping (Arguments, Client) throws(ControlError) -> Result
  ) {
    commands[command] = (nil, Self.command(handler))
  }

  /// Serves a command that also subscribes the client to `topic`. The result is the snapshot that later events build on.
  public func handleSubscription<Arguments: Decodable, Result: Encodable>(
    _ command: String, topic: String, _ arguments: Arguments.Type,
    _ handler: @escaping (Arguments, Client) throws(ControlError) -> Result
  ) {
    commands[command] = (topic, Self.command(handler))
  }

  /// Serves a command that is answered when `handler` calls what it is given, at once or later. Answers to other requests
  /// of the same client may overtake this one.
  public func handleDeferred<Arguments: Decodable, Result: Encodable>(
    _ command: String, _ arguments: Arguments.Type,
    _ handler: @escaping (Arguments, Client, DeferredAnswer<Result>) throws(ControlError) -> Void
  ) {
    commands[command] = (
      nil,
      { [unowned self] line, id, connection in
        let arguments: Arguments = try Self.arguments(line)
        connection.expectDeferredAnswer()
        let answer = DeferredAnswer<Result> { [weak self, weak connection] outcome in
          guard let self, let connection else { return }
          connection.sendDeferred(self.encode(outcome, id: id))
        }
        do throws(ControlError) {
          try handler(arguments, connection.client, answer)
        } catch {
          answer(.failure(error))
        }
        return nil
      }
    )
  }

  private func encode(_ outcome: Result<some Encodable, ControlError>, id: UInt64) -> [UInt8] {
    do {
      let answer = try ControlProtocol.encode(Answer(id: id, result: try outcome.get()))
      counters.requestsAnswered += 1
      return answer
    } catch {
      return refusal(error, id: id)
    }
  }

  /// Sends an event to the subscribers of `topic`.
  public func publish(_ event: String, topic: String, _ data: some Encodable) {
    let subscribers = connections.values.filter { $0.subscriptions.values.contains(topic) }
    guard !subscribers.isEmpty, let encoded = try? ControlProtocol.encode(data),
      let name = try? ControlProtocol.encode(event)
    else { return }
    counters.eventsPublished += 1
    for connection in subscribers {
      for (id, subscribed) in connection.subscriptions where subscribed == topic {
        // Encoded once for all; the keys stand in sorted order, as everywhere.
        let head = Array("{\"data\":".utf8) + encoded + Array(",\"event\":".utf8) + name
        connection.sendEvent(head + Array(",\"id\":\(id),\"version\":\(ControlProtocol.version)}".utf8))
      }
    }
  }

  /// Whether an event of `topic` would reach anybody.
  public func hasSubscribers(topic: String) -> Bool {
    connections.values.contains { $0.subscriptions.values.contains(topic) }
  }

  private static func command<Arguments: Decodable, Result: Encodable>(
    _ handler: @escaping (Arguments, Client) throws(ControlError) -> Result
  ) -> Command {
    { line, id, connection in
      let arguments: Arguments = try arguments(line)
      return try ControlProtocol.encode(Answer(id: id, result: try handler(arguments, connection.client)))
    }
  }

  private static func arguments<Arguments: Decodable>(_ line: [UInt8]) throws(ControlError) -> Arguments {
    do {
      return try decodeArguments(line)
    } catch {
      throw ControlError(code: ControlError.invalidArguments, message: ControlProtocol.explain(error))
    }
  }

  /// Arguments may be left out when each of them may.
  private static func decodeArguments<Arguments: Decodable>(_ line: [UInt8]) throws -> Arguments {
    do {
      return try ControlProtocol.decode(RequestArguments<Arguments>.self, from: line).arguments
    } catch let DecodingError.keyNotFound(key, context)
      where key.stringValue == "arguments" && context.codingPath.isEmpty
    {
      return try ControlProtocol.decode(
        RequestArguments<Arguments>.self, from: Array(#"{"arguments":{}}"#.utf8)
      ).arguments
    }
  }

  // MARK: Connections

  private func acceptClients() {
    while true {
      let descriptor = accept(listener.rawValue, nil, nil)
      guard descriptor >= 0 else { return }
      let owned = FileDescriptor(owning: descriptor)
      guard fcntl(descriptor, F_SETFL, O_NONBLOCK) == 0, fcntl(descriptor, F_SETFD, FD_CLOEXEC) == 0 else { continue }
      guard connections.count < limits.clients else {
        counters.clientsRefused += 1
        refuse(owned)
        continue
      }
      nextNumber += 1
      let client = Client(number: nextNumber, credentials: UnixSocket.credentials(of: descriptor))
      let connection = ControlConnection(owned, client: client, loop: loop, server: self)
      guard connection.start() else { continue }
      counters.clientsAccepted += 1
      connections[client.number] = connection
    }
  }

  private func refuse(_ descriptor: borrowing FileDescriptor) {
    let error = ControlError(
      code: ControlError.tooManyClients, message: "\(limits.clients) clients are connected already",
      hint: "close one of them")
    guard let line = try? ControlProtocol.encode(Refusal(id: nil, error: error)) else { return }
    // A fresh socket buffer takes one line; if not, the closed connection says enough.
    _ = send(descriptor.rawValue, line + [UInt8(ascii: "\n")], line.count + 1, Int32(MSG_NOSIGNAL))
  }

  func closed(_ connection: ControlConnection, slow: Bool) {
    if slow { counters.slowClientsDisconnected += 1 }
    connections[connection.client.number] = nil
  }

  /// The answer to one line of a client; nil if it comes later.
  func answer(_ line: LineBuffer.Line, from connection: ControlConnection) -> [UInt8]? {
    var id: UInt64?
    do {
      guard case .line(let bytes) = line else {
        counters.oversizeRequests += 1
        throw ControlError(
          code: ControlError.lineTooLong, message: "a request may have \(limits.requestLength) octets")
      }
      let head = try self.head(bytes, &id)
      guard let command = commands[head.command] else { throw unknown(head.command) }
      guard command.topic == nil || connection.subscriptions.count < limits.subscriptionsPerClient else {
        throw ControlError(
          code: ControlError.tooManySubscriptions,
          message: "a client may have \(limits.subscriptionsPerClient) subscriptions")
      }
      guard let answer = try command.run(bytes, head.id, connection) else { return nil }
      counters.requestsAnswered += 1
      if let topic = command.topic { connection.subscriptions[head.id] = topic }
      return answer
    } catch {
      return refusal(error, id: id)
    }
  }

  private func refusal(_ error: any Error, id: UInt64?) -> [UInt8] {
    counters.requestsRefused += 1
    let error =
      error as? ControlError
      ?? ControlError(code: ControlError.internalError, message: ControlProtocol.explain(error))
    return (try? ControlProtocol.encode(Refusal(id: id, error: error))) ?? []
  }

  private func head(_ line: [UInt8], _ id: inout UInt64?) throws(ControlError) -> RequestHead {
    struct Identified: Decodable {
      var version: Int?
      var id: UInt64?
    }
    let identified = try? ControlProtocol.decode(Identified.self, from: line)
    id = identified?.id
    if let version = identified?.version, version != ControlProtocol.version {
      throw ControlError(
        code: ControlError.unsupportedVersion, message: "version \(version) is not spoken here",
        hint: "use version \(ControlProtocol.version)")
    }
    do {
      return try ControlProtocol.decode(RequestHead.self, from: line)
    } catch {
      counters.malformedRequests += 1
      throw ControlError(
        code: ControlError.malformedRequest, message: ControlProtocol.explain(error),
        hint: "send {\"version\":\(ControlProtocol.version),\"id\":1,\"command\":\"…\",\"arguments\":{}} on one line")
    }
  }

  private func unknown(_ command: String) -> ControlError {
    let names = commands.keys.sorted()
    let hint =
      NearestName.find(command, among: names).map { "did you mean '\($0)'?" }
      ?? "commands are \(names.joined(separator: ", "))"
    return ControlError(code: ControlError.unknownCommand, message: "unknown command '\(command)'", hint: hint)
  }
}
