/// An IPv6 address, kept as two 64-bit halves in host order so that comparing, masking and hashing are register work.
public struct IPv6Address: Hashable, Sendable, Comparable {
  /// Bits 0...63 (the most significant half).
  public var high: UInt64
  /// Bits 64...127.
  public var low: UInt64

  public init(high: UInt64, low: UInt64) {
    self.high = high
    self.low = low
  }

  /// `::`; on the wire of PMIPv6 also "ALL_ZERO".
  public static let unspecified = IPv6Address(high: 0, low: 0)
  public static let allNodes = IPv6Address(high: 0xff02_0000_0000_0000, low: 1)
  public static let allRouters = IPv6Address(high: 0xff02_0000_0000_0000, low: 2)

  public var isUnspecified: Bool { high == 0 && low == 0 }
  public var isLoopback: Bool { high == 0 && low == 1 }
  public var isMulticast: Bool { high >> 56 == 0xff }
  /// `fe80::/10`.
  public var isLinkLocal: Bool { high >> 54 == 0x3fa }
  /// A unicast address that a router may forward to: not unspecified, loopback, multicast or link-local.
  public var isRoutableUnicast: Bool { !isUnspecified && !isLoopback && !isMulticast && !isLinkLocal }
  /// `::ffff:0:0/96`.
  public var isIPv4Mapped: Bool { high == 0 && low >> 32 == 0xffff }
  /// The group `ff02::1:ffxx:xxxx` that Neighbor Solicitations for this address go to (RFC 4291 section 2.7.1).
  public var solicitedNodeAddress: IPv6Address {
    IPv6Address(high: 0xff02_0000_0000_0000, low: 0x1_ff00_0000 | low & 0xff_ffff)
  }
  public var isSolicitedNode: Bool { self == solicitedNodeAddress }

  public static func < (a: Self, b: Self) -> Bool { a.high == b.high ? a.low < b.low : a.high < b.high }
}

extension IPv6Address {
  /// The address in the first 16 octets of `bytes`; nil when there are fewer.
  public init?(bytes: some Sequence<UInt8>) {
    var high: UInt64 = 0
    var low: UInt64 = 0
    var count = 0
    for byte in bytes.prefix(16) {
      if count < 8 { high = high << 8 | UInt64(byte) } else { low = low << 8 | UInt64(byte) }
      count += 1
    }
    guard count == 16 else { return nil }
    self.init(high: high, low: low)
  }

  /// The 16 octets in network order.
  public var bytes: [UInt8] {
    var result: [UInt8] = []
    result.reserveCapacity(16)
    for half in [high, low] {
      for shift in stride(from: 56, through: 0, by: -8) {
        result.append(UInt8(truncatingIfNeeded: half >> UInt64(shift)))
      }
    }
    return result
  }

  /// The eight 16-bit groups of the text form.
  public var groups: [UInt16] {
    [high, low].flatMap { half in
      stride(from: 48, through: 0, by: -16).map { UInt16(truncatingIfNeeded: half >> UInt64($0)) }
    }
  }
}

extension IPv6Address: CustomStringConvertible, LosslessStringConvertible {
  /// Parses the text forms of RFC 4291 section 2.2, with `::` and a trailing dotted quad. No zone, no prefix length.
  public init?(_ text: String) {
    guard let groups = Self.parse(Array(text.utf8)) else { return nil }
    var halves: (UInt64, UInt64) = (0, 0)
    for group in groups[0..<4] { halves.0 = halves.0 << 16 | UInt64(group) }
    for group in groups[4..<8] { halves.1 = halves.1 << 16 | UInt64(group) }
    self.init(high: halves.0, low: halves.1)
  }

  /// The canonical text of RFC 5952: lower case, no leading zeros, the first longest run of zero groups as `::`,
  /// IPv4-mapped addresses with a dotted quad.
  public var description: String {
    String(unsafeUninitializedCapacity: Self.maximumTextLength, initializingUTF8With: write(to:))
  }

  /// Octets of the longest `description`.
  public static let maximumTextLength = 39

  /// Writes `description` in ASCII to the start of `text`, which has room for `maximumTextLength` octets.
  ///
  /// - Returns: the octets written.
  public func write(to text: UnsafeMutableBufferPointer<UInt8>) -> Int {
    var count = 0
    func write(_ octet: UInt8) {
      text[count] = octet
      count += 1
    }
    if isIPv4Mapped {
      for octet in "::ffff:\(IPv4Address(rawValue: UInt32(truncatingIfNeeded: low)))".utf8 { write(octet) }
      return count
    }
    let zeros = longestZeroRun
    var index = 0
    while index < 8 {
      if index == zeros.lowerBound, !zeros.isEmpty {
        write(UInt8(ascii: ":"))
        write(UInt8(ascii: ":"))
        index = zeros.upperBound
        continue
      }
      if index > 0, index != zeros.upperBound || zeros.isEmpty { write(UInt8(ascii: ":")) }
      let group = group(index)
      var shift: UInt16 = group >= 0x1000 ? 16 : group >= 0x100 ? 12 : group >= 0x10 ? 8 : 4
      while shift > 0 {
        shift -= 4
        let digit = UInt8(truncatingIfNeeded: group >> shift) & 0xf
        write(digit < 10 ? UInt8(ascii: "0") + digit : UInt8(ascii: "a") + digit - 10)
      }
      index += 1
    }
    return count
  }

  private func group(_ index: Int) -> UInt16 {
    UInt16(truncatingIfNeeded: (index < 4 ? high : low) >> UInt64(48 - 16 * (index & 3)))
  }

  /// The first longest run of at least two zero groups; empty when there is none.
  private var longestZeroRun: Range<Int> {
    var best = 0..<0
    var start = 0
    while start < 8 {
      var end = start
      while end < 8, group(end) == 0 { end += 1 }
      if end - start >= 2, end - start > best.count { best = start..<end }
      start = end + 1
    }
    return best
  }

  private static func parse(_ text: [UInt8]) -> [UInt16]? {
    var before: [UInt16] = []
    var after: [UInt16]?
    var index = 0
    if text.count >= 2, text[0] == UInt8(ascii: ":"), text[1] == UInt8(ascii: ":") {
      after = []
      index = 2
    }
    while index < text.count {
      let end = text[index...].firstIndex(of: UInt8(ascii: ":")) ?? text.count
      let piece = text[index..<end]
      var parsed: [UInt16]
      if end == text.count, piece.contains(UInt8(ascii: ".")) {
        guard let quad = dottedQuad(piece) else { return nil }
        parsed = quad
      } else {
        guard (1...4).contains(piece.count), let group = hexadecimal(piece) else { return nil }
        parsed = [group]
      }
      if after != nil { after?.append(contentsOf: parsed) } else { before.append(contentsOf: parsed) }
      index = end
      if index == text.count { break }
      index += 1  // the colon
      if index < text.count, text[index] == UInt8(ascii: ":") {
        guard after == nil else { return nil }
        after = []
        index += 1
      } else if index == text.count {
        return nil  // a single colon at the end
      }
    }
    guard let after else { return before.count == 8 ? before : nil }
    let missing = 8 - before.count - after.count
    guard missing >= 1 else { return nil }
    return before + Array(repeating: 0, count: missing) + after
  }

  private static func hexadecimal(_ digits: ArraySlice<UInt8>) -> UInt16? {
    var value: UInt16 = 0
    for digit in digits {
      guard let nibble = Character(UnicodeScalar(digit)).hexDigitValue else { return nil }
      value = value << 4 | UInt16(nibble)
    }
    return value
  }

  private static func dottedQuad(_ text: ArraySlice<UInt8>) -> [UInt16]? {
    let parts = text.split(separator: UInt8(ascii: "."), omittingEmptySubsequences: false)
    guard parts.count == 4 else { return nil }
    var octets: [UInt16] = []
    for part in parts {
      // A leading zero would be octal to some readers and decimal to others.
      guard (1...3).contains(part.count), part.allSatisfy({ (48...57).contains($0) }),
        part.count == 1 || part.first != UInt8(ascii: "0")
      else { return nil }
      let value = part.reduce(0) { $0 * 10 + Int($1 - 48) }
      guard value <= 255 else { return nil }
      octets.append(UInt16(value))
    }
    return [octets[0] << 8 | octets[1], octets[2] << 8 | octets[3]]
  }
}

extension IPv6Address: Codable {
  public init(from decoder: any Decoder) throws {
    let container = try decoder.singleValueContainer()
    let text = try container.decode(String.self)
    guard let value = IPv6Address(text) else {
      throw DecodingError.dataCorruptedError(in: container, debugDescription: "'\(text)' is not an IPv6 address")
    }
    self = value
  }

  public func encode(to encoder: any Encoder) throws {
    var container = encoder.singleValueContainer()
    try container.encode(description)
  }
}
