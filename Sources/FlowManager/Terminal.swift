import DaemonKit
import Glibc

/// The terminal of this process in full-screen mode: keys come one by one, and the screen from before comes back in
/// whatever way the program ends.
final class Terminal {
  /// For the handler of signals; only ever set while there is one terminal.
  nonisolated(unsafe) private static var before = termios()
  /// Alternate screen without a cursor, and back. In memory that a signal handler may read.
  private static let enter = "\u{1b}[?1049h\u{1b}[?25l"
  nonisolated(unsafe) private static let leave = strdup("\u{1b}[?25h\u{1b}[?1049l")

  private static let signals = [SIGTERM, SIGHUP, SIGINT, SIGQUIT]

  init() throws(ProgramFailure) {
    guard tcgetattr(STDIN_FILENO, &Self.before) == 0 else {
      throw ProgramFailure("the terminal cannot be controlled (errno \(errno)); use --json")
    }
    for signal in Self.signals {
      Glibc.signal(signal) { number in
        // tcsetattr(3), write(2) and raise(3) may be called here.
        Terminal.comeBack()
        Glibc.signal(number, SIG_DFL)
        raise(number)
      }
    }
    // Only so that it interrupts poll(2): the new size is drawn at once.
    Glibc.signal(SIGWINCH) { _ in }
    var raw = Self.before
    // Ctrl-C is read as a key.
    raw.c_lflag &= ~tcflag_t(ICANON | ECHO | ISIG)
    guard tcsetattr(STDIN_FILENO, TCSANOW, &raw) == 0 else {
      throw ProgramFailure("the terminal cannot be controlled (errno \(errno)); use --json")
    }
    Self.write(Self.enter)
  }

  func restore() {
    Self.comeBack()
    for signal in Self.signals { Glibc.signal(signal, SIG_DFL) }
  }

  private static func comeBack() {
    if let leave { _ = Glibc.write(STDOUT_FILENO, leave, strlen(leave)) }
    tcsetattr(STDIN_FILENO, TCSANOW, &before)
  }

  var size: (columns: Int, rows: Int) {
    var size = winsize()
    guard ioctl(STDOUT_FILENO, UInt(TIOCGWINSZ), &size) == 0, size.ws_col > 0, size.ws_row > 0 else { return (80, 24) }
    return (Int(size.ws_col), Int(size.ws_row))
  }

  /// Each line is cleared as it is written, not the screen before: no flicker.
  func draw(_ lines: [String]) {
    Self.write("\u{1b}[H" + lines.map { "\($0)\u{1b}[K" }.joined(separator: "\r\n") + "\u{1b}[J")
  }

  /// The next key; nil when none came in time or the size of the window has changed.
  func key(within time: Duration) -> Character? {
    var descriptor = pollfd(fd: STDIN_FILENO, events: Int16(POLLIN), revents: 0)
    guard poll(&descriptor, 1, Int32(clamping: time.components.seconds * 1_000)) > 0 else { return nil }
    var octet: UInt8 = 0
    // Without a terminal any more there is nobody to draw for.
    guard read(STDIN_FILENO, &octet, 1) == 1 else { return "q" }
    return Character(Unicode.Scalar(octet))
  }

  private static func write(_ text: String) {
    var rest = Array(text.utf8)[...]
    while !rest.isEmpty {
      let written = rest.withUnsafeBytes { Glibc.write(STDOUT_FILENO, $0.baseAddress, $0.count) }
      if written > 0 { rest = rest.dropFirst(written) } else if errno != EINTR { return }
    }
  }
}
