import NetTypes

//  LMA User-Plane Address option, RFC 7389 section 4. Type 59, alignment 8n+2.
//
//   0                   1                   2                   3
//   0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1
//                                  +---------------+---------------+
//                                  |   Type = 59   | Len 2, 6, 18  |
//  +-------------------------------+---------------+---------------+
//  |           Reserved            |                               |
//  +-------------------------------+                               +
//  |      IPv4 address (4 octets), IPv6 address (16) or nothing    |
//  +---------------------------------------------------------------+

/// Where an anchor that splits control and user plane ends its tunnels (RFC 7389 section 4).
struct LMAUserPlaneAddressOption: MobilityOptionBody {
  /// nil: a gateway asks for it.
  var address: IPAddress?
}

extension LMAUserPlaneAddressOption {
  init(decoding body: inout ByteReader<DecodeError>) throws(DecodeError) {
    try body.skip(2)
    address =
      switch body.remaining {
      case 0: nil
      case 4: .v4(try body.ipv4Address())
      default: .v6(try body.ipv6Address())
      }
  }

  func encode(into writer: inout ByteWriter) {
    writer.writeZeros(2)
    if let address { writer.write(address) }
  }
}
