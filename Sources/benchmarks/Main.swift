import ArgumentParser
import Foundation

@main
struct Benchmarks: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "benchmarks",
    abstract: "Measures the pure cores without sockets and kernel.",
    discussion: """
      Times are CPU time of the thread, so that another process on the machine counts little. Every ratio has its \
      baseline in the same run. Exit status 1: a bound that docs/performance.md states was missed.
      """)

  enum Name: String, CaseIterable, ExpressibleByArgument {
    // Growth comes first, whatever the order on the command line: what another one has left in memory would be used
    // again and not be counted.
    case growth, refresh, expiry, allocations, steering
  }

  @Argument(help: "What to measure: \(Name.allCases.map(\.rawValue).joined(separator: ", ")); all of it by default.")
  var names: [Name] = []
  @Flag(help: "A few seconds at small sizes, which show that the benchmarks work: no time is held against its bound.")
  var quick = false
  @Flag(help: "One JSON document.") var json = false

  private struct Document: Encodable {
    var benchmarks: [Report]
  }

  func run() throws {
    var reports: [Report] = []
    for name in Name.allCases where names.isEmpty || names.contains(name) {
      let report = Report(benchmark: name.rawValue, figures: try measure(name), isQuick: quick)
      if !json { print(report.text) }
      reports.append(report)
    }
    if json {
      let encoder = JSONEncoder()
      encoder.outputFormatting = [.sortedKeys, .prettyPrinted]
      print(String(decoding: try encoder.encode(Document(benchmarks: reports)), as: UTF8.self))
    }
    if !reports.allSatisfy(\.holds) { throw ExitCode.failure }
  }

  private func measure(_ name: Name) throws -> [Figure] {
    switch name {
    case .refresh:
      try (quick ? Refresh(bindings: 4_000, baseline: 200, refreshes: 1_000, runs: 2) : Refresh()).measure()
    case .growth: try (quick ? Growth(bindings: 4_000, runs: 2) : Growth()).measure()
    case .expiry: try (quick ? Expiry(expiring: 400, bindings: 4_000, runs: 2) : Expiry()).measure()
    case .steering: try (quick ? Steering(flows: 4_000, nodes: 100, admitted: 2_000, runs: 2) : Steering()).measure()
    case .allocations: try (quick ? Allocations(bindings: 4_000, baseline: 2_000) : Allocations()).measure()
    }
  }
}
