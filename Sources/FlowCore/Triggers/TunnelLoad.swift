/// What is known about the load of one tunnel, and what was done about it.
public struct TunnelLoad: Hashable, Sendable {
  public internal(set) var detector = CongestionDetector()
  /// Octets a second, as the operator says.
  public internal(set) var configuredCapacity: UInt64?
  /// Congested, and no flow on it could go elsewhere.
  public internal(set) var isWithoutWay = false
  /// When the next flow may be moved away.
  var nextMove = Duration.zero
  /// Until then drops may be from before the last move.
  var settledAt: Duration?
  /// Octets a second of flows that came since `reservedUntil` less the pause: the measured rate does not hold them yet.
  private(set) var reserved: UInt64 = 0
  private(set) var reservedUntil = Duration.zero

  public init() {}

  /// What the tunnel carries, in octets a second, if anybody knows.
  public var capacity: UInt64? { configuredCapacity ?? detector.measuredCapacity }

  /// Thousandths.
  public var utilisation: UInt64? { capacity.map { detector.rate * 1_000 / max($0, 1) } }

  /// Whether a flow of `rate` may come.
  func hasRoom(for rate: UInt32, _ settings: CongestionSettings, at now: Duration) -> Bool {
    guard detector.state == .normal else { return false }
    guard let capacity else { return true }
    let expected = detector.rate + (now < reservedUntil ? reserved : 0) + UInt64(rate)
    return expected * 1_000 < capacity * UInt64(settings.utilisation)
  }

  mutating func reserve(_ rate: UInt32, until end: Duration, at now: Duration) {
    reserved = UInt64(rate) + (now < reservedUntil ? reserved : 0)
    reservedUntil = end
  }
}
