/// What gathers while a file is read: every error, and the place of every value.
public struct ConfigurationReading: Sendable {
  let file: String
  private(set) var errors: [ConfigurationError] = []
  /// By key path; of lists, their elements too.
  private(set) var positions: [String: SourcePosition] = [:]
  /// false once a value could not be read or is missing: what was read is then no basis for checks of meaning.
  private(set) var isComplete = true

  init(file: String) { self.file = file }

  static func join(_ path: String, _ key: String) -> String { path.isEmpty ? key : "\(path).\(key)" }

  mutating func found(_ path: String, at position: SourcePosition) { positions[path] = position }

  mutating func report(_ error: ConfigurationError, valueMissing: Bool) {
    errors.append(error)
    if valueMissing { isComplete = false }
  }

  /// A value that is not what the option wants.
  mutating func refuse(
    _ node: ConfigurationNode, _ path: String, _ problem: String, expected: String?, suggestion: String? = nil
  ) {
    report(
      ConfigurationError(node.position, keyPath: path, problem, expected: expected, suggestion: suggestion),
      valueMissing: true)
  }
}
