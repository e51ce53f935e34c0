import NetTypes

/// The presence flags in front of a traffic selector's fields (RFC 6088 section 3): from the most significant bit on,
/// two for a field, Start and End.
struct SelectorFlags {
  var rawValue: UInt32

  private static let start: UInt32 = 0x8000_0000
  private static let end: UInt32 = 0x4000_0000

  /// Reads the flags of a selector of `fields` fields; the bits behind them are reserved and ignored.
  init(fields: Int, decoding body: inout ByteReader<DecodeError>) throws(DecodeError) {
    rawValue = try body.uint32() & ~(UInt32.max >> UInt32(2 * fields))
    let ends: UInt32 = 0x5555_5555
    guard rawValue & ends & ~(rawValue >> 1) == 0 else {
      throw body.failure.with(.trafficSelectorEndWithoutStart, value: rawValue)
    }
  }

  /// The next field; nil when its flags are clear.
  mutating func next<Value: SelectorValue>(
    _ body: inout ByteReader<DecodeError>
  ) throws(DecodeError) -> SelectorRange<Value>? {
    defer { rawValue <<= 2 }
    guard rawValue & Self.start != 0 else { return nil }
    let start = try Value(decoding: &body)
    return SelectorRange(start, through: rawValue & Self.end == 0 ? nil : try Value(decoding: &body))
  }

  /// The flags of fields in their order; each is nil, has a start, or has both.
  init(_ fields: [FieldPresence]) {
    rawValue = 0
    for field in fields.reversed() { rawValue = rawValue >> 2 | field.flags }
  }

  /// The flags of one field, at the most significant end.
  struct FieldPresence {
    var flags: UInt32
    init<Value>(_ range: SelectorRange<Value>?) {
      flags = range.map { $0.end == nil ? SelectorFlags.start : SelectorFlags.start | SelectorFlags.end } ?? 0
    }
  }
}

extension SelectorRange where Value: SelectorValue {
  func encode(into writer: inout ByteWriter) {
    start.encode(into: &writer)
    end?.encode(into: &writer)
  }
}
