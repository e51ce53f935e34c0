import LinuxNet

extension LoadedConfiguration {
  /// Turns what is wrong with the host into errors with file, line and key; warnings go to standard error.
  public func report(_ problems: [HostProblem]) throws(ConfigurationErrors) {
    var errors: [ConfigurationError] = []
    for problem in problems {
      let error = error(SemanticProblem(keyPath: problem.keyPath, message: problem.message))
      switch problem.severity {
      case .fatal: errors.append(error)
      case .warning: Program.warn("warning: \(error)")
      }
    }
    if !errors.isEmpty { throw ConfigurationErrors(errors) }
  }
}
