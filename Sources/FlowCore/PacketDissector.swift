import NetTypes

/// From the octets of an IPv6 packet to the flow it belongs to.
///
/// The walk over extension headers agrees with the kernel's `ipv6_find_hdr`, which fills the registers of the nftables
/// rules: hop-by-hop options, routing, fragment, authentication and destination options are walked over, everything
/// else is the transport protocol. So a packet that the kernel's rules find in the map and one that reaches us through
/// the queue are named by the same tuple.
///
/// A packet may be cut short (the queue copies only its beginning) and may contain anything: every octet is fetched
/// through a bounds check, and the number of headers is bounded.
public enum PacketDissector {
  /// Extension headers in front of the transport header that are looked at. Real traffic has at most three.
  public static let maximumExtensionHeaders = 8

  /// Octets of a packet that are enough: the headers of ordinary traffic, and for ICMPv6 errors those of the packet
  /// inside.
  public static let usefulLength = 256

  /// Names the flow of `packet`, whose first octet is that of the IPv6 header.
  public static func dissect(_ packet: RawSpan) throws(DissectionError) -> Dissection {
    let headers = try HeaderWalk(packet, from: 0)
    guard headers.fragmentOffset == 0 else {
      return .laterFragment(
        FragmentKey(
          source: headers.source, destination: headers.destination,
          identification: headers.fragmentIdentification))
    }
    if headers.transport == .icmpv6 {
      let type = try packet.octet(headers.transportOffset, of: .transport)
      if icmpErrorTypes.contains(type) {
        return .icmpError(flow: embeddedFlow(packet, at: headers.transportOffset + 8))
      }
    }
    return .flow(try tuple(headers, in: packet))
  }

  /// Differentiated services code point of an IPv6 packet (RFC 2474 section 3); nil when even that is cut off.
  public static func dscp(_ packet: RawSpan) -> UInt8? {
    guard let first = try? packet.word(0, of: .ipv6) else { return nil }
    return UInt8(first >> 22 & 0x3f)
  }

  /// Destination Unreachable, Packet Too Big, Time Exceeded, Parameter Problem (RFC 4443 section 2.1).
  public static let icmpErrorTypes: ClosedRange<UInt8> = 1...4

  /// Echo Request and Echo Reply (RFC 4443 section 4).
  public static let icmpEchoTypes: ClosedRange<UInt8> = 128...129

  /// The packet inside an error was sent by the node, so its flow is the reverse. nil when too little of it is there.
  private static func embeddedFlow(_ packet: RawSpan, at offset: Int) -> FlowSixTuple? {
    guard let headers = try? HeaderWalk(packet, from: offset), headers.fragmentOffset == 0,
      let uplink = try? tuple(headers, in: packet)
    else { return nil }
    return uplink.reversed
  }

  private static func tuple(_ headers: HeaderWalk, in packet: RawSpan) throws(DissectionError) -> FlowSixTuple {
    var result = FlowSixTuple(
      source: headers.source, destination: headers.destination, flowLabel: headers.flowLabel,
      transport: headers.transport, sourcePort: 0, destinationPort: 0)
    let start = headers.transportOffset
    if TransportProtocol.withLeadingPorts.contains(headers.transport) {
      // Both at once: a header cut between its ports is cut.
      let ports = try packet.word(start, of: .transport)
      result.sourcePort = UInt16(ports >> 16)
      result.destinationPort = UInt16(truncatingIfNeeded: ports)
    } else if headers.transport == .icmpv6, icmpEchoTypes.contains(try packet.octet(start, of: .transport)) {
      result.sourcePort = UInt16(truncatingIfNeeded: try packet.word(start + 2, of: .transport))
    }
    return result
  }
}

/// What a packet is.
public enum Dissection: Hashable, Sendable {
  /// A whole packet or a first fragment.
  case flow(FlowSixTuple)
  /// A fragment without transport header; it follows the first fragment with the same key.
  case laterFragment(FragmentKey)
  /// An ICMPv6 error about a packet of the node: `flow` is the downlink flow it belongs to (flow label 0, since the
  /// error shows the uplink's label only); nil when the embedded packet does not tell.
  case icmpError(flow: FlowSixTuple?)
}

/// What the fragments of one packet have in common (RFC 8200 section 4.5).
public struct FragmentKey: Hashable, Sendable {
  public var source: IPv6Address
  public var destination: IPv6Address
  public var identification: UInt32

  public init(source: IPv6Address, destination: IPv6Address, identification: UInt32) {
    self.source = source
    self.destination = destination
    self.identification = identification
  }
}

/// Why a packet has no flow.
public enum DissectionError: Error, Hashable, Sendable {
  public enum Header: String, Hashable, Sendable {
    case ipv6 = "IPv6 header"
    case `extension` = "extension header"
    case transport = "transport header"
  }

  /// `octets` of the packet are there; `header` needs more.
  case truncated(Header, octets: Int)
  /// The version field holds this.
  case notIPv6(version: UInt8)
  /// More than `PacketDissector.maximumExtensionHeaders`.
  case tooManyExtensionHeaders
}

/// The result of walking one chain of headers.
private struct HeaderWalk {
  var source: IPv6Address
  var destination: IPv6Address
  var flowLabel: UInt32
  var transport: TransportProtocol
  var transportOffset: Int
  /// In octets; 0 for a whole packet and for a first fragment.
  var fragmentOffset: UInt16 = 0
  var fragmentIdentification: UInt32 = 0

  init(_ packet: RawSpan, from start: Int) throws(DissectionError) {
    let first = try packet.word(start, of: .ipv6)
    guard first >> 28 == 6 else { throw .notIPv6(version: UInt8(first >> 28)) }
    flowLabel = first & 0xf_ffff
    source = try packet.address(start + 8)
    destination = try packet.address(start + 24)

    var next = try packet.octet(start + 6, of: .ipv6)
    var offset = start + 40
    var walked = 0
    walk: while true {
      let length: Int
      switch next {
      case 0, 43, 60:  // hop-by-hop options, routing, destination options: units of 8 octets, the first not counted
        length = (Int(try packet.octet(offset + 1, of: .extension)) + 1) * 8
      case 51:  // authentication: units of 4 octets, minus 2 (RFC 4302 section 2.2)
        length = (Int(try packet.octet(offset + 1, of: .extension)) + 2) * 4
      case 44:
        length = 8
        fragmentOffset = UInt16(truncatingIfNeeded: try packet.word(offset, of: .extension)) & 0xfff8
        fragmentIdentification = try packet.word(offset + 4, of: .extension)
        if fragmentOffset != 0 {
          next = try packet.octet(offset, of: .extension)
          offset += length
          break walk  // what follows is the middle of something
        }
      default: break walk
      }
      walked += 1
      guard walked <= PacketDissector.maximumExtensionHeaders else { throw .tooManyExtensionHeaders }
      next = try packet.octet(offset, of: .extension)
      offset += length
    }
    transport = TransportProtocol(rawValue: next)
    transportOffset = offset
  }
}

extension RawSpan {
  fileprivate func octet(_ offset: Int, of header: DissectionError.Header) throws(DissectionError) -> UInt8 {
    guard offset >= 0, offset < byteCount else { throw .truncated(header, octets: byteCount) }
    return unsafeLoad(fromByteOffset: offset, as: UInt8.self)
  }

  /// 32 bits in network order.
  fileprivate func word(_ offset: Int, of header: DissectionError.Header) throws(DissectionError) -> UInt32 {
    guard offset >= 0, byteCount >= 4, offset <= byteCount - 4 else { throw .truncated(header, octets: byteCount) }
    return UInt32(bigEndian: unsafeLoadUnaligned(fromByteOffset: offset, as: UInt32.self))
  }

  fileprivate func address(_ offset: Int) throws(DissectionError) -> IPv6Address {
    guard offset >= 0, byteCount >= 16, offset <= byteCount - 16 else { throw .truncated(.ipv6, octets: byteCount) }
    return IPv6Address(
      high: UInt64(bigEndian: unsafeLoadUnaligned(fromByteOffset: offset, as: UInt64.self)),
      low: UInt64(bigEndian: unsafeLoadUnaligned(fromByteOffset: offset + 8, as: UInt64.self)))
  }
}
