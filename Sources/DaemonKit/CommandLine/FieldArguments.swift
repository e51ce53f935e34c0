import ArgumentParser
import NetTypes

/// Fields of a flow as people type them, for `transform:` of an option.
public enum FieldArguments {
  /// An address stands for itself alone.
  public static func prefix(_ text: String) throws -> IPv6Prefix {
    if let address = IPv6Address(text) { return .host(address) }
    if let prefix = IPv6Prefix(text) { return prefix }
    throw ValidationError("'\(text)' is neither an IPv6 address nor a prefix such as 2001:db8:100:1::/64")
  }

  /// Decimal, or hexadecimal after `0x`.
  public static func flowLabel(_ text: String) throws -> UInt32 {
    let isHexadecimal = text.hasPrefix("0x")
    let label = UInt32(isHexadecimal ? text.dropFirst(2) : text[...], radix: isHexadecimal ? 16 : 10)
    guard let label, label <= 0xf_ffff else { throw ValidationError("'\(text)' is not a flow label, 0 to 0xfffff") }
    return label
  }
}
