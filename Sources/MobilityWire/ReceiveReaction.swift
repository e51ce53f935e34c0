import NetTypes

/// What a receiver does about a Mobility Header that it did not accept, besides counting and dropping it (RFC 6275
/// section 9.2). Whether an answer goes out is for the sender of ICMPv6 errors to decide: never to a source that is not
/// unicast, and rate-limited (RFC 4443 section 2.4, RFC 6275 section 9.3.3).
public enum ReceiveReaction: Hashable, Sendable {
  case discard
  /// A Binding Error to the source of the packet.
  case bindingError(status: UInt8)
  /// To a Binding Update that wants an answer; any other message is dropped. See `BindingAcknowledgement(refusing:status:)`.
  case bindingAcknowledgement(status: BindingStatus)
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
    // RFC 5648 sections 4.4 and 6.2.
    case .optionLength where option == .bindingIdentifier:
      .bindingAcknowledgement(status: .multipleCareOfAddressesMalformed)
    // No RFC fixes an answer to a malformed option: no state changes, nothing is sent.
    case .tooShort, .checksum, .optionNoLength, .optionOverrun, .optionLength, .prefixLength, .trafficSelectorShort,
      .trafficSelectorTrailing, .trafficSelectorEndWithoutStart, .bindingReferenceLength, .revocationType:
      .discard
    }
  }
}

extension BindingAcknowledgement {
  /// Refuses the Binding Update in `octets`, of which the options cannot be read; nil when that is no Binding Update or
  /// one without A flag.
  public init?(refusing octets: [UInt8], status: BindingStatus) {
    let incomplete = DecodeError(.tooShort, offset: octets.count, value: octets.count)
    var reader = ByteReader(octets, orThrow: incomplete)
    guard octets.count >= BindingUpdate.fixedPartEnd, octets[2] == MobilityHeaderType.bindingUpdate.rawValue,
      (try? reader.skip(MobilityHeader.fixedPartEnd)) != nil,
      let sequence = try? reader.uint16(), let rawFlags = try? reader.uint16()
    else { return nil }
    let flags = BindingUpdateFlags(rawValue: rawFlags)
    guard flags.contains(.acknowledge) else { return nil }
    self.init(
      status: status, flags: flags.contains(.proxyRegistration) ? .proxyRegistration : [], sequence: sequence,
      lifetime: .zero, options: MobilityOptions())
  }
}
