import NetTypes

//  Restart Counter, RFC 5847 section 3.4. Option 28, alignment 4n+2; in Heartbeat responses.
//
//  +---------------+---------------+
//  |   Type = 28   |  Length = 4   |
//  +---------------+---------------+-------------------------------+
//  |                        Restart Counter                        |
//  +---------------------------------------------------------------+

/// Grows each time the sender has lost its session state (RFC 5847 section 3.4).
struct RestartCounterOption {
  var counter: UInt32
}

extension RestartCounterOption: MobilityOptionBody {
  init(decoding body: inout ByteReader<DecodeError>) throws(DecodeError) { counter = try body.uint32() }

  func encode(into writer: inout ByteWriter) { writer.write(counter) }
}
