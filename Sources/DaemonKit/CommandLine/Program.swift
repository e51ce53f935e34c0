import ArgumentParser
import Glibc
import LinuxNet

/// Exit statuses of all programs.
public enum ExitStatus {
  public static let success: Int32 = 0
  /// The daemon or the kernel refused, or something failed.
  public static let failure: Int32 = 1
  /// The configuration or the command line is wrong.
  public static let usage: Int32 = 2
  /// No daemon at the control socket.
  public static let notReachable: Int32 = 3
}

/// Ends a program with a status and a message.
public struct ProgramFailure: Error, Hashable, Sendable, CustomStringConvertible {
  public var status: Int32
  public var message: String

  public init(_ message: String, status: Int32 = ExitStatus.failure) {
    self.status = status
    self.message = message
  }

  public var description: String { message }
}

/// Parses the command line, runs the command and ends the process with one of the `ExitStatus` values.
public enum Program {
  /// Of the whole suite.
  public static let version = "0.3.0"

  public static func main<Command: ParsableCommand>(_ type: Command.Type, name: String) -> Never {
    do {
      var command = try type.parseAsRoot()
      try command.run()
      exit(ExitStatus.success)
    } catch {
      let (status, message) = outcome(of: error, type, name: name)
      if !message.isEmpty { write(message, to: status == ExitStatus.success ? STDOUT_FILENO : STDERR_FILENO) }
      exit(status)
    }
  }

  /// A line on standard error.
  public static func warn(_ message: String) { write(message, to: STDERR_FILENO) }

  private static func write(_ message: String, to descriptor: Int32) {
    let line = Array((message + "\n").utf8)
    _ = line.withUnsafeBytes { Glibc.write(descriptor, $0.baseAddress, $0.count) }
  }

  /// Status and text for an error that a command ended with.
  static func outcome<Command: ParsableCommand>(of error: any Error, _ type: Command.Type, name: String)
    -> (status: Int32, message: String)
  {
    switch error {
    case let errors as ConfigurationErrors:
      return (ExitStatus.usage, errors.description)
    case let error as ConfigurationError:
      return (ExitStatus.usage, error.description)
    case let failure as ProgramFailure:
      return (failure.status, "\(name): \(failure.message)")
    case let error as ControlClientError:
      if case .notReachable = error { return (ExitStatus.notReachable, "\(name): \(error)") }
      return (ExitStatus.failure, "\(name): \(error)")
    case let error as LinuxError:
      return (ExitStatus.failure, "\(name): \(error)")
    default:
      let code = type.exitCode(for: error)
      let status =
        code == .success ? ExitStatus.success : code == .validationFailure ? ExitStatus.usage : code.rawValue
      return (status, type.fullMessage(for: error))
    }
  }
}
