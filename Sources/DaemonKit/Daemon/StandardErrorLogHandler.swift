import Glibc
import Logging

/// Writes log messages to standard error, one line each in one write(2), so that lines of several processes do not mix.
///
/// Under systemd the line begins with the journal's level prefix (sd-daemon(3)) and the journal adds the time; elsewhere
/// with time and level. Control characters are escaped: a name from the network cannot forge a line.
public struct StandardErrorLogHandler: LogHandler {
  public enum Style: Sendable { case journal, plain }

  public var logLevel: Logger.Level
  public var metadata: Logger.Metadata = [:]
  private let label: String
  private let style: Style

  public init(label: String, level: Logger.Level, style: Style) {
    self.label = label
    logLevel = level
    self.style = style
  }

  /// Makes this the handler of all loggers of the process. Call once, before the first logger is made.
  public static func bootstrap(level: Logger.Level) {
    let style: Style = isJournal ? .journal : .plain
    LoggingSystem.bootstrap { StandardErrorLogHandler(label: $0, level: level, style: style) }
  }

  public subscript(metadataKey key: String) -> Logger.Metadata.Value? {
    get { metadata[key] }
    set { metadata[key] = newValue }
  }

  public func log(event: LogEvent) {
    let all = metadata.merging(event.metadata ?? [:]) { _, new in new }
    let line = Array(
      (format(event.level, event.message.description, all, time: Self.now) + "\n").utf8)
    _ = line.withUnsafeBytes { write(STDERR_FILENO, $0.baseAddress, $0.count) }
  }

  func format(_ level: Logger.Level, _ message: String, _ metadata: Logger.Metadata, time: String) -> String {
    var line =
      switch style {
      case .journal: "<\(Self.priority(level))>\(label): "
      case .plain: "\(time) \(level) \(label): "
      }
    line += Self.escape(message)
    for (key, value) in metadata.sorted(by: { $0.key < $1.key }) {
      let text = Self.escape(value.description)
      line += text.contains(" ") ? " \(key)=\"\(text)\"" : " \(key)=\(text)"
    }
    return line
  }

  /// True when standard error is the journal's socket (systemd.exec(5), JOURNAL_STREAM is `device:inode`).
  private static var isJournal: Bool {
    guard let stream = getenv("JOURNAL_STREAM").map({ String(cString: $0) }) else { return false }
    var status = stat()
    guard fstat(STDERR_FILENO, &status) == 0 else { return false }
    return stream == "\(status.st_dev):\(status.st_ino)"
  }

  /// syslog(3) priorities.
  private static func priority(_ level: Logger.Level) -> Int {
    switch level {
    case .trace, .debug: 7
    case .info: 6
    case .notice: 5
    case .warning: 4
    case .error: 3
    case .critical: 2
    }
  }

  private static func escape(_ text: String) -> String {
    guard text.unicodeScalars.contains(where: { $0.value < 0x20 || $0.value == 0x7f }) else { return text }
    return text.unicodeScalars.map { scalar in
      scalar.value < 0x20 || scalar.value == 0x7f ? scalar.escaped(asASCII: true) : String(scalar)
    }.joined()
  }

  /// UTC with milliseconds, as in RFC 3339.
  private static var now: String {
    var time = timespec()
    clock_gettime(CLOCK_REALTIME, &time)
    var parts = tm()
    gmtime_r(&time.tv_sec, &parts)
    func digits(_ value: Int, _ width: Int) -> String {
      let text = String(value)
      return String(repeating: "0", count: max(0, width - text.count)) + text
    }
    let date =
      "\(digits(Int(parts.tm_year) + 1900, 4))-\(digits(Int(parts.tm_mon) + 1, 2))-\(digits(Int(parts.tm_mday), 2))"
    let clock = "\(digits(Int(parts.tm_hour), 2)):\(digits(Int(parts.tm_min), 2)):\(digits(Int(parts.tm_sec), 2))"
    return "\(date)T\(clock).\(digits(time.tv_nsec / 1_000_000, 3))Z"
  }
}
