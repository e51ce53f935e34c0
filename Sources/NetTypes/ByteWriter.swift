/// Builds a message octet by octet, all integers in network order. Lengths and checksums are known last: they are
/// written as zero and filled in with `overwrite`.
public struct ByteWriter: Sendable {
  // Inlinable throughout, as `ByteReader` is: a call for every octet would double the time to encode a message.
  @usableFromInline var storage: [UInt8] = []

  @inlinable public var bytes: [UInt8] { storage }

  /// `capacity` is a hint in octets.
  @inlinable public init(capacity: Int = 128) { storage.reserveCapacity(capacity) }

  /// Octets written so far, which is the offset of the next one.
  @inlinable public var count: Int { storage.count }

  /// Starts over; the capacity stays.
  @inlinable public mutating func removeAll() { storage.removeAll(keepingCapacity: true) }

  @inlinable public mutating func write(_ value: UInt8) { storage.append(value) }

  @inlinable public mutating func write(_ value: UInt16) { append(bigEndian: value) }

  @inlinable public mutating func write(_ value: UInt32) { append(bigEndian: value) }

  @inlinable public mutating func write(_ value: UInt64) { append(bigEndian: value) }

  @inlinable public mutating func write(_ address: IPv4Address) { write(address.rawValue) }

  @inlinable public mutating func write(_ address: IPv6Address) {
    write(address.high)
    write(address.low)
  }

  @inlinable public mutating func write(_ address: LinkLayerAddress) {
    write(UInt16(truncatingIfNeeded: address.rawValue >> 32))
    write(UInt32(truncatingIfNeeded: address.rawValue))
  }

  @inlinable public mutating func write(_ octets: some Sequence<UInt8>) { storage.append(contentsOf: octets) }

  @inlinable public mutating func writeZeros(_ count: Int) {
    storage.append(contentsOf: repeatElement(0, count: count))
  }

  /// Replaces the octet at `offset`, which must have been written.
  @inlinable public mutating func overwrite(_ value: UInt8, at offset: Int) { storage[offset] = value }

  /// Replaces the two octets at `offset`, which must have been written.
  @inlinable public mutating func overwrite(_ value: UInt16, at offset: Int) {
    storage[offset] = UInt8(value >> 8)
    storage[offset + 1] = UInt8(truncatingIfNeeded: value)
  }

  @inlinable mutating func append(bigEndian value: some FixedWidthInteger) {
    withUnsafeBytes(of: value.bigEndian) { storage.append(contentsOf: $0) }
  }
}
