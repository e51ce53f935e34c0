import NetTypes

//  Link-local Address option, RFC 5213 section 8.7. Type 26, alignment 8n+6.
//
//   0                   1                   2                   3
//   0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1
//                                  +---------------+---------------+
//                                  |   Type = 26   |  Length = 16  |
//  +-------------------------------+---------------+---------------+
//  |                     Address (16 octets)                       |
//  +---------------------------------------------------------------+

struct LinkLocalAddressOption: MobilityOptionBody {
  var address: IPv6Address
}

extension LinkLocalAddressOption {
  init(decoding body: inout ByteReader<DecodeError>) throws(DecodeError) { address = try body.ipv6Address() }

  func encode(into writer: inout ByteWriter) { writer.write(address) }
}
