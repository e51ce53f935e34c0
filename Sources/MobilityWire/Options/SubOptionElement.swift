import NetTypes

/// One type-length-value element inside an option.
struct SubOptionElement {
  var type: UInt8
  var isPadding: Bool
  /// Bounded by the length; its `failure` is `option-length` at the type octet of this element.
  var body: ByteReader<DecodeError>

  /// The next element of the option in `reader`; nil at its end. `padded`: the numbers 0 and 1 are Pad1 and PadN.
  init?(decoding reader: inout ByteReader<DecodeError>, padded: Bool = false) throws(DecodeError) {
    guard !reader.isAtEnd else { return nil }
    var fault = reader.failure
    fault.offset = reader.offset
    type = try reader.uint8()
    isPadding = padded && MobilityOptionType(rawValue: type).isPadding
    if padded, MobilityOptionType(rawValue: type) == .pad1 {
      body = try reader.take(0, orThrow: fault)
      return
    }
    guard !reader.isAtEnd else { throw fault.with(.optionNoLength, value: type) }
    let length = Int(try reader.uint8())
    guard length <= reader.remaining else { throw fault.with(.optionOverrun, value: length) }
    body = try reader.take(length, orThrow: fault.with(.optionLength, value: length))
  }
}

extension ByteWriter {
  /// Type, Length and what `data` writes. An element above 255 octets is found by the option around it, which is too
  /// long then as well.
  mutating func writeElement(_ type: UInt8, _ data: (inout ByteWriter) -> Void) {
    write(type)
    write(UInt8(0))
    let start = count
    data(&self)
    overwrite(UInt8(truncatingIfNeeded: count - start), at: start - 1)
  }
}
