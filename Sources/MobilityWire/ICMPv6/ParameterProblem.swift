import NetTypes

//  Parameter Problem, RFC 4443 section 3.4. Type 4.
//
//   0                   1                   2                   3
//   0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1
//  +---------------------------------------------------------------+
//  |                            Pointer                            |
//  +---------------------------------------------------------------+
//  |   As much of the invoking packet as fits into 1280 octets

public struct ParameterProblem: Hashable, Sendable {
  /// 0: erroneous header field.
  public static let erroneousField: UInt8 = 0
  /// An error message never exceeds the IPv6 minimum MTU (RFC 4443 section 2.4).
  private static let minimumMTU = 1280

  public var code: UInt8
  /// Octets from the start of the invoking packet to the field at fault.
  public var pointer: UInt32
  /// The invoking packet from its IPv6 header.
  public var invokingPacket: [UInt8]

  /// Keeps as much of `invokingPacket` as may be sent.
  public init(code: UInt8, pointer: UInt32, invokingPacket: some Collection<UInt8>) {
    self.code = code
    self.pointer = pointer
    self.invokingPacket = Array(invokingPacket.prefix(Self.minimumMTU - IPv6Header.octets - Self.minimumOctets))
  }

  /// The answer to a Mobility Header that came right behind an IPv6 header (RFC 6275 section 9.2). A raw socket does not
  /// hand that header out; it is built again from `packet`, with traffic class and flow label 0.
  public init(pointerInHeader: Int, mobilityHeader: ArraySlice<UInt8>, in packet: ICMPv6Envelope) {
    var writer = ByteWriter(capacity: IPv6Header.octets + mobilityHeader.count)
    IPv6Header(
      payloadLength: UInt16(clamping: mobilityHeader.count), nextHeader: MobilityHeader.nextHeader,
      hopLimit: packet.hopLimit, source: packet.source, destination: packet.destination
    ).encode(into: &writer)
    writer.write(mobilityHeader)
    self.init(
      code: Self.erroneousField, pointer: UInt32(IPv6Header.octets + pointerInHeader), invokingPacket: writer.bytes)
  }
}

extension ParameterProblem: ICMPv6MessageBody {
  static let type: UInt8 = 4
  static let minimumOctets = 8
  static let isNeighborDiscovery = false

  init(
    decoding body: inout ByteReader<ICMPv6DecodeError>, code: UInt8, in packet: ICMPv6Envelope
  ) throws(ICMPv6DecodeError) {
    self.code = code
    pointer = try body.uint32()
    invokingPacket = Array(body.rest())
  }

  func encode(into writer: inout ByteWriter) {
    writer.write(pointer)
    writer.write(invokingPacket)
  }

  var message: ICMPv6Message { .parameterProblem(self) }
}
