import NetTypes

//  MAG Identifier option, RFC 8278 section 4.2. Type 64, no alignment.
//
//   0                   1                   2                   3
//   0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1
//  +---------------+---------------+---------------+---------------+
//  |   Type = 64   | Length = 2+n  |    Subtype    |   Reserved    |
//  +---------------+---------------+---------------+---------------+
//  |  Identifier (n octets)  ...

/// Identity of a gateway, whichever of its addresses a message comes from, RFC 8278 section 4.2.
public struct MAGIdentifier: Hashable, Sendable {
  /// As in the Mobile Node Identifier: 1 = NAI.
  public var subtype: UInt8
  public var identifier: [UInt8]

  public init(subtype: UInt8, identifier: [UInt8]) {
    self.subtype = subtype
    self.identifier = identifier
  }

  public init(nai: String) { self.init(subtype: 1, identifier: Array(nai.utf8)) }
}

extension MAGIdentifier: MobilityOptionBody {
  init(decoding body: inout ByteReader<DecodeError>) throws(DecodeError) {
    subtype = try body.uint8()
    try body.skip(1)
    identifier = Array(body.rest())
  }

  func encode(into writer: inout ByteWriter) {
    writer.write(subtype)
    writer.writeZeros(1)
    writer.write(identifier)
  }
}
