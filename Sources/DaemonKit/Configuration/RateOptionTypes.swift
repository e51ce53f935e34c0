/// Bit rates and shares as configuration files spell them.
extension OptionType where Value == UInt64 {
  /// Octets a second, written in bits a second with a decimal unit as `tc` does: `10mbit`, `2500kbit`, `1gbit`.
  public static var bitRate: OptionType {
    let units: [(name: String, bits: UInt64)] = [
      ("gbit", 1_000_000_000), ("mbit", 1_000_000), ("kbit", 1_000), ("bit", 1),
    ]
    let expected = "a rate from 8bit to 1000gbit such as 10mbit (bit, kbit, mbit, gbit)"
    return .scalar(expected: expected, plural: "rates") { text in
      let digits = text.prefix { $0.isASCII && $0.isNumber }
      let unit = text.dropFirst(digits.count)
      guard let number = UInt64(digits) else { return .failure(ScalarProblem(problem: "'\(text)' is not a rate")) }
      guard let bits = units.first(where: { $0.name == unit })?.bits else {
        let near = NearestName.find(unit.lowercased(), among: units.map(\.name))
        return .failure(
          ScalarProblem(
            problem: unit.isEmpty ? "'\(text)' has no unit" : "'\(unit)' is no unit of a rate",
            suggestion: near.map { "\(digits)\($0)" }))
      }
      let (rate, overflows) = number.multipliedReportingOverflow(by: bits)
      guard !overflows, (8...1_000_000_000_000).contains(rate) else {
        return .failure(ScalarProblem(problem: "\(text) is out of range"))
      }
      return .success(rate / 8)
    } write: { octets in
      let bits = octets * 8
      let unit = units.first { bits % $0.bits == 0 } ?? ("bit", 1)
      return "\(bits / unit.bits)\(unit.name)"
    }
  }
}

extension OptionType where Value == UInt32 {
  /// Thousandths, written as per cent with at most one decimal: `2%`, `0.5%`.
  public static func share(_ range: ClosedRange<UInt32>) -> OptionType {
    let write: @Sendable (UInt32) -> String = {
      "\($0 / 10)" + ($0 % 10 == 0 ? "" : ".\($0 % 10)") + "%"
    }
    return .scalar(
      expected: "a share from \(write(range.lowerBound)) to \(write(range.upperBound))", plural: "shares"
    ) { text in
      let number = text.hasSuffix("%") ? text.dropLast() : text[...]
      let parts = number.split(separator: ".", omittingEmptySubsequences: false)
      guard (1...2).contains(parts.count), parts.allSatisfy({ !$0.isEmpty && $0.allSatisfy(\.isWholeNumber) }),
        let whole = UInt32(parts[0]), whole <= 1_000, parts.count == 1 || parts[1].count == 1,
        let tenths = parts.count == 2 ? UInt32(parts[1]) : 0
      else { return .failure(ScalarProblem(problem: "'\(text)' is not a share")) }
      guard text.hasSuffix("%") else {
        return .failure(ScalarProblem(problem: "'\(text)' has no %", suggestion: "\(text)%"))
      }
      let value = whole * 10 + tenths
      return range.contains(value) ? .success(value) : .failure(ScalarProblem(problem: "\(text) is out of range"))
    } write: {
      write($0)
    }
  }
}
