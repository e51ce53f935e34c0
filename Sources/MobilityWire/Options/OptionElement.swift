import NetTypes

/// One type-length-value element as it stands in a message, padding included (RFC 6275 section 6.2.1).
struct OptionElement {
  var type: MobilityOptionType
  /// Of the type octet, from the start of the Mobility Header.
  var offset: Int
  /// nil for Pad1, which has no length octet.
  var length: Int?
  /// Bounded by the length; its `failure` is `option-length` at this option.
  var body: ByteReader<DecodeError>

  /// The next element of `reader`; nil at its end.
  init?(decoding reader: inout ByteReader<DecodeError>) throws(DecodeError) {
    guard !reader.isAtEnd else { return nil }
    offset = reader.offset
    type = MobilityOptionType(rawValue: try reader.uint8())
    if type == .pad1 {
      body = try reader.take(0, orThrow: reader.failure)
      return
    }
    guard !reader.isAtEnd else {
      throw DecodeError(.optionNoLength, offset: offset, value: type.rawValue, option: type)
    }
    let length = Int(try reader.uint8())
    self.length = length
    let overrun = DecodeError(.optionOverrun, offset: offset, value: length, option: type)
    guard length <= reader.remaining else { throw overrun }
    body = try reader.take(length, orThrow: overrun.with(.optionLength, value: length))
  }
}
