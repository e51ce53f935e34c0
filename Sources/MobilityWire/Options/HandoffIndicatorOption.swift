import NetTypes

//  Handoff Indicator option, RFC 5213 section 8.4. Type 23, no alignment.
//
//   0                   1                   2                   3
//   0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1
//  +---------------+---------------+---------------+---------------+
//  |   Type = 23   |  Length = 2   |   Reserved    |    HI (8)     |
//  +---------------+---------------+---------------+---------------+

extension HandoffIndicator: MobilityOptionBody {
  init(decoding body: inout ByteReader<DecodeError>) throws(DecodeError) {
    try body.skip(1)
    self.init(rawValue: try body.uint8())
  }

  func encode(into writer: inout ByteWriter) {
    writer.writeZeros(1)
    writer.write(rawValue)
  }
}
