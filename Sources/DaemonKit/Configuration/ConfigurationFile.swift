import Yams

/// A configuration that was read without an error.
public struct LoadedConfiguration<Root: Sendable>: Sendable {
  public let value: Root
  public let file: String
  private let positions: [String: SourcePosition]

  init(value: Root, file: String, positions: [String: SourcePosition]) {
    self.value = value
    self.file = file
    self.positions = positions
  }

  /// Where the value of a key path stands; for one that is not in the file, where the nearest thing around it stands.
  public func position(of keyPath: String) -> SourcePosition {
    var path = keyPath[...]
    while !path.isEmpty {
      if let position = positions[String(path)] { return position }
      path = path.lastIndex { $0 == "." || $0 == "[" }.map { path[..<$0] } ?? ""
    }
    return SourcePosition(file: file)
  }

  /// True when the file itself gives this value, rather than a default.
  public func gives(_ keyPath: String) -> Bool { positions[keyPath] != nil }

  /// The same file with another value made of what it gave.
  public func mapped<New: Sendable>(_ transform: (Root) -> New) -> LoadedConfiguration<New> {
    LoadedConfiguration<New>(value: transform(value), file: file, positions: positions)
  }

  public func error(_ problem: SemanticProblem) -> ConfigurationError {
    ConfigurationError(position(of: problem.keyPath), keyPath: problem.keyPath, problem.message)
  }
}

extension OptionTable {
  /// Reads a configuration file.
  ///
  /// - Parameter check: finds problems of meaning. It is called even when keys are unknown or duplicate, so that one
  ///   run reports everything, but not when a value could not be read.
  /// - Throws: everything wrong with the file, in its order.
  public func load(path: String, check: (Root) -> [SemanticProblem] = { _ in [] }) throws(ConfigurationErrors)
    -> LoadedConfiguration<Root>
  {
    let text = try ConfigurationText.read(path: path, expected: "a configuration file")
    return try parse(text, file: path, check: check)
  }

  /// Reads the text of a configuration file. `file` is only for messages.
  public func parse(_ text: String, file: String, check: (Root) -> [SemanticProblem] = { _ in [] })
    throws(ConfigurationErrors) -> LoadedConfiguration<Root>
  {
    var reader = YAMLReader(text: text, file: file)
    let root = reader.read()
    var errors = reader.errors
    guard let root else { throw ConfigurationErrors(errors) }
    var reading = ConfigurationReading(file: file)
    guard let value = OptionType.mapping(self).read(root, "", &reading) else {
      throw ConfigurationErrors(errors + reading.errors)
    }
    errors += reading.errors
    let loaded = LoadedConfiguration(value: value, file: file, positions: reading.positions)
    if reading.isComplete {
      // After a misspelt key the value it meant is missing: only what the file says itself is then judged.
      errors += check(value).filter { errors.isEmpty || loaded.gives($0.keyPath) }.map(loaded.error)
    }
    guard errors.isEmpty else { throw ConfigurationErrors(errors) }
    return loaded
  }

  /// The configuration as YAML, every key that has a value.
  public func text(_ value: Root) throws -> String {
    guard let node = write(value).node else { return "" }
    return try Yams.serialize(node: node, width: 100)
  }
}
