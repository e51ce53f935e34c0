import NetTypes

//  Delegated Mobile Network Prefix option, RFC 7148 section 4.1. Type 55, alignment 8n+2.
//
//   0                   1                   2                   3
//   0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1
//                                  +---------------+---------------+
//                                  |   Type = 55   |Length 18 or 6 |
//  +-+-------------+---------------+---------------+---------------+
//  |V|  Reserved   | Prefix Length |                               |
//  +-+-------------+---------------+                               +
//  |     IPv6 prefix (16 octets), or IPv4 prefix (4, with V)       |
//  +---------------------------------------------------------------+

/// A prefix delegated to a mobile router (RFC 7148 section 4.1). Address bits behind the length are kept as received.
public struct DelegatedMobileNetworkPrefixOption: Hashable, Sendable {
  public var address: IPAddress
  /// 0...128, of IPv4 0...32.
  public var prefixLength: UInt8

  public init(address: IPAddress, prefixLength: UInt8) {
    self.address = address
    self.prefixLength = prefixLength
  }
}

extension DelegatedMobileNetworkPrefixOption: MobilityOptionBody {
  private static let ipv4Flag: UInt8 = 0x80

  init(decoding body: inout ByteReader<DecodeError>) throws(DecodeError) {
    let isIPv4 = try body.uint8() & Self.ipv4Flag != 0
    prefixLength = try body.uint8()
    address = isIPv4 ? .v4(try body.ipv4Address()) : .v6(try body.ipv6Address())
    guard prefixLength <= (isIPv4 ? 32 : 128) else { throw body.failure.with(.prefixLength, value: prefixLength) }
  }

  func encode(into writer: inout ByteWriter) {
    switch address {
    case .v4: writer.write(Self.ipv4Flag)
    case .v6: writer.writeZeros(1)
    }
    writer.write(prefixLength)
    writer.write(address)
  }
}
