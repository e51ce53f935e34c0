import ArgumentParser

/// A program with a daemon whose core can be recorded.
public protocol RecordingProgram {
  associatedtype Core: RecordableCore
  static var daemon: DaemonDescription { get }
}

/// `PROGRAM replay FILE`
public struct ReplayCommand<Host: RecordingProgram>: ParsableCommand {
  public static var configuration: CommandConfiguration {
    CommandConfiguration(
      commandName: "replay",
      abstract: "Run a recording on the protocol core, and compare what it does with what it did.",
      discussion: """
        Needs no privileges and touches nothing. Exit status: 0 the same effects, 1 the first difference is printed, 2 not \
        a recording of this version.
        """)
  }

  @Argument(help: "A file that `recording.file` has named.")
  var file: String
  @Flag(help: "Print JSON.")
  var json = false

  public init() {}

  public func run() throws {
    do {
      let replay = try Replay<Host.Core>(try FileContent.read(file), program: Host.daemon.name)
      let document = ReplayDocument(
        file: file, version: replay.version, events: replay.events, endsWithinLine: replay.isTorn)
      print(json ? try JSONText.format(document) : document.text)
    } catch let error as RecordingError {
      if case .differs = error { throw ProgramFailure("\(file): \(error)") }
      throw ProgramFailure("\(file): \(error)", status: ExitStatus.usage)
    }
  }
}

/// What `replay` prints when nothing differs.
public struct ReplayDocument: Codable, Hashable, Sendable {
  public var file: String
  /// Of the daemon that has recorded.
  public var version: String
  public var events: UInt64
  public var endsWithinLine: Bool

  var text: String {
    "\(file): \(events) events, the same effects" + (endsWithinLine ? "; the file ends within a line" : "")
  }
}

/// `PROGRAM record status|stop`
public struct RecordCommand<Host: RecordingProgram>: ParsableCommand {
  public static var configuration: CommandConfiguration {
    CommandConfiguration(
      commandName: "record", abstract: "Show or stop the recording of the daemon's events.",
      discussion: "A recording begins with the daemon: set recording.file and restart it, which interrupts no traffic.",
      subcommands: [Status.self, Stop.self])
  }

  public init() {}

  struct Status: ParsableCommand {
    static var configuration: CommandConfiguration {
      CommandConfiguration(commandName: "status", abstract: "What is recorded, and where.")
    }
    @OptionGroup var client: ClientOptions
    func run() throws { try client.show("record status", of: Host.daemon, text: \RecordingDocument.text) }
  }

  struct Stop: ParsableCommand {
    static var configuration: CommandConfiguration {
      CommandConfiguration(commandName: "stop", abstract: "End the recording; the file stays.")
    }
    @OptionGroup var client: ClientOptions
    func run() throws { try client.show("record stop", of: Host.daemon, text: \RecordingDocument.text) }
  }
}
