/// The options of a configuration file, or of a section of one, declared once.
///
/// A table is a list of keys, each bound by key path to a property of `Root`. Everything about a configuration follows
/// from it: the strict reader, the defaults (the values of `initial`, so that a default stands in one place only, the
/// core's own initialiser), the effective configuration that `check` prints, `check --explain`, and the tables in
/// docs/configuration.md. A key that is in no table does not exist.
///
/// ```swift
/// static let table = OptionTable(initial: LMAConfiguration(…), [
///   .section("timers", help: "RFC 5213 section 9.1.", [
///     .option("maximum-lifetime", \.timers.maximumLifetime, .duration(in: .seconds(4)...(.seconds(262_140))),
///       help: "Longer requests are granted this much."),
///   ]),
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
  func write(_ root: Root) -> ConfigurationValue { ConfigurationOption.write(options, root) }
}

/// One key of a table.
public struct ConfigurationOption<Root: Sendable>: Sendable {
  let key: String
  let describe: @Sendable (_ initial: Root) -> OptionDescription
  let read: @Sendable (ConfigurationNode, _ path: String, inout Root, inout ConfigurationReading) -> Void
  /// The key is not in the file; the position is that of the mapping that lacks it.
  let readAbsent: @Sendable (SourcePosition, _ path: String, inout Root, inout ConfigurationReading) -> Void
  let write: @Sendable (Root) -> ConfigurationValue

  /// - Parameters:
  ///   - isRequired: leaving the key out is an error; otherwise the value of the table's `initial` is the default.
  ///   - help: one or two sentences.
  public static func option<Value>(
    _ key: String, _ property: any WritableKeyPath<Root, Value> & Sendable, _ type: OptionType<Value>,
    required isRequired: Bool = false, help: String
  ) -> ConfigurationOption {
    ConfigurationOption(
      key: key,
      describe: { initial in
        OptionDescription(
          key: key, kind: type.expected, isRequired: isRequired,
          defaultText: type.write(initial[keyPath: property]).summary, help: help, children: type.children,
          isListOfSections: type.isListOfSections)
      },
      read: { node, path, root, reading in
        if let value = type.read(node, path, &reading) { root[keyPath: property] = value }
      },
      readAbsent: { position, path, root, reading in
        guard isRequired else { return }
        reading.report(
          ConfigurationError(position, keyPath: path, "missing required key", expected: type.expected),
          valueMissing: true)
      },
      write: { type.write($0[keyPath: property]) })
  }

  /// Options under a common key. Leaving the section out leaves out each of its keys.
  public static func section(_ key: String, help: String, _ options: [ConfigurationOption]) -> ConfigurationOption {
    ConfigurationOption(
      key: key,
      describe: { initial in
        OptionDescription(
          key: key, kind: "a section", isRequired: false, defaultText: "", help: help,
          children: options.map { $0.describe(initial) }, isListOfSections: false)
      },
      read: { node, path, root, reading in
        guard case .mapping(let entries) = node.content else {
          reading.refuse(node, path, node.kindText, expected: mappingExpected(options))
          return
        }
        read(options, from: entries, at: node.position, path, into: &root, &reading)
      },
      readAbsent: { position, path, root, reading in
        read(options, from: [], at: position, path, into: &root, &reading)
      },
      write: { write(options, $0) })
  }

  static func mappingExpected(_ options: [ConfigurationOption]) -> String {
    "a mapping with the keys \(options.map(\.key).joined(separator: ", "))"
  }

  static func write(_ options: [ConfigurationOption], _ root: Root) -> ConfigurationValue {
    .mapping(options.map { ConfigurationValue.Entry(key: $0.key, value: $0.write(root)) })
  }

  /// Reads the entries of a mapping, each by its option.
  static func read(
    _ options: [ConfigurationOption], from entries: [ConfigurationNode.Entry], at position: SourcePosition,
    _ path: String, into root: inout Root, _ reading: inout ConfigurationReading
  ) {
    var seen: Set<String> = []
    for entry in entries {
      let keyPath = ConfigurationReading.join(path, entry.key)
      guard let option = options.first(where: { $0.key == entry.key }) else {
        let suggestion = NearestName.find(entry.key, among: options.map(\.key))
        reading.report(
          ConfigurationError(
            entry.keyPosition, keyPath: keyPath, "unknown key",
            expected: suggestion == nil ? "one of \(options.map(\.key).joined(separator: ", "))" : nil,
            suggestion: suggestion),
          valueMissing: false)
        continue
      }
      seen.insert(entry.key)
      reading.found(keyPath, at: entry.value.position)
      option.read(entry.value, keyPath, &root, &reading)
    }
    for option in options where !seen.contains(option.key) {
      option.readAbsent(position, ConfigurationReading.join(path, option.key), &root, &reading)
    }
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
