import NetTypes

//  IPv4 Home Address option, RFC 5555 section 3.1.1. Type 29, alignment 4n; in Binding Updates.
//
//   0                   1                   2                   3
//   0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1
//  +---------------+---------------+-----------+-+-----------------+
//  |   Type = 29   |  Length = 6   |Prefix Len |P|    Reserved     |
//  +---------------+---------------+-----------+-+-----------------+
//  |                       IPv4 Home Address                       |
//  +---------------------------------------------------------------+

/// The IPv4 home address or prefix that a dual-stack mobile node registers (RFC 5555 section 3.1.1).
public struct IPv4HomeAddressOption: Hashable, Sendable {
  /// 0...32; 32 for an address.
  public var prefixLength: UInt8
  /// P: a prefix is wanted, not an address.
  public var requestsPrefix: Bool
  /// 0.0.0.0 asks the home agent to assign one.
  public var address: IPv4Address

  public init(prefixLength: UInt8, requestsPrefix: Bool = false, address: IPv4Address) {
    self.prefixLength = prefixLength
    self.requestsPrefix = requestsPrefix
    self.address = address
  }
}

extension IPv4HomeAddressOption: MobilityOptionBody {
  private static let prefixFlag: UInt8 = 0b10

  init(decoding body: inout ByteReader<DecodeError>) throws(DecodeError) {
    let (length, flags) = try body.ipv4PrefixLength()
    prefixLength = length
    requestsPrefix = flags & Self.prefixFlag != 0
    try body.skip(1)
    address = try body.ipv4Address()
  }

  func encode(into writer: inout ByteWriter) {
    writer.writeIPv4PrefixLength(prefixLength, lowBits: requestsPrefix ? Self.prefixFlag : 0)
    writer.writeZeros(1)
    writer.write(address)
  }
}
