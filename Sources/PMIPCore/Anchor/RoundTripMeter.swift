/// The time between heartbeat requests and their answers, smoothed as TCP smooths it (RFC 6298 section 2).
struct RoundTripMeter: Hashable, Sendable {
  /// Changes by less than one part in this many are not told.
  private static let toldGrain = 8

  private var sequence: UInt32 = 0
  private var sentAt: Duration = .zero
  private(set) var smoothed: Duration?
  /// As subscribers know it.
  private var told: Duration?

  mutating func sent(_ sequence: UInt32, at now: Duration) {
    self.sequence = sequence
    sentAt = now
  }

  /// Answers to the newest request are measured; true: subscribers should hear of the new value.
  mutating func answered(_ sequence: UInt32, at now: Duration) -> Bool {
    guard sequence == self.sequence, now > sentAt else { return false }
    let sample = now - sentAt
    let value = smoothed.map { ($0 * 7 + sample) / 8 } ?? sample
    smoothed = value
    if let told, value - told < told / Self.toldGrain, told - value < told / Self.toldGrain { return false }
    told = value
    return true
  }
}
