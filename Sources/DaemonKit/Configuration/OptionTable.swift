/// The options of a configuration file, or of a section of one, declared once.
///
/// A table is a list of keys, each bound by key path to a property of `Root`. Everything about a configuration follows
/// from it: the strict reader, the defaults (the values of `initial`, so that a default stands in one place only, the
/// core's own initialiser), the effective configuration that `check` prints, `check --explain`, and the tables in
/// docs/configuration.md. A key that is in no table does not exist.
///
/// ```swift
/// static let table = OptionTable(initial: LMATimers(), [
///   .option("maximum-lifetime", \.maximumLifetime, .duration(in: .seconds(4)...(.seconds(262_140))),
///     help: "Longer requests are granted this much."),
/// ])
/// ```
public struct OptionTable<Root: Sendable>: Sendable {
  public let initial: Root
  let options: [ConfigurationOption<Root>]

  public init(initial: Root, _ options: [ConfigurationOption<Root>]) {
    self.initial = initial
    self.options = options
  }

  /// For help and documentation.
  public var descriptions: [OptionDescription] { options.map { $0.describe(initial) } }

  /// The effective configuration.
  func write(_ root: Root) -> ConfigurationValue {
    .mapping(options.map { ConfigurationValue.Entry(key: $0.description.key, value: $0.write(root)) })
  }

  func read(
    _ entries: [ConfigurationNode.Entry], of node: ConfigurationNode, _ path: String,
    _ reading: inout ConfigurationReading
  ) -> Root {
    var root = initial
    var seen: Set<String> = []
    for entry in entries {
      let keyPath = ConfigurationReading.join(path, entry.key)
      guard let option = options.first(where: { $0.description.key == entry.key }) else {
        let names = options.map(\.description.key)
        let suggestion = NearestName.find(entry.key, among: names)
        reading.report(
          ConfigurationError(
            entry.keyPosition, keyPath: keyPath, "unknown key",
            expected: suggestion == nil ? "one of \(names.joined(separator: ", "))" : nil, suggestion: suggestion),
          valueMissing: false)
        continue
      }
      // The reader of the file has reported a second one; its value is checked all the same.
      seen.insert(entry.key)
      reading.found(keyPath, at: entry.value.position)
      option.read(entry.value, keyPath, &root, &reading)
    }
    for option in options where !seen.contains(option.description.key) {
      option.readAbsent(node, ConfigurationReading.join(path, option.description.key), &root, &reading)
    }
    return root
  }
}

/// One key of a table.
public struct ConfigurationOption<Root: Sendable>: Sendable {
  /// The default text is filled in by `describe`.
  let description: OptionDescription
  let read: @Sendable (ConfigurationNode, String, inout Root, inout ConfigurationReading) -> Void
  let readAbsent: @Sendable (ConfigurationNode, String, inout Root, inout ConfigurationReading) -> Void
  let write: @Sendable (Root) -> ConfigurationValue

  /// - Parameters:
  ///   - isRequired: leaving the key out is an error; otherwise the value of the table's `initial` is the default.
  ///   - help: one or two sentences.
  public static func option<Value>(
    _ key: String, _ property: any WritableKeyPath<Root, Value> & Sendable, _ type: OptionType<Value>,
    required isRequired: Bool = false, help: String
  ) -> ConfigurationOption {
    let description = OptionDescription(
      key: key, kind: type.expected, isRequired: isRequired, defaultText: "", help: help, children: type.children,
      isListOfSections: type.isListOfSections)
    return ConfigurationOption(
      description: description,
      read: { node, path, root, reading in
        if let value = type.read(node, path, &reading) { root[keyPath: property] = value }
      },
      readAbsent: { parent, path, root, reading in
        if isRequired {
          reading.report(
            ConfigurationError(parent.position, keyPath: path, "missing required key", expected: type.expected),
            valueMissing: true)
        } else if let readAbsent = type.readAbsent, let value = readAbsent(parent, path, &reading) {
          root[keyPath: property] = value
        }
      },
      write: { type.write($0[keyPath: property]) })
  }

  func describe(_ initial: Root) -> OptionDescription {
    var result = description
    result.defaultText = write(initial).summary
    return result
  }
}

/// An option as help and documentation show it.
public struct OptionDescription: Hashable, Sendable {
  public var key: String
  /// Such as `a duration from 0ms to 10m`.
  public var kind: String
  public var isRequired: Bool
  public var defaultText: String
  public var help: String
  /// Of a section, or of each element of a list of sections.
  public var children: [OptionDescription]
  public var isListOfSections: Bool
}
