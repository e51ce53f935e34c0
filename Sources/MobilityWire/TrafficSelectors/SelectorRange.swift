import NetTypes

/// A field of a traffic selector: one value, or all from `start` to `end` (RFC 6088 section 3).
public struct SelectorRange<Value: Hashable & Sendable & Codable>: Hashable, Sendable, Codable {
  public var start: Value
  /// Inclusive; nil: `start` alone.
  public var end: Value?

  public init(_ start: Value, through end: Value? = nil) {
    self.start = start
    self.end = end
  }
}

/// What a field of a traffic selector may hold.
protocol SelectorValue: Hashable, Sendable, Codable {
  init(decoding body: inout ByteReader<DecodeError>) throws(DecodeError)
  func encode(into writer: inout ByteWriter)
}

extension UInt8: SelectorValue {
  init(decoding body: inout ByteReader<DecodeError>) throws(DecodeError) { self = try body.uint8() }
  func encode(into writer: inout ByteWriter) { writer.write(self) }
}

extension UInt16: SelectorValue {
  init(decoding body: inout ByteReader<DecodeError>) throws(DecodeError) { self = try body.uint16() }
  func encode(into writer: inout ByteWriter) { writer.write(self) }
}

extension UInt32: SelectorValue {
  init(decoding body: inout ByteReader<DecodeError>) throws(DecodeError) { self = try body.uint32() }
  func encode(into writer: inout ByteWriter) { writer.write(self) }
}

extension IPv4Address: SelectorValue {
  init(decoding body: inout ByteReader<DecodeError>) throws(DecodeError) { self = try body.ipv4Address() }
  func encode(into writer: inout ByteWriter) { writer.write(self) }
}

extension IPv6Address: SelectorValue {
  init(decoding body: inout ByteReader<DecodeError>) throws(DecodeError) { self = try body.ipv6Address() }
  func encode(into writer: inout ByteWriter) { writer.write(self) }
}
