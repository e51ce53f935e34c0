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

  /// Octets a second.
  public private(set) var average = 0.0
  private var warm = 0.0
  private var poor = 0.0
  private var idle = 0.0

  public init() {}

  /// A flow this long idle need not be watched any more.
  var isForgotten: Bool { idle > Self.span }

  /// `octets` in the `seconds` since the last reading; true: the flow is served badly. Afterwards it is measured anew,
  /// as it should go elsewhere now.
  public mutating func take(octets: UInt64, seconds: Double, _ settings: QualitySettings) -> Bool {
    guard seconds > 0 else { return false }
    let rate = Double(octets) / seconds
    guard rate >= Self.idleRate else {
      poor = 0
      idle += seconds
      return false
    }
    idle = 0
    if warm >= Self.warmUp, rate < average * Double(settings.share) / 1_000 {
      poor += seconds
      guard poor >= settings.time / .seconds(1) else { return false }
      self = QualityDetector()
      return true
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
