import NetTypes

//  Mobile Network Prefix option, RFC 3963 section 4.3. Type 6, alignment 8n+4.
//
//   0                   1                   2                   3
//   0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1
//  +---------------+---------------+---------------+---------------+
//  |   Type = 6    |  Length = 18  |   Reserved    | Prefix Length |
//  +---------------+---------------+---------------+---------------+
//  |               Mobile Network Prefix (16 octets)               |
//  +---------------------------------------------------------------+

/// A prefix behind a mobile router (RFC 3963 section 4.3). Address bits behind the length are kept as received.
public struct MobileNetworkPrefixOption: Hashable, Sendable {
  /// 0...128.
  public var prefixLength: UInt8
  public var address: IPv6Address

  public init(prefixLength: UInt8, address: IPv6Address) {
    self.prefixLength = prefixLength
    self.address = address
  }
}

extension MobileNetworkPrefixOption: MobilityOptionBody {
  init(decoding body: inout ByteReader<DecodeError>) throws(DecodeError) {
    try body.skip(1)
    prefixLength = try body.uint8()
    address = try body.ipv6Address()
    guard prefixLength <= 128 else { throw body.failure.with(.prefixLength, value: prefixLength) }
  }

  func encode(into writer: inout ByteWriter) {
    writer.writeZeros(1)
    writer.write(prefixLength)
    writer.write(address)
  }
}
