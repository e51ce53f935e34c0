import Glibc
import LinuxNet

/// Why a command line program got no answer.
public enum ControlClientError: Error, Hashable, Sendable, CustomStringConvertible {
  /// Nobody serves the socket: exit status 3.
  case notReachable(socket: String, reason: String)
  /// The daemon said no: exit status 1.
  case refused(ControlError)
  /// The daemon is there but what it said, or did not say, makes no sense: exit status 1.
  case failed(String)

  public var description: String {
    switch self {
    case .notReachable(let socket, let reason): "no daemon at \(socket): \(reason)"
    case .refused(let error): error.description
    case .failed(let reason): reason
    }
  }
}

/// An event of a subscription.
public struct ControlEvent: Sendable {
  public let name: String
  let line: [UInt8]

  /// The data of the event.
  public func data<Value: Decodable>(as type: Value.Type = Value.self) throws(ControlClientError) -> Value {
    do {
      return try ControlProtocol.decode(ServerLineData<Value>.self, from: line).data
    } catch {
      throw .failed("event \(name) is not understood: \(ControlProtocol.explain(error))")
    }
  }
}

/// The client of a control socket for command line programs: it blocks, within a timeout.
public final class ControlClient {
  /// Octets of an answer; a million bindings need about half of it.
  public static let maximumAnswerLength = 1 << 30
  private static let readSize = 256 << 10
  public static let defaultTimeout = Duration.seconds(10)

  public let path: String
  private let descriptor: FileDescriptor
  private let timeout: Duration
  private var input = LineBuffer(maximumLength: ControlClient.maximumAnswerLength)
  private var nextID: UInt64 = 1

  /// - Parameter timeout: for sending a command, and for each pause of its answer.
  public init(path: String, timeout: Duration = defaultTimeout) throws(ControlClientError) {
    self.path = path
    self.timeout = timeout
    do throws(LinuxError) {
      descriptor = try UnixSocket.connect(path: path, blocking: false)
    } catch {
      if error.code == EACCES {
        throw .failed("\(path) may be used by root and the members of its group only; see control.group of the daemon")
      }
      throw .notReachable(socket: path, reason: error.reason)
    }
  }

  /// Sends a command and waits for its result.
  public func call<Result: Decodable>(
    _ command: String, _ arguments: some Encodable = NoArguments(), as type: Result.Type = Result.self
  ) throws(ControlClientError) -> Result {
    let id = nextID
    nextID += 1
    do {
      try send(try ControlProtocol.encode(Request(id: id, command: command, arguments: arguments)))
    } catch let error as ControlClientError {
      throw error
    } catch {
      throw .failed("\(command): \(ControlProtocol.explain(error))")
    }
    while true {
      let (head, line) = try receive(deadline: SystemClock.monotonic + timeout)
      if let error = head.error, head.id == nil || head.id == id { throw .refused(error) }
      // Events of an earlier subscription may come first; a caller that wants them calls nextEvent.
      guard head.id == id, head.event == nil else { continue }
      do {
        return try ControlProtocol.decode(ServerLineResult<Result>.self, from: line).result
      } catch {
        throw .failed("the answer to '\(command)' is not understood: \(ControlProtocol.explain(error))")
      }
    }
  }

  /// The next event of a subscription.
  ///
  /// - Parameter timeout: nil waits for ever.
  /// - Returns: nil when nothing came in time.
  public func nextEvent(timeout: Duration? = nil) throws(ControlClientError) -> ControlEvent? {
    let deadline = timeout.map { SystemClock.monotonic + $0 }
    while true {
      let head: ServerLineHead
      let line: [UInt8]
      do throws(ControlClientError) {
        (head, line) = try receive(deadline: deadline)
      } catch {
        if error == .failed(Self.timedOut) { return nil }
        throw error
      }
      if let error = head.error { throw .refused(error) }
      if let name = head.event { return ControlEvent(name: name, line: line) }
    }
  }

  private static let timedOut = "the daemon did not answer in time"
  private static let closed = "the daemon closed the connection; it was stopped, or this client read too slowly"

  private func send(_ line: [UInt8]) throws(ControlClientError) {
    var rest = (line + [UInt8(ascii: "\n")])[...]
    let deadline = SystemClock.monotonic + timeout
    while !rest.isEmpty {
      let sent = rest.withUnsafeBytes { Glibc.send(descriptor.rawValue, $0.baseAddress, $0.count, Int32(MSG_NOSIGNAL)) }
      if sent > 0 {
        rest = rest.dropFirst(sent)
      } else if errno == EAGAIN {
        try wait(for: Int16(POLLOUT), until: deadline)
      } else if errno != EINTR {
        // A refusal at the door (too many clients) may still be readable.
        return
      }
    }
  }

  private func receive(deadline: Duration?) throws(ControlClientError) -> (ServerLineHead, [UInt8]) {
    while true {
      switch input.next() {
      case .line(let line):
        do {
          return (try ControlProtocol.decode(ServerLineHead.self, from: line), line)
        } catch {
          throw .failed("\(path) does not speak the control protocol: \(ControlProtocol.explain(error))")
        }
      case .tooLong:
        throw .failed("the answer has more than \(Self.maximumAnswerLength) octets")
      case nil:
        var failure: Int32?
        let chunk = [UInt8](unsafeUninitializedCapacity: Self.readSize) { buffer, count in
          let received = recv(descriptor.rawValue, buffer.baseAddress, buffer.count, 0)
          if received < 0 { failure = errno }
          count = max(0, received)
        }
        input.append(chunk)
        if failure == EAGAIN {
          try wait(for: Int16(POLLIN), until: deadline)
        } else if chunk.isEmpty, failure != EINTR {
          throw .failed(Self.closed)
        }
      }
    }
  }

  private func wait(for events: Int16, until deadline: Duration?) throws(ControlClientError) {
    var poll = pollfd(fd: descriptor.rawValue, events: events, revents: 0)
    var milliseconds: Int32 = -1
    if let deadline {
      let (seconds, attoseconds) = max(.zero, deadline - SystemClock.monotonic).components
      milliseconds = Int32(clamping: seconds * 1_000 + (attoseconds + 999_999_999_999_999) / 1_000_000_000_000_000)
    }
    if Glibc.poll(&poll, 1, milliseconds) == 0 { throw .failed(Self.timedOut) }
  }
}
