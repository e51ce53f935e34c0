import NetTypes

//  Redirect-Capability option, RFC 6463 section 4.1. Type 46, alignment 4n; in Proxy Binding Updates.
//
//   0                   1                   2                   3
//   0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1
//  +---------------+---------------+-------------------------------+
//  |   Type = 46   |  Length = 2   |           Reserved            |
//  +---------------+---------------+-------------------------------+

/// Its presence is its meaning: the gateway can follow a Redirect.
struct RedirectCapabilityOption: MobilityOptionBody {}

extension RedirectCapabilityOption {
  init(decoding body: inout ByteReader<DecodeError>) throws(DecodeError) { try body.skip(2) }

  func encode(into writer: inout ByteWriter) { writer.writeZeros(2) }
}
