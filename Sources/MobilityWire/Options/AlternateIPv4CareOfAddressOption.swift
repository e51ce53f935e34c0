import NetTypes

//  Alternate IPv4 Care-of Address option, RFC 6463 section 4.4. Type 49, alignment 4n+2; in Proxy Binding Updates.
//
//   0                   1                   2                   3
//   0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1
//                                  +---------------+---------------+
//                                  |   Type = 49   |  Length = 4   |
//  +-------------------------------+---------------+---------------+
//  |                Alternate IPv4 Care-of Address                 |
//  +---------------------------------------------------------------+

struct AlternateIPv4CareOfAddressOption: MobilityOptionBody {
  var address: IPv4Address
}

extension AlternateIPv4CareOfAddressOption {
  init(decoding body: inout ByteReader<DecodeError>) throws(DecodeError) { address = try body.ipv4Address() }

  func encode(into writer: inout ByteWriter) { writer.write(address) }
}
