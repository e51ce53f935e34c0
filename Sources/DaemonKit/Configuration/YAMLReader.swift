import Yams

/// Reads YAML text into `ConfigurationNode`s.
///
/// Yams refuses a mapping that has a key twice before anything else can be looked at. So that one duplicate does not
/// hide the other errors of the file, the first occurrence is renamed inside the text (one character for one
/// character, all positions stay) and the text is read again; renamed entries are left out of the result.
struct YAMLReader {
  /// More duplicates than this are reported in the next run.
  static let maximumDuplicates = 64
  private static let firstPlaceholder: UInt32 = 0xE000

  private let file: String
  private var scalars: [Unicode.Scalar]
  /// Renamed keys and what the file calls them.
  private var originals: [SourcePosition: String] = [:]
  private(set) var errors: [ConfigurationError] = []

  init(text: String, file: String) {
    self.file = file
    scalars = Array(text.unicodeScalars)
  }

  /// nil when the text is no YAML mapping; the reason is then in `errors`.
  mutating func read() -> ConfigurationNode? {
    while true {
      do {
        guard let root = try Parser(yaml: text).singleRoot() else {
          return ConfigurationNode(content: .mapping([]), position: SourcePosition(file: file, line: 1, column: 1))
        }
        var node = convert(root, path: "")
        if case .empty = node.content { node.content = .mapping([]) }
        return node
      } catch let YamlError.duplicatedKeysInMapping(_, context) {
        guard originals.count < Self.maximumDuplicates, rename(keyAt: context.mark) else {
          report(position(context.mark), "a key is given twice", expected: "each key once")
          return nil
        }
      } catch let error as YamlError {
        report(error)
        return nil
      } catch {
        errors.append(ConfigurationError(SourcePosition(file: file), "cannot be read: \(error)"))
        return nil
      }
    }
  }

  private var text: String {
    var view = String.UnicodeScalarView()
    view.append(contentsOf: scalars)
    return String(view)
  }

  // MARK: Conversion

  private mutating func convert(_ node: Node, path: String) -> ConfigurationNode {
    let position = self.position(node.mark)
    switch node {
    case .scalar(let scalar):
      let isNull = scalar.style == .plain && ["", "~", "null"].contains(scalar.string)
      return ConfigurationNode(content: isNull ? .empty : .scalar(scalar.string), position: position)
    case .sequence(let sequence):
      let elements = sequence.enumerated().map { convert($1, path: "\(path)[\($0)]") }
      return ConfigurationNode(content: .list(elements), position: position)
    case .mapping(let mapping):
      return ConfigurationNode(content: .mapping(entries(mapping, path: path)), position: position)
    case .alias:
      // The parser has replaced aliases by what they name.
      return ConfigurationNode(content: .empty, position: position)
    }
  }

  private mutating func entries(_ mapping: Node.Mapping, path: String) -> [ConfigurationNode.Entry] {
    var entries: [ConfigurationNode.Entry] = []
    var first: [String: Int] = [:]
    for (keyNode, value) in mapping {
      let position = self.position(keyNode.mark)
      guard let key = keyNode.scalar?.string else {
        report(position, "a key that is not a word", expected: "key: value")
        continue
      }
      if let original = originals[position] {
        if first[original] == nil { first[original] = position.line }
        continue
      }
      let keyPath = ConfigurationReading.join(path, key)
      if let line = first[key] {
        errors.append(
          ConfigurationError(
            position, keyPath: keyPath, "duplicate key, first given on line \(line)", expected: "each key once"))
      }
      var node = convert(value, path: keyPath)
      // libYAML places a missing value behind the following comment; the key is where the eye looks.
      if case .empty = node.content { node.position = position }
      entries.append(ConfigurationNode.Entry(key: key, keyPosition: position, value: node))
    }
    return entries
  }

  private func position(_ mark: Mark?) -> SourcePosition {
    SourcePosition(file: file, line: mark?.line ?? 0, column: mark?.column ?? 0)
  }

  // MARK: Duplicates

  /// Gives the key at `mark` a name that no other key has.
  private mutating func rename(keyAt mark: Mark) -> Bool {
    guard var index = index(of: mark), index < scalars.count else { return false }
    let quote = scalars[index]
    let isQuoted = quote == "'" || quote == "\""
    if isQuoted { index += 1 }
    var end = index
    while end < scalars.count, !(isQuoted ? scalars[end] == quote : scalars[end] == ":" || scalars[end].isLineBreak) {
      end += 1
    }
    guard end > index,
      let placeholder = Unicode.Scalar(Self.firstPlaceholder + UInt32(originals.count))
    else { return false }
    var name = String.UnicodeScalarView()
    name.append(contentsOf: scalars[index..<end])
    while let last = name.last, last == " " { name.removeLast() }
    let position = self.position(mark)
    originals[position] = String(name)
    scalars[index] = placeholder
    return true
  }

  private func index(of mark: Mark) -> Int? {
    var line = 1
    var index = 0
    while line < mark.line {
      guard index < scalars.count else { return nil }
      if scalars[index].isLineBreak { line += 1 }
      index += 1
    }
    return index + mark.column - 1
  }

  // MARK: Errors

  private mutating func report(_ position: SourcePosition, _ problem: String, expected: String? = nil) {
    errors.append(ConfigurationError(position, problem, expected: expected))
  }

  private mutating func report(_ error: YamlError) {
    switch error {
    case .scanner(_, let problem, let mark, _), .parser(_, let problem, let mark, _),
      .composer(_, let problem, let mark, _):
      let isTab = index(of: mark).map { scalars.indices.contains($0) && scalars[$0] == "\t" } ?? false
      report(
        position(mark), isTab ? "not valid YAML: a tab" : "not valid YAML: \(problem)",
        expected: isTab ? "spaces for indentation" : nil)
    case .reader(let problem, let offset, _, _):
      let before = scalars.prefix(offset ?? 0)
      let line = before.count(where: \.isLineBreak) + 1
      let column = before.count - (before.lastIndex(where: \.isLineBreak).map { $0 + 1 } ?? 0) + 1
      report(SourcePosition(file: file, line: line, column: column), "not valid YAML: \(problem)")
    default:
      errors.append(ConfigurationError(SourcePosition(file: file), "not valid YAML: \(error)"))
    }
  }
}

extension Unicode.Scalar {
  fileprivate var isLineBreak: Bool { self == "\n" }
}
