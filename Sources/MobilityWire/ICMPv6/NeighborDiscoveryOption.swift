import NetTypes

//  Neighbor Discovery options, RFC 4861 section 4.6.
//
//   0                   1                   2                   3
//   0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1
//  +---------------+---------------+-------------------------------+
//  |     Type      | Length (8 o.) |             Data
//  +---------------+---------------+--------------------------------
//
//  1, 2  Source and Target Link-layer Address (4.6.1), Length 1 for Ethernet: 6 octets
//  3     Prefix Information (4.6.2), see PrefixInformation.swift
//  5     MTU (4.6.4), Length 1: reserved 2, MTU 4

/// One option of a Neighbor Discovery message.
public enum NeighborDiscoveryOption: Hashable, Sendable {
  /// 1
  case sourceLinkLayerAddress(LinkLayerAddress)
  /// 2
  case targetLinkLayerAddress(LinkLayerAddress)
  /// 3
  case prefixInformation(PrefixInformation)
  /// 5, octets.
  case mtu(UInt32)
  /// Ignored by the protocol: an unknown type, or a known one with a length that is not the one of the RFC on Ethernet.
  /// `data` is what follows the Length octet, at most 2038 octets; when encoded it is filled up with zeros to a
  /// multiple of 8.
  case unknown(type: UInt8, data: [UInt8])
}

extension NeighborDiscoveryOption {
  private static let unit = 8
  private static let sourceLinkLayerAddressType: UInt8 = 1
  private static let targetLinkLayerAddressType: UInt8 = 2
  private static let prefixInformationType: UInt8 = 3
  private static let mtuType: UInt8 = 5
  /// Octets behind Type and Length.
  private static let linkLayerAddressOctets = 6
  private static let mtuOctets = 6

  /// Reads options to the end of the message. Length 0 and an overrun make the whole message invalid.
  static func decodeAll(
    _ reader: inout ByteReader<ICMPv6DecodeError>
  ) throws(ICMPv6DecodeError) -> [NeighborDiscoveryOption] {
    var options: [NeighborDiscoveryOption] = []
    while !reader.isAtEnd {
      let offset = reader.offset
      let type = try reader.uint8()
      guard !reader.isAtEnd else { throw ICMPv6DecodeError(.optionOverrun, offset: offset, value: Int(type)) }
      let length = Int(try reader.uint8())
      guard length > 0 else { throw ICMPv6DecodeError(.optionLength, offset: offset, value: length) }
      let octets = length * unit - 2
      let overrun = ICMPv6DecodeError(.optionOverrun, offset: offset, value: length)
      guard octets <= reader.remaining else { throw overrun }
      var body = try reader.take(octets, orThrow: overrun)
      options.append(try NeighborDiscoveryOption(type: type, decoding: &body))
    }
    return options
  }

  private init(type: UInt8, decoding body: inout ByteReader<ICMPv6DecodeError>) throws(ICMPv6DecodeError) {
    switch (type, body.remaining) {
    case (Self.sourceLinkLayerAddressType, Self.linkLayerAddressOctets):
      self = .sourceLinkLayerAddress(try body.linkLayerAddress())
    case (Self.targetLinkLayerAddressType, Self.linkLayerAddressOctets):
      self = .targetLinkLayerAddress(try body.linkLayerAddress())
    case (Self.mtuType, Self.mtuOctets):
      try body.skip(2)
      self = .mtu(try body.uint32())
    case (Self.prefixInformationType, PrefixInformation.octets):
      var attempt = body
      if let prefix = try PrefixInformation(decoding: &attempt) {
        self = .prefixInformation(prefix)
      } else {
        self = .unknown(type: type, data: Array(body.rest()))
      }
    default: self = .unknown(type: type, data: Array(body.rest()))
    }
  }

  func encode(into writer: inout ByteWriter) {
    let start = writer.count
    switch self {
    case .sourceLinkLayerAddress(let address):
      writer.write(Self.sourceLinkLayerAddressType)
      writer.write(UInt8(0))
      writer.write(address)
    case .targetLinkLayerAddress(let address):
      writer.write(Self.targetLinkLayerAddressType)
      writer.write(UInt8(0))
      writer.write(address)
    case .prefixInformation(let prefix):
      writer.write(Self.prefixInformationType)
      writer.write(UInt8(0))
      prefix.encode(into: &writer)
    case .mtu(let octets):
      writer.write(Self.mtuType)
      writer.write(UInt8(0))
      writer.writeZeros(2)
      writer.write(octets)
    case .unknown(let type, let data):
      writer.write(type)
      writer.write(UInt8(0))
      writer.write(data.prefix(Int(UInt8.max) * Self.unit - 2))
      writer.writeZeros((Self.unit - (writer.count - start) % Self.unit) % Self.unit)
    }
    writer.overwrite(UInt8((writer.count - start) / Self.unit), at: start + 1)
  }
}

extension [NeighborDiscoveryOption] {
  var sourceLinkLayerAddress: LinkLayerAddress? {
    for case .sourceLinkLayerAddress(let address) in self { return address }
    return nil
  }
  var targetLinkLayerAddress: LinkLayerAddress? {
    for case .targetLinkLayerAddress(let address) in self { return address }
    return nil
  }
  var prefixes: [PrefixInformation] {
    compactMap { if case .prefixInformation(let value) = $0 { value } else { nil } }
  }
  var mtu: UInt32? {
    for case .mtu(let octets) in self { return octets }
    return nil
  }

  func encode(into writer: inout ByteWriter) {
    for option in self { option.encode(into: &writer) }
  }
}
