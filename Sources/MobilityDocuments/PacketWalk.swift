import MobilityWire
import NetTypes

/// A Mobility Header as it stands in a packet.
public struct FoundMessage: Hashable, Sendable {
  /// From the Payload Proto octet to the end of the packet.
  public var octets: ArraySlice<UInt8>
  /// Of the pseudo-header. An IPv4-mapped address for a message directly over UDP over IPv4.
  public var source: IPv6Address
  public var destination: IPv6Address
  public var checksum: ChecksumOnReceipt
  /// The packet was longer than what was captured of it.
  public var isCutShort: Bool

  public init(
    octets: ArraySlice<UInt8>, source: IPv6Address, destination: IPv6Address, checksum: ChecksumOnReceipt = .verify,
    isCutShort: Bool = false
  ) {
    self.octets = octets
    self.source = source
    self.destination = destination
    self.checksum = checksum
    self.isCutShort = isCutShort
  }
}

/// Why it cannot be said whether a packet holds a message, or what the message says.
public enum PacketProblem: String, Error, Hashable, Sendable, CaseIterable {
  /// The packet, or what was captured of it, ends within its headers or its message.
  case cutShort = "are cut short"
  /// One of several fragments of a Mobility Header.
  case fragment = "are fragments of a Mobility Header"
  /// More than `PacketWalk.maximumNesting` or `PacketWalk.maximumExtensionHeaders`.
  case tooManyHeaders = "have too many headers"

  /// What to do about it.
  public var advice: String {
    switch self {
    case .cutShort: "capture whole packets (tcpdump -s 0)"
    case .fragment: "capture where the packet is whole; fragments are not put together"
    case .tooManyHeaders: "no network makes such packets; look at the sender"
    }
  }
}

/// Finds the Mobility Header of a packet: behind extension headers, in IP in IP to any depth up to a bound, and over UDP
/// ports 5436 (RFC 5844 section 4) and 4191 (RFC 5555 section 4.1). It believes nothing it reads.
public struct PacketWalk {
  /// IP headers, one in the other.
  public static let maximumNesting = 16
  /// Behind one IPv6 header.
  public static let maximumExtensionHeaders = 16
  /// VLAN tags of a frame.
  public static let maximumTags = 8
  /// A Mobility Header directly over UDP over IPv4 (RFC 5844 section 4.1.3.1): its checksum is 0 and not checked.
  public static let controlPort: UInt16 = 5436
  /// An IP packet in UDP over IPv4 (RFC 5555 section 4.1).
  public static let tunnelPort: UInt16 = 4191

  private typealias Reader = ByteReader<PacketProblem>
  private var reader: Reader
  private var nesting = 0

  private init(_ octets: ArraySlice<UInt8>) { reader = Reader(octets, orThrow: .cutShort) }

  /// The message of a captured packet; nil when it holds none.
  ///
  /// - Parameter octets: from the first octet of the link-layer header.
  public static func message(
    in octets: ArraySlice<UInt8>, of link: LinkType
  ) throws(PacketProblem) -> FoundMessage? {
    var walk = PacketWalk(octets)
    switch link {
    case .ethernet:
      try walk.reader.skip(12)
      return try walk.tagged(try walk.reader.uint16())
    case .linuxCooked:
      try walk.reader.skip(14)
      return try walk.tagged(try walk.reader.uint16())
    case .linuxCooked2:
      let protocolNumber = try walk.reader.uint16()
      try walk.reader.skip(18)
      return try walk.tagged(protocolNumber)
    case .raw: return try walk.anyIP()
    }
  }

  // MARK: Layers. Each reads its header and goes on with what is inside.

  private mutating func tagged(_ etherType: UInt16) throws(PacketProblem) -> FoundMessage? {
    var etherType = etherType
    var tags = 0
    while etherType == 0x8100 || etherType == 0x88a8 || etherType == 0x9100 {
      tags += 1
      guard tags <= Self.maximumTags else { throw .tooManyHeaders }
      try reader.skip(2)
      etherType = try reader.uint16()
    }
    switch etherType {
    case 0x86dd: return try ipv6()
    case 0x0800: return try ipv4()
    default: return nil
    }
  }

  /// By the version of the header. 0 is the TLV header of RFC 5845 section 7.2, which names what follows.
  private mutating func anyIP(allowingTLV: Bool = false) throws(PacketProblem) -> FoundMessage? {
    guard !reader.isAtEnd else { return nil }
    var header = reader
    switch try header.uint8() >> 4 {
    case 4: return try ipv4()
    case 6: return try ipv6()
    case 0 where allowingTLV:
      let next = try header.uint8()
      try header.skip(2)
      reader = header
      return try payload(next, source: .unspecified, destination: .unspecified)
    default: return nil
    }
  }

  /// Narrows what is left of the packet to `length` octets. True: there are fewer.
  private mutating func narrow(to length: Int) throws(PacketProblem) -> Bool {
    let available = min(length, reader.remaining)
    reader = try reader.take(available, orThrow: PacketProblem.cutShort)
    return available < length
  }

  private mutating func nest() throws(PacketProblem) {
    nesting += 1
    guard nesting <= Self.maximumNesting else { throw .tooManyHeaders }
  }

  private mutating func ipv4() throws(PacketProblem) -> FoundMessage? {
    try nest()
    let first = try reader.uint8()
    let headerOctets = Int(first & 0xf) * 4
    guard first >> 4 == 4, headerOctets >= 20 else { return nil }
    try reader.skip(1)
    let total = Int(try reader.uint16())
    try reader.skip(2)
    let fragment = try reader.uint16() & 0x3fff
    try reader.skip(1)
    let next = try reader.uint8()
    try reader.skip(2)
    let source = IPv6Address.mapped(try reader.uint32())
    let destination = IPv6Address.mapped(try reader.uint32())
    try reader.skip(headerOctets - 20)
    guard total >= headerOctets, fragment == 0 else { return nil }
    let isCutShort = try narrow(to: total - headerOctets)
    return try payload(next, source: source, destination: destination, isCutShort: isCutShort)
  }

  private mutating func ipv6() throws(PacketProblem) -> FoundMessage? {
    try nest()
    guard try reader.uint32() >> 28 == 6 else { return nil }
    let length = Int(try reader.uint16())
    var next = try reader.uint8()
    try reader.skip(1)
    var source = try reader.ipv6Address()
    var destination = try reader.ipv6Address()
    let isCutShort = try narrow(to: length)

    for _ in 0...Self.maximumExtensionHeaders {
      switch next {
      case 0:
        var header = try extensionHeader()
        next = try header.uint8()
      case 60:
        var header = try extensionHeader()
        next = try header.uint8()
        try header.skip(1)
        source = homeAddress(in: &header) ?? source
      case 43:
        var header = try extensionHeader()
        next = try header.uint8()
        destination = try finalDestination(of: &header) ?? destination
      case 44:
        next = try reader.uint8()
        try reader.skip(1)
        let isPart = try reader.uint16() & 0xfff9 != 0
        try reader.skip(4)
        if isPart {
          if next == MobilityHeader.nextHeader { throw .fragment }
          return nil
        }
      case 51:
        next = try reader.uint8()
        try reader.skip((Int(try reader.uint8()) + 2) * 4 - 2)
      default: return try payload(next, source: source, destination: destination, isCutShort: isCutShort)
      }
    }
    throw .tooManyHeaders
  }

  private mutating func payload(
    _ next: UInt8, source: IPv6Address, destination: IPv6Address, isCutShort: Bool = false
  ) throws(PacketProblem) -> FoundMessage? {
    switch next {
    case MobilityHeader.nextHeader:
      return FoundMessage(
        octets: reader.rest(), source: source, destination: destination, isCutShort: isCutShort)
    case 41: return try ipv6()
    case 4: return try ipv4()
    case 17: return try udp(source: source, destination: destination)
    default: return nil
    }
  }

  private mutating func udp(source: IPv6Address, destination: IPv6Address) throws(PacketProblem) -> FoundMessage? {
    let ports = [try reader.uint16(), try reader.uint16()]
    let length = Int(try reader.uint16())
    try reader.skip(2)
    guard length >= 8 else { return nil }
    if ports.contains(Self.controlPort) {
      let isCutShort = try narrow(to: length - 8)
      return FoundMessage(
        octets: reader.rest(), source: source, destination: destination, checksum: .kernelVerified,
        isCutShort: isCutShort)
    }
    if ports.contains(Self.tunnelPort) {
      _ = try narrow(to: length - 8)
      return try anyIP(allowingTLV: true)
    }
    return nil
  }

  // MARK: Extension headers that change the pseudo-header

  /// Splits off a header whose second octet is its length in units of 8 octets, the first not counted.
  private mutating func extensionHeader() throws(PacketProblem) -> Reader {
    var start = reader
    try start.skip(1)
    return try reader.take((Int(try start.uint8()) + 1) * 8, orThrow: PacketProblem.cutShort)
  }

  /// The Home Address option takes the place of the source (RFC 6275 sections 6.1.1 and 6.3).
  private func homeAddress(in options: inout Reader) -> IPv6Address? {
    while let type = try? options.uint8() {
      if type == 0 { continue }
      guard let length = try? options.uint8(),
        var option = try? options.take(Int(length), orThrow: PacketProblem.cutShort)
      else { return nil }
      if type == 201, length == 16 { return try? option.ipv6Address() }
    }
    return nil
  }

  /// The last address of a routing header that is not there yet takes the place of the destination (RFC 8200 section
  /// 8.1): the home address of type 2 (RFC 6275 section 6.4), the first segment of type 4, whose list runs backwards
  /// (RFC 8754 section 2).
  private func finalDestination(of header: inout Reader) throws(PacketProblem) -> IPv6Address? {
    let addresses = try header.uint8() / 2
    let type = try header.uint8()
    let segmentsLeft = try header.uint8()
    guard segmentsLeft > 0, addresses > 0 else { return nil }
    try header.skip(4)
    switch type {
    case 0, 2:
      try header.skip(16 * (Int(addresses) - 1))
      return try header.ipv6Address()
    case 4: return try header.ipv6Address()
    default: return nil
    }
  }
}

/// The link-layer headers that are understood.
public enum LinkType: Hashable, Sendable, CaseIterable {
  case ethernet
  /// Linux "cooked" capture (tcpdump -i any), version 1.
  case linuxCooked
  /// The same, version 2.
  case linuxCooked2
  /// No link-layer header: IPv4 or IPv6 by the version of the packet.
  case raw
}

extension IPv6Address {
  fileprivate static func mapped(_ address: UInt32) -> IPv6Address {
    IPv6Address(high: 0, low: 0xffff_0000_0000 | UInt64(address))
  }
}
