/// A cursor over received octets. It and `ByteWriter` are the only places of the suite that count wire offsets.
///
/// A reader cannot leave its bounds: every read is checked, and what happens at the end is decided by whoever set the
/// bounds. A container (a header, an option, a sub-option) hands out a narrower reader with `take(_:orThrow:)` and names
/// the error that "too short" means inside it, so a decoder is a plain list of reads and still reports the exact fault.
/// Narrower readers share the storage and keep counting from the start of the outermost one: an offset in an error is
/// an offset in the message.
public struct ByteReader<Failure: Error>: Sendable {
  private let bytes: ArraySlice<UInt8>
  private let origin: Int
  private var position: Int
  private let end: Int
  /// What a read past the end throws. It says which container this is, so a decoder can base other errors on it.
  public let failure: Failure

  /// Reads `bytes` from their start; a read past their end throws `failure`.
  public init(_ bytes: ArraySlice<UInt8>, orThrow failure: Failure) {
    self.bytes = bytes
    self.origin = bytes.startIndex
    self.position = bytes.startIndex
    self.end = bytes.endIndex
    self.failure = failure
  }

  public init(_ bytes: [UInt8], orThrow failure: Failure) { self.init(bytes[...], orThrow: failure) }

  private init(bytes: ArraySlice<UInt8>, origin: Int, range: Range<Int>, failure: Failure) {
    self.bytes = bytes
    self.origin = origin
    self.position = range.lowerBound
    self.end = range.upperBound
    self.failure = failure
  }

  /// Octets from the start of the outermost reader to the next read.
  public var offset: Int { position - origin }
  public var remaining: Int { end - position }
  public var isAtEnd: Bool { position == end }

  private mutating func advance(_ count: Int) throws(Failure) -> Int {
    guard count >= 0, count <= end - position else { throw failure }
    defer { position += count }
    return position
  }

  public mutating func uint8() throws(Failure) -> UInt8 { bytes[try advance(1)] }

  public mutating func uint16() throws(Failure) -> UInt16 {
    let start = try advance(2)
    return UInt16(bytes[start]) << 8 | UInt16(bytes[start + 1])
  }

  public mutating func uint32() throws(Failure) -> UInt32 { UInt32(truncatingIfNeeded: try bigEndian(4)) }

  public mutating func uint64() throws(Failure) -> UInt64 { try bigEndian(8) }

  public mutating func ipv6Address() throws(Failure) -> IPv6Address {
    guard remaining >= 16 else { throw failure }
    return IPv6Address(high: try bigEndian(8), low: try bigEndian(8))
  }

  /// An EUI-48 address, six octets.
  public mutating func linkLayerAddress() throws(Failure) -> LinkLayerAddress {
    LinkLayerAddress(rawValue: try bigEndian(6))
  }

  /// The next `count` octets.
  public mutating func octets(_ count: Int) throws(Failure) -> ArraySlice<UInt8> {
    let start = try advance(count)
    return bytes[start..<start + count]
  }

  /// Everything up to the end.
  public mutating func rest() -> ArraySlice<UInt8> {
    defer { position = end }
    return bytes[position..<end]
  }

  public mutating func skip(_ count: Int) throws(Failure) { _ = try advance(count) }

  /// Splits off a reader of the next `count` octets and moves behind them. Reading past the end of the narrower one
  /// throws `inner`; not having `count` octets throws this reader's own failure.
  public mutating func take<Inner: Error>(_ count: Int, orThrow inner: Inner) throws(Failure) -> ByteReader<Inner> {
    let start = try advance(count)
    return ByteReader<Inner>(bytes: bytes, origin: origin, range: start..<start + count, failure: inner)
  }

  private mutating func bigEndian(_ count: Int) throws(Failure) -> UInt64 {
    let start = try advance(count)
    var value: UInt64 = 0
    for index in start..<start + count { value = value << 8 | UInt64(bytes[index]) }
    return value
  }
}
