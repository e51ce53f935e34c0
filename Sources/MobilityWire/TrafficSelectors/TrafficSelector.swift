import NetTypes

/// Which packets belong to a flow, RFC 6088: the content of the Traffic Selector sub-option (RFC 6089), of the QoS
/// attribute (RFC 7222) and of other places that name a TS Format.
public enum TrafficSelector: Hashable, Sendable, Codable {
  /// TS Format 1.
  case ipv4(IPv4TrafficSelector)
  /// TS Format 2.
  case ipv6(IPv6TrafficSelector)
  /// Kept and re-encoded unchanged; answered with `FlowBindingStatus.trafficSelectorFormatNotSupported`.
  case unknown(format: UInt8, data: [UInt8])

  private static let ipv4Format: UInt8 = 1
  private static let ipv6Format: UInt8 = 2

  /// TS Format.
  public var format: UInt8 {
    switch self {
    case .ipv4: Self.ipv4Format
    case .ipv6: Self.ipv6Format
    case .unknown(let format, _): format
    }
  }
}

extension TrafficSelector {
  /// Reads the whole of `body`, the octets behind TS Format and Reserved. Faults are those of the element around it.
  init(format: UInt8, decoding body: inout ByteReader<DecodeError>) throws(DecodeError) {
    let fault = body.failure
    guard [Self.ipv4Format, Self.ipv6Format].contains(format) else {
      self = .unknown(format: format, data: Array(body.rest()))
      return
    }
    var fields = try body.take(body.remaining, orThrow: fault.with(.trafficSelectorShort, value: fault.value))
    self =
      format == Self.ipv4Format
      ? .ipv4(try IPv4TrafficSelector(decoding: &fields)) : .ipv6(try IPv6TrafficSelector(decoding: &fields))
    guard fields.isAtEnd else { throw fault.with(.trafficSelectorTrailing, value: fault.value) }
  }

  func encode(into writer: inout ByteWriter) {
    switch self {
    case .ipv4(let selector): selector.encode(into: &writer)
    case .ipv6(let selector): selector.encode(into: &writer)
    case .unknown(_, let data): writer.write(data)
    }
  }

  /// Of the type octet of the Traffic Selector sub-option, so that the first field is aligned.
  var alignment: OptionAlignment {
    switch self {
    case .ipv4(let selector): selector.alignment
    case .ipv6(let selector): selector.alignment
    case .unknown: .none
    }
  }
}
