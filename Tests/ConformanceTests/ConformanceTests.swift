import Foundation
import Testing

@Suite("docs/conformance.md")
struct ConformanceTests {
  static let root = URL(fileURLWithPath: #filePath).resolvingSymlinksInPath().deletingLastPathComponent()
    .deletingLastPathComponent().deletingLastPathComponent()

  let rules: [ConformanceRule]

  init() throws {
    rules = try ConformanceRule.all(
      in: String(contentsOf: Self.root.appendingPathComponent("docs/conformance.md"), encoding: .utf8))
  }

  @Test("Every rule stands once, and each RFC has some")
  func rulesAreThere() {
    for rfc in [5213, 7864, 7077, 5847, 5846] { #expect(rules.contains { $0.rfc == rfc }, "RFC \(rfc) has no rule") }
    let sameRules = Dictionary(grouping: rules) { "\($0.rfc) \($0.section) \($0.rule)" }
    for case let twice in sameRules.values where twice.count > 1 {
      Issue.record("\(twice[1]): stands in line \(twice[0].line) too")
    }
  }

  @Test("Every test that is named exists, and what is done names one")
  func testsExist() throws {
    let inventory = try TestInventory(root: Self.root)
    for rule in rules {
      let missing = rule.tests.filter { !inventory.names.contains($0) }
      if !missing.isEmpty {
        Issue.record("\(rule): not in Tests or testbed/scenarios: \(missing.joined(separator: ", "))")
      }
      if rule.status == .done, rule.tests.isEmpty { Issue.record("\(rule): done, but no test shows it") }
    }
  }

  @Test("No MUST of RFC 5213 sections 5 and 6 and of RFC 7864 is open")
  func indispensable() {
    for rule in rules where rule.isIndispensable {
      if case .open(let status, let reason) = rule.status { Issue.record("\(rule): \(status): \(reason)") }
    }
    #expect(rules.count(where: \.isIndispensable) > 100)
  }

  @Test("The reader finds what is wrong in a line")
  func malformedLines() {
    let good = "| 5213 | 5.1 | a rule | MUST | done | `A.b`, `scenario c` |"
    let wrong = [
      good.replacing("5213", with: "5.1"), good.replacing("MUST", with: "must"), good.replacing("done", with: "yes"),
      good.replacing("done", with: "not"), good.replacing("done", with: "done: nearly"), good.replacing("`", with: ""),
      good.replacing("a rule", with: "a | rule"), good.replacing("a rule", with: ""),
    ]
    #expect(throws: Never.self) { try ConformanceRule.all(in: good) }
    for line in wrong {
      #expect(throws: ConformanceRule.Malformed.self, "\(line)") { try ConformanceRule.all(in: line) }
    }
  }

  @Test("Tests are found under the name of their suite")
  func inventory() throws {
    var inventory = try TestInventory(root: Self.root)
    #expect(inventory.names.contains("ConformanceTests.inventory"))
    #expect(inventory.names.contains("scenario attach_two_accesses"))
    inventory.add(
      """
      @Suite("Some") struct SomeTests {
        struct Row {}
        @Test("One", arguments: [1])
        func one(_ number: Int) {}
        func helper() {}
      }
      """)
    #expect(inventory.names.contains("SomeTests.one") && !inventory.names.contains("SomeTests.helper"))
  }
}
