/// Something about this host that a daemon needs to be different, in words for the operator.
public struct HostProblem: Hashable, Sendable {
  public enum Severity: String, Hashable, Sendable, Codable {
    /// The daemon cannot work.
    case fatal
    /// It works, but perhaps not as meant.
    case warning
  }
  public var severity: Severity
  /// The configuration key that it concerns, such as `datapath.core-interface`; empty when it is none in particular.
  public var keyPath: String
  /// What is wrong and what to do.
  public var message: String

  public init(_ severity: Severity, keyPath: String, message: String) {
    self.severity = severity
    self.keyPath = keyPath
    self.message = message
  }
}
