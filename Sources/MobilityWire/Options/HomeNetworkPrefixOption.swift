import NetTypes

//  Home Network Prefix option, RFC 5213 section 8.3; L flag: RFC 7864 section 4.1. Type 22, alignment 8n+4.
//
//   0                   1                   2                   3
//   0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1
//  +---------------+---------------+---------------+---------------+
//  |   Type = 22   |  Length = 18  |L|  Reserved   | Prefix Length |
//  +---------------+---------------+---------------+---------------+
//  |                Home Network Prefix (16 octets)                |
//  +---------------------------------------------------------------+

/// Body of the Home Network Prefix option (RFC 5213 section 8.3, L flag of RFC 7864 section 4.1) and of the paper's
/// flow-mob option. Kept as received: address bits behind the length survive, so that an echo is exact.
public struct HomeNetworkPrefixOption: Hashable, Sendable {
  /// L = 1: serve off-link, never advertise.
  public var offLink: Bool
  /// 0...128.
  public var prefixLength: UInt8
  public var address: IPv6Address

  public init(offLink: Bool = false, prefixLength: UInt8, address: IPv6Address) {
    self.offLink = offLink
    self.prefixLength = prefixLength
    self.address = address
  }

  public init(_ prefix: IPv6Prefix, offLink: Bool = false) {
    self.init(offLink: offLink, prefixLength: UInt8(prefix.length), address: prefix.address)
  }

  /// Asks the anchor to assign a prefix.
  public static let allZero = HomeNetworkPrefixOption(prefixLength: 0, address: .unspecified)
  public var isAllZero: Bool { address.isUnspecified }
  /// nil for ALL_ZERO.
  public var prefix: IPv6Prefix? { isAllZero ? nil : IPv6Prefix(address, length: Int(prefixLength)) }
}

extension HomeNetworkPrefixOption: MobilityOptionBody {
  private static let offLinkFlag: UInt8 = 0x80

  init(decoding body: inout ByteReader<DecodeError>) throws(DecodeError) {
    offLink = try body.uint8() & Self.offLinkFlag != 0
    prefixLength = try body.uint8()
    address = try body.ipv6Address()
    guard prefixLength <= 128 else { throw body.failure.with(.prefixLength, value: prefixLength) }
  }

  func encode(into writer: inout ByteWriter) {
    writer.write(offLink ? Self.offLinkFlag : 0)
    writer.write(prefixLength)
    writer.write(address)
  }
}
