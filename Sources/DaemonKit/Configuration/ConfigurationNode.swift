/// A node of the configuration file with its place, free of YAML's typing: `5m`, `0x10` and `true` are all text here
/// and get their meaning from the option they are given to.
struct ConfigurationNode: Sendable {
  enum Content: Sendable {
    /// A key without a value.
    case empty
    case scalar(String)
    case list([ConfigurationNode])
    case mapping([Entry])
  }

  struct Entry: Sendable {
    var key: String
    var keyPosition: SourcePosition
    var value: ConfigurationNode
  }

  var content: Content
  var position: SourcePosition

  /// What a reader of the file sees here, for "is …; expected …".
  var kindText: String {
    switch content {
    case .empty: "has no value"
    case .scalar(let text): "'\(text)' is a single value"
    case .list: "is a list"
    case .mapping: "is a mapping"
    }
  }
}
