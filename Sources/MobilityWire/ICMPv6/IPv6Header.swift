import NetTypes

//  IPv6 header, RFC 8200 section 3.
//
//   0                   1                   2                   3
//   0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1
//  +-------+---------------+---------------------------------------+
//  |Vers=6 | Traffic Class |              Flow Label               |
//  +-------+-------+-------+-------+---------------+---------------+
//  |        Payload Length         |  Next Header  |   Hop Limit   |
//  +-------------------------------+---------------+---------------+
//  |                   Source Address (16 octets)                  |
//  +---------------------------------------------------------------+
//  |                Destination Address (16 octets)                |
//  +---------------------------------------------------------------+

/// The IPv6 header of a control packet that this suite builds itself: traffic class and flow label are 0.
public struct IPv6Header: Hashable, Sendable {
  public static let octets = 40
  private static let version: UInt32 = 6 << 28

  /// Octets behind this header.
  public var payloadLength: UInt16
  public var nextHeader: UInt8
  public var hopLimit: UInt8
  public var source: IPv6Address
  public var destination: IPv6Address

  public init(
    payloadLength: UInt16, nextHeader: UInt8, hopLimit: UInt8, source: IPv6Address, destination: IPv6Address
  ) {
    self.payloadLength = payloadLength
    self.nextHeader = nextHeader
    self.hopLimit = hopLimit
    self.source = source
    self.destination = destination
  }

  public func encode(into writer: inout ByteWriter) {
    writer.write(Self.version)
    writer.write(payloadLength)
    writer.write(nextHeader)
    writer.write(hopLimit)
    writer.write(source)
    writer.write(destination)
  }
}
