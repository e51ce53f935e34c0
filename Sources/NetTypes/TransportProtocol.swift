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
