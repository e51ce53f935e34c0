import DaemonKit
import FlowCore
import Foundation
import Testing

@testable import FlowManager

private let root = URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
  .deletingLastPathComponent()

@Suite("Policy file") struct PolicyFileTests {
  private static func errors(_ text: String) -> [String] {
    do throws(ConfigurationErrors) {
      _ = try PolicyFile.parse(text, file: "policy.yaml")
      return []
    } catch {
      return error.errors.map(\.description)
    }
  }

  @Test("examples/policy.yaml is read without a warning; docs/policy.md shows it and the table of the keys")
  func example() throws {
    let file = root.appendingPathComponent("examples/policy.yaml")
    let text = try String(contentsOf: file, encoding: .utf8)
    let loaded = try PolicyFile.parse(text, file: "policy.yaml")
    #expect(loaded.warnings.isEmpty)
    #expect(loaded.lines == [3, 10, 18, 26, 36, 41, 49])
    let rules = loaded.policy.rules
    #expect(Set(rules.map(\.action.word)) == Set(SteeringAction.Word.allCases))
    #expect(rules[0].match.nodes == [NamePattern("*@guest.example.net")])
    #expect(rules[1].match.dscps == [46, 44] && rules[1].moveBack == .seconds(30))
    #expect(rules[2].match.rateFrom == 5_000_000 && rules[2].maximumMoves == 2)
    #expect(rules[3].match.sourcePorts.map(\.description) == ["873", "10000-10100"])
    #expect(rules[3].match.hours.map(\.description) == ["22:00-06:00"] && rules[3].match.weekdays.count == 5)
    #expect(rules[5].action.weights == [70, 30])

    let documentation = root.appendingPathComponent("docs/policy.md")
    let old = try String(contentsOf: documentation, encoding: .utf8)
    var new = old
    for (begin, end, content) in [
      ("```yaml\n", "```\n\n| command", text),
      ("<!-- options of policy -->\n", "<!-- end of policy -->", PolicyFile.table.markdown),
    ] {
      let start = try #require(new.range(of: begin))
      let stop = try #require(new.range(of: end))
      new.replaceSubrange(start.upperBound..<stop.lowerBound, with: content)
    }
    if ProcessInfo.processInfo.environment["FLOWMOB_UPDATE_DOCS"] != nil {
      try Data(new.utf8).write(to: documentation)
    } else {
      #expect(old == new)
    }
  }

  @Test("Every error has its line and column, what was expected and the nearest name") func errors() {
    let table: [(String, [String])] = [
      (
        "rules:\n  - name: a\n    acton: drop\n    action: drop\n",
        ["policy.yaml:3:5: rules[0].acton: unknown key; did you mean 'action'?"]
      ),
      ("rules:\n  - {name: a}\n", ["missing required key; expected one of active-standby"]),
      ("rules:\n  - {name: a, action: active-stanby, to: [lte]}\n", ["2:23:", "did you mean 'active-standby'?"]),
      ("rules:\n  - {name: a, action: priority}\n", ["2:5: rules[0].to: priority needs `to`"]),
      ("rules:\n  - {name: a, action: drop, to: [lte]}\n", ["rules[0].to: drop has no targets"]),
      ("rules:\n  - {name: a, action: load-balance, to: [lte, wlan], weights: [1]}\n", ["each of the 2 targets"]),
      ("rules:\n  - {name: a, action: load-balance, to: [lte, wlan], weights: [0, 0]}\n", ["greater than 0"]),
      ("rules:\n  - {name: a, action: priority, to: [lte], weights: [1]}\n", ["priority has no weights"]),
      ("rules:\n  - {name: a, action: priority, to: [lte, lte]}\n", ["named twice"]),
      ("rules:\n  - {name: a, action: drop}\n  - {name: a, action: stick}\n", ["3:12: rules[1].name: another rule"]),
      (
        "rules:\n  - {name: a, action: drop, match: {rate-from: 2mbit, rate-below: 1mbit}}\n",
        ["rules[0].match.rate-below: no flow has that"]
      ),
      ("rules:\n  - {name: a, action: drop, match: {rate-from: 2}}\n", ["rate such as 500kbit or 2mbit"]),
      ("rules:\n  - {name: a, action: drop, match: {source-ports: [90-80]}}\n", ["a port or a range"]),
      ("rules:\n  - {name: a, action: drop, match: {dscp: [eff]}}\n", ["did you mean 'ef'?"]),
      ("rules:\n  - {name: a, action: drop, match: {hours: [8-10]}}\n", ["hours such as 08:00-18:30"]),
      ("rules:\n  - {name: a, action: drop, match: {protocols: [tpc]}}\n", ["tcp, udp, udplite"]),
      ("rules: [\n", ["not valid YAML"]),
    ]
    for (text, words) in table {
      let errors = Self.errors(text)
      for word in words { #expect(errors.contains { $0.contains(word) }, "\(word) is not in \(errors)") }
      #expect(errors.count == 1)
    }
  }

  @Test("A shadowed rule and a misspelt access type are warnings with their lines") func warnings() throws {
    let text = """
      rules:
        - name: all of tcp
          match: {protocols: [tcp]}
          action: active-standby
          to: [wlna]
        - name: web
          match: {protocols: [tcp], source-ports: [443]}
          action: stick
      """
    let loaded = try PolicyFile.parse(text, file: "policy.yaml")
    #expect(
      loaded.warnings == [
        "policy.yaml:6:5: rules[1]: rule 'web' never matches: rule 'all of tcp' on line 2 takes all its flows; put it "
          + "before that one, or remove it",
        "policy.yaml:5:10: rules[0].to[0]: 'wlna' is taken as the name of a gateway; did you mean the access type "
          + "'wlan'?",
      ])
  }

  @Test("A file that is not there: none is the built-in policy, a named one is an error") func absent() throws {
    #expect(throws: ConfigurationErrors.self) { try PolicyFile.load(path: "/nonexistent/policy.yaml") }
    #expect(try PolicyFile.parse("", file: "empty").policy == FlowPolicy())
  }
}
