/// Keeps a line that may be due a thousand times a second from filling the log.
struct OncePerMinute {
  static let interval = Duration.seconds(60)

  private var next: Duration?
  private var suppressed = 0

  /// Calls `log` unless it was called within the last minute; `more` says how often it was not.
  mutating func say(at now: Duration, _ log: (_ more: String) -> Void) {
    guard now >= next ?? now else {
      suppressed += 1
      return
    }
    log(suppressed == 0 ? "" : " (and \(suppressed) more since the last such line)")
    suppressed = 0
    next = now + Self.interval
  }
}
