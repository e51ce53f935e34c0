import NetTypes

//  IPv4 Home Address Request option, RFC 5844 section 3.3.1. Type 36, alignment 4n; in Proxy Binding Updates.
//
//   0                   1                   2                   3
//   0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1
//  +---------------+---------------+-----------+-------------------+
//  |   Type = 36   |  Length = 6   |Prefix Len |     Reserved      |
//  +---------------+---------------+-----------+-------------------+
//  |                       IPv4 Home Address                       |
//  +---------------------------------------------------------------+

/// The IPv4 home address that a gateway asks for (RFC 5844 section 3.3.1).
public struct IPv4HomeAddressRequestOption: Hashable, Sendable {
  /// 0...32: of the home subnet.
  public var prefixLength: UInt8
  public var address: IPv4Address

  public init(prefixLength: UInt8, address: IPv4Address) {
    self.prefixLength = prefixLength
    self.address = address
  }

  /// Asks the anchor to assign an address.
  public static let allZero = Self(prefixLength: 0, address: .unspecified)
}

extension IPv4HomeAddressRequestOption: MobilityOptionBody {
  init(decoding body: inout ByteReader<DecodeError>) throws(DecodeError) {
    prefixLength = try body.ipv4PrefixLength().length
    try body.skip(1)
    address = try body.ipv4Address()
  }

  func encode(into writer: inout ByteWriter) {
    writer.writeIPv4PrefixLength(prefixLength)
    writer.writeZeros(1)
    writer.write(address)
  }
}
