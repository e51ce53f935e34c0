/// The section `recording` of a daemon's configuration.
public struct RecordingSettings: Hashable, Sendable {
  /// nil: nothing is recorded.
  public var file: String?
  /// Octets.
  public var limit = 256 << 20

  public init() {}
}

/// A daemon whose core can be recorded.
public protocol RecordingConfiguration: DaemonConfiguration {
  var recording: RecordingSettings { get set }
}

extension ConfigurationOption where Root: RecordingConfiguration {
  public static var recording: ConfigurationOption {
    .section(
      "recording", help: "Every event of the protocol, for `replay` (docs/recording.md).",
      [
        .option(
          "file", \.recording.file, .optional(.path),
          help: "Recorded from the start of the daemon; an older file becomes FILE.1. Absent: no recording."),
        .option(
          "limit", \.recording.limit, .integer((1 << 16)...(1 << 40)),
          help: "Octets; the recording ends when the file would become longer."),
      ])
  }
}

/// What `record status` and `record stop` print.
public struct RecordingDocument: Codable, Hashable, Sendable {
  public enum State: String, Codable, Sendable { case off, recording, stopped }

  public var state: State
  /// Why it has stopped.
  public var reason: String?
  public var file: String?
  public var events: UInt64
  public var octets: Int
  public var limit: Int

  public var text: String {
    switch state {
    case .off: "nothing is recorded; set recording.file and restart the daemon"
    case .recording: "recording to \(file ?? "-"): \(events) events, \(octets) of \(limit) octets"
    case .stopped: "stopped after \(events) events, \(octets) octets in \(file ?? "-"): \(reason ?? "-")"
    }
  }
}
