import DaemonKit
import Datapath
import LinuxNet
import Logging
import NetTypes
import PMIPCore

/// The configuration of lmad or magd.
public protocol SignallingConfiguration: RecordingConfiguration {
  static var table: OptionTable<Self> { get }
  var stateDirectory: String { get }
  /// What the data plane needs of all this.
  var datapathConfiguration: DatapathConfiguration { get }
  /// Keys with a part in what only a restart takes over, for the log.
  static var keysOfRestart: String { get }

  /// Reads and checks a file, structure and meaning.
  static func load(path: String) throws(ConfigurationErrors) -> LoadedConfiguration<Self>
}

extension SignallingConfiguration {
  /// For SIGHUP: what the file says now. nil, and a line in the log: the old configuration stays. A restart, which
  /// interrupts no traffic, takes over what kernel objects and sockets were made from.
  public func reloaded(from file: String, log: Logger) -> Self? {
    do throws(ConfigurationErrors) {
      let new = try Self.load(path: file).value
      guard new.datapathConfiguration == datapathConfiguration, new.control == control,
        new.stateDirectory == stateDirectory, new.recording == recording
      else {
        log.error(
          """
          configuration not reloaded, the old one stays: changes of \(Self.keysOfRestart), datapath, control, \
          state-directory and recording need a restart (no traffic is interrupted)
          """)
        return nil
      }
      return new
    } catch {
      log.error("configuration not reloaded, the old one stays:\n\(error)")
      return nil
    }
  }
}

extension LoadedConfiguration where Root: SignallingConfiguration {
  /// Checks this host: privileges, interfaces, forwarding, tunnel kind, collisions. Warnings go to standard error.
  public func preflight() throws(ConfigurationErrors) {
    try report(DatapathPreflight.check(value.datapathConfiguration))
  }
}

extension SemanticProblem {
  public init(_ problem: ConfigurationProblem) {
    self.init(keyPath: problem.keyPath, message: problem.message)
  }
}

extension RecordingError {
  /// For a core that is made from a recorded configuration, with which no daemon would have started if it has problems.
  public static func refuse(_ problems: [ConfigurationProblem]) throws(RecordingError) {
    guard let problem = problems.first else { return }
    throw .unusable("the recorded configuration is wrong: \(problem.keyPath): \(problem.message)")
  }
}
