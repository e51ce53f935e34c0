/// How long it took from the first sign of a node's arrival until its Proxy Binding Update was sent.
public struct RegistrationDelay: Hashable, Sendable {
  public private(set) var count: UInt64 = 0
  public private(set) var last: Duration = .zero
  public private(set) var maximum: Duration = .zero
  private var total: Duration = .zero

  public init() {}

  public var mean: Duration { count == 0 ? .zero : total / Double(count) }

  public mutating func add(_ delay: Duration) {
    count += 1
    last = delay
    maximum = max(maximum, delay)
    total += delay
  }
}
