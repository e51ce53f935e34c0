/// Ports from `first` to `last`.
public struct PortRange: Hashable, Sendable {
  public var first: UInt16
  public var last: UInt16

  public func contains(_ port: UInt16) -> Bool { first <= port && port <= last }
}

extension PortRange: LosslessStringConvertible {
  /// `80` or `5000-5100`.
  public init?(_ text: String) {
    let parts = text.split(separator: "-", omittingEmptySubsequences: false).map { UInt16($0) }
    guard let first = parts.first ?? nil, parts.count <= 2, let last = parts.last ?? nil, first <= last else {
      return nil
    }
    self.init(first: first, last: last)
  }

  public var description: String { first == last ? "\(first)" : "\(first)-\(last)" }
}

extension [PortRange] {
  /// Whether every port of `other` is in one of these.
  func cover(_ other: PortRange) -> Bool {
    var next = Int(other.first)
    for range in sorted(by: { $0.first < $1.first }) where Int(range.first) <= next {
      next = Swift.max(next, Int(range.last) + 1)
    }
    return next > Int(other.last)
  }
}
