import NetTypes

//  ICMPv6, RFC 4443 section 2.1. IPv6 Next Header 58.
//
//   0                   1                   2                   3
//   0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1
//  +---------------+---------------+-------------------------------+
//  |     Type      |     Code      |           Checksum            |
//  +---------------+---------------+-------------------------------+
//  |                        Message Body

/// The ICMPv6 messages of a gateway's access link (Neighbor Discovery, RFC 4861) and the error that answers a bad
/// Mobility Header.
///
/// `decode` makes the validity checks of RFC 4861 sections 6.1 and 7.1: a value exists only if the RFC allows it to be
/// believed. The hop limit and both addresses come from the IPv6 header, which a raw socket reports apart from the
/// payload. `encode` gives the ICMPv6 message for such a socket, `packet` a whole IPv6 packet for a packet socket: a
/// gateway sends an advertisement to the all-nodes address but to one node's link-layer address (RFC 6085), which no
/// raw socket can.
public enum ICMPv6Message: Hashable, Sendable {
  case parameterProblem(ParameterProblem)
  case routerSolicitation(RouterSolicitation)
  case routerAdvertisement(RouterAdvertisement)
  case neighborSolicitation(NeighborSolicitation)
  case neighborAdvertisement(NeighborAdvertisement)

  /// IPv6 Next Header of ICMPv6.
  public static let nextHeader: UInt8 = 58
  /// Hop limit of every Neighbor Discovery packet: no router can have forwarded it.
  public static let neighborDiscoveryHopLimit: UInt8 = 255
}

/// What framing needs to know of one message: the data behind the checksum.
protocol ICMPv6MessageBody {
  static var type: UInt8 { get }
  /// Shortest valid message in octets, type to end of the fixed part.
  static var minimumOctets: Int { get }
  /// Neighbor Discovery messages have code 0 and hop limit 255.
  static var isNeighborDiscovery: Bool { get }

  /// Reads from the code to the end and checks what depends on the addresses of the packet.
  init(decoding body: inout ByteReader<ICMPv6DecodeError>, code: UInt8, in packet: ICMPv6Envelope)
    throws(ICMPv6DecodeError)

  var code: UInt8 { get }
  /// Writes from offset 4 to the end.
  func encode(into writer: inout ByteWriter)

  var message: ICMPv6Message { get }
}

extension ICMPv6MessageBody {
  static var isNeighborDiscovery: Bool { true }
  var code: UInt8 { 0 }
}

/// What the IPv6 header said about a received ICMPv6 message.
public struct ICMPv6Envelope: Hashable, Sendable {
  public var source: IPv6Address
  public var destination: IPv6Address
  public var hopLimit: UInt8

  public init(source: IPv6Address, destination: IPv6Address, hopLimit: UInt8) {
    self.source = source
    self.destination = destination
    self.hopLimit = hopLimit
  }
}

extension ICMPv6Message {
  private static let checksumOffset = 2

  private static func body(of type: UInt8) -> (any ICMPv6MessageBody.Type)? {
    switch type {
    case ParameterProblem.type: ParameterProblem.self
    case RouterSolicitation.type: RouterSolicitation.self
    case RouterAdvertisement.type: RouterAdvertisement.self
    case NeighborSolicitation.type: NeighborSolicitation.self
    case NeighborAdvertisement.type: NeighborAdvertisement.self
    default: nil
    }
  }

  private var body: any ICMPv6MessageBody {
    switch self {
    case .parameterProblem(let body): body
    case .routerSolicitation(let body): body
    case .routerAdvertisement(let body): body
    case .neighborSolicitation(let body): body
    case .neighborAdvertisement(let body): body
    }
  }

  /// Decodes and validates one message: what followed the IPv6 headers, to the end of the packet.
  public static func decode(
    _ bytes: ArraySlice<UInt8>, in packet: ICMPv6Envelope, checksum: ChecksumOnReceipt = .verify
  ) throws(ICMPv6DecodeError) -> ICMPv6Message {
    let short = ICMPv6DecodeError(.tooShort, offset: bytes.count, value: bytes.count)
    var reader = ByteReader(bytes, orThrow: short)
    let type = try reader.uint8()
    let code = try reader.uint8()
    let field = try reader.uint16()
    if checksum == .verify {
      let residue = InternetChecksum.value(
        of: bytes.span, source: packet.source, destination: packet.destination, nextHeader: nextHeader)
      guard residue == 0 else { throw ICMPv6DecodeError(.checksum, offset: checksumOffset, value: Int(field)) }
    }
    guard let kind = body(of: type) else { throw ICMPv6DecodeError(.unknownType, offset: 0, value: Int(type)) }
    if kind.isNeighborDiscovery {
      guard packet.hopLimit == neighborDiscoveryHopLimit else {
        throw ICMPv6DecodeError(.hopLimit, offset: 0, value: Int(packet.hopLimit))
      }
      guard code == 0 else { throw ICMPv6DecodeError(.code, offset: 1, value: Int(code)) }
    }
    guard bytes.count >= kind.minimumOctets else { throw short }
    return try kind.init(decoding: &reader, code: code, in: packet).message
  }

  public static func decode(
    _ bytes: [UInt8], in packet: ICMPv6Envelope, checksum: ChecksumOnReceipt = .verify
  ) throws(ICMPv6DecodeError) -> ICMPv6Message {
    try decode(bytes[...], in: packet, checksum: checksum)
  }

  /// The ICMPv6 message with its checksum.
  public func encode(source: IPv6Address, destination: IPv6Address) -> [UInt8] {
    let body = self.body
    var writer = ByteWriter()
    writer.write(Swift.type(of: body).type)
    writer.write(body.code)
    writer.write(UInt16(0))  // checksum
    body.encode(into: &writer)
    let value = InternetChecksum.value(
      of: writer.bytes.span, source: source, destination: destination, nextHeader: Self.nextHeader)
    writer.overwrite(value, at: Self.checksumOffset)
    return writer.bytes
  }

  /// A whole IPv6 packet.
  public func packet(
    source: IPv6Address, destination: IPv6Address, hopLimit: UInt8 = neighborDiscoveryHopLimit
  ) -> [UInt8] {
    let message = encode(source: source, destination: destination)
    var writer = ByteWriter(capacity: IPv6Header.octets + message.count)
    IPv6Header(
      payloadLength: UInt16(clamping: message.count), nextHeader: Self.nextHeader, hopLimit: hopLimit, source: source,
      destination: destination
    ).encode(into: &writer)
    writer.write(message)
    return writer.bytes
  }
}
