import NetTypes

//  Access Technology Type option, RFC 5213 section 8.5. Type 24, no alignment.
//
//   0                   1                   2                   3
//   0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1
//  +---------------+---------------+---------------+---------------+
//  |   Type = 24   |  Length = 2   |   Reserved    |   ATT (8)     |
//  +---------------+---------------+---------------+---------------+

extension AccessTechnologyType: MobilityOptionBody {
  init(decoding body: inout ByteReader<DecodeError>) throws(DecodeError) {
    try body.skip(1)
    self.init(rawValue: try body.uint8())
  }

  func encode(into writer: inout ByteWriter) {
    writer.writeZeros(1)
    writer.write(rawValue)
  }
}
