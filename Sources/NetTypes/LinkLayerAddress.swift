/// An EUI-48 link-layer address.
public struct LinkLayerAddress: Hashable, Sendable, Comparable {
  /// The 48 bits, first octet on the wire most significant.
  public let rawValue: UInt64

  public init(rawValue: UInt64) { self.rawValue = rawValue & 0xffff_ffff_ffff }

  /// nil unless there are exactly six octets.
  public init?(bytes: some Collection<UInt8>) {
    guard bytes.count == 6 else { return nil }
    self.init(rawValue: bytes.reduce(0) { $0 << 8 | UInt64($1) })
  }

  public var bytes: [UInt8] {
    stride(from: 40, through: 0, by: -8).map { UInt8(truncatingIfNeeded: rawValue >> UInt64($0)) }
  }

  public var isMulticast: Bool { rawValue >> 40 & 1 == 1 }

  /// The link-local address with the modified EUI-64 of this address (RFC 4291, appendix A).
  public var linkLocalAddress: IPv6Address {
    let identifier =
      (rawValue >> 24) << 40 | 0xff_fe00_0000 | (rawValue & 0xff_ffff)
    return IPv6Address(high: 0xfe80_0000_0000_0000, low: identifier ^ 0x0200_0000_0000_0000)
  }

  /// The address that RFC 6543 reserves for all gateways of a domain (FixedMAGLinkLayerAddressOnAllAccessLinks).
  public static let fixedGateway = LinkLayerAddress(rawValue: 0x0000_5e00_5213)

  public static func < (a: Self, b: Self) -> Bool { a.rawValue < b.rawValue }
}

extension LinkLayerAddress: CustomStringConvertible, LosslessStringConvertible {
  /// `00:00:5e:00:52:13`, with colons or dashes, two digits each.
  public init?(_ text: String) {
    let parts = text.split(omittingEmptySubsequences: false) { $0 == ":" || $0 == "-" }
    guard parts.count == 6 else { return nil }
    var octets: [UInt8] = []
    for part in parts {
      guard part.utf8.count == 2, part.allSatisfy(\.isHexDigit), let octet = UInt8(part, radix: 16) else { return nil }
      octets.append(octet)
    }
    self.init(bytes: octets)
  }

  public var description: String {
    bytes.map { ($0 < 16 ? "0" : "") + String($0, radix: 16) }.joined(separator: ":")
  }
}

extension LinkLayerAddress: Codable {
  public init(from decoder: any Decoder) throws {
    let container = try decoder.singleValueContainer()
    let text = try container.decode(String.self)
    guard let value = LinkLayerAddress(text) else {
      throw DecodingError.dataCorruptedError(in: container, debugDescription: "'\(text)' is not an EUI-48 address")
    }
    self = value
  }

  public func encode(to encoder: any Encoder) throws {
    var container = encoder.singleValueContainer()
    try container.encode(description)
  }
}
