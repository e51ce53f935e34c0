import Yams

/// A configuration on its way out: what `check` prints as the effective configuration.
public indirect enum ConfigurationValue: Hashable, Sendable {
  /// Not written: an optional value that is not set.
  case absent
  case scalar(String)
  case list([ConfigurationValue])
  case mapping([Entry])

  public struct Entry: Hashable, Sendable {
    public var key: String
    public var value: ConfigurationValue
  }

  /// On one line, for help texts.
  var summary: String {
    switch self {
    case .absent: "none"
    case .scalar(let text): text.isEmpty ? "none" : text
    case .list(let elements): elements.isEmpty ? "none" : "[" + elements.map(\.summary).joined(separator: ", ") + "]"
    case .mapping(let entries):
      "{" + entries.map { "\($0.key): \($0.value.summary)" }.joined(separator: ", ") + "}"
    }
  }

  /// nil for `absent`.
  var node: Node? {
    switch self {
    case .absent:
      return nil
    case .scalar(let text):
      // Unquoted, these would be read as "no value".
      return Node(text, .implicit, ["", "~", "null"].contains(text) ? .doubleQuoted : .any)
    case .list(let elements):
      let isFlat = elements.allSatisfy { if case .scalar = $0 { true } else { false } }
      return Node(elements.compactMap(\.node), .implicit, isFlat ? .flow : .block)
    case .mapping(let entries):
      return Node(entries.compactMap { entry in entry.value.node.map { (Node(entry.key), $0) } }, .implicit, .block)
    }
  }
}
