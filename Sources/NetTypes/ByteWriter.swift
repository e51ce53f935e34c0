/// Builds a message octet by octet, all integers in network order. Lengths and checksums are known last: they are
/// written as zero and filled in with `overwrite`.
public struct ByteWriter: Sendable {
  public private(set) var bytes: [UInt8] = []

  /// `capacity` is a hint in octets.
  public init(capacity: Int = 128) { bytes.reserveCapacity(capacity) }

  /// Octets written so far, which is the offset of the next one.
  public var count: Int { bytes.count }

  /// Starts over; the capacity stays.
  public mutating func removeAll() { bytes.removeAll(keepingCapacity: true) }

  public mutating func write(_ value: UInt8) { bytes.append(value) }

  public mutating func write(_ value: UInt16) { bigEndian(UInt64(value), count: 2) }

  public mutating func write(_ value: UInt32) { bigEndian(UInt64(value), count: 4) }

  public mutating func write(_ value: UInt64) { bigEndian(value, count: 8) }

  public mutating func write(_ address: IPv4Address) { write(address.rawValue) }

  public mutating func write(_ address: IPv6Address) {
    write(address.high)
    write(address.low)
  }

  public mutating func write(_ address: LinkLayerAddress) { bigEndian(address.rawValue, count: 6) }

  public mutating func write(_ octets: some Sequence<UInt8>) { bytes.append(contentsOf: octets) }

  public mutating func writeZeros(_ count: Int) { bytes.append(contentsOf: repeatElement(0, count: count)) }

  /// Replaces the octet at `offset`, which must have been written.
  public mutating func overwrite(_ value: UInt8, at offset: Int) { bytes[offset] = value }

  /// Replaces the two octets at `offset`, which must have been written.
  public mutating func overwrite(_ value: UInt16, at offset: Int) {
    bytes[offset] = UInt8(value >> 8)
    bytes[offset + 1] = UInt8(truncatingIfNeeded: value)
  }

  private mutating func bigEndian(_ value: UInt64, count: Int) {
    for index in (0..<count).reversed() { bytes.append(UInt8(truncatingIfNeeded: value >> UInt64(index * 8))) }
  }
}
