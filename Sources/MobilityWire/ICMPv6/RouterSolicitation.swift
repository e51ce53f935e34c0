import NetTypes

//  Router Solicitation, RFC 4861 section 4.1. Type 133, code 0.
//
//   0                   1                   2                   3
//   0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1
//  +---------------------------------------------------------------+
//  |                           Reserved                            |
//  +---------------------------------------------------------------+
//  |   Options: Source Link-layer Address

/// A node asks for an advertisement; for a gateway a sign of attachment.
public struct RouterSolicitation: Hashable, Sendable {
  public var options: [NeighborDiscoveryOption]

  public init(options: [NeighborDiscoveryOption] = []) { self.options = options }

  /// Absent when the node has no address yet.
  public var sourceLinkLayerAddress: LinkLayerAddress? { options.sourceLinkLayerAddress }
}

extension RouterSolicitation: ICMPv6MessageBody {
  static let type: UInt8 = 133
  static let minimumOctets = 8

  /// Validity: RFC 4861 section 6.1.1.
  init(
    decoding body: inout ByteReader<ICMPv6DecodeError>, code: UInt8, in packet: ICMPv6Envelope
  ) throws(ICMPv6DecodeError) {
    try body.skip(4)
    options = try NeighborDiscoveryOption.decodeAll(&body)
    if packet.source.isUnspecified, sourceLinkLayerAddress != nil {
      throw ICMPv6DecodeError(.linkLayerOfUnspecified, offset: Self.minimumOctets)
    }
  }

  func encode(into writer: inout ByteWriter) {
    writer.writeZeros(4)
    options.encode(into: &writer)
  }

  var message: ICMPv6Message { .routerSolicitation(self) }
}
