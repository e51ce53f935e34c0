import NetTypes

//  Timestamp option, RFC 5213 section 8.8. Type 27, alignment 8n+2.
//
//   0                   1                   2                   3
//   0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1
//                                  +---------------+---------------+
//                                  |   Type = 27   |  Length = 8   |
//  +-------------------------------+---------------+---------------+
//  |                 Seconds since 1970 (48 bits)                  |
//  +                               +-------------------------------+
//  |                               |     Fraction (1/65536 s)      |
//  +-------------------------------+-------------------------------+

/// RFC 5213 section 8.8: upper 48 bits seconds since 1970-01-01T00:00Z, lower 16 bits 1/65536 s. Compared unsigned.
public struct NTPTimestamp: RawRepresentable, Hashable, Sendable, Comparable {
  public let rawValue: UInt64
  public init(rawValue: UInt64) { self.rawValue = rawValue }
  public static func < (a: Self, b: Self) -> Bool { a.rawValue < b.rawValue }
  public static let zero = Self(rawValue: 0)

  public init(seconds: UInt64, nanoseconds: UInt32) {
    rawValue = seconds << 16 | UInt64(nanoseconds) * 65536 / 1_000_000_000
  }

  public var seconds: UInt64 { rawValue >> 16 }
  public var fraction65536: UInt16 { UInt16(truncatingIfNeeded: rawValue) }

  /// |self - other| in 1/65536 s.
  public func distance(to other: Self) -> UInt64 {
    rawValue > other.rawValue ? rawValue - other.rawValue : other.rawValue - rawValue
  }

  /// 1/65536 s units of a duration, rounded down; negative durations count as 0.
  public static func units(_ duration: Duration) -> UInt64 {
    let (seconds, attoseconds) = duration.components
    guard seconds >= 0, attoseconds >= 0 else { return 0 }
    return UInt64(seconds) << 16 | UInt64(attoseconds / 15_258_789_062_500)
  }

  public func advanced(by duration: Duration) -> Self { Self(rawValue: rawValue &+ Self.units(duration)) }
}

extension NTPTimestamp: MobilityOptionBody {
  init(decoding body: inout ByteReader<DecodeError>) throws(DecodeError) { rawValue = try body.uint64() }

  func encode(into writer: inout ByteWriter) { writer.write(rawValue) }
}
