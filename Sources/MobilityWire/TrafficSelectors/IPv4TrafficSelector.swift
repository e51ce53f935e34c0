import NetTypes

//  IPv4 binary traffic selector, RFC 6088 section 3.1. TS Format 1.
//
//   0                   1                   2                   3
//   0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1
//  +-+-+-+-+-+-+-+-+-+-+-+-+-+-+------------------------------------+
//  |A|B|C|D|E|F|G|H|I|J|K|L|M|N|              Reserved             |
//  +-+-+-+-+-+-+-+-+-+-+-+-+-+-+------------------------------------+
//  | (A) start, (B) end of the source address, 4 octets each        |
//  | (C) start, (D) end of the destination address, 4 each          |
//  | (E) start, (F) end of the SPI, 4 each                          |
//  | (G) start, (H) end of the source port, 2 each                  |
//  | (I) start, (J) end of the destination port, 2 each             |
//  | (K) start, (L) end of the DS octet, 1 each                     |
//  | (M) start, (N) end of the protocol, 1 each                     |
//  +----------------------------------------------------------------+
//  Only the fields whose flag is set are there, in this order, without gaps.

/// Packets of a flow over IPv4, RFC 6088 section 3.1; nil matches everything, and all fields must match. Source is the
/// correspondent and destination the mobile node, as the anchor sees downlink packets.
public struct IPv4TrafficSelector: Hashable, Sendable, Codable {
  public var sourceAddress: SelectorRange<IPv4Address>?
  public var destinationAddress: SelectorRange<IPv4Address>?
  /// Of IPsec.
  public var securityParameterIndex: SelectorRange<UInt32>?
  public var sourcePort: SelectorRange<UInt16>?
  public var destinationPort: SelectorRange<UInt16>?
  /// The whole octet; its 6 most significant bits are compared.
  public var differentiatedServices: SelectorRange<UInt8>?
  public var protocolNumber: SelectorRange<UInt8>?

  public init() {}
}

extension IPv4TrafficSelector {
  private static let fields = 7

  init(decoding body: inout ByteReader<DecodeError>) throws(DecodeError) {
    var flags = try SelectorFlags(fields: Self.fields, decoding: &body)
    sourceAddress = try flags.next(&body)
    destinationAddress = try flags.next(&body)
    securityParameterIndex = try flags.next(&body)
    sourcePort = try flags.next(&body)
    destinationPort = try flags.next(&body)
    differentiatedServices = try flags.next(&body)
    protocolNumber = try flags.next(&body)
  }

  func encode(into writer: inout ByteWriter) {
    writer.write(flags)
    sourceAddress?.encode(into: &writer)
    destinationAddress?.encode(into: &writer)
    securityParameterIndex?.encode(into: &writer)
    sourcePort?.encode(into: &writer)
    destinationPort?.encode(into: &writer)
    differentiatedServices?.encode(into: &writer)
    protocolNumber?.encode(into: &writer)
  }

  /// The presence flags A...N.
  public var flags: UInt32 {
    SelectorFlags([
      .init(sourceAddress), .init(destinationAddress), .init(securityParameterIndex), .init(sourcePort),
      .init(destinationPort), .init(differentiatedServices), .init(protocolNumber),
    ]).rawValue
  }

  var alignment: OptionAlignment {
    if sourceAddress != nil || destinationAddress != nil || securityParameterIndex != nil {
      return OptionAlignment(multiple: 4)
    }
    return sourcePort != nil || destinationPort != nil ? OptionAlignment(multiple: 2) : .none
  }
}
