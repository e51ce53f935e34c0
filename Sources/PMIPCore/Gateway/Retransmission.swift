/// Waiting times between the transmissions of one request: doubling from the first to `maximum`, then `maximum` for
/// ever (RFC 6275 section 11.8, RFC 5213 section 6.9.4). The gateway asks for the next one only while the node is
/// attached.
struct Retransmission: Hashable, Sendable {
  private var next: Duration
  let maximum: Duration

  init(initial: Duration, maximum: Duration) {
    next = min(initial, maximum)
    self.maximum = maximum
  }

  /// How long to wait for an answer to the transmission just made.
  mutating func nextTimeout() -> Duration {
    defer { next = min(next * 2, maximum) }
    return next
  }
}
