import MobilityWire
import NetTypes

/// Mobility messages in and out of a daemon: the raw socket, the receive checks of RFC 6275 section 9.2, and what those
/// checks owe the sender (a Binding Error or an ICMPv6 Parameter Problem, rate-limited as RFC 4443 section 2.4 (f) asks).
///
/// The daemon sees only well-formed messages. Everything else is counted by reason here and changes no state.
public final class MobilityEndpoint {
  /// Error answers that may go out at once.
  public static let errorBurst = 10
  /// One more error answer is allowed after this time.
  public static let errorInterval: Duration = .milliseconds(10)

  public var codePoints: CodePoints
  /// An anchor refuses malformed Binding Updates where an RFC asks for it; a gateway gets none.
  private let answersBindingUpdates: Bool
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

  public init(codePoints: CodePoints, answersBindingUpdates: Bool) throws(LinuxError) {
    self.codePoints = codePoints
    self.answersBindingUpdates = answersBindingUpdates
    socket = try MobilityHeaderSocket()
    icmp = try RawICMPv6Sender()
  }

  public var descriptor: Int32 { socket.descriptor.rawValue }

  /// Hands over what is waiting, at most one batch; a level-triggered loop calls again.
  public func receive(
    _ body: (MobilityMessage, _ source: IPv6Address, _ destination: IPv6Address) -> Void
  ) throws(LinuxError) {
    _ = try socket.receive { datagram in
      received += 1
      do throws(DecodeError) {
        let decoded = try MobilityHeader.decode(
          datagram.payload, source: datagram.source, destination: datagram.destination, codePoints: codePoints,
          checksum: .kernelVerified)
        body(decoded.message, datagram.source, datagram.destination)
      } catch {
        refused[error.code, default: 0] += 1
        react(to: error, about: datagram)
      }
    }
  }

  /// Sends `message`; a failure is counted and thrown for the log. The protocol's retransmission is the remedy.
  public func send(_ message: MobilityMessage, source: IPv6Address, destination: IPv6Address) throws {
    do {
      let bytes = try MobilityHeader.encode(
        message, source: source, destination: destination, codePoints: codePoints, checksum: .zero)
      try socket.send(bytes, source: source, destination: destination)
      sent += 1
    } catch {
      sendFailures += 1
      throw error
    }
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
      "mobility-refused-oversized": socket.oversized,
    ]
    for code in DecodeError.Code.allCases { result["mobility-refused-\(code.rawValue)"] = refused[code, default: 0] }
    return result
  }
}
