import NetTypes

//  Service Selection option, RFC 5149 section 3. Type 20, no alignment; at most one, behind the Mobile Node Identifier.
//
//   0                   1                   2                   3
//   0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1
//  +---------------+---------------+-------------------------------+
//  |   Type = 20   |  Length = n   |    Identifier (n octets)
//  +---------------+---------------+-----------------------

/// The service that a mobile node wants (RFC 5149 section 3): compared octet by octet, echoed exactly.
public struct ServiceSelection: Hashable, Sendable {
  /// 1...255 octets; UTF-8 when the sender keeps to the RFC.
  public let identifier: [UInt8]

  /// nil for a length that no option can have.
  public init?(identifier: [UInt8]) {
    guard (1...255).contains(identifier.count) else { return nil }
    self.identifier = identifier
  }

  public init?(_ text: String) { self.init(identifier: Array(text.utf8)) }
}

extension ServiceSelection: MobilityOptionBody {
  init(decoding body: inout ByteReader<DecodeError>) throws(DecodeError) {
    guard let service = Self(identifier: Array(body.rest())) else { throw body.failure }
    self = service
  }

  func encode(into writer: inout ByteWriter) { writer.write(identifier) }
}
