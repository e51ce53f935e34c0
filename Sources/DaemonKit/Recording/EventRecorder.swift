import Glibc
import LinuxNet
import Logging

/// Writes a recording, docs/recording.md: what the core of a daemon was made from, then each event with its effects.
///
/// A recording begins with the daemon, because only then the state of the core is known exactly. Events are remembered
/// as they come; `flush` encodes and writes them, so a daemon calls it after what was received together has been
/// answered. Whatever goes wrong ends the recording, never the daemon.
public final class EventRecorder<Core: RecordableCore> {
  private let settings: RecordingSettings
  private let log: Logger
  /// Open while events are recorded.
  private var descriptor: FileDescriptor?
  /// Why the recording has ended.
  private var reason: String?
  private var pending: [RecordedTurn<Core>] = []
  private var events: UInt64 = 0
  private var length = 0
  private var failures: UInt64 = 0

  /// Begins at once if a file is configured. A file of an earlier run is kept as `FILE.1`, so that a daemon that was
  /// started again after a crash does not overwrite what led to it.
  ///
  /// - Parameters:
  ///   - program: name of the daemon.
  ///   - start: what the core is made from.
  public init(_ settings: RecordingSettings, program: String, start: Core.Start, log: Logger) {
    self.settings = settings
    self.log = log
    guard let file = settings.file else { return }
    do {
      let header = RecordingHeader(program: program, version: Program.version, start: start)
      try begin(file, try ControlProtocol.encode(header) + [Self.newline])
      log.notice("recording events to \(file), up to \(settings.limit) octets")
    } catch {
      failures += 1
      stop("\(error)")
    }
  }

  private static var newline: UInt8 { UInt8(ascii: "\n") }

  private func begin(_ file: String, _ header: [UInt8]) throws(LinuxError) {
    var earlier = stat()
    if lstat(file, &earlier) == 0, earlier.st_mode & S_IFMT == S_IFREG, rename(file, "\(file).1") != 0 {
      throw LinuxError("rename", file)
    }
    let number = open(file, O_WRONLY | O_CREAT | O_TRUNC | O_APPEND | O_CLOEXEC, 0o600)
    guard number >= 0 else { throw LinuxError("create", file, advice: "check recording.file and its directory") }
    descriptor = FileDescriptor(owning: number)
    try write(header)
  }

  /// Remembers one call of the core. Costs nothing when nothing is recorded.
  public func add(_ event: Core.Event, at now: Core.Moment, effects: [Core.Effect]) {
    guard descriptor != nil else { return }
    events += 1
    pending.append(RecordedTurn(number: events, at: now, event: event, effects: effects))
  }

  /// Writes what has gathered since the last call.
  public func flush() {
    guard !pending.isEmpty else { return }
    defer { pending.removeAll(keepingCapacity: true) }
    do {
      var lines: [UInt8] = []
      for turn in pending {
        let line = try ControlProtocol.encode(turn) + [Self.newline]
        guard length + lines.count + line.count <= settings.limit else {
          try write(lines)
          events = turn.number - 1
          stop("the file has reached recording.limit, \(settings.limit) octets")
          return
        }
        lines += line
      }
      try write(lines)
    } catch {
      failures += 1
      events -= UInt64(pending.count)
      stop("\(error)")
    }
  }

  /// Ends the recording; false when there is none.
  @discardableResult
  public func stop(_ reason: String) -> Bool {
    guard settings.file != nil, self.reason == nil else { return false }
    descriptor = nil
    self.reason = reason
    log.warning("recording ended after \(events) events: \(reason)")
    return true
  }

  /// All or nothing: a line that the disk has no room for is taken back.
  private func write(_ lines: [UInt8]) throws(LinuxError) {
    guard let number = descriptor?.rawValue, let file = settings.file else { return }
    var rest = lines[...]
    while !rest.isEmpty {
      let written = rest.withUnsafeBytes { Glibc.write(number, $0.baseAddress, $0.count) }
      if written >= 0 {
        rest = rest.dropFirst(written)
      } else if errno != EINTR {
        let error = LinuxError("write", file)
        ftruncate(number, off_t(length))
        throw error
      }
    }
    length += lines.count
  }
}

// What is shown of it.
extension EventRecorder {
  public var status: RecordingDocument {
    RecordingDocument(
      state: settings.file == nil ? .off : reason == nil ? .recording : .stopped, reason: reason, file: settings.file,
      events: events, octets: length,
      limit: settings.limit)
  }

  /// For `show counters`.
  public var counters: [String: UInt64] { ["recorded-events": events, "recording-failures": failures] }

  /// Commands of the control socket.
  public func serve(_ control: ControlServer) {
    control.handle("record status", NoArguments.self) { [unowned self] _, _ in status }
    control.handle("record stop", NoArguments.self) { [unowned self] _, _ throws(ControlError) in
      flush()
      guard stop("stopped by the operator") else {
        throw ControlError(
          code: "not-recording", message: "nothing is being recorded",
          hint: "a recording begins with the daemon: set recording.file and restart it")
      }
      return status
    }
  }
}
