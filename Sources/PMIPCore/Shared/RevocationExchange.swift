import MobilityWire
import NetTypes

/// RFC 5846 section 11.
public struct RevocationTimers: Hashable, Sendable, Codable {
  /// InitMINDelayBRIs: how long the first indication waits for its acknowledgement; doubled for each further one.
  public var initialDelay: Duration = .seconds(1)
  /// MAX_BRACK_TIMEOUT.
  public var maximumDelay: Duration = .seconds(2)
  /// BRIMaxRetriesNumber.
  public var maximumRetries = 1
  public init() {}

  /// How long after its first transmission an indication may still be answered, or sent again.
  var span: Duration {
    var retransmission = Retransmission(initial: initialDelay, maximum: maximumDelay)
    return (0...maximumRetries).reduce(.zero) { sum, _ in sum + retransmission.nextTimeout() }
  }

  func problems(at keyPath: String) -> [ConfigurationProblem] {
    var problems: [ConfigurationProblem] = []
    if !(Duration.milliseconds(500)...Duration.seconds(60)).contains(initialDelay) {
      problems.append(
        ConfigurationProblem(
          keyPath: "\(keyPath).initial-delay", message: "\(initialDelay) is out of range; expected 500ms to 60s"))
    }
    if !(initialDelay...max(initialDelay, .seconds(60))).contains(maximumDelay) {
      problems.append(
        ConfigurationProblem(
          keyPath: "\(keyPath).maximum-delay",
          message: "\(maximumDelay) is out of range; expected initial-delay to 60s"))
    }
    if !(0...10).contains(maximumRetries) {
      problems.append(
        ConfigurationProblem(
          keyPath: "\(keyPath).maximum-retries", message: "\(maximumRetries) is out of range; expected 0 to 10"))
    }
    return problems
  }
}

/// Binding Revocation Indications that wait for their acknowledgement (RFC 5846 sections 6.2 and 6.3).
struct RevocationExchange<Purpose: Hashable & Sendable>: Sendable {
  struct Outstanding: Hashable, Sendable {
    let indication: BindingRevocation
    let source: IPv6Address
    let destination: IPv6Address
    let purpose: Purpose
    /// Monotonic: the first transmission.
    let beganAt: Duration
    fileprivate(set) var retriesLeft: Int
    fileprivate var retransmission: Retransmission
  }

  /// More than these wait for an answer at no time; a number is not used twice among them.
  static var maximumOutstanding: Int { 10_000 }

  private var outstanding: [UInt16: Outstanding] = [:]
  /// Of the last indication.
  private var lastSequence: UInt16?

  var isFull: Bool { outstanding.count >= Self.maximumOutstanding }

  subscript(sequence: UInt16) -> Outstanding? { outstanding[sequence] }

  /// Numbers of the indications that wait for an answer from there, sorted.
  func sequences(to destination: IPv6Address) -> [UInt16] {
    outstanding.filter { $0.value.destination == destination }.keys.sorted()
  }

  /// The next number. The first one is taken from the clock, in steps of 1/16 s: a peer may remember those of the time
  /// before a restart.
  private mutating func nextSequence(at wallClock: NTPTimestamp) -> UInt16 {
    var sequence = lastSequence.map { $0 &+ 1 } ?? UInt16(truncatingIfNeeded: wallClock.rawValue >> 12)
    while outstanding[sequence] != nil { sequence &+= 1 }
    lastSequence = sequence
    return sequence
  }

  /// A new indication, to be sent at once, and when to come back for it. The caller has looked at `isFull`.
  mutating func begin(
    _ trigger: BindingRevocationTrigger, flags: BindingRevocationFlags, options: MobilityOptions,
    from source: IPv6Address, to destination: IPv6Address, for purpose: Purpose, timers: RevocationTimers,
    at now: Moment
  ) -> (indication: BindingRevocation, deadline: Duration) {
    let indication = BindingRevocation(
      .indication(trigger), sequence: nextSequence(at: now.wallClock), flags: flags.union(.proxyBinding),
      options: options)
    var new = Outstanding(
      indication: indication, source: source, destination: destination, purpose: purpose, beganAt: now.monotonic,
      retriesLeft: timers.maximumRetries,
      retransmission: Retransmission(initial: timers.initialDelay, maximum: timers.maximumDelay))
    let deadline = now.monotonic + new.retransmission.nextTimeout()
    outstanding[indication.sequence] = new
    return (indication, deadline)
  }

  /// No answer in time: once more, and when to come back; nil when the retries are used up.
  mutating func retry(_ sequence: UInt16, at now: Duration) -> Duration? {
    guard var revocation = outstanding[sequence], revocation.retriesLeft > 0 else { return nil }
    revocation.retriesLeft -= 1
    let deadline = now + revocation.retransmission.nextTimeout()
    outstanding[sequence] = revocation
    return deadline
  }

  mutating func end(_ sequence: UInt16) -> Outstanding? { outstanding.removeValue(forKey: sequence) }
}

/// Answers given to one peer of late. A repeated indication gets the same answer again and does nothing: the session it
/// was about may have been registered anew since.
struct AnsweredRevocations: Hashable, Sendable {
  private struct Answer: Hashable, Sendable {
    var acknowledgement: BindingRevocation
    var at: Duration
  }

  /// Longer than an indication is on its way or sent again.
  private static let memory: Duration = .seconds(10)
  private static let maximum = 256
  private var answers: [Answer] = []

  func answer(to indication: BindingRevocation, at now: Duration) -> BindingRevocation? {
    answers.last { $0.acknowledgement.sequence == indication.sequence && $0.at + Self.memory > now }?.acknowledgement
  }

  mutating func remember(_ acknowledgement: BindingRevocation, at now: Duration) {
    if answers.count == Self.maximum { answers.removeFirst() }
    answers.append(Answer(acknowledgement: acknowledgement, at: now))
  }
}

extension BindingRevocation {
  /// BRA (RFC 5846 section 5.2): number and flags of the indication, and what could not be revoked.
  func acknowledgement(_ status: BindingRevocationStatus, failed: [MobilityOption] = []) -> BindingRevocation {
    BindingRevocation(.acknowledgement(status), sequence: sequence, flags: flags, options: MobilityOptions(failed))
  }

  /// What is wrong with an indication whoever receives it (RFC 5846 section 6.2.1).
  static func problem(with trigger: BindingRevocationTrigger, flags: BindingRevocationFlags) -> BindingRevocationStatus?
  {
    switch trigger.rawValue {
    case 0...7: flags.contains(.global) ? .functionNotSupported : nil
    case 128, 129: flags.contains(.global) ? nil : .functionNotSupported
    default: .triggerNotSupported
    }
  }
}

extension BindingRevocationTrigger {
  /// The anchor has seen the node at another gateway.
  var isHandover: Bool {
    self == .handoverSameAccessTechnology || self == .handoverOtherAccessTechnology || self == .handoverUnknown
  }
}
