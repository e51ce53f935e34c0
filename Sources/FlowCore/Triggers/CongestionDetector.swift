/// Whether one tunnel is congested: readings of its queue in, a state out.
///
///     normal ── above a threshold ─► rising ── for `time` ─► congested ◄── above again ──┐
///       ▲ ▲                            │                        └── below the lower ─► cooling
///       │ └──────── below the lower ───┘                                                 │
///       └──────────────────────────── for `quietTime` ───────────────────────────────────┘
///
/// Between the two thresholds a state stays what it is. Counters that jump back belong to another queue than before, and
/// a reading without a queue to none: everything begins anew.
public struct CongestionDetector: Hashable, Sendable {
  public enum State: String, Hashable, Sendable, Codable {
    case normal, rising, congested, cooling
  }

  /// Time constant of the averages, in seconds.
  static let span = 2.0
  /// With fewer packets in the average, a ratio says nothing.
  static let leastPackets = 20.0

  public private(set) var state = State.normal
  /// Octets a second that leave the queue.
  public private(set) var rate: UInt64 = 0
  /// Dropped among offered packets of the last seconds, in thousandths.
  public private(set) var dropRatio: UInt32 = 0
  /// The last reading; nil when there is no queue to read.
  public private(set) var reading: QueueReading?
  /// The rate while the queue is overfull, in octets a second: what the tunnel carries, where nobody has said it.
  public var measuredCapacity: UInt64? { measured > 0 ? UInt64(measured) : nil }
  /// Now above an upper threshold.
  public private(set) var isOverloaded = false

  private var readAt = Duration.zero
  /// Octets that waited at the last reading and at the one before: what came in between may have come in a burst, and is
  /// sent faster than the average.
  private var standing: UInt32 = 0
  private var dropped = 0.0
  private var offered = 0.0
  private var smoothRate = 0.0
  private var measured = 0.0
  /// When the present state, or in `congested` the present calm, began.
  private var since = Duration.zero

  public init() {}

  /// Time that a standing queue takes to be sent; nil when nothing is sent.
  public var queueDelay: Duration? {
    guard standing > 0 else { return .zero }
    guard smoothRate >= 1 else { return nil }
    return .milliseconds(Int64(Double(standing) / smoothRate * 1_000))
  }

  public mutating func take(
    _ new: QueueReading?, capacity: UInt64?, _ settings: CongestionSettings, at now: Duration
  ) {
    guard let new else {
      self = CongestionDetector()
      return
    }
    guard let last = reading, new.packets >= last.packets, new.octets >= last.octets,
      // Half of the range: more were no drops of one interval, but a counter that was reset.
      new.drops &- last.drops < 1 << 31, now > readAt
    else {
      if let last = reading, last == new, now == readAt { return }
      self = CongestionDetector()
      reading = new
      readAt = now
      return
    }
    let seconds = (now - readAt) / .seconds(1)
    let keep = Self.span / (Self.span + seconds)
    let drops = Double(new.drops &- last.drops)
    dropped = dropped * keep + drops
    offered = offered * keep + drops + Double(new.packets - last.packets)
    let sent = Double(new.octets - last.octets) / seconds
    smoothRate = smoothRate == 0 ? sent : smoothRate * keep + sent * (1 - keep)
    standing = min(last.backlog, new.backlog)
    reading = new
    readAt = now
    rate = UInt64(smoothRate)
    dropRatio = offered >= Self.leastPackets ? UInt32(dropped / offered * 1_000) : 0
    judge(capacity, settings, now)
    let isFull = drops > 0 || queueDelay.map { $0 >= settings.queueDelay } ?? true
    if state != .normal, isFull {
      measured = measured == 0 ? sent : measured * keep + sent * (1 - keep)
    }
    // What got through once, fits.
    if measured > 0 { measured = max(measured, smoothRate) }
  }

  /// What was measured so far says nothing about the time after a move.
  mutating func forgetDrops() { (dropped, offered, isOverloaded) = (0, 0, false) }

  private mutating func judge(_ capacity: UInt64?, _ settings: CongestionSettings, _ now: Duration) {
    let isDropping = dropRatio >= settings.dropRatio
    let isDelaying = queueDelay.map { $0 >= settings.queueDelay } ?? true
    let use = capacity.map { rate * 1_000 / max($0, 1) } ?? 0
    isOverloaded = isDropping || isDelaying || use >= UInt64(settings.utilisation)
    let isCalm =
      dropRatio < settings.dropRatioClear && queueDelay.map { $0 < settings.queueDelayClear } ?? false
      && use < UInt64(settings.utilisationClear)

    switch state {
    case .normal where isOverloaded:
      measured = 0
      enter(.rising, now)
    case .rising where isCalm: enter(.normal, now)
    case .rising where isOverloaded && now - since >= settings.time: enter(.congested, now)
    case .congested where isCalm: enter(.cooling, now)
    case .cooling where isOverloaded: enter(.congested, now)
    case .cooling where !isCalm: since = now
    case .cooling where now - since >= settings.quietTime: enter(.normal, now)
    default: break
    }
  }

  private mutating func enter(_ new: State, _ now: Duration) {
    state = new
    since = now
  }
}
