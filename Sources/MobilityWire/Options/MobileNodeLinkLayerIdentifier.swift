import NetTypes

//  Mobile Node Link-layer Identifier option, RFC 5213 section 8.6. Type 25, alignment as the identifier needs: none.
//
//   0                   1                   2                   3
//   0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1
//                                  +---------------+---------------+
//                                  |   Type = 25   | Length = 2+n  |
//  +-------------------------------+---------------+---------------+
//  |           Reserved            |   Identifier (n octets)
//  +-------------------------------+------------------------

/// Identity of the attached interface, RFC 5213 section 8.6: usually its MAC address, without padding.
public struct MobileNodeLinkLayerIdentifier: Hashable, Sendable {
  public var identifier: [UInt8]
  public init(identifier: [UInt8]) { self.identifier = identifier }
  public init(_ address: LinkLayerAddress) { identifier = address.bytes }
}

extension MobileNodeLinkLayerIdentifier: MobilityOptionBody {
  init(decoding body: inout ByteReader<DecodeError>) throws(DecodeError) {
    try body.skip(2)
    identifier = Array(body.rest())
  }

  func encode(into writer: inout ByteWriter) {
    writer.writeZeros(2)
    writer.write(identifier)
  }
}
