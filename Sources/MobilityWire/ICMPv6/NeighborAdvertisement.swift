import NetTypes

//  Neighbor Advertisement, RFC 4861 section 4.4. Type 136, code 0.
//
//   0                   1                   2                   3
//   0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1
//  +-+-+-+---------------------------------------------------------+
//  |R|S|O|                       Reserved                          |
//  +-+-+-+---------------------------------------------------------+
//  |                  Target Address (16 octets)                   |
//  +---------------------------------------------------------------+
//  |   Options: Target Link-layer Address

public struct NeighborAdvertisement: Hashable, Sendable {
  public struct Flags: OptionSet, Hashable, Sendable {
    public let rawValue: UInt8
    public init(rawValue: UInt8) { self.rawValue = rawValue }
    public static let router = Self(rawValue: 0x80)
    public static let solicited = Self(rawValue: 0x40)
    public static let override = Self(rawValue: 0x20)
  }

  public var flags: Flags
  /// Not a multicast address.
  public var target: IPv6Address
  public var options: [NeighborDiscoveryOption]

  public init(flags: Flags, target: IPv6Address, options: [NeighborDiscoveryOption] = []) {
    self.flags = flags
    self.target = target
    self.options = options
  }

  public var targetLinkLayerAddress: LinkLayerAddress? { options.targetLinkLayerAddress }
}

extension NeighborAdvertisement: ICMPv6MessageBody {
  static let type: UInt8 = 136
  static let minimumOctets = 24
  private static let flagsOffset = 4
  private static let definedFlags: Flags = [.router, .solicited, .override]

  /// Validity: RFC 4861 section 7.1.2.
  init(
    decoding body: inout ByteReader<ICMPv6DecodeError>, code: UInt8, in packet: ICMPv6Envelope
  ) throws(ICMPv6DecodeError) {
    flags = Flags(rawValue: try body.uint8()).intersection(Self.definedFlags)
    try body.skip(3)
    target = try body.ipv6Address()
    guard !target.isMulticast else {
      throw ICMPv6DecodeError(.targetMulticast, offset: NeighborSolicitation.targetOffset)
    }
    if packet.destination.isMulticast, flags.contains(.solicited) {
      throw ICMPv6DecodeError(.solicitedMulticast, offset: Self.flagsOffset, value: Int(flags.rawValue))
    }
    options = try NeighborDiscoveryOption.decodeAll(&body)
  }

  func encode(into writer: inout ByteWriter) {
    writer.write(flags.rawValue)
    writer.writeZeros(3)
    writer.write(target)
    options.encode(into: &writer)
  }

  var message: ICMPv6Message { .neighborAdvertisement(self) }
}
