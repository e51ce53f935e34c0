/// How one kind of value is read from a configuration, written to one, and described. The scalar kinds are in
/// `ScalarOptionTypes.swift`.
public struct OptionType<Value: Sendable>: Sendable {
  /// With article, for error messages: `an IPv6 address`.
  let expected: String
  /// For lists of it: `IPv6 addresses`.
  let plural: String
  /// The options inside a section or inside each element of a list of sections.
  let children: [OptionDescription]
  let isListOfSections: Bool
  /// nil after it has reported why.
  let read: @Sendable (ConfigurationNode, _ path: String, inout ConfigurationReading) -> Value?
  let write: @Sendable (Value) -> ConfigurationValue

  init(
    expected: String, plural: String, children: [OptionDescription] = [], isListOfSections: Bool = false,
    write: @escaping @Sendable (Value) -> ConfigurationValue,
    read: @escaping @Sendable (ConfigurationNode, String, inout ConfigurationReading) -> Value?
  ) {
    self.expected = expected
    self.plural = plural
    self.children = children
    self.isListOfSections = isListOfSections
    self.read = read
    self.write = write
  }
}

/// Why a text is not a value of its kind.
struct ScalarProblem: Error {
  var problem: String
  var suggestion: String?
}

extension OptionType {
  /// A kind whose values are single words. `parse` gets the text as it stands in the file.
  static func scalar(
    expected: String, plural: String, parse: @escaping @Sendable (String) -> Result<Value, ScalarProblem>,
    write: @escaping @Sendable (Value) -> String
  ) -> OptionType {
    OptionType(expected: expected, plural: plural, write: { .scalar(write($0)) }) { node, path, reading in
      guard case .scalar(let text) = node.content else {
        reading.refuse(node, path, node.kindText, expected: expected)
        return nil
      }
      switch parse(text) {
      case .success(let value):
        return value
      case .failure(let problem):
        reading.refuse(node, path, problem.problem, expected: expected, suggestion: problem.suggestion)
        return nil
      }
    }
  }

  /// The same text for another Swift type. `forward` returns nil for values that `expected` excludes.
  public func mapped<New>(
    expected newExpected: String? = nil, _ forward: @escaping @Sendable (Value) -> New?,
    back: @escaping @Sendable (New) -> Value
  ) -> OptionType<New> {
    let expected = newExpected ?? self.expected
    return OptionType<New>(
      expected: expected, plural: plural, children: children, isListOfSections: isListOfSections,
      write: { write(back($0)) }
    ) { node, path, reading in
      guard let value = read(node, path, &reading) else { return nil }
      if let new = forward(value) { return new }
      reading.refuse(node, path, "\(write(value).summary) does not fit", expected: expected)
      return nil
    }
  }

  /// A value that may be left out.
  public static func optional<Wrapped>(_ type: OptionType<Wrapped>) -> OptionType where Value == Wrapped? {
    OptionType(
      expected: type.expected, plural: type.plural, children: type.children, isListOfSections: type.isListOfSections,
      write: { $0.map(type.write) ?? .absent }
    ) { node, path, reading in type.read(node, path, &reading).map { .some($0) } }
  }

  /// A list with a number of elements in `count`. When an element cannot be read the list cannot.
  public static func list<Element>(of type: OptionType<Element>, count: ClosedRange<Int>) -> OptionType
  where Value == [Element] {
    let expected = "a list of \(type.plural)"
    return OptionType(
      expected: expected, plural: "lists of \(type.plural)", children: type.children,
      isListOfSections: !type.children.isEmpty, write: { .list($0.map(type.write)) }
    ) { node, path, reading in
      guard case .list(let nodes) = node.content else {
        var suggestion: String?
        if case .scalar(let text) = node.content { suggestion = "[\(text)]" }
        reading.refuse(node, path, node.kindText, expected: expected, suggestion: suggestion)
        return nil
      }
      guard count.contains(nodes.count) else {
        let bound =
          nodes.count < count.lowerBound ? "at least \(count.lowerBound)" : "at most \(count.upperBound)"
        reading.refuse(node, path, "has \(nodes.count) elements", expected: "\(bound) \(type.plural)")
        return nil
      }
      var elements: [Element] = []
      for (index, element) in nodes.enumerated() {
        let elementPath = "\(path)[\(index)]"
        reading.found(elementPath, at: element.position)
        if let value = type.read(element, elementPath, &reading) { elements.append(value) }
      }
      return elements.count == nodes.count ? elements : nil
    }
  }

  /// A mapping with the options of `table`; the kind of list elements that have several keys.
  public static func mapping(_ table: OptionTable<Value>) -> OptionType {
    let expected = ConfigurationOption.mappingExpected(table.options)
    return OptionType(
      expected: expected, plural: "mappings", children: table.descriptions, write: table.write
    ) { node, path, reading in
      guard case .mapping(let entries) = node.content else {
        reading.refuse(node, path, node.kindText, expected: expected)
        return nil
      }
      var value = table.initial
      ConfigurationOption.read(table.options, from: entries, at: node.position, path, into: &value, &reading)
      return value
    }
  }
}
