import NetTypes

//  Flow Summary option, RFC 6089 section 4.2.2. Type 44, alignment 2n.
//
//   0                   1                   2                   3
//   0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1
//  +---------------+---------------+-------------------------------+
//  |   Type = 44   |  Length = 2n  |             FID               |
//  +---------------+---------------+-------------------------------+
//  |             FID (as many as there are)  ...

/// Flows that stay registered as they are (RFC 6089 section 4.2.2).
struct FlowSummaryOption: MobilityOptionBody {
  /// FIDs, 1...127 of them.
  var flows: [UInt16]
}

extension FlowSummaryOption {
  init(decoding body: inout ByteReader<DecodeError>) throws(DecodeError) {
    flows = [try body.uint16()]
    while !body.isAtEnd { flows.append(try body.uint16()) }
  }

  func encode(into writer: inout ByteWriter) throws(EncodeError) {
    guard !flows.isEmpty else { throw .fieldOutOfRange(.flowSummary) }
    for flow in flows { writer.write(flow) }
  }
}
