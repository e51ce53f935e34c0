/// Whether one flow is served badly: its throughput falls below a share of its own long average, and stays there.
///
/// An application that stops, or only keeps its connection alive, is no such case: below `idleRate` nothing is judged. A
/// path that carries nothing at all looks the same; heartbeats find it.
public struct QualityDetector: Hashable, Sendable {
  /// Octets a second.
  static let idleRate = 1_000.0
  /// Time constant of the long average, in seconds.
  static let span = 60.0
  /// Time above the floor after which there is an average to compare with.
  static let warmUp = 10.0

  /// Readings are taken together until they cover so many seconds: between two packets every flow looks idle, and an
  /// operator's `list` reads the counters as often as he asks.
  static let grain = 0.5

  /// Octets a second.
  public private(set) var average = 0.0
  private var gatheredOctets: UInt64 = 0
  private var gatheredSeconds = 0.0
  private var warm = 0.0
  private var poor = 0.0
  private var idle = 0.0

  public init() {}

  /// A flow this long idle need not be watched any more.
  var isForgotten: Bool { idle > Self.span }

  /// `octets` in the `seconds` since the last reading; true: the flow is served badly, and still is with each further
  /// reading. When it has gone elsewhere it is to be measured anew.
  public mutating func take(octets: UInt64, seconds: Double, _ settings: QualitySettings) -> Bool {
    gatheredOctets += octets
    gatheredSeconds += seconds
    guard gatheredSeconds >= Self.grain else { return false }
    defer { (gatheredOctets, gatheredSeconds) = (0, 0) }
    return judge(Double(gatheredOctets) / gatheredSeconds, gatheredSeconds, settings)
  }

  private mutating func judge(_ rate: Double, _ seconds: Double, _ settings: QualitySettings) -> Bool {
    guard rate >= Self.idleRate else {
      poor = 0
      idle += seconds
      return false
    }
    idle = 0
    if warm >= Self.warmUp, rate < average * Double(settings.share) / 1_000 {
      poor += seconds
      return poor >= settings.time / .seconds(1)
    }
    poor = 0
    if average == 0 {
      average = rate
    } else {
      average += (rate - average) * seconds / (Self.span + seconds)
    }
    if rate >= Double(settings.floor) { warm += seconds }
    if average < Double(settings.floor) { warm = 0 }
    return false
  }
}
