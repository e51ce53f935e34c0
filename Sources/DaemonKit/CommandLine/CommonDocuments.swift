/// What `check --json` prints; a file with errors ends the program before.
public struct CheckDocument: Codable, Hashable, Sendable {
  public var file: String
  public var errors: [String] = []

  public init(file: String) { self.file = file }
}

/// What `cleanup --json` prints.
public struct CleanupDocument: Codable, Hashable, Sendable {
  public var removed = true

  public init() {}
}

/// What `show counters` prints.
public struct CountersDocument: Codable, Hashable, Sendable {
  public var counters: [String: UInt64]

  public init(counters: [String: UInt64]) { self.counters = counters }

  /// Name and value, sorted by name.
  public var text: String {
    var table = TextTable(["COUNTER", "VALUE"], right: ["VALUE"])
    for (name, value) in counters.sorted(by: { $0.key < $1.key }) { table.add([name, "\(value)"]) }
    return table.text
  }
}

/// A daemon as its command line needs to know it.
public struct DaemonDescription: Hashable, Sendable {
  public var name: String
  public var configurationFile: String
  public var socket: String

  /// - Parameter socket: the default of its configuration.
  public init(name: String, socket: String) {
    self.name = name
    self.socket = socket
    configurationFile = "/etc/flowmob/\(name).yaml"
  }

  /// The command that starts it.
  public var start: String { "\(name) run -c \(configurationFile)" }
}

extension ClientOptions {
  /// Sends one command to the daemon and prints what it answers.
  public func show<Document: Codable>(
    _ command: String, _ arguments: some Encodable = NoArguments(), of daemon: DaemonDescription,
    text: (Document) -> String
  ) throws {
    let connection = try connect(defaultSocket: daemon.socket, start: daemon.start)
    try print(try connection.call(command, arguments) as Document, text: text)
  }
}

extension DaemonDescription {
  /// Refuses while the daemon serves its socket: for commands that would pull the kernel state from under it.
  public func requireStopped(socket: String) throws(ProgramFailure) {
    guard (try? ControlClient(path: socket)) == nil else {
      throw ProgramFailure("\(name) is running at \(socket); stop it first")
    }
  }
}
