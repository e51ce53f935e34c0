import NetTypes

//  IPv6 binary traffic selector, RFC 6088 section 3.2. TS Format 2.
//
//   0                   1                   2                   3
//   0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1
//  +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-------------------------------+
//  |A|B|C|D|E|F|G|H|I|J|K|L|M|N|O|P|           Reserved            |
//  +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-------------------------------+
//  | (A) start, (B) end of the source address, 16 octets each      |
//  | (C) start, (D) end of the destination address, 16 each        |
//  | (E) start, (F) end of the SPI, 4 each                         |
//  | (G) start, (H) end of the flow label, 4 each                  |
//  | (I) start, (J) end of the source port, 2 each                 |
//  | (K) start, (L) end of the destination port, 2 each            |
//  | (M) start, (N) end of the traffic class, 1 each               |
//  | (O) start, (P) end of the next header, 1 each                 |
//  +---------------------------------------------------------------+
//  Only the fields whose flag is set are there, in this order, without gaps.

/// Packets of a flow over IPv6, RFC 6088 section 3.2; nil matches everything, and all fields must match. Source is the
/// correspondent and destination the mobile node, as the anchor sees downlink packets.
public struct IPv6TrafficSelector: Hashable, Sendable, Codable {
  public var sourceAddress: SelectorRange<IPv6Address>?
  public var destinationAddress: SelectorRange<IPv6Address>?
  /// Of IPsec.
  public var securityParameterIndex: SelectorRange<UInt32>?
  public var flowLabel: SelectorRange<FlowLabel>?
  public var sourcePort: SelectorRange<UInt16>?
  public var destinationPort: SelectorRange<UInt16>?
  /// The whole octet; its 6 most significant bits are compared.
  public var trafficClass: SelectorRange<UInt8>?
  public var nextHeader: SelectorRange<UInt8>?

  public init() {}
}

/// A flow label as RFC 6088 carries it: 24 bits, of which IPv6 uses the lower 20. The octet in front is sent as zero and
/// ignored on receipt.
public struct FlowLabel: RawRepresentable, Hashable, Sendable, Codable {
  /// At most 24 bits.
  public let rawValue: UInt32
  /// Takes the lower 24 bits.
  public init(rawValue: UInt32) { self.rawValue = rawValue & 0xff_ffff }
}

extension FlowLabel: SelectorValue {
  init(decoding body: inout ByteReader<DecodeError>) throws(DecodeError) { self.init(rawValue: try body.uint32()) }
  func encode(into writer: inout ByteWriter) { writer.write(rawValue) }
}

extension IPv6TrafficSelector {
  private static let fields = 8

  init(decoding body: inout ByteReader<DecodeError>) throws(DecodeError) {
    var flags = try SelectorFlags(fields: Self.fields, decoding: &body)
    sourceAddress = try flags.next(&body)
    destinationAddress = try flags.next(&body)
    securityParameterIndex = try flags.next(&body)
    flowLabel = try flags.next(&body)
    sourcePort = try flags.next(&body)
    destinationPort = try flags.next(&body)
    trafficClass = try flags.next(&body)
    nextHeader = try flags.next(&body)
  }

  func encode(into writer: inout ByteWriter) {
    writer.write(flags)
    sourceAddress?.encode(into: &writer)
    destinationAddress?.encode(into: &writer)
    securityParameterIndex?.encode(into: &writer)
    flowLabel?.encode(into: &writer)
    sourcePort?.encode(into: &writer)
    destinationPort?.encode(into: &writer)
    trafficClass?.encode(into: &writer)
    nextHeader?.encode(into: &writer)
  }

  /// The presence flags A...P.
  public var flags: UInt32 {
    SelectorFlags([
      .init(sourceAddress), .init(destinationAddress), .init(securityParameterIndex), .init(flowLabel),
      .init(sourcePort), .init(destinationPort), .init(trafficClass), .init(nextHeader),
    ]).rawValue
  }

  var alignment: OptionAlignment {
    if sourceAddress != nil || destinationAddress != nil { return OptionAlignment(multiple: 8) }
    if securityParameterIndex != nil || flowLabel != nil { return OptionAlignment(multiple: 4) }
    return sourcePort != nil || destinationPort != nil ? OptionAlignment(multiple: 2) : .none
  }
}
