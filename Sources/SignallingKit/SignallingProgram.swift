import ArgumentParser
import DaemonKit
import Logging

/// lmad or magd as a program.
public protocol SignallingProgram: RecordingProgram {
  associatedtype Configuration: SignallingConfiguration

  /// Serves until a signal ends it.
  /// - Parameter file: where the configuration comes from, and is read again on SIGHUP.
  static func serve(_ configuration: Configuration, file: String, log: Logger) throws
}

/// `PROGRAM run`
public struct RunCommand<Host: SignallingProgram>: ParsableCommand {
  public static var configuration: CommandConfiguration {
    CommandConfiguration(commandName: "run", abstract: "Run the daemon in the foreground.")
  }

  @OptionGroup var file: ConfigurationFileOptions

  public init() {}

  public func run() throws {
    let path = file.path(default: Host.daemon.configurationFile)
    let loaded = try Host.Configuration.load(path: path)
    try loaded.preflight()
    StandardErrorLogHandler.bootstrap(level: loaded.value.logLevel)
    try Host.serve(loaded.value, file: path, log: Logger(label: Host.daemon.name))
  }
}

/// `PROGRAM check`
public struct CheckCommand<Host: SignallingProgram>: ParsableCommand {
  public static var configuration: CommandConfiguration {
    CommandConfiguration(
      commandName: "check", abstract: "Check the configuration and this host, without changing anything.")
  }

  @OptionGroup var file: ConfigurationFileOptions
  @Flag(help: "Print every key with its kind, default and meaning instead.")
  var explain = false
  @Flag(help: "Print the effective configuration, defaults included.")
  var effective = false
  @Flag(help: "Check the configuration only, not the kernel, interfaces and privileges of this host.")
  var fileOnly = false
  @Flag(help: "Print JSON.")
  var json = false

  public init() {}

  public func run() throws {
    if explain { return print(Host.Configuration.table.explanation) }
    let path = file.path(default: Host.daemon.configurationFile)
    let loaded = try Host.Configuration.load(path: path)
    if !fileOnly { try loaded.preflight() }
    if effective { return print(try Host.Configuration.table.text(loaded.value), terminator: "") }
    print(json ? try JSONText.format(CheckDocument(file: path)) : "\(path): no errors")
  }
}
