/// A minute of the week on the clock at the anchor's place: what hours and weekdays of rules are compared with. The
/// shell reads it, so that the core knows neither clocks nor time zones.
public struct LocalTime: Hashable, Sendable {
  public enum Weekday: String, Hashable, Sendable, CaseIterable {
    case monday = "mon"
    case tuesday = "tue"
    case wednesday = "wed"
    case thursday = "thu"
    case friday = "fri"
    case saturday = "sat"
    case sunday = "sun"
  }

  public static let minutesOfDay = 24 * 60

  public var weekday: Weekday
  /// Since midnight, 0 to 1439.
  public var minute: Int

  public init(weekday: Weekday, minute: Int) {
    self.weekday = weekday
    self.minute = minute
  }
}

/// Hours of a day, the end not included. An end before the start goes over midnight.
public struct HourRange: Hashable, Sendable {
  /// Minutes since midnight.
  public var start: Int
  public var end: Int

  public func contains(_ minute: Int) -> Bool {
    start <= end ? (start..<end).contains(minute) : minute >= start || minute < end
  }
}

extension HourRange: LosslessStringConvertible {
  /// `08:00-18:30`; up to `24:00`.
  public init?(_ text: String) {
    let parts = text.split(separator: "-", omittingEmptySubsequences: false)
    guard parts.count == 2, let start = Self.minute(parts[0]), let end = Self.minute(parts[1]), start != end,
      start < LocalTime.minutesOfDay
    else { return nil }
    self.init(start: start, end: end)
  }

  private static func minute(_ text: Substring) -> Int? {
    let parts = text.split(separator: ":", omittingEmptySubsequences: false)
    guard parts.count == 2, parts.allSatisfy({ $0.count == 2 && $0.allSatisfy { $0.isASCII && $0.isNumber } }),
      let hour = Int(parts[0]), let minute = Int(parts[1]), minute < 60, hour < 24 || hour == 24 && minute == 0
    else { return nil }
    return hour * 60 + minute
  }

  public var description: String {
    func text(_ minute: Int) -> String {
      let parts = [minute / 60, minute % 60].map { $0 < 10 ? "0\($0)" : "\($0)" }
      return parts.joined(separator: ":")
    }
    return "\(text(start))-\(text(end))"
  }
}
