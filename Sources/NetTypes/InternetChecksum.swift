/// The Internet checksum (RFC 1071): 16-bit one's complement of the one's complement sum.
///
/// A computed 0 stays 0; only UDP sends it as 0xffff, and UDP is not ours.
public struct InternetChecksum: Sendable {
  // 64 bits take 2^48 words before they overflow: folding can wait until the end.
  private var sum: UInt64 = 0

  public init() {}

  /// Starts with the pseudo-header of RFC 8200 section 8.1. `length` is that of the upper-layer packet in octets.
  public init(source: IPv6Address, destination: IPv6Address, length: Int, nextHeader: UInt8) {
    add(source)
    add(destination)
    sum += UInt64(length >> 16) + UInt64(length & 0xffff) + UInt64(nextHeader)
  }

  /// Adds octets that start at an even offset of the packet; an odd last one counts as if a zero followed.
  public mutating func add(_ octets: Span<UInt8>) {
    var index = 0
    while index + 1 < octets.count {
      sum += UInt64(octets[index]) << 8 | UInt64(octets[index + 1])
      index += 2
    }
    if index < octets.count { sum += UInt64(octets[index]) << 8 }
  }

  private mutating func add(_ address: IPv6Address) {
    for half in [address.high, address.low] {
      sum += (half >> 48) + (half >> 32 & 0xffff) + (half >> 16 & 0xffff) + (half & 0xffff)
    }
  }

  /// What goes into the checksum field, when that was added as zero. Over a received packet with its field: 0 exactly
  /// when it verifies.
  public var value: UInt16 {
    var folded = sum
    while folded > 0xffff { folded = (folded >> 16) + (folded & 0xffff) }
    return ~UInt16(folded)
  }

  /// The checksum of one upper-layer packet with its IPv6 pseudo-header.
  public static func value(
    of packet: Span<UInt8>, source: IPv6Address, destination: IPv6Address, nextHeader: UInt8
  ) -> UInt16 {
    var checksum = Self(source: source, destination: destination, length: packet.count, nextHeader: nextHeader)
    checksum.add(packet)
    return checksum.value
  }
}
