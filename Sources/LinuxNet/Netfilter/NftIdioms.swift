import NetTypes

/// Sequences of expressions that rules of this project share.
extension NftExpression {
  /// A 32-bit value as the kernel keeps marks: in the byte order of the host.
  public static func hostOrder(_ value: UInt32) -> [UInt8] { withUnsafeBytes(of: value) { Array($0) } }

  public static func networkOrder<Value: FixedWidthInteger>(_ value: Value) -> [UInt8] {
    withUnsafeBytes(of: value.bigEndian) { Array($0) }
  }

  /// An interface name as `meta iifname` loads it.
  public static func interfaceName(_ name: String) -> [UInt8] {
    let length = 16  // IFNAMSIZ
    let octets = Array(name.utf8.prefix(length - 1))
    return octets + Array(repeating: 0, count: length - octets.count)
  }

  /// Matches packets that came in by the interface of this name, also when it is created later.
  public static func matchInputInterface(_ name: String) -> [NftExpression] {
    [.metaLoad(.inputInterfaceName, into: .word(0)), .compare(.word(0), .equal, interfaceName(name))]
  }

  /// `meta mark & mask == value`, or with `!=`.
  public static func matchMark(_ value: UInt32, mask: UInt32, _ comparison: Comparison = .equal) -> [NftExpression] {
    [.metaLoad(.mark, into: .word(0))] + maskedComparison(value, mask: mask, comparison)
  }

  /// `ct mark & mask == value`, or with `!=`.
  public static func matchConntrackMark(
    _ value: UInt32, mask: UInt32, _ comparison: Comparison = .equal
  ) -> [NftExpression] {
    [.conntrackLoad(.mark, into: .word(0))] + maskedComparison(value, mask: mask, comparison)
  }

  /// `meta mark = (meta mark & ~mask) | value`: the bits outside `mask` belong to others and stay.
  public static func mergeMark(_ value: UInt32, mask: UInt32) -> [NftExpression] {
    [.metaLoad(.mark, into: .word(0)), merge(value, mask: mask), .metaSet(.mark, from: .word(0))]
  }

  /// `ct mark = (ct mark & ~mask) | value`.
  public static func mergeConntrackMark(_ value: UInt32, mask: UInt32) -> [NftExpression] {
    [.conntrackLoad(.mark, into: .word(0)), merge(value, mask: mask), .conntrackSetMark(from: .word(0))]
  }

  public static func matchTransportProtocol(_ number: UInt8) -> [NftExpression] {
    [.metaLoad(.transportProtocol, into: .word(0)), .compare(.word(0), .equal, [number])]
  }

  /// Matches the Next Header field of the IPv6 header itself.
  public static func matchNextHeader(_ number: UInt8, _ comparison: Comparison = .equal) -> [NftExpression] {
    [IPv6Field.nextHeader.load(into: .word(0)), .compare(.word(0), comparison, [number])]
  }

  /// Matches an address of the IPv6 header that lies in `prefix`, or with `.notEqual` one that does not.
  public static func matchPrefix(
    _ prefix: IPv6Prefix, in field: IPv6Field, _ comparison: Comparison = .equal
  ) -> [NftExpression] {
    if prefix.length > 0, prefix.length % 8 == 0 {
      // Whole octets need no mask.
      let octets = prefix.length / 8
      return [
        .payloadLoad(base: .network, offset: field.offset, length: octets, into: .word(0)),
        .compare(.word(0), comparison, Array(prefix.address.bytes.prefix(octets))),
      ]
    }
    let ones = IPv6Prefix.host(IPv6Address(high: .max, low: .max)).address
    let mask = IPv6Prefix(ones, length: prefix.length)?.address ?? ones
    return [
      field.load(into: .word(0)),
      .bitwise(.word(0), into: .word(0), mask: mask.bytes, xor: IPv6Address.unspecified.bytes),
      .compare(.word(0), comparison, prefix.address.bytes),
    ]
  }

  private static func maskedComparison(_ value: UInt32, mask: UInt32, _ comparison: Comparison) -> [NftExpression] {
    [
      .bitwise(.word(0), into: .word(0), mask: hostOrder(mask), xor: hostOrder(0)),
      .compare(.word(0), comparison, hostOrder(value)),
    ]
  }

  private static func merge(_ value: UInt32, mask: UInt32) -> NftExpression {
    .bitwise(.word(0), into: .word(0), mask: hostOrder(~mask), xor: hostOrder(value & mask))
  }
}

/// Fields of the IPv6 header (RFC 8200 section 3) by offset and length in octets.
public struct IPv6Field: Hashable, Sendable {
  public let offset: Int
  public let length: Int

  /// Version, traffic class and flow label in one word.
  public static let firstWord = IPv6Field(offset: 0, length: 4)
  public static let nextHeader = IPv6Field(offset: 6, length: 1)
  public static let sourceAddress = IPv6Field(offset: 8, length: 16)
  public static let destinationAddress = IPv6Field(offset: 24, length: 16)
  /// Source and destination, in one load.
  public static let addresses = IPv6Field(offset: 8, length: 32)

  public func load(into register: NftRegister) -> NftExpression {
    .payloadLoad(base: .network, offset: offset, length: length, into: register)
  }
}
