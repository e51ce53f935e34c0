import NetTypes

//  IPv4 Care-of Address option, RFC 5555 section 3.1.2. Type 32, alignment 4n; in Binding Updates.
//
//   0                   1                   2                   3
//   0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1
//  +---------------+---------------+-------------------------------+
//  |   Type = 32   |  Length = 6   |           Reserved            |
//  +---------------+---------------+-------------------------------+
//  |                         IPv4 Address                          |
//  +---------------------------------------------------------------+

struct IPv4CareOfAddressOption: MobilityOptionBody {
  var address: IPv4Address
}

extension IPv4CareOfAddressOption {
  init(decoding body: inout ByteReader<DecodeError>) throws(DecodeError) {
    try body.skip(2)
    address = try body.ipv4Address()
  }

  func encode(into writer: inout ByteWriter) {
    writer.writeZeros(2)
    writer.write(address)
  }
}
