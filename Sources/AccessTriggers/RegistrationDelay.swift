/// How long it took from the first sign of a node's arrival until its Proxy Binding Update was sent.
public struct RegistrationDelay: Hashable, Sendable {
  /// A class of delays: longer than the bound before, and not longer than its own.
  public struct Bucket: Hashable, Sendable {
    /// In names of counters.
    public var name: String
    /// nil: no bound, the last bucket.
    public var bound: Duration?
    public fileprivate(set) var count: UInt64 = 0
  }

  public private(set) var count: UInt64 = 0
  public private(set) var last: Duration = .zero
  public private(set) var maximum: Duration = .zero
  /// By bound.
  public private(set) var buckets = Self.emptyBuckets
  private var total: Duration = .zero

  private static let emptyBuckets: [Bucket] = [
    Bucket(name: "to-100us", bound: .microseconds(100)), Bucket(name: "to-200us", bound: .microseconds(200)),
    Bucket(name: "to-500us", bound: .microseconds(500)), Bucket(name: "to-1ms", bound: .milliseconds(1)),
    Bucket(name: "to-2ms", bound: .milliseconds(2)), Bucket(name: "to-5ms", bound: .milliseconds(5)),
    Bucket(name: "to-10ms", bound: .milliseconds(10)), Bucket(name: "to-20ms", bound: .milliseconds(20)),
    Bucket(name: "to-50ms", bound: .milliseconds(50)), Bucket(name: "to-100ms", bound: .milliseconds(100)),
    Bucket(name: "to-200ms", bound: .milliseconds(200)), Bucket(name: "to-500ms", bound: .milliseconds(500)),
    Bucket(name: "to-1s", bound: .seconds(1)), Bucket(name: "to-2s", bound: .seconds(2)),
    Bucket(name: "to-5s", bound: .seconds(5)), Bucket(name: "to-10s", bound: .seconds(10)),
    Bucket(name: "longer", bound: nil),
  ]

  public init() {}

  public var mean: Duration { count == 0 ? .zero : total / Double(count) }

  public mutating func add(_ delay: Duration) {
    count += 1
    last = delay
    maximum = max(maximum, delay)
    total += delay
    let index = buckets.firstIndex { $0.bound.map { delay <= $0 } ?? true }
    if let index { buckets[index].count += 1 }
  }

  /// The delay that `share` (0...1) of all have not exceeded, estimated within its bucket; zero without any.
  public func quantile(_ share: Double) -> Duration {
    let rank = share * Double(count)
    var below = 0.0
    var from = Duration.zero
    for bucket in buckets {
      let to = min(bucket.bound ?? maximum, maximum)
      if bucket.count > 0, below + Double(bucket.count) >= rank {
        return from + (to - from) * max(0, rank - below) / Double(bucket.count)
      }
      below += Double(bucket.count)
      from = to
    }
    return maximum
  }
}
