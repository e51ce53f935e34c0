import NetTypes

/// Which fields of the 6-tuple classify packets.
public enum FlowKeyKind: String, Hashable, Sendable, Codable {
  case sixTuple = "6-tuple"
  /// Without the flow label, for correspondents that change it within a connection.
  case fiveTuple = "5-tuple"

  /// Octets of the key in the kernel's map.
  public var length: Int { self == .sixTuple ? 48 : 44 }

  /// `tuple` as this key sees it.
  public func normalize(_ tuple: FlowSixTuple) -> FlowSixTuple {
    guard self == .fiveTuple else { return tuple }
    var result = tuple
    result.flowLabel = 0
    return result
  }

  /// The key octet for octet as the kernel's registers hold it: every field starts a 32-bit register and is padded
  /// with zeros behind.
  ///
  ///     saddr (16) . daddr (16) [. flow label (4, network order)] . protocol (1 + 3) . port (2 + 2) . port (2 + 2)
  public func key(of tuple: FlowSixTuple) -> [UInt8] {
    var key: [UInt8] = []
    key.reserveCapacity(length)
    for half in [tuple.source.high, tuple.source.low, tuple.destination.high, tuple.destination.low] {
      for shift in stride(from: 56, through: 0, by: -8) { key.append(UInt8(truncatingIfNeeded: half >> UInt64(shift))) }
    }
    if self == .sixTuple {
      for shift in stride(from: 24, through: 0, by: -8) {
        key.append(UInt8(truncatingIfNeeded: tuple.flowLabel >> UInt32(shift)))
      }
    }
    key.append(contentsOf: [tuple.transport.rawValue, 0, 0, 0])
    for port in [tuple.sourcePort, tuple.destinationPort] {
      key.append(contentsOf: [UInt8(port >> 8), UInt8(truncatingIfNeeded: port), 0, 0])
    }
    return key
  }

  /// The inverse of `key(of:)`; nil when `key` is not a key of this kind.
  public func tuple(ofKey key: [UInt8]) -> FlowSixTuple? {
    guard key.count == length, let source = IPv6Address(bytes: key[0..<16]),
      let destination = IPv6Address(bytes: key[16..<32])
    else { return nil }
    let rest = Array(key[(length - 12)...])
    var label: UInt32 = 0
    if self == .sixTuple { label = key[32..<36].reduce(0) { $0 << 8 | UInt32($1) } }
    return FlowSixTuple(
      source: source, destination: destination, flowLabel: label, transport: TransportProtocol(rawValue: rest[0]),
      sourcePort: UInt16(rest[4]) << 8 | UInt16(rest[5]), destinationPort: UInt16(rest[8]) << 8 | UInt16(rest[9]))
  }
}
