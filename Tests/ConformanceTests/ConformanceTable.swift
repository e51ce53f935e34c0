import Foundation
import Testing

/// One line of docs/conformance.md.
struct ConformanceRule: CustomStringConvertible {
  enum Status: Hashable {
    case done
    /// `partly` or `not`, with the reason.
    case open(String, reason: String)
  }

  static let strengths = ["MUST", "SHOULD", "MAY"]

  var line: Int
  var rfc: Int
  var section: String
  var rule: String
  var strength: String
  var status: Status
  var tests: [String]

  var description: String { "docs/conformance.md:\(line): RFC \(rfc) section \(section), \(rule)" }

  /// No such rule may be left open: MUSTs of RFC 5213 sections 5 and 6 and of RFC 7864.
  var isIndispensable: Bool {
    strength == "MUST" && (rfc == 7864 || rfc == 5213 && (section.hasPrefix("5.") || section.hasPrefix("6.")))
  }

  struct Malformed: Error, CustomStringConvertible {
    var description: String
  }

  init(cells: [String], line: Int) throws(Malformed) {
    func fail(_ text: String) -> Malformed { Malformed(description: "docs/conformance.md:\(line): \(text)") }
    guard cells.count == 6 else { throw fail("\(cells.count) columns, expected 6; '|' may not stand in a cell") }
    guard let rfc = Int(cells[0]), !cells[1].isEmpty, !cells[2].isEmpty else {
      throw fail("expected an RFC number, a section and a rule")
    }
    guard Self.strengths.contains(cells[3]) else {
      throw fail("strength '\(cells[3])', expected one of \(Self.strengths.joined(separator: ", "))")
    }
    let status = cells[4].split(separator: ":", maxSplits: 1).map { $0.trimmingCharacters(in: .whitespaces) }
    switch (status.first, status.count) {
    case ("done", 1): self.status = .done
    case ("partly", 2), ("not", 2): self.status = .open(status[0], reason: status[1])
    default: throw fail("status '\(cells[4])', expected 'done', 'partly: reason' or 'not: reason'")
    }
    let tests = cells[5].split(separator: ",").map { $0.trimmingCharacters(in: .whitespaces) }
    guard tests.allSatisfy({ $0.count > 2 && $0.hasPrefix("`") && $0.hasSuffix("`") }) else {
      throw fail("tests '\(cells[5])', expected names in backquotes with commas between them")
    }
    self.line = line
    self.rfc = rfc
    section = cells[1]
    rule = cells[2]
    strength = cells[3]
    self.tests = tests.map { String($0.dropFirst().dropLast()) }
  }

  /// Every line of the file that belongs to a table, except its head.
  static func all(in text: String) throws(Malformed) -> [ConformanceRule] {
    var rules: [ConformanceRule] = []
    for (index, line) in text.split(separator: "\n", omittingEmptySubsequences: false).enumerated() {
      guard line.hasPrefix("|"), !line.hasPrefix("| RFC "), !line.hasPrefix("| ---") else { continue }
      let cells = line.dropFirst().dropLast(line.hasSuffix("|") ? 1 : 0).split(
        separator: "|", omittingEmptySubsequences: false)
      rules.append(
        try ConformanceRule(cells: cells.map { $0.trimmingCharacters(in: .whitespaces) }, line: index + 1))
    }
    return rules
  }
}

/// The tests that there are: `Suite.function` of every Swift test and `scenario name` of every system scenario.
struct TestInventory {
  private(set) var names: Set<String> = []

  init(root: URL) throws {
    let files = FileManager.default
    for file in try files.contentsOfDirectory(atPath: root.appendingPathComponent("testbed/scenarios").path)
    where file.hasSuffix(".py") {
      names.insert("scenario \(file.dropLast(3))")
    }
    let tests = root.appendingPathComponent("Tests")
    for path in try files.subpathsOfDirectory(atPath: tests.path) where path.hasSuffix(".swift") {
      add(try String(contentsOf: tests.appendingPathComponent(path), encoding: .utf8))
    }
  }

  /// A test function belongs to the nearest type above it that begins at the left margin.
  mutating func add(_ source: String) {
    var suite: Substring?
    var isTest = false
    for line in source.split(separator: "\n") {
      let words = line.split { !$0.isLetter && !$0.isNumber && $0 != "_" && $0 != "@" }
      if line.first != " ", let kind = words.firstIndex(where: { ["struct", "class", "enum"].contains($0) }),
        kind + 1 < words.count
      {
        suite = words[kind + 1]
      }
      if words.first == "@Test" { isTest = true }
      if isTest, let keyword = words.firstIndex(of: "func"), keyword + 1 < words.count {
        if let suite { names.insert("\(suite).\(words[keyword + 1])") }
        isTest = false
      }
    }
  }
}
