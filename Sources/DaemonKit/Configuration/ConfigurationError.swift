/// Where something stands in a configuration file. Line and column count from 1; line 0 means the file as a whole.
public struct SourcePosition: Hashable, Sendable, Comparable, CustomStringConvertible {
  public var file: String
  public var line: Int
  /// In Unicode scalars.
  public var column: Int

  public init(file: String, line: Int = 0, column: Int = 0) {
    self.file = file
    self.line = line
    self.column = column
  }

  public static func < (a: Self, b: Self) -> Bool { (a.file, a.line, a.column) < (b.file, b.line, b.column) }

  public var description: String { line == 0 ? file : "\(file):\(line):\(column)" }
}

/// One thing wrong with a configuration, written as
/// `file:line:column: key.path: what is wrong; expected …; did you mean '…'?`.
public struct ConfigurationError: Error, Hashable, Sendable, CustomStringConvertible {
  public var position: SourcePosition
  /// Such as `prefix-pools[1].prefix`; empty for the file as a whole.
  public var keyPath: String
  public var problem: String
  /// With its article, such as `an IPv6 address`.
  public var expected: String?
  public var suggestion: String?

  public init(
    _ position: SourcePosition, keyPath: String = "", _ problem: String, expected: String? = nil,
    suggestion: String? = nil
  ) {
    self.position = position
    self.keyPath = keyPath
    self.problem = problem
    self.expected = expected
    self.suggestion = suggestion
  }

  public var description: String {
    var text = "\(position): "
    if !keyPath.isEmpty { text += "\(keyPath): " }
    text += problem
    if let expected { text += "; expected \(expected)" }
    if let suggestion { text += "; did you mean '\(suggestion)'?" }
    return text
  }
}

extension ConfigurationError {
  /// A word that is none of the known ones.
  public static func unknownWord(
    _ word: String, at position: SourcePosition, keyPath: String = "", known: [String]
  ) -> ConfigurationError {
    ConfigurationError(
      position, keyPath: keyPath, "unknown value '\(word)'", expected: "one of \(known.joined(separator: ", "))",
      suggestion: NearestName.find(word, among: known))
  }
}

/// Everything wrong with a configuration, in the order of the file. A program that gets these ends with status 2.
public struct ConfigurationErrors: Error, Hashable, Sendable, CustomStringConvertible {
  public let errors: [ConfigurationError]

  public init(_ errors: [ConfigurationError]) {
    self.errors = errors.sorted { ($0.position, $0.keyPath, $0.problem) < ($1.position, $1.keyPath, $1.problem) }
  }

  /// One error per line.
  public var description: String { errors.map(\.description).joined(separator: "\n") }
}

/// What a check of meaning found, such as two pools that overlap: the core knows the rule, the file knows the line.
public struct SemanticProblem: Hashable, Sendable {
  /// The keys of the file, such as `prefix-pools[1].prefix`.
  public var keyPath: String
  public var message: String

  public init(keyPath: String, message: String) {
    self.keyPath = keyPath
    self.message = message
  }
}
