import NetTypes

//  Neighbor Solicitation, RFC 4861 section 4.3. Type 135, code 0.
//
//   0                   1                   2                   3
//   0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1
//  +---------------------------------------------------------------+
//  |                           Reserved                            |
//  +---------------------------------------------------------------+
//  |                  Target Address (16 octets)                   |
//  +---------------------------------------------------------------+
//  |   Options: Source Link-layer Address

public struct NeighborSolicitation: Hashable, Sendable {
  /// Not a multicast address.
  public var target: IPv6Address
  public var options: [NeighborDiscoveryOption]

  public init(target: IPv6Address, options: [NeighborDiscoveryOption] = []) {
    self.target = target
    self.options = options
  }

  public var sourceLinkLayerAddress: LinkLayerAddress? { options.sourceLinkLayerAddress }
}

extension NeighborSolicitation: ICMPv6MessageBody {
  static let type: UInt8 = 135
  static let minimumOctets = 24
  static let targetOffset = 8

  /// Validity: RFC 4861 section 7.1.1.
  init(
    decoding body: inout ByteReader<ICMPv6DecodeError>, code: UInt8, in packet: ICMPv6Envelope
  ) throws(ICMPv6DecodeError) {
    try body.skip(4)
    target = try body.ipv6Address()
    guard !target.isMulticast else { throw ICMPv6DecodeError(.targetMulticast, offset: Self.targetOffset) }
    options = try NeighborDiscoveryOption.decodeAll(&body)
    if packet.source.isUnspecified {
      guard packet.destination.isSolicitedNode else { throw ICMPv6DecodeError(.destination, offset: 0) }
      guard sourceLinkLayerAddress == nil else {
        throw ICMPv6DecodeError(.linkLayerOfUnspecified, offset: Self.minimumOctets)
      }
    }
  }

  func encode(into writer: inout ByteWriter) {
    writer.writeZeros(4)
    writer.write(target)
    options.encode(into: &writer)
  }

  var message: ICMPv6Message { .neighborSolicitation(self) }
}
