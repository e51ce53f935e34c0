import NetTypes

//  GRE Key option, RFC 5845 section 6.1. Type 33, alignment 4n.
//
//   0                   1                   2                   3
//   0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1
//  +---------------+---------------+-------------------------------+
//  |   Type = 33   | Length 2 or 6 |           Reserved            |
//  +---------------+---------------+-------------------------------+
//  |             GRE Key (4 octets; absent in Length 2)            |
//  +---------------------------------------------------------------+

/// In a PBU the key of the downlink, in a PBA that of the uplink (RFC 5845 section 6.1).
struct GREKeyOption {
  /// nil: GRE without keys.
  var key: UInt32?
}

extension GREKeyOption: MobilityOptionBody {
  init(decoding body: inout ByteReader<DecodeError>) throws(DecodeError) {
    try body.skip(2)
    key = body.isAtEnd ? nil : try body.uint32()
  }

  func encode(into writer: inout ByteWriter) {
    writer.writeZeros(2)
    if let key { writer.write(key) }
  }
}
