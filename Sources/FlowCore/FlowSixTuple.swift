import NetTypes

/// What identifies a flow (paper section 3.3): addresses, flow label, transport protocol and ports, in the downlink
/// direction as the anchor sees it: the source is the correspondent, the destination the mobile node.
///
/// What stands in the port fields of protocols without ports:
///
/// | protocol | source port | destination port |
/// | --- | --- | --- |
/// | TCP, UDP, UDP-Lite, SCTP | source port | destination port |
/// | ICMPv6 echo | identifier | 0 |
/// | ESP | high half of the SPI | low half of the SPI |
/// | everything else | 0 | 0 |
///
/// The fields are ordered so that a tuple takes 41 octets: tables hold a million of them.
public struct FlowSixTuple: Hashable, Sendable {
  public var source: IPv6Address
  public var destination: IPv6Address
  /// 20 bits (RFC 6437). 0 when the label does not take part in classification.
  public var flowLabel: UInt32
  public var sourcePort: UInt16
  public var destinationPort: UInt16
  /// The last next-header value of the chain.
  public var transport: TransportProtocol

  public init(
    source: IPv6Address, destination: IPv6Address, flowLabel: UInt32, transport: TransportProtocol, sourcePort: UInt16,
    destinationPort: UInt16
  ) {
    self.source = source
    self.destination = destination
    self.flowLabel = flowLabel & 0xf_ffff
    self.sourcePort = sourcePort
    self.destinationPort = destinationPort
    self.transport = transport
  }

  /// Equal but for the flow label: the two directions of a connection carry unrelated labels.
  public func matchesIgnoringLabel(_ other: FlowSixTuple) -> Bool {
    destination == other.destination && sourcePort == other.sourcePort && destinationPort == other.destinationPort
      && transport == other.transport && source == other.source
  }

  /// The downlink flow that this uplink packet belongs to. The label of the other direction is not known: 0. An echo
  /// identifier is the same both ways.
  public var reversed: FlowSixTuple {
    let keepsPorts = transport == .icmpv6
    return FlowSixTuple(
      source: destination, destination: source, flowLabel: 0, transport: transport,
      sourcePort: keepsPorts ? sourcePort : destinationPort, destinationPort: keepsPorts ? destinationPort : sourcePort)
  }
}

extension FlowSixTuple: CustomStringConvertible {
  /// `tcp [2001:db8::1]:80 > [2001:db8::2]:1234 label 0x12345`
  public var description: String {
    "\(transport) [\(source)]:\(sourcePort) > [\(destination)]:\(destinationPort)"
      + (flowLabel == 0 ? "" : " label 0x" + String(flowLabel, radix: 16))
  }
}

/// A next-header value that is not walked over. Open: any number is valid.
public struct TransportProtocol: RawRepresentable, Hashable, Sendable {
  public let rawValue: UInt8
  public init(rawValue: UInt8) { self.rawValue = rawValue }

  public static let tcp = TransportProtocol(rawValue: 6)
  public static let udp = TransportProtocol(rawValue: 17)
  public static let esp = TransportProtocol(rawValue: 50)
  public static let icmpv6 = TransportProtocol(rawValue: 58)
  public static let noNextHeader = TransportProtocol(rawValue: 59)
  public static let sctp = TransportProtocol(rawValue: 132)
  public static let udpLite = TransportProtocol(rawValue: 136)

  /// Protocols whose transport header starts with four octets that tell flows apart: the ports, or the SPI of ESP.
  /// The kernel's rules and the dissector use the same list.
  public static let withLeadingPorts: [TransportProtocol] = [.tcp, .udp, .esp, .sctp, .udpLite]

  private static let names: [(TransportProtocol, String)] = [
    (.tcp, "tcp"), (.udp, "udp"), (.esp, "esp"), (.icmpv6, "icmpv6"), (.sctp, "sctp"), (.udpLite, "udplite"),
  ]
}

extension TransportProtocol: CustomStringConvertible, LosslessStringConvertible {
  /// A name or a number.
  public init?(_ text: String) {
    if let known = Self.names.first(where: { $0.1 == text }) {
      self = known.0
    } else if let number = UInt8(text) {
      self.init(rawValue: number)
    } else {
      return nil
    }
  }

  public var description: String { Self.names.first { $0.0 == self }?.1 ?? String(rawValue) }
}
