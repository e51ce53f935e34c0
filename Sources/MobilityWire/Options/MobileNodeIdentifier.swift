import NetTypes

//  Mobile Node Identifier option, RFC 4283 section 3. Type 8, no alignment.
//
//   0                   1                   2                   3
//   0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1
//                                  +---------------+---------------+
//                                  |   Type = 8    | Length = 1+n  |
//  +---------------+---------------+---------------+---------------+
//  |    Subtype    |             Identifier (n octets)
//  +---------------+-----------------------------------

/// Identity of a mobile node, RFC 4283: compared as (subtype, octets), never interpreted, echoed exactly.
public struct MobileNodeIdentifier: Hashable, Sendable {
  /// 1 = NAI, see RFC 8371 for the others.
  public var subtype: UInt8
  /// May be empty only in an answer to a PBU that had none (status 160).
  public var identifier: [UInt8]

  public init(subtype: UInt8, identifier: [UInt8]) {
    self.subtype = subtype
    self.identifier = identifier
  }

  public init(nai: String) { self.init(subtype: 1, identifier: Array(nai.utf8)) }

  /// All octets at once: an array would pass them to the hasher one by one.
  public func hash(into hasher: inout Hasher) {
    hasher.combine(subtype)
    identifier.withUnsafeBytes { hasher.combine(bytes: $0) }
  }
}

/// For state files: octet by octet, because it need not be text.
extension MobileNodeIdentifier: Codable {
  private enum CodingKeys: String, CodingKey {
    case subtype
    case identifier = "octets"
  }
}

extension MobileNodeIdentifier: MobilityOptionBody {
  init(decoding body: inout ByteReader<DecodeError>) throws(DecodeError) {
    subtype = try body.uint8()
    identifier = Array(body.rest())
  }

  func encode(into writer: inout ByteWriter) {
    writer.write(subtype)
    writer.write(identifier)
  }
}
