import NetTypes

/// Names a question to the core that is answered later, by an `answer` effect.
public struct QuestionToken: RawRepresentable, Hashable, Sendable, Codable {
  public let rawValue: UInt64
  public init(rawValue: UInt64) { self.rawValue = rawValue }
}

/// Why a gateway was not made to serve prefixes off-link; `message` is for people.
public struct ServiceRefusal: Error, Hashable, Sendable, Codable {
  public enum Reason: String, Hashable, Sendable, Codable {
    case noSuchBinding = "no-such-binding"
    /// No other interface of the node has it.
    case prefixNotOfNode = "prefix-not-of-node"
    /// `flow-mobility.mode` is `paper`.
    case notInThisMode = "not-in-this-mode"
    case limitReached = "limit-reached"
    /// No Flow Mobility Acknowledge came.
    case gatewayUnanswered = "gateway-unanswered"
    case gatewayRefused = "gateway-refused"
    /// The node left the gateway meanwhile.
    case bindingGone = "binding-gone"
  }

  public var reason: Reason
  public var message: String
}

/// The Flow Mobility Initiate of a session that waits for its acknowledgement (RFC 7864 section 3.2.2). One at a time:
/// its list of prefixes is complete, so two under way could undo each other.
struct FlowMobilityExchange: Sendable {
  struct Question: Hashable, Sendable {
    var token: QuestionToken
    var prefixes: [IPv6Prefix]
  }

  /// Of the notification.
  let sequence: UInt16
  /// Everything that the gateway is to serve off-link.
  let prefixes: [IPv6Prefix]
  /// Answered by this exchange.
  var questions: [Question]
  /// They ask for more; the next exchange is theirs.
  var queued: [Question] = []
}
