import MobilityWire

/// How one peer is asked whether it is there (RFC 5847 section 5).
public struct HeartbeatSettings: Hashable, Sendable, Codable {
  /// HEARTBEAT_INTERVAL; zero: we send no requests, and answer those of the peer all the same.
  public var interval: Duration = .zero
  /// MISSING_HEARTBEATS_ALLOWED.
  public var missingAllowed = 3
  public init() {}

  public var isOn: Bool { interval > .zero }

  func problems(at keyPath: String) -> [ConfigurationProblem] {
    var problems: [ConfigurationProblem] = []
    if interval != .zero, !(Duration.milliseconds(100)...Duration.seconds(3_600)).contains(interval) {
      problems.append(
        ConfigurationProblem(
          keyPath: "\(keyPath).interval",
          message: "\(interval) is out of range; expected 0s (none) or 100ms to 1h, RFC 5847 suggests 30s and more"))
    }
    if !(0...100).contains(missingAllowed) {
      problems.append(
        ConfigurationProblem(
          keyPath: "\(keyPath).missing-allowed", message: "\(missingAllowed) is out of range; expected 0 to 100"))
    }
    return problems
  }
}

/// What the heartbeats say about the path to a peer.
public enum PeerPath: String, Hashable, Sendable, Codable {
  /// No heartbeats, or none answered yet.
  case unknown
  case reachable, unreachable
  /// The peer has no heartbeats: it answered one with a Binding Error.
  case unsupported
}

/// The heartbeat exchange with one peer, as its requester (RFC 5847 section 3). The owner calls `nextRequest` every
/// HEARTBEAT_INTERVAL while it has a binding with the peer.
///
/// ```
///             response                missing > allowed
///   unknown ------------> reachable ----------------------> unreachable
///    ^   |                    ^                                  |
///    |   | Binding Error      +------------ response ------------+
///    |   +---> unsupported
///    +------- last binding gone
/// ```
///
/// Request numbers double as a clock of the exchange: what was established before the number of an answered request
/// was sent, was established with the incarnation of the peer that answered. Only that is lost when the peer restarts;
/// what came later may be the new incarnation's. A counter that was stored before a restart of ours stands for the
/// answer to request 1, and what was restored with it for what was established before.
struct HeartbeatExchange: Hashable, Sendable {
  enum Change: Hashable, Sendable {
    case failed, recovered
    /// The peer has lost its sessions, those established before request `confirmed` was sent.
    case restarted(confirmed: UInt32)
  }

  enum Answer: Hashable, Sendable {
    case unmatched
    case accepted([Change])
  }

  private(set) var path = PeerPath.unknown
  /// As the peer said last; nil: it has not.
  private(set) var restartCounter: UInt32?
  /// The counter was stored, and the peer has told none since our start.
  private(set) var awaitsCounter = false
  /// Of the last request; the first one has 1.
  private(set) var sequence: UInt32 = 0
  /// Requests in a row without an answer, the newest one not counted while it is young.
  private(set) var missing = 0
  /// Of the newest request that was answered.
  private var confirmed: UInt32 = 0
  /// Requests up to this number are not waited for any more.
  private var settled: UInt32 = 0
  private var isAwaitingResponse: Bool { settled != sequence }

  var isSupported: Bool { path != .unsupported }

  init() {}

  /// After a restart of ours.
  init(restoring restartCounter: UInt32) {
    self.restartCounter = restartCounter
    awaitsCounter = true
    (sequence, settled, confirmed) = (1, 1, 1)
  }

  /// The interval is over: the last request is judged, and the next one goes out.
  mutating func nextRequest(missingAllowed: Int) -> (request: Heartbeat, change: Change?) {
    if isAwaitingResponse { missing += 1 }
    var change: Change?
    if missing > missingAllowed, path != .unreachable {
      path = .unreachable
      change = .failed
    }
    sequence &+= 1
    return (Heartbeat(sequence: sequence), change)
  }

  /// A response. Any request that was not answered yet may be, so that a path slower than the interval counts as one.
  /// A restart is any other counter than the known one; but an unsolicited response names no request and may be late,
  /// so there only a greater counter is (it only grows).
  mutating func received(_ response: Heartbeat) -> Answer {
    let counter = response.options.restartCounter
    var changes: [Change] = []
    if response.flags.contains(.unsolicited) {
      guard let counter else { return .unmatched }
      if let known = restartCounter {
        guard Int32(bitPattern: counter &- known) >= 0 else { return .unmatched }
        if counter != known { changes.append(.restarted(confirmed: confirmed)) }
      }
    } else {
      guard isAwaitingResponse, response.sequence &- settled &- 1 < sequence &- settled else { return .unmatched }
      if let counter, let known = restartCounter, counter != known {
        changes.append(.restarted(confirmed: confirmed))
      }
      confirmed = response.sequence
      settled = response.sequence
      missing = 0
      if path == .unreachable { changes.insert(.recovered, at: 0) }
      path = .reachable
    }
    if let counter { (restartCounter, awaitsCounter) = (counter, false) }
    assumeSupport()
    return .accepted(changes)
  }

  /// A Binding Error "unrecognized MH type" from the peer; true if it means our heartbeats. It does not say what it is
  /// about, but a peer that has answered one since our start knows them.
  mutating func receivedUnrecognizedType() -> Bool {
    guard isSupported, isAwaitingResponse, confirmed == 0 || awaitsCounter else { return false }
    pause()
    path = .unsupported
    return true
  }

  /// The peer speaks of heartbeats by itself, or may be another program since the configuration was changed.
  mutating func assumeSupport() {
    if path == .unsupported { path = .unknown }
  }

  /// No binding is left, or heartbeats are switched off: nothing is known about the path any more.
  mutating func pause() {
    if isSupported { path = .unknown }
    missing = 0
    settled = sequence
  }
}

extension Heartbeat {
  /// The answer to a request (RFC 5847 section 3.3).
  static func response(to request: Heartbeat, restartCounter: UInt32) -> Heartbeat {
    Heartbeat(
      flags: .response, sequence: request.sequence, options: MobilityOptions([.restartCounter(restartCounter)]))
  }

  /// What a node says to its peers after it has lost its sessions (RFC 5847 section 3.2).
  static func unsolicited(restartCounter: UInt32) -> Heartbeat {
    Heartbeat(
      flags: [.response, .unsolicited], sequence: 0, options: MobilityOptions([.restartCounter(restartCounter)]))
  }
}
