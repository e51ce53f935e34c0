/// A cursor over received octets. It and `ByteWriter` are the only places of the suite that count wire offsets.
///
/// A reader cannot leave its bounds: every read is checked, and what happens at the end is decided by whoever set the
/// bounds. A container (a header, an option, a sub-option) hands out a narrower reader with `take(_:orThrow:)` and names
/// the error that "too short" means inside it, so a decoder is a plain list of reads and still reports the exact fault.
/// Narrower readers share the storage and keep counting from the start of the outermost one: an offset in an error is
/// an offset in the message.
public struct ByteReader<Failure: Error>: Sendable {
  // Inlinable throughout: unspecialized generic reads in other modules would double the time to decode a message.
  @usableFromInline let bytes: ArraySlice<UInt8>
  @usableFromInline let origin: Int
  @usableFromInline var position: Int
  @usableFromInline let end: Int
  /// What a read past the end throws. It says which container this is, so a decoder can base other errors on it.
  public let failure: Failure

  /// Reads `bytes` from their start; a read past their end throws `failure`.
  @inlinable public init(_ bytes: ArraySlice<UInt8>, orThrow failure: Failure) {
    self.bytes = bytes
    self.origin = bytes.startIndex
    self.position = bytes.startIndex
    self.end = bytes.endIndex
    self.failure = failure
  }

  @inlinable public init(_ bytes: [UInt8], orThrow failure: Failure) { self.init(bytes[...], orThrow: failure) }

  @inlinable init(bytes: ArraySlice<UInt8>, origin: Int, range: Range<Int>, failure: Failure) {
    self.bytes = bytes
    self.origin = origin
    self.position = range.lowerBound
    self.end = range.upperBound
    self.failure = failure
  }

  /// Octets from the start of the outermost reader to the next read.
  @inlinable public var offset: Int { position - origin }
  @inlinable public var remaining: Int { end - position }
  @inlinable public var isAtEnd: Bool { position == end }

  @inlinable mutating func advance(_ count: Int) throws(Failure) -> Int {
    guard count >= 0, count <= end - position else { throw failure }
    defer { position += count }
    return position
  }

  @inlinable public mutating func uint8() throws(Failure) -> UInt8 { bytes[try advance(1)] }

  @inlinable public mutating func uint16() throws(Failure) -> UInt16 {
    let start = try advance(2)
    return UInt16(bytes[start]) << 8 | UInt16(bytes[start + 1])
  }

  @inlinable public mutating func uint32() throws(Failure) -> UInt32 { UInt32(truncatingIfNeeded: try bigEndian(4)) }

  @inlinable public mutating func uint64() throws(Failure) -> UInt64 { try bigEndian(8) }

  @inlinable public mutating func ipv4Address() throws(Failure) -> IPv4Address { IPv4Address(rawValue: try uint32()) }

  @inlinable public mutating func ipv6Address() throws(Failure) -> IPv6Address {
    guard remaining >= 16 else { throw failure }
    return IPv6Address(high: try bigEndian(8), low: try bigEndian(8))
  }

  /// An address whose family the octets up to the end say: 4 or 16.
  @inlinable public mutating func ipAddress() throws(Failure) -> IPAddress {
    switch remaining {
    case 4: .v4(try ipv4Address())
    case 16: .v6(try ipv6Address())
    default: throw failure
    }
  }

  /// An EUI-48 address, six octets.
  @inlinable public mutating func linkLayerAddress() throws(Failure) -> LinkLayerAddress {
    LinkLayerAddress(rawValue: try bigEndian(6))
  }

  /// The next `count` octets.
  @inlinable public mutating func octets(_ count: Int) throws(Failure) -> ArraySlice<UInt8> {
    let start = try advance(count)
    return bytes[start..<start + count]
  }

  /// Everything up to the end.
  @inlinable public mutating func rest() -> ArraySlice<UInt8> {
    defer { position = end }
    return bytes[position..<end]
  }

  @inlinable public mutating func skip(_ count: Int) throws(Failure) { _ = try advance(count) }

  /// Splits off a reader of the next `count` octets and moves behind them. Reading past the end of the narrower one
  /// throws `inner`; not having `count` octets throws this reader's own failure.
  @inlinable public mutating func take<Inner: Error>(_ count: Int, orThrow inner: Inner) throws(Failure) -> ByteReader<
    Inner
  > {
    let start = try advance(count)
    return ByteReader<Inner>(bytes: bytes, origin: origin, range: start..<start + count, failure: inner)
  }

  @inlinable mutating func bigEndian(_ count: Int) throws(Failure) -> UInt64 {
    let start = try advance(count)
    var value: UInt64 = 0
    for index in start..<start + count { value = value << 8 | UInt64(bytes[index]) }
    return value
  }
}
