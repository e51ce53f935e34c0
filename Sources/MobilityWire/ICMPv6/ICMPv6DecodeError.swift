/// Why an ICMPv6 message was not believed. The receiver discards it silently (RFC 4861 sections 6.1 and 7.1).
public struct ICMPv6DecodeError: Error, Hashable, Sendable {
  /// The fault. The raw strings are counter and log names.
  public enum Code: String, Hashable, Sendable, CaseIterable {
    case tooShort = "too-short"
    case checksum = "checksum"
    /// Type that this suite does not implement.
    case unknownType = "unknown-icmp-type"
    /// Not 255: the packet may come from beyond the link.
    case hopLimit = "hop-limit"
    case code = "code"
    /// Option of length 0.
    case optionLength = "option-length"
    /// An option passes the end of the message.
    case optionOverrun = "option-overrun"
    /// Router Advertisement whose source is not link-local.
    case source = "source-not-link-local"
    /// Source Link-layer Address option in a packet from the unspecified address.
    case linkLayerOfUnspecified = "link-layer-of-unspecified"
    /// Neighbor Solicitation from the unspecified address to something else than a solicited-node group.
    case destination = "destination-not-solicited-node"
    /// Neighbor Solicitation or Advertisement about a multicast address.
    case targetMulticast = "target-multicast"
    /// Neighbor Advertisement to a group that claims to be solicited.
    case solicitedMulticast = "solicited-multicast"
  }

  public var code: Code
  /// From the start of the ICMPv6 message; 0 for what concerns the IPv6 header.
  public var offset: Int
  /// What stood there; 0 when it is an address.
  public var value: Int

  public init(_ code: Code, offset: Int, value: Int = 0) {
    self.code = code
    self.offset = offset
    self.value = value
  }
}

extension ICMPv6DecodeError: CustomStringConvertible {
  public var description: String { "invalid ICMPv6 message (\(code.rawValue)): offset \(offset), value \(value)" }
}
