import NetTypes

//  Alternate Care-of Address option, RFC 6275 section 6.2.5. Type 3, alignment 8n+6.
//
//   0                   1                   2                   3
//   0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1
//                                  +---------------+---------------+
//                                  |   Type = 3    |  Length = 16  |
//  +-------------------------------+---------------+---------------+
//  |                     Address (16 octets)                       |
//  +---------------------------------------------------------------+

struct AlternateCareOfAddressOption: MobilityOptionBody {
  var address: IPv6Address
}

extension AlternateCareOfAddressOption {
  init(decoding body: inout ByteReader<DecodeError>) throws(DecodeError) { address = try body.ipv6Address() }

  func encode(into writer: inout ByteWriter) { writer.write(address) }
}
