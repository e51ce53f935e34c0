import MobilityWire
import NetTypes

/// Mobility messages in and out of a daemon: the raw socket, the receive checks of RFC 6275 section 9.2, and what those
/// checks owe the sender (a Binding Error or an ICMPv6 Parameter Problem, rate-limited as RFC 4443 section 2.4 (f) asks).
///
/// The daemon sees only well-formed messages. Everything else is counted by reason here and changes no state. A sender
/// of many useless messages is not listened to for a while (`RefusalLimits`).
///
/// Messages go out in batches: `send` queues, `flush` sends.
public final class MobilityEndpoint {
  /// Error answers that may go out at once.
  public static let errorBurst = 10
  /// One more error answer is allowed after this time.
  public static let errorInterval: Duration = .milliseconds(10)

  public var codePoints: CodePoints
  /// Senders with an allowance of their own.
  public var peers: Set<IPv6Address> {
    get { allowances.peers }
    set { if newValue != allowances.peers { allowances.peers = newValue } }
  }
  public var limits: RefusalLimits {
    get { allowances.limits }
    set { allowances.limits = newValue }
  }
  /// An anchor refuses malformed Binding Updates where an RFC asks for it; a gateway gets none.
  private let answersBindingUpdates: Bool
  private var allowances: RefusalAllowances
  private let socket: MobilityHeaderSocket
  private let icmp: RawICMPv6Sender
  private var refused: [DecodeError.Code: UInt64] = [:]
  private var received: UInt64 = 0
  private var sent: UInt64 = 0
  private var sendFailures: UInt64 = 0
  private var errorsSent: UInt64 = 0
  private var errorsSuppressed: UInt64 = 0
  private var errorAllowance = errorBurst
  private var allowanceSince: Duration = .zero
  private var overLimit: UInt64 = 0
  /// Of the message that is being sent.
  private var writer = ByteWriter()
  /// Addresses of what is queued, for the words of a failure.
  private var queued: [(source: IPv6Address, destination: IPv6Address)] = []
  /// The first failure since the last `flush`.
  private var failure: LinuxError?

  public init(
    codePoints: CodePoints, answersBindingUpdates: Bool, peers: Set<IPv6Address> = [],
    limits: RefusalLimits = RefusalLimits()
  ) throws(LinuxError) {
    self.codePoints = codePoints
    self.answersBindingUpdates = answersBindingUpdates
    allowances = RefusalAllowances(limits: limits)
    allowances.peers = peers
    socket = try MobilityHeaderSocket()
    icmp = try RawICMPv6Sender()
  }

  public var descriptor: Int32 { socket.descriptor.rawValue }

  /// Hands over what is waiting, at most one batch; a level-triggered loop calls again. `body` tells what became of
  /// the message.
  public func receive(
    _ body: (MobilityMessage, _ source: IPv6Address, _ destination: IPv6Address) -> MessageVerdict
  ) throws(LinuxError) {
    let now = SystemClock.monotonic
    try socket.receive { source in
      let admitted = allowances.admits(source, now: now)
      if !admitted { overLimit += 1 }
      return admitted
    } _: { datagram in
      received += 1
      let verdict: MessageVerdict
      do throws(DecodeError) {
        let decoded = try MobilityHeader.decode(
          datagram.payload, source: datagram.source, destination: datagram.destination, codePoints: codePoints,
          checksum: .kernelVerified)
        verdict = body(decoded.message, datagram.source, datagram.destination)
      } catch {
        refused[error.code, default: 0] += 1
        react(to: error, about: datagram)
        verdict = .refused
      }
      allowances.charge(datagram.source, verdict, now: now)
    }
  }

  /// Queues `message`; the next `flush` sends it. One that cannot be encoded is counted and thrown for the log.
  public func send(
    _ message: MobilityMessage, source: IPv6Address, destination: IPv6Address
  ) throws(EncodeError) {
    do {
      try MobilityHeader.encode(
        message, into: &writer, source: source, destination: destination, codePoints: codePoints, checksum: .zero)
    } catch {
      sendFailures += 1
      throw error
    }
    if socket.queueIsFull { transmit() }
    socket.queue(writer.bytes, source: source, destination: destination)
    queued.append((source, destination))
  }

  /// Sends what is queued. Failures are counted and the first is thrown for the log, one line however many there are.
  /// The protocol's retransmission is the remedy.
  public func flush() throws(LinuxError) {
    if !queued.isEmpty { transmit() }
    guard let failure else { return }
    self.failure = nil
    throw failure
  }

  private func transmit() {
    sent += UInt64(queued.count)
    socket.flush { index, error in
      sent -= 1
      sendFailures += 1
      guard failure == nil else { return }
      failure = error
      failure?.object += " \(queued[index].source) -> \(queued[index].destination)"
    }
    queued.removeAll(keepingCapacity: true)
  }

  private func react(to error: DecodeError, about datagram: MobilityHeaderSocket.Datagram) {
    guard error.reaction != .discard, !datagram.source.isUnspecified, !datagram.source.isMulticast,
      !datagram.destination.isMulticast
    else { return }
    guard takeErrorAllowance(now: SystemClock.monotonic) else {
      errorsSuppressed += 1
      return
    }
    errorsSent += 1
    // What cannot be sent is lost like any error message; the sender's own timers go on.
    switch error.reaction {
    case .discard: break
    case .bindingError(let status):
      try? send(
        .bindingError(BindingError(status: status)), source: datagram.destination, destination: datagram.source)
    case .bindingAcknowledgement(let status):
      guard answersBindingUpdates, let refusal = BindingAcknowledgement(refusing: datagram.payload, status: status)
      else { return }
      try? send(
        .bindingAcknowledgement(refusal), source: datagram.destination, destination: datagram.source)
    case .parameterProblem(let pointer):
      try? icmp.sendParameterProblem(code: 0, pointer: UInt32(pointer), about: datagram)
    }
  }

  private func takeErrorAllowance(now: Duration) -> Bool {
    let intervals = Int((now - allowanceSince) / Self.errorInterval)
    if intervals > 0 {
      errorAllowance = min(Self.errorBurst, errorAllowance + intervals)
      allowanceSince = now
    }
    guard errorAllowance > 0 else { return false }
    errorAllowance -= 1
    return true
  }

  /// For `show counters`: every reason has its own, also those that have not happened.
  public var counters: [String: UInt64] {
    var result: [String: UInt64] = [
      "mobility-received": received, "mobility-sent": sent, "mobility-send-failures": sendFailures,
      "mobility-errors-sent": errorsSent, "mobility-errors-suppressed": errorsSuppressed,
      "mobility-refused-oversized": socket.oversized, "mobility-dropped-over-limit": overLimit,
      "mobility-dropped-by-kernel": socket.droppedByKernel,
    ]
    for code in DecodeError.Code.allCases { result["mobility-refused-\(code.rawValue)"] = refused[code, default: 0] }
    return result
  }
}
