/// Why a Mobility Header was not accepted.
public struct DecodeError: Error, Hashable, Sendable {
  /// The fault. The raw strings are counter and log names and those of the reference vectors.
  public enum Code: String, Hashable, Sendable, CaseIterable {
    /// Fewer octets than the fixed header.
    case tooShort = "too-short"
    case checksum = "checksum"
    /// MH Type that this suite does not implement.
    case unknownType = "unknown-mh-type"
    /// Payload Proto is not 59.
    case payloadProtocol = "payload-proto"
    /// Header Len below the minimum of the message.
    case headerLengthShort = "header-len-short"
    /// Header Len says more octets than were received.
    case headerLengthOverrun = "header-len-overrun"
    /// An option type other than Pad1 is the last octet.
    case optionNoLength = "option-no-length"
    /// An option or sub-option passes the end of its container.
    case optionOverrun = "option-overrun"
    /// Length not allowed for this option.
    case optionLength = "option-length"
    /// Prefix length above 128, or above 32 of an IPv4 prefix.
    case prefixLength = "prefix-length"
    case trafficSelectorShort = "ts-short"
    case trafficSelectorTrailing = "ts-trailing"
    /// End field of a traffic selector without its Start field.
    case trafficSelectorEndWithoutStart = "ts-end-without-start"
    /// Binding reference of odd or zero length.
    case bindingReferenceLength = "bid-ref-length"
    case revocationType = "revocation-type"
  }

  public var code: Code
  /// From the start of the Mobility Header: of the field, or of the type octet of the option at fault.
  public var offset: Int
  /// What stood there; for `tooShort` the number of octets received.
  public var value: Int
  /// The option at fault, if it is one.
  public var option: MobilityOptionType?

  public init(_ code: Code, offset: Int, value: some BinaryInteger, option: MobilityOptionType? = nil) {
    self.code = code
    self.offset = offset
    self.value = Int(clamping: value)
    self.option = option
  }

  /// Another fault of the same option.
  func with(_ code: Code, value: some BinaryInteger) -> DecodeError {
    DecodeError(code, offset: offset, value: value, option: option)
  }
}

extension DecodeError: CustomStringConvertible {
  public var description: String {
    let place = option.map { "\($0) at offset \(offset)" } ?? "offset \(offset)"
    return "malformed Mobility Header (\(code.rawValue)): \(place), value \(value)"
  }
}
