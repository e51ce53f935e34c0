/// An IPv6 prefix. The bits behind the prefix length are always zero: two equal prefixes compare equal.
public struct IPv6Prefix: Hashable, Sendable, Comparable {
  public let address: IPv6Address
  /// 0...128.
  public let length: Int

  /// The prefix of `length` bits that `address` lies in; nil when `length` is not in 0...128.
  public init?(_ address: IPv6Address, length: Int) {
    guard (0...128).contains(length) else { return nil }
    self.init(masking: address, length: length)
  }

  private init(masking address: IPv6Address, length: Int) {
    self.length = length
    let (high, low) = Self.mask(length)
    self.address = IPv6Address(high: address.high & high, low: address.low & low)
  }

  /// The prefix that holds just this address.
  public static func host(_ address: IPv6Address) -> IPv6Prefix { IPv6Prefix(masking: address, length: 128) }

  /// The /64 that `address` lies in.
  public static func slash64(_ address: IPv6Address) -> IPv6Prefix { IPv6Prefix(masking: address, length: 64) }

  private static func mask(_ length: Int) -> (UInt64, UInt64) {
    let high = length >= 64 ? UInt64.max : ~(UInt64.max >> UInt64(length))
    let low = length <= 64 ? 0 : length == 128 ? UInt64.max : ~(UInt64.max >> UInt64(length - 64))
    return (high, low)
  }

  public func contains(_ other: IPv6Address) -> Bool {
    let (high, low) = Self.mask(length)
    return other.high & high == address.high && other.low & low == address.low
  }

  public func contains(_ other: IPv6Prefix) -> Bool { other.length >= length && contains(other.address) }

  public func overlaps(_ other: IPv6Prefix) -> Bool { contains(other) || other.contains(self) }

  /// How many prefixes of `newLength` bits fit in here; saturates at `UInt64.max`. 0 when `newLength` is not longer
  /// or equal, or above 128.
  public func subnetCount(length newLength: Int) -> UInt64 {
    guard newLength >= length, newLength <= 128 else { return 0 }
    return newLength - length >= 64 ? .max : 1 << UInt64(newLength - length)
  }

  /// The `index`-th prefix of `newLength` bits inside this one; nil when there is none.
  public func subnet(_ index: UInt64, length newLength: Int) -> IPv6Prefix? {
    guard newLength >= length, newLength <= 128 else { return nil }
    guard newLength - length >= 64 || index < subnetCount(length: newLength) else { return nil }
    let shift = 128 - newLength
    let high = shift >= 64 ? index << UInt64(shift - 64) : shift == 0 ? 0 : index >> UInt64(64 - shift)
    let low = shift >= 64 ? 0 : index << UInt64(shift)
    return IPv6Prefix(masking: IPv6Address(high: address.high | high, low: address.low | low), length: newLength)
  }

  /// The inverse of `subnet(_:length:)`; nil when `other` does not lie in this prefix or the index exceeds 64 bits.
  public func index(of other: IPv6Prefix) -> UInt64? {
    guard contains(other) else { return nil }
    let shift = 128 - other.length
    let (high, low) = (other.address.high ^ address.high, other.address.low ^ address.low)
    if shift >= 64 { return high >> UInt64(shift - 64) }
    guard high >> UInt64(shift) == 0 else { return nil }
    return low >> UInt64(shift) | high << UInt64(64 - shift)
  }

  public static func < (a: Self, b: Self) -> Bool {
    a.address == b.address ? a.length < b.length : a.address < b.address
  }
}

extension IPv6Prefix: CustomStringConvertible, LosslessStringConvertible {
  /// `address/length`; the host bits must be zero, so that a typing error is not silently another prefix.
  public init?(_ text: String) {
    let parts = text.split(separator: "/", omittingEmptySubsequences: false)
    guard parts.count == 2, let address = IPv6Address(String(parts[0])), let length = Int(parts[1]),
      String(length) == parts[1], let prefix = IPv6Prefix(address, length: length), prefix.address == address
    else { return nil }
    self = prefix
  }

  public var description: String { "\(address)/\(length)" }
}

extension IPv6Prefix: Codable {
  public init(from decoder: any Decoder) throws {
    let container = try decoder.singleValueContainer()
    let text = try container.decode(String.self)
    guard let value = IPv6Prefix(text) else {
      throw DecodingError.dataCorruptedError(in: container, debugDescription: "'\(text)' is not an IPv6 prefix")
    }
    self = value
  }

  public func encode(to encoder: any Encoder) throws {
    var container = encoder.singleValueContainer()
    try container.encode(description)
  }
}
