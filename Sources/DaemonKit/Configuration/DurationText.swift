/// Durations as configuration files and command lines spell them: a whole number and a unit.
public enum DurationText {
  private static let units: [(name: String, milliseconds: Int64)] = [
    ("h", 3_600_000), ("m", 60_000), ("s", 1_000), ("ms", 1),
  ]
  /// Spelled otherwise elsewhere, for suggestions.
  private static let otherNames: [String: String] = [
    "hour": "h", "hours": "h", "hr": "h", "min": "m", "mins": "m", "minute": "m", "minutes": "m", "sec": "s",
    "secs": "s", "second": "s", "seconds": "s", "msec": "ms", "millisecond": "ms", "milliseconds": "ms",
  ]

  /// nil unless `text` is a whole number with a unit.
  public static func duration(_ text: String) -> Duration? { try? parse(text).get() }

  static func parse(_ text: String) -> Result<Duration, ScalarProblem> {
    let digits = text.prefix { $0.isASCII && $0.isNumber }
    let unit = text.dropFirst(digits.count)
    guard !digits.isEmpty, let number = Int64(digits) else {
      return .failure(ScalarProblem(problem: "'\(text)' is not a duration"))
    }
    if unit.isEmpty { return .failure(ScalarProblem(problem: "'\(text)' has no unit", suggestion: "\(text)s")) }
    guard let known = units.first(where: { $0.name == unit }) else {
      let suggestion = otherNames[unit.drop { $0 == " " }.lowercased()].map { "\(digits)\($0)" }
      let problem =
        unit.first == "."
        ? "'\(text)' is not a whole number of a unit" : "'\(text)' has the unknown unit '\(unit)'"
      return .failure(ScalarProblem(problem: problem, suggestion: suggestion))
    }
    let (milliseconds, overflow) = number.multipliedReportingOverflow(by: known.milliseconds)
    return overflow
      ? .failure(ScalarProblem(problem: "\(text) is out of range")) : .success(.milliseconds(milliseconds))
  }

  /// In the largest unit that needs no fraction; below a millisecond rounded down.
  public static func format(_ duration: Duration) -> String {
    let (seconds, attoseconds) = duration.components
    let milliseconds = seconds * 1_000 + attoseconds / 1_000_000_000_000_000
    if milliseconds == 0 { return "0s" }
    for unit in units where milliseconds % unit.milliseconds == 0 {
      return "\(milliseconds / unit.milliseconds)\(unit.name)"
    }
    return "\(milliseconds)ms"
  }
}
