import ArgumentParser

/// Decode, handle and encode of a refresh, in a small and a large cache.
struct Refresh: ParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "Cost of a refresh with a large binding cache against a small one.")
  @Option(help: "Bindings of the large cache.") var bindings = 1_000_000
  @Option(help: "Bindings of the small cache.") var baseline = 1_000
  @Option(help: "Refreshes in a run.") var refreshes = 200_000
  @Option(help: "Runs of each, alternating.") var runs = 7

  static let bound = 1.5
  /// Built ahead of the clock; few enough to stay in the processor's cache like datagrams just received.
  private static let batch = 64

  func run() throws {
    var small = SyntheticDomain()
    try small.grow(to: baseline)
    var large = SyntheticDomain()
    try large.grow(to: bindings)
    var random = SplitMix(state: 1)
    var times: (small: [Double], large: [Double]) = ([], [])
    for _ in 0..<runs {
      times.small.append(try measure(&small, &random))
      times.large.append(try measure(&large, &random))
    }
    let (base, cost) = (Measurement.median(times.small), Measurement.median(times.large))
    print("refresh at \(baseline) bindings: \(base.text(0)) ns")
    print("refresh at \(bindings) bindings: \(cost.text(0)) ns")
    print("ratio: \((cost / base).text(2)) (bound \(Self.bound))")
    var verdict = Verdict()
    verdict.require(cost / base <= Self.bound, "refresh ratio above \(Self.bound)")
    try verdict.finish()
  }

  /// Nanoseconds for one refresh.
  private func measure(_ domain: inout SyntheticDomain, _ random: inout SplitMix) throws -> Double {
    var total = Duration.zero
    let accepted = domain.anchor.counters[.acceptedRefresh]
    let batches = refreshes / Self.batch
    for _ in 0..<batches {
      let datagrams = try (0..<Self.batch).map { _ in
        try domain.refresh(of: Int(random.next() % UInt64(domain.nodeCount)))
      }
      let before = Measurement.threadTime
      for datagram in datagrams { try domain.receive(datagram) }
      total += Measurement.threadTime - before
    }
    guard domain.anchor.counters[.acceptedRefresh] - accepted == UInt64(batches * Self.batch) else {
      throw ValidationError("a refresh was not accepted: the benchmark measures something else")
    }
    return total.inNanoseconds / Double(batches * Self.batch)
  }
}

/// SplitMix64: the same numbers for the same seed, everywhere.
struct SplitMix: RandomNumberGenerator {
  var state: UInt64

  mutating func next() -> UInt64 {
    state &+= 0x9e37_79b9_7f4a_7c15
    var z = state
    z = (z ^ (z >> 30)) &* 0xbf58_476d_1ce4_e5b9
    z = (z ^ (z >> 27)) &* 0x94d0_49bb_1331_11eb
    return z ^ (z >> 31)
  }
}
