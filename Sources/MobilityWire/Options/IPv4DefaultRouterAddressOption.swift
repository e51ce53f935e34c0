import NetTypes

//  IPv4 Default-Router Address option, RFC 5844 section 3.3.3. Type 38, alignment 4n; in Proxy Binding Acknowledgements.
//
//   0                   1                   2                   3
//   0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1
//  +---------------+---------------+-------------------------------+
//  |   Type = 38   |  Length = 6   |           Reserved            |
//  +---------------+---------------+-------------------------------+
//  |                         IPv4 Address                          |
//  +---------------------------------------------------------------+

struct IPv4DefaultRouterAddressOption: MobilityOptionBody {
  var address: IPv4Address
}

extension IPv4DefaultRouterAddressOption {
  init(decoding body: inout ByteReader<DecodeError>) throws(DecodeError) {
    try body.skip(2)
    address = try body.ipv4Address()
  }

  func encode(into writer: inout ByteWriter) {
    writer.writeZeros(2)
    writer.write(address)
  }
}
