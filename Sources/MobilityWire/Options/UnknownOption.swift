import NetTypes

/// An option that this suite does not know: skipped by the protocol (RFC 6275 section 6.2.1), encoded as it came.
struct UnknownOption: MobilityOptionBody {
  var data: [UInt8]
}

extension UnknownOption {
  init(decoding body: inout ByteReader<DecodeError>) { data = Array(body.rest()) }

  func encode(into writer: inout ByteWriter) { writer.write(data) }
}
