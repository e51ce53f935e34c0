/// A text of test data that is no hexadecimal one.
public struct MalformedHexadecimal: Error {
  public var text: String
}

/// Pairs of digits; spaces and line ends between them are ignored.
public func octets(_ text: String) throws(MalformedHexadecimal) -> [UInt8] {
  let digits = text.filter { $0 != " " && !$0.isNewline }.map(\.hexDigitValue)
  guard digits.count.isMultiple(of: 2) else { throw MalformedHexadecimal(text: text) }
  var result: [UInt8] = []
  for index in stride(from: 0, to: digits.count, by: 2) {
    guard let high = digits[index], let low = digits[index + 1] else { throw MalformedHexadecimal(text: text) }
    result.append(UInt8(high << 4 | low))
  }
  return result
}
