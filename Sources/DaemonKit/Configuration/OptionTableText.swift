extension OptionTable {
  /// What `check --explain` prints: every key with its kind, default and help.
  public var explanation: String {
    var lines: [String] = []
    func add(_ options: [OptionDescription], indent: Int) {
      let margin = String(repeating: " ", count: indent)
      for option in options {
        lines.append(
          margin + option.key + ":" + (option.isListOfSections ? "  (list; keys of each element below)" : ""))
        for line in wrap(option.help, width: 96 - indent) { lines.append("\(margin)    \(line)") }
        if option.children.isEmpty {
          lines.append("\(margin)    \(option.kind); \(option.presence)")
        } else if option.isRequired {
          lines.append("\(margin)    required")
        }
        add(option.children, indent: indent + 2)
      }
    }
    add(descriptions, indent: 0)
    return lines.joined(separator: "\n") + "\n"
  }

  /// The table of docs/configuration.md.
  public var markdown: String {
    var lines = ["| key | value | default | meaning |", "| --- | --- | --- | --- |"]
    func add(_ options: [OptionDescription], path: String) {
      for option in options {
        let keyPath = ConfigurationReading.join(path, option.key)
        if option.children.isEmpty {
          let fallback =
            option.isRequired ? "required" : option.defaultText == "none" ? "none" : "`\(option.defaultText)`"
          lines.append("| `\(keyPath)` | \(option.kind) | \(fallback) | \(option.help) |")
        } else {
          let kind = option.isListOfSections ? "a list" : "a section"
          lines.append("| `\(keyPath)` | \(kind) | \(option.isRequired ? "required" : "") | \(option.help) |")
        }
        add(option.children, path: option.isListOfSections ? keyPath + "[]" : keyPath)
      }
    }
    add(descriptions, path: "")
    return lines.joined(separator: "\n") + "\n"
  }

  private func wrap(_ text: String, width: Int) -> [String] {
    var lines: [String] = []
    var line = ""
    for word in text.split(separator: " ") {
      if !line.isEmpty, line.count + 1 + word.count > width {
        lines.append(line)
        line = ""
      }
      line += (line.isEmpty ? "" : " ") + word
    }
    return line.isEmpty ? lines : lines + [line]
  }
}

extension OptionDescription {
  var presence: String { isRequired ? "required" : "default \(defaultText)" }
}
