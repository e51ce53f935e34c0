/// What a receiver does about a Mobility Header that it did not accept, besides counting and dropping it (RFC 6275
/// section 9.2). Whether an answer goes out is for the sender of ICMPv6 errors to decide: never to a source that is not
/// unicast, and rate-limited (RFC 4443 section 2.4, RFC 6275 section 9.3.3).
public enum ReceiveReaction: Hashable, Sendable {
  case discard
  /// A Binding Error to the source of the packet.
  case bindingError(status: UInt8)
  /// ICMPv6 Parameter Problem, code 0. The pointer of the ICMPv6 message is this offset plus that of the Mobility Header
  /// in its IPv6 packet.
  case parameterProblem(pointerInHeader: Int)
}

extension DecodeError {
  public var reaction: ReceiveReaction {
    switch code {
    case .unknownType: .bindingError(status: BindingError.unrecognizedType)
    // Header Len beyond the packet: not in RFC 6275; answered as the Linux MIP6 filter does.
    case .payloadProtocol, .headerLengthShort, .headerLengthOverrun: .parameterProblem(pointerInHeader: offset)
    // No RFC fixes an answer to a malformed option: no state changes, nothing is sent.
    case .tooShort, .checksum, .optionNoLength, .optionOverrun, .optionLength, .prefixLength, .trafficSelectorShort,
      .trafficSelectorTrailing, .trafficSelectorEndWithoutStart, .bindingReferenceLength, .revocationType:
      .discard
    }
  }
}
