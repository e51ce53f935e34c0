import Foundation
import NetTypes
import Testing

@testable import PMIPCore

@Suite("Domain: anchor, gateways and nodes in virtual time")
struct DomainTests {
  /// `FLOWMOB_SEED=17` runs only that one and prints what happened; `FLOWMOB_SEED=201-600` runs other ones.
  static let seeds: [UInt64] = {
    let chosen = ProcessInfo.processInfo.environment["FLOWMOB_SEED"] ?? "1-200"
    let bounds = chosen.split(separator: "-").compactMap { UInt64($0) }
    guard let first = bounds.first, let last = bounds.last, first <= last else { return [] }
    return Array(first...last)
  }()
  static let isTracing = seeds.count == 1

  @Test(
    "Loss, duplication, reordering, crashes and clock jumps: nothing breaks, and both sides agree in the end",
    arguments: seeds)
  func randomDomain(seed: UInt64) {
    var domain = DomainSimulation(seed: seed, isTracing: Self.isTracing)
    domain.run()
    if Self.isTracing { print(domain.trace.joined(separator: "\n")) }
    #expect(domain.checker.checks > 100)
    #expect(domain.checker.violations.isEmpty, "seed \(seed): run again with FLOWMOB_SEED=\(seed)")
  }

  @Test("The same seed gives the same run")
  func repeatable() {
    var runs: [[String]] = []
    for _ in 0..<2 {
      var domain = DomainSimulation(seed: 4_711, isTracing: true)
      domain.run(busy: .seconds(10), quiet: .seconds(10))
      runs.append(domain.trace)
    }
    #expect(!runs[0].isEmpty)
    #expect(runs[0] == runs[1])
  }
}
