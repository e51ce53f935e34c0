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
