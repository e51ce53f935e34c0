import NetTypes

//  Binding Refresh Advice option, RFC 6275 section 6.2.4. Type 2, alignment 2n.
//
//   0                   1                   2                   3
//   0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1
//                                  +---------------+---------------+
//                                  |   Type = 2    |  Length = 2   |
//  +-------------------------------+---------------+---------------+
//  |  Refresh Interval (4 seconds) |
//  +-------------------------------+

struct BindingRefreshAdviceOption: MobilityOptionBody {
  /// Units of 4 s.
  var interval: UInt16
}

extension BindingRefreshAdviceOption {
  init(decoding body: inout ByteReader<DecodeError>) throws(DecodeError) { interval = try body.uint16() }

  func encode(into writer: inout ByteWriter) { writer.write(interval) }
}
