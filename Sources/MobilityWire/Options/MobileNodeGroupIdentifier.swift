import NetTypes

//  Mobile Node Group Identifier option, RFC 6602 section 4.3. Type 50, no alignment.
//
//   0                   1                   2                   3
//   0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1
//  +---------------+---------------+---------------+---------------+
//  |   Type = 50   |  Length = 6   |    Subtype    |   Reserved    |
//  +---------------+---------------+---------------+---------------+
//  |                Mobile Node Group Identifier                   |
//  +---------------------------------------------------------------+

/// A group of sessions between an anchor and a gateway, RFC 6602 section 4.3. The number is the sender's own.
public struct MobileNodeGroupIdentifier: Hashable, Sendable {
  /// 1: bulk binding update group.
  public var subtype: UInt8
  /// 0 is reserved.
  public var group: UInt32

  public init(subtype: UInt8 = 1, group: UInt32) {
    self.subtype = subtype
    self.group = group
  }

  /// All sessions of this pair of anchor and gateway.
  public static let allSessions = MobileNodeGroupIdentifier(group: 1)
}

extension MobileNodeGroupIdentifier: MobilityOptionBody {
  init(decoding body: inout ByteReader<DecodeError>) throws(DecodeError) {
    subtype = try body.uint8()
    try body.skip(1)
    group = try body.uint32()
  }

  func encode(into writer: inout ByteWriter) {
    writer.write(subtype)
    writer.writeZeros(1)
    writer.write(group)
  }
}
