/// Something in a configuration that a daemon must not start with.
public struct ConfigurationProblem: Hashable, Sendable {
  /// The key as the configuration file spells it, lists with an index: `prefix-pools[1].prefix`.
  public var keyPath: String
  /// What is wrong and what was expected, for an operator.
  public var message: String

  public init(keyPath: String, message: String) {
    self.keyPath = keyPath
    self.message = message
  }
}
