import NetTypes

//  Router Advertisement, RFC 4861 section 4.2. Type 134, code 0.
//
//   0                   1                   2                   3
//   0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1
//  +---------------+-+-+-----------+-------------------------------+
//  | Cur Hop Limit |M|O|  Reserved |   Router Lifetime (seconds)   |
//  +---------------+-+-+-----------+-------------------------------+
//  |                  Reachable Time (milliseconds)                |
//  +---------------------------------------------------------------+
//  |                   Retrans Timer (milliseconds)                |
//  +---------------------------------------------------------------+
//  |   Options: Source Link-layer Address, MTU, Prefix Information

/// What a gateway tells a node about its prefixes and its link (RFC 5213 section 6.7).
public struct RouterAdvertisement: Hashable, Sendable {
  /// Hop limit that the node should use; 0: unspecified.
  public var currentHopLimit: UInt8
  /// M: addresses by DHCPv6.
  public var managedAddresses: Bool
  /// O: other configuration by DHCPv6.
  public var otherConfiguration: Bool
  /// Seconds, 0 or 4...9000 as sent; 0: not a default router.
  public var routerLifetime: UInt16
  /// Milliseconds; 0: unspecified.
  public var reachableTime: UInt32
  /// Milliseconds; 0: unspecified.
  public var retransmissionTimer: UInt32
  public var options: [NeighborDiscoveryOption]

  public init(
    currentHopLimit: UInt8 = 64, managedAddresses: Bool = false, otherConfiguration: Bool = false,
    routerLifetime: UInt16, reachableTime: UInt32 = 0, retransmissionTimer: UInt32 = 0,
    options: [NeighborDiscoveryOption]
  ) {
    self.currentHopLimit = currentHopLimit
    self.managedAddresses = managedAddresses
    self.otherConfiguration = otherConfiguration
    self.routerLifetime = routerLifetime
    self.reachableTime = reachableTime
    self.retransmissionTimer = retransmissionTimer
    self.options = options
  }

  public var sourceLinkLayerAddress: LinkLayerAddress? { options.sourceLinkLayerAddress }
  public var prefixes: [PrefixInformation] { options.prefixes }
  /// Octets.
  public var mtu: UInt32? { options.mtu }
}

extension RouterAdvertisement: ICMPv6MessageBody {
  static let type: UInt8 = 134
  static let minimumOctets = 16
  private static let managedFlag: UInt8 = 0x80
  private static let otherFlag: UInt8 = 0x40

  /// Validity: RFC 4861 section 6.1.2.
  init(
    decoding body: inout ByteReader<ICMPv6DecodeError>, code: UInt8, in packet: ICMPv6Envelope
  ) throws(ICMPv6DecodeError) {
    guard packet.source.isLinkLocal else { throw ICMPv6DecodeError(.source, offset: 0) }
    currentHopLimit = try body.uint8()
    let flags = try body.uint8()
    managedAddresses = flags & Self.managedFlag != 0
    otherConfiguration = flags & Self.otherFlag != 0
    routerLifetime = try body.uint16()
    reachableTime = try body.uint32()
    retransmissionTimer = try body.uint32()
    options = try NeighborDiscoveryOption.decodeAll(&body)
  }

  func encode(into writer: inout ByteWriter) {
    writer.write(currentHopLimit)
    writer.write((managedAddresses ? Self.managedFlag : 0) | (otherConfiguration ? Self.otherFlag : 0))
    writer.write(routerLifetime)
    writer.write(reachableTime)
    writer.write(retransmissionTimer)
    options.encode(into: &writer)
  }

  var message: ICMPv6Message { .routerAdvertisement(self) }

  /// The whole IPv6 packet, hop limit 255.
  public func packet(source: IPv6Address, destination: IPv6Address) -> [UInt8] {
    message.packet(source: source, destination: destination)
  }
}
