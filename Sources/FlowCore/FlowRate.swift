/// Rates from counters.
enum FlowRate {
  /// Time constant of the average, in milliseconds.
  static let span: UInt32 = 2_000
  /// A flow that begins, or begins again, has no average yet: its octets count as if they had taken this long at least.
  static let firstSpan: UInt32 = 1_000

  /// `rate` after `octets` more in `milliseconds`. Octets that come in no time count as an impulse.
  static func average(_ rate: UInt32, octets: UInt64, milliseconds: UInt32) -> UInt32 {
    let known = UInt64(rate) * UInt64(span)
    let divisor = rate == 0 ? UInt64(max(milliseconds, firstSpan)) : UInt64(milliseconds) + UInt64(span)
    return UInt32(clamping: (known + min(octets, 1 << 50) * 1_000) / divisor)
  }
}
