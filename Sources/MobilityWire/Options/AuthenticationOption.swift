import NetTypes

//  Mobility Message Authentication option, RFC 4285 section 5. Type 9, alignment 4n+1.
//
//   0                   1                   2                   3
//   0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1
//                  +---------------+---------------+---------------+
//                  |   Type = 9    | Length = 5+n  |    Subtype    |
//  +---------------+---------------+---------------+---------------+
//  |                     Mobility SPI (4 octets)                   |
//  +---------------------------------------------------------------+
//  |                 Authentication Data (n octets)
//  +-----------------------------------------------

/// Carried, never verified: RFC 5213 section 4 protects signalling with IPsec.
struct AuthenticationOption {
  /// 1 = mobile node and home agent, 2 = mobile node and AAA server.
  var subtype: UInt8
  var spi: UInt32
  var authenticator: [UInt8]
}

extension AuthenticationOption: MobilityOptionBody {
  init(decoding body: inout ByteReader<DecodeError>) throws(DecodeError) {
    subtype = try body.uint8()
    spi = try body.uint32()
    authenticator = Array(body.rest())
  }

  func encode(into writer: inout ByteWriter) {
    writer.write(subtype)
    writer.write(spi)
    writer.write(authenticator)
  }
}
