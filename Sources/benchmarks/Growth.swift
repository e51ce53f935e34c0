import ArgumentParser
import PMIPCore

/// From an empty cache to a full one: memory, and the longest that one registration holds up the rest.
struct Growth: ParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "Growth of the binding cache: memory of a binding and longest pause.")
  @Option(help: "Bindings.") var bindings = 1_000_000

  static let octetsPerBinding = 1_024.0

  func run() throws {
    var domain = SyntheticDomain()
    // Tunnels, pools and code are there before the first binding counts.
    try domain.grow(to: SyntheticDomain.gatewayCount)
    let before = Measurement.residentMemory
    var pauses = Pauses()
    var total = Duration.zero
    try domain.grow(to: bindings) {
      pauses.add($0)
      total += $0
    }
    let octets =
      Double(Measurement.residentMemory - before) / Double(max(1, bindings - SyntheticDomain.gatewayCount))
    guard domain.anchor.counters[.acceptedInitial] == UInt64(bindings) else {
      throw ValidationError("a registration was not accepted: the benchmark measures something else")
    }
    print("registration: \((total.inNanoseconds / Double(max(1, pauses.count))).text(0)) ns (mean)")
    print("longest pause: \(pauses.longest.inMilliseconds.text(2)) ms (bound \(Pauses.bound.inMilliseconds.text(0)))")
    print("resident memory: \(octets.text(0)) octets a binding (bound \(Self.octetsPerBinding.text(0)))")
    var verdict = Verdict()
    verdict.require(pauses.aboveBound == 0, "\(pauses.aboveBound) pauses above the bound")
    verdict.require(octets <= Self.octetsPerBinding, "memory of a binding")
    try verdict.finish()
  }
}
