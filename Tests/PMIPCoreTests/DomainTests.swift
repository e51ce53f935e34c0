import DomainSimulation
import Foundation
import NetTypes
import Testing

@Suite("Domain: anchor, gateways and nodes in virtual time")
struct DomainTests {
  /// Here a few small domains, unoptimized; `testbed/test` runs a thousand with `domain-simulation`.
  /// `FLOWMOB_SEED=17` runs only that one and prints what happened; `FLOWMOB_SEED=201-600` runs other ones.
  static let seeds: [UInt64] = {
    let chosen = ProcessInfo.processInfo.environment["FLOWMOB_SEED"] ?? "1-40"
    let bounds = chosen.split(separator: "-").compactMap { UInt64($0) }
    guard let first = bounds.first, let last = bounds.last, first <= last else { return [] }
    return Array(first...last)
  }()
  static let isTracing = seeds.count == 1

  @Test(
    "Loss, duplication, reordering, partitions, crashes and clock jumps: nothing breaks, both sides agree in the end",
    arguments: seeds)
  func randomDomain(seed: UInt64) {
    let domain = DomainSimulation(seed: seed, isTracing: Self.isTracing)
    domain.run()
    if Self.isTracing { print(domain.trace.joined(separator: "\n")) }
    #expect(domain.checks > 100)
    #expect(domain.violations.isEmpty, "seed \(seed): run again with FLOWMOB_SEED=\(seed)")
  }

  @Test("The same seed gives the same run")
  func repeatable() {
    var runs: [[String]] = []
    for _ in 0..<2 {
      let domain = DomainSimulation(seed: 4_711, isTracing: true)
      domain.run(busy: .seconds(10), quiet: .seconds(10))
      runs.append(domain.trace)
    }
    #expect(!runs[0].isEmpty)
    #expect(runs[0] == runs[1])
  }
}
