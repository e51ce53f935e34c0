import NetTypes

//  Access Network Identifier option, RFC 6757 section 3. Type 52, alignment 4n.
//
//   0                   1                   2                   3
//   0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1
//  +---------------+---------------+-------------------------------+
//  |   Type = 52   |  Length = n   |  ANI sub-options (n octets)  ...
//  +---------------+---------------+-------------------------------+

/// Where a mobile node is attached (RFC 6757 section 3).
struct AccessNetworkIdentifierOption: MobilityOptionBody {
  /// At least one, in wire order.
  var subOptions: [AccessNetworkSubOption]
}

extension AccessNetworkIdentifierOption {
  init(decoding body: inout ByteReader<DecodeError>) throws(DecodeError) {
    guard !body.isAtEnd else { throw body.failure }
    subOptions = []
    while var element = try SubOptionElement(decoding: &body) {
      subOptions.append(try AccessNetworkSubOption(type: element.type, decoding: &element.body))
    }
  }

  func encode(into writer: inout ByteWriter) throws(EncodeError) {
    guard !subOptions.isEmpty else { throw .fieldOutOfRange(.accessNetworkIdentifier) }
    for option in subOptions { try option.encode(into: &writer) }
  }
}
