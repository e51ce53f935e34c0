import NetTypes

extension ICMPv6Message {
  private static let payloadLengthOffset = 4
  private static let nextHeaderOffset = 6
  private static let hopLimitOffset = 7
  private static let sourceOffset = 8
  private static let destinationOffset = 24

  /// Decodes a whole IPv6 packet whose next header is ICMPv6, as a packet socket delivers it. Neighbor Discovery has no
  /// extension headers, and octets behind the payload are link-layer padding.
  public static func decode(packet: [UInt8]) throws(ICMPv6DecodeError) -> (ICMPv6Envelope, ICMPv6Message) {
    let short = ICMPv6DecodeError(.tooShort, offset: 0, value: packet.count)
    guard packet.count >= IPv6Header.octets, packet[0] >> 4 == 6, packet[nextHeaderOffset] == nextHeader,
      let source = IPv6Address(bytes: packet[sourceOffset...]),
      let destination = IPv6Address(bytes: packet[destinationOffset...])
    else { throw short }
    let length = Int(packet[payloadLengthOffset]) << 8 | Int(packet[payloadLengthOffset + 1])
    guard packet.count >= IPv6Header.octets + length else { throw short }
    let envelope = ICMPv6Envelope(source: source, destination: destination, hopLimit: packet[hopLimitOffset])
    let payload = packet[IPv6Header.octets..<IPv6Header.octets + length]
    return (envelope, try decode(payload, in: envelope))
  }
}
