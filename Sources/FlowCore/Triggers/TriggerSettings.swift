/// When a tunnel counts as congested, and how its flows are then moved.
///
/// Of each measure there are two thresholds: at the upper one congestion begins, and only when all are below the lower
/// ones does it end.
public struct CongestionSettings: Hashable, Sendable {
  public var isEnabled = true
  /// Between readings of the queues.
  public var interval = Duration.milliseconds(500)
  /// Dropped among offered packets, in thousandths. TCP backs off and keeps the ratio at a few per cent, however narrow
  /// the tunnel is, so the threshold must be low.
  public var dropRatio: UInt32 = 20
  public var dropRatioClear: UInt32 = 5
  /// How long what waits takes to be sent, at the rate at which it is sent now.
  public var queueDelay = Duration.milliseconds(100)
  public var queueDelayClear = Duration.milliseconds(50)
  /// Of a configured capacity, in thousandths. A flow moves only where it leaves the use below this.
  public var utilisation: UInt32 = 950
  public var utilisationClear: UInt32 = 850
  /// Above a threshold for this long: congested.
  public var time = Duration.seconds(2)
  /// Below all lower thresholds for this long: normal again.
  public var quietTime = Duration.seconds(10)
  /// After a move, until its effect is measured and the next flow of the tunnel may go.
  public var pause = Duration.seconds(3)

  public init() {}
}

/// When a flow counts as badly served.
public struct QualitySettings: Hashable, Sendable {
  public var isEnabled = false
  /// Octets a second; only flows that were faster on average are watched.
  public var floor: UInt32 = 125_000
  /// Thousandths of the flow's own long average.
  public var share: UInt32 = 250
  /// Below that share for this long.
  public var time = Duration.seconds(6)
  /// Flows watched at once.
  public var maximumFlows = 10_000

  public init() {}
}

/// Keeps triggers from moving a flow to and fro.
public struct MoveLimits: Hashable, Sendable {
  /// Of one flow, in any minute.
  public var perMinute = 4
  /// A flow does not go back to a tunnel that a trigger has moved it from within this time.
  public var holdDown = Duration.seconds(60)

  public init() {}
}
