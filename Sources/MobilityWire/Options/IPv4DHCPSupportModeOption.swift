import NetTypes

//  IPv4 DHCP Support Mode option, RFC 5844 section 3.3.4. Type 39, no alignment; in Proxy Binding Acknowledgements.
//
//   0                   1                   2                   3
//   0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1
//  +---------------+---------------+-----------------------------+-+
//  |   Type = 39   |  Length = 2   |          Reserved           |S|
//  +---------------+---------------+-----------------------------+-+

struct IPv4DHCPSupportModeOption: MobilityOptionBody {
  /// S: the gateway is to be the DHCP server; otherwise, and without the option, a relay.
  var isServer: Bool
}

extension IPv4DHCPSupportModeOption {
  private static let serverFlag: UInt16 = 0x0001

  init(decoding body: inout ByteReader<DecodeError>) throws(DecodeError) {
    isServer = try body.uint16() & Self.serverFlag != 0
  }

  func encode(into writer: inout ByteWriter) { writer.write(isServer ? Self.serverFlag : 0) }
}
