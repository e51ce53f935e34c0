import ArgumentParser
import DomainSimulation
import Foundation

/// Runs simulated domains, many at once. A failing seed is named with the command that shows what happened.
@main
struct Main: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "domain-simulation",
    abstract: "An anchor, gateways and nodes in virtual time with loss, partitions, crashes and clock jumps.",
    discussion: "Exit status 1: an invariant was broken. The same seed always gives the same run.")

  @Option(help: "A seed, or a range of them such as 1-1000. Every hundredth is a large domain.")
  var seeds: SeedRange = SeedRange(first: 1, last: 1_000)

  @Flag(help: "Print everything that happens.")
  var trace = false

  @Option(help: "Domains at a time.")
  var jobs: Int = ProcessInfo.processInfo.activeProcessorCount

  func validate() throws {
    guard jobs > 0 else { throw ValidationError("--jobs must be at least 1") }
  }

  func run() async throws {
    let start = ContinuousClock.now
    var total = Outcome()
    await withTaskGroup(of: Outcome.self) { group in
      var next = seeds.first
      func startNext() {
        guard next <= seeds.last else { return }
        let (seed, trace) = (next, trace)
        next += 1
        group.addTask { Outcome.of(seed, trace: trace) }
      }
      for _ in 0..<jobs { startNext() }
      for await outcome in group {
        print(outcome.report, terminator: "")
        total.add(outcome)
        startNext()
      }
    }
    let seconds = (ContinuousClock.now - start) / .seconds(1)
    print(
      "\(total.seeds) seeds, \(total.failures) failed, \(total.steps) steps, \(total.checks) checks, "
        + "\(String(format: "%.1f", seconds)) s")
    if total.failures > 0 { throw ExitCode.failure }
  }
}

struct SeedRange: ExpressibleByArgument {
  var first: UInt64
  var last: UInt64

  init(first: UInt64, last: UInt64) {
    self.first = first
    self.last = last
  }

  init?(argument: String) {
    let bounds = argument.split(separator: "-", omittingEmptySubsequences: false).map { UInt64($0) }
    guard bounds.count <= 2, let first = bounds.first ?? nil, let last = bounds.last ?? nil, first <= last else {
      return nil
    }
    self.init(first: first, last: last)
  }

  var defaultValueDescription: String { "\(first)-\(last)" }
}

/// Of one domain, or of several together.
struct Outcome: Sendable {
  var seeds = 0
  var failures = 0
  var steps = 0
  var checks = 0
  var report = ""

  static func of(_ seed: UInt64, trace: Bool) -> Outcome {
    let domain = DomainSimulation(seed: seed, isTracing: trace)
    domain.run()
    var report = ""
    for line in domain.trace { report += line + "\n" }
    if !domain.violations.isEmpty {
      report +=
        "seed \(seed) (\(domain.gatewayCount) gateways, \(domain.nodeCount) nodes) after \(domain.steps) steps:\n"
      for violation in domain.violations { report += "  \(violation)\n" }
      report += "  see it happen: swift run -c release domain-simulation --seeds \(seed) --trace\n"
    }
    return Outcome(
      seeds: 1, failures: domain.violations.isEmpty ? 0 : 1, steps: domain.steps, checks: domain.checks, report: report)
  }

  mutating func add(_ other: Outcome) {
    seeds += other.seeds
    failures += other.failures
    steps += other.steps
    checks += other.checks
  }
}
