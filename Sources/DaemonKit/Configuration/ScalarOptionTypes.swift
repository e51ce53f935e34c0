import NetTypes

extension OptionType where Value == String {
  /// Any text that is not empty, at most `maximumLength` octets of UTF-8.
  public static func text(_ expected: String = "a text", plural: String = "texts", maximumLength: Int = 255)
    -> OptionType
  {
    .scalar(expected: expected, plural: plural) { text in
      if text.isEmpty { return .failure(ScalarProblem(problem: "is empty")) }
      if text.utf8.count > maximumLength {
        return .failure(ScalarProblem(problem: "has \(text.utf8.count) octets, more than \(maximumLength)"))
      }
      return .success(text)
    } write: {
      $0
    }
  }

  /// An interface name as Linux takes it (dev_valid_name: 1 to 15 octets, no slash, no white space, not `.` or `..`).
  public static var interfaceName: OptionType {
    .scalar(expected: "an interface name of 1 to 15 characters", plural: "interface names") { text in
      let isName =
        (1...15).contains(text.utf8.count) && text != "." && text != ".."
        && !text.contains { $0 == "/" || $0 == ":" || $0.isWhitespace }
      return isName ? .success(text) : .failure(ScalarProblem(problem: "'\(text)' is no interface name"))
    } write: {
      $0
    }
  }

  /// A file path; relative ones are the business of the caller.
  public static var path: OptionType {
    text("a file path", plural: "file paths", maximumLength: 4095)
  }

  /// The path of a UNIX socket: absolute, and short enough for `sockaddr_un`.
  public static var socketPath: OptionType {
    .scalar(expected: "an absolute path of at most 107 octets", plural: "absolute paths") { text in
      guard text.utf8.first == UInt8(ascii: "/") else {
        return .failure(ScalarProblem(problem: "'\(text)' is not absolute", suggestion: "/run/flowmob/\(text)"))
      }
      guard text.utf8.count <= 107 else {
        return .failure(ScalarProblem(problem: "has \(text.utf8.count) octets"))
      }
      return .success(text)
    } write: {
      $0
    }
  }
}

extension OptionType where Value == Bool {
  public static var boolean: OptionType {
    .scalar(expected: "true or false", plural: "booleans") { text in
      switch text {
      case "true": return .success(true)
      case "false": return .success(false)
      default:
        let suggestion: String? =
          switch text.lowercased() {
          case "yes", "on", "y", "1", "true", "enabled": "true"
          case "no", "off", "n", "0", "false", "disabled": "false"
          default: NearestName.find(text, among: ["true", "false"])
          }
        return .failure(ScalarProblem(problem: "'\(text)' is not a boolean", suggestion: suggestion))
      }
    } write: {
      $0 ? "true" : "false"
    }
  }
}

extension OptionType where Value: FixedWidthInteger {
  /// How a number is printed; both ways are read.
  public enum Notation: Sendable { case decimal, hexadecimal }

  /// A whole number, decimal or hexadecimal after `0x`.
  public static func integer(_ range: ClosedRange<Value>, _ notation: Notation = .decimal) -> OptionType {
    let write: @Sendable (Value) -> String = { value in
      notation == .decimal ? String(value) : "0x" + String(value, radix: 16)
    }
    return .scalar(
      expected: "a whole number from \(write(range.lowerBound)) to \(write(range.upperBound))", plural: "whole numbers"
    ) { text in
      guard let value = wholeNumber(text) else {
        return .failure(ScalarProblem(problem: "'\(text)' is not a whole number"))
      }
      guard let exact = Value(exactly: value), range.contains(exact) else {
        return .failure(ScalarProblem(problem: "\(text) is out of range"))
      }
      return .success(exact)
    } write: {
      write($0)
    }
  }

  /// A number that has names, such as a registry's: either is read, the name is written where there is one.
  public static func codePoint(
    _ expected: String, plural: String, names: KeyValuePairs<String, Value>, range: ClosedRange<Value>
  ) -> OptionType {
    // KeyValuePairs is not Sendable under every element type; an array of pairs is.
    let pairs = names.map { (name: $0.key, value: $0.value) }
    let words = pairs.map(\.name)
    let expected =
      "\(expected) (\(words.joined(separator: ", ")), or a number from \(range.lowerBound) to \(range.upperBound))"
    return .scalar(expected: expected, plural: plural) { text in
      if let known = pairs.first(where: { $0.name == text }) { return .success(known.value) }
      guard let number = wholeNumber(text) else {
        return .failure(
          ScalarProblem(problem: "unknown name '\(text)'", suggestion: NearestName.find(text, among: words)))
      }
      guard let exact = Value(exactly: number), range.contains(exact) else {
        return .failure(ScalarProblem(problem: "\(text) is out of range"))
      }
      return .success(exact)
    } write: { value in
      pairs.first { $0.value == value }?.name ?? String(value)
    }
  }
}

/// nil for anything but digits, with `0x` in front hexadecimal, with `-` in front negative. Numbers beyond 64 bits
/// saturate: they are out of every range.
func wholeNumber(_ text: String) -> Int64? {
  let isNegative = text.hasPrefix("-")
  let unsigned = isNegative ? text.dropFirst() : text[...]
  let isHexadecimal = unsigned.hasPrefix("0x") || unsigned.hasPrefix("0X")
  let digits = isHexadecimal ? unsigned.dropFirst(2) : unsigned
  guard !digits.isEmpty, digits.allSatisfy({ $0.isASCII && (isHexadecimal ? $0.isHexDigit : $0.isNumber) }) else {
    return nil
  }
  let magnitude = Int64(digits, radix: isHexadecimal ? 16 : 10) ?? .max
  return isNegative ? -magnitude : magnitude
}

extension OptionType where Value == Duration {
  /// A number with a unit: `300ms`, `10s`, `5m`, `1h`.
  public static func duration(in range: ClosedRange<Duration>) -> OptionType {
    .scalar(
      expected:
        "a duration with a unit (ms, s, m, h) from \(DurationText.format(range.lowerBound)) to "
        + DurationText.format(range.upperBound),
      plural: "durations"
    ) { text in
      switch DurationText.parse(text) {
      case .success(let duration):
        return range.contains(duration)
          ? .success(duration) : .failure(ScalarProblem(problem: "\(text) is out of range"))
      case .failure(let problem):
        return .failure(problem)
      }
    } write: {
      DurationText.format($0)
    }
  }
}

extension OptionType where Value == IPv6Address {
  public static var ipv6Address: OptionType {
    .scalar(expected: "an IPv6 address", plural: "IPv6 addresses") { text in
      if let address = IPv6Address(text) { return .success(address) }
      if let slash = text.firstIndex(of: "/"), let address = IPv6Address(String(text[..<slash])) {
        return .failure(ScalarProblem(problem: "'\(text)' is a prefix", suggestion: address.description))
      }
      return .failure(ScalarProblem(problem: "'\(text)' is not an IPv6 address"))
    } write: {
      $0.description
    }
  }
}

extension OptionType where Value == IPAddress {
  public static var ipAddress: OptionType {
    .scalar(expected: "an IPv6 or IPv4 address", plural: "IP addresses") { text in
      guard let address = IPAddress(text) else {
        return .failure(ScalarProblem(problem: "'\(text)' is not an IP address"))
      }
      return .success(address)
    } write: {
      $0.description
    }
  }
}

extension OptionType where Value == IPv6Prefix {
  public static var prefix: OptionType {
    .scalar(expected: "an IPv6 prefix, address/length", plural: "IPv6 prefixes") { text in
      if let prefix = IPv6Prefix(text) { return .success(prefix) }
      let parts = text.split(separator: "/", omittingEmptySubsequences: false)
      guard let address = IPv6Address(String(parts[0])), parts.count <= 2 else {
        return .failure(ScalarProblem(problem: "'\(text)' is not an IPv6 prefix"))
      }
      guard parts.count == 2 else {
        return .failure(ScalarProblem(problem: "'\(text)' has no prefix length", suggestion: "\(text)/64"))
      }
      guard let length = Int(parts[1]), let prefix = IPv6Prefix(address, length: length) else {
        return .failure(ScalarProblem(problem: "'\(parts[1])' is not a prefix length, 0 to 128"))
      }
      let problem = prefix.address == address ? "'\(text)' is misspelt" : "'\(text)' has bits set behind /\(length)"
      return .failure(ScalarProblem(problem: problem, suggestion: prefix.description))
    } write: {
      $0.description
    }
  }
}

extension OptionType where Value == LinkLayerAddress {
  public static var linkLayerAddress: OptionType {
    .scalar(expected: "a link-layer address such as 02:00:00:00:00:01", plural: "link-layer addresses") { text in
      guard let address = LinkLayerAddress(text) else {
        return .failure(ScalarProblem(problem: "'\(text)' is not a link-layer address"))
      }
      return .success(address)
    } write: {
      $0.description
    }
  }
}

extension OptionType where Value: Equatable {
  /// One of some words.
  public static func word(_ words: KeyValuePairs<String, Value>) -> OptionType {
    word(words.map { (name: $0.key, value: $0.value) })
  }

  private static func word(_ pairs: [(name: String, value: Value)]) -> OptionType {
    let names = pairs.map(\.name)
    return .scalar(
      expected: "one of \(names.joined(separator: ", "))", plural: "words out of \(names.joined(separator: ", "))"
    ) {
      text in
      if let pair = pairs.first(where: { $0.name == text }) { return .success(pair.value) }
      return .failure(
        ScalarProblem(problem: "unknown value '\(text)'", suggestion: NearestName.find(text, among: names)))
    } write: { value in
      // Every value of the type has a word, or the table is wrong and its round-trip test says so.
      pairs.first { $0.value == value }?.name ?? "\(value)"
    }
  }

  /// One of these values, by its raw value.
  public static func word(of values: [Value]) -> OptionType where Value: RawRepresentable<String> {
    word(values.map { (name: $0.rawValue, value: $0) })
  }
}
