import NetTypes

//  Redirect option, RFC 6463 section 4.2. Type 47, alignment 4n; in Proxy Binding Acknowledgements.
//
//   0                   1                   2                   3
//   0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1
//  +---------------+---------------+-+-+---------------------------+
//  |   Type = 47   |Length 18 or 6 |K|N|         Reserved          |
//  +---------------+---------------+-+-+---------------------------+
//  |        IPv6 address of the r2LMA (16 octets, with K), or      |
//  |        IPv4 address of the r2LMA (4 octets, with N)           |
//  +---------------------------------------------------------------+

struct RedirectOption: MobilityOptionBody {
  /// Of the anchor that has the session now.
  var address: IPAddress
}

extension RedirectOption {
  private static let ipv6Flag: UInt16 = 0x8000
  private static let ipv4Flag: UInt16 = 0x4000

  /// A Length that is not that of the flag is reported as such, and so are both flags or none.
  init(decoding body: inout ByteReader<DecodeError>) throws(DecodeError) {
    switch try body.uint16() & (Self.ipv6Flag | Self.ipv4Flag) {
    case Self.ipv6Flag: address = .v6(try body.ipv6Address())
    case Self.ipv4Flag: address = .v4(try body.ipv4Address())
    default: throw body.failure
    }
  }

  func encode(into writer: inout ByteWriter) {
    switch address {
    case .v6: writer.write(Self.ipv6Flag)
    case .v4: writer.write(Self.ipv4Flag)
    }
    writer.write(address)
  }
}
