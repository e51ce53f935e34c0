import NetTypes

//  IPv4 Home Address Reply option, RFC 5844 section 3.3.2. Type 37, alignment 4n; in Proxy Binding Acknowledgements.
//
//   0                   1                   2                   3
//   0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1
//  +---------------+---------------+---------------+-----------+---+
//  |   Type = 37   |  Length = 6   |    Status     |Prefix Len |Res|
//  +---------------+---------------+---------------+-----------+---+
//  |                       IPv4 Home Address                       |
//  +---------------------------------------------------------------+

/// The anchor's answer to an IPv4 Home Address Request (RFC 5844 section 3.3.2); a refusal repeats what was asked for.
public struct IPv4HomeAddressReplyOption: Hashable, Sendable {
  public var status: IPv4AddressStatus
  /// 0...32.
  public var prefixLength: UInt8
  public var address: IPv4Address

  public init(status: IPv4AddressStatus, prefixLength: UInt8, address: IPv4Address) {
    self.status = status
    self.prefixLength = prefixLength
    self.address = address
  }
}

extension IPv4HomeAddressReplyOption: MobilityOptionBody {
  init(decoding body: inout ByteReader<DecodeError>) throws(DecodeError) {
    status = IPv4AddressStatus(rawValue: try body.uint8())
    prefixLength = try body.ipv4PrefixLength().length
    address = try body.ipv4Address()
  }

  func encode(into writer: inout ByteWriter) {
    writer.write(status.rawValue)
    writer.writeIPv4PrefixLength(prefixLength)
    writer.write(address)
  }
}
