import NetTypes

//  NAT Detection option, RFC 5555 section 3.2.2. Type 31, alignment 4n; in Binding Acknowledgements.
//
//   0                   1                   2                   3
//   0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1
//  +---------------+---------------+-+-----------------------------+
//  |   Type = 31   |  Length = 6   |F|          Reserved           |
//  +---------------+---------------+-+-----------------------------+
//  |                    Refresh Time (seconds)                     |
//  +---------------------------------------------------------------+

/// Whether to encapsulate in UDP (RFC 5555 section 3.2.2; its F flag alone: RFC 5844 section 4.1.3.1).
public struct NATDetectionOption: Hashable, Sendable {
  /// F: UDP encapsulation even without a NAT.
  public var forcesUDP: Bool
  /// Seconds between keepalives; 0 says nothing, `noKeepalives` that none are needed.
  public var refreshTime: UInt32
  public static let noKeepalives = UInt32.max

  public init(forcesUDP: Bool = false, refreshTime: UInt32) {
    self.forcesUDP = forcesUDP
    self.refreshTime = refreshTime
  }
}

extension NATDetectionOption: MobilityOptionBody {
  private static let forceFlag: UInt16 = 0x8000

  init(decoding body: inout ByteReader<DecodeError>) throws(DecodeError) {
    forcesUDP = try body.uint16() & Self.forceFlag != 0
    refreshTime = try body.uint32()
  }

  func encode(into writer: inout ByteWriter) {
    writer.write(forcesUDP ? Self.forceFlag : 0)
    writer.write(refreshTime)
  }
}
