import ArgumentParser
import Foundation

/// Options of every command that talks to a daemon.
public struct ClientOptions: ParsableArguments {
  @Option(help: ArgumentHelp("Control socket of the daemon.", valueName: "path"))
  public var socket: String?

  @Flag(help: "Print JSON (docs/json.md) instead of a table.")
  public var json = false

  public init() {}

  /// Connects.
  ///
  /// - Parameters:
  ///   - defaultSocket: used without `--socket`.
  ///   - start: the command that starts the daemon, for the message when there is none.
  ///   - timeout: for the answer to a command.
  public func connect(
    defaultSocket: String, start: String, timeout: Duration = ControlClient.defaultTimeout
  ) throws(ProgramFailure) -> ControlClient {
    do throws(ControlClientError) {
      return try ControlClient(path: socket ?? defaultSocket, timeout: timeout)
    } catch {
      guard case .notReachable = error else { throw ProgramFailure("\(error)") }
      throw ProgramFailure(
        "\(error); start the daemon with `\(start)`, or name its socket with --socket", status: ExitStatus.notReachable)
    }
  }

  /// Prints a document as JSON or, for people, as the text made of it.
  public func print<Document: Encodable>(_ document: Document, text: (Document) -> String) throws {
    if json {
      Swift.print(try JSONText.format(document))
    } else {
      let text = text(document)
      if !text.isEmpty { Swift.print(text) }
    }
  }
}

/// The configuration file of a daemon.
public struct ConfigurationFileOptions: ParsableArguments {
  @Option(
    name: [.customShort("c"), .customLong("config")], help: ArgumentHelp("Configuration file.", valueName: "path"))
  public var config: String?

  public init() {}

  public func path(default defaultPath: String) -> String { config ?? defaultPath }
}

/// JSON for people and `jq`: indented, keys sorted, slashes as they are.
public enum JSONText {
  public static func format(_ document: some Encodable) throws -> String {
    let encoder = JSONEncoder()
    encoder.outputFormatting = [.prettyPrinted, .sortedKeys, .withoutEscapingSlashes]
    return String(decoding: try encoder.encode(document), as: UTF8.self)
  }
}
