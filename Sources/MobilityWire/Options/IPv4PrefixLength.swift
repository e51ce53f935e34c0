import NetTypes

/// The six-bit prefix length of the IPv4 home address options: the upper bits of an octet whose lower two are a flag or
/// reserved. Which octet that is differs: the first of the data in requests (29, 36), the second in answers (30, 37).
extension ByteReader<DecodeError> {
  mutating func ipv4PrefixLength() throws(DecodeError) -> (length: UInt8, lowBits: UInt8) {
    let octet = try uint8()
    guard octet >> 2 <= 32 else { throw failure.with(.prefixLength, value: octet >> 2) }
    return (octet >> 2, octet & 0b11)
  }
}

extension ByteWriter {
  mutating func writeIPv4PrefixLength(_ length: UInt8, lowBits: UInt8 = 0) { write(length << 2 | lowBits) }
}
