import NetTypes

extension LinkLayerAddress {
  /// The link-layer address of a Calling-Station-Id (RFC 2865 section 5.31) in one of the spellings of access points:
  /// `02-00-00-00-01-01` (RFC 3580 section 3.21), `02:00:00:00:01:01`, `0200.0000.0101`, `020000-000101`, `020000000101`.
  public init?(callingStation text: some Collection<UInt8>) {
    let separators: [UInt8] = [UInt8(ascii: "-"), UInt8(ascii: ":"), UInt8(ascii: ".")]
    var digits: [UInt8] = []
    // Digits between two separators.
    var groups: [Int] = [0]
    var separator: UInt8?
    for octet in text {
      if separators.contains(octet) {
        guard separator == nil || separator == octet else { return nil }
        separator = octet
        groups.append(0)
      } else {
        guard let digit = Character(UnicodeScalar(octet)).hexDigitValue, digits.count < 12 else { return nil }
        digits.append(UInt8(digit))
        groups[groups.count - 1] += 1
      }
    }
    guard digits.count == 12, groups.allSatisfy({ $0 == groups[0] }), groups[0].isMultiple(of: 2) else { return nil }
    self.init(bytes: (0..<6).map { digits[2 * $0] << 4 | digits[2 * $0 + 1] })
  }
}
