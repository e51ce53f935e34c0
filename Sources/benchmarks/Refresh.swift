import SeededRandom

/// Decode, handle and encode of a refresh, in a large cache against a small one.
struct Refresh {
  var bindings = 1_000_000
  var baseline = 1_000
  var refreshes = 200_000
  /// Of each, alternating.
  var runs = 9

  /// Built ahead of the clock; few enough to stay in the processor's cache like datagrams just received.
  private static let batch = 64

  func measure() throws -> [Figure] {
    var small = SyntheticDomain()
    try small.grow(to: baseline)
    var large = SyntheticDomain()
    try large.grow(to: bindings)
    var random = SplitMix64(seed: 1)
    var times: (small: [Double], large: [Double]) = ([], [])
    for _ in 0..<runs {
      times.small.append(try measure(&small, &random))
      times.large.append(try measure(&large, &random))
    }
    let (base, cost) = (Measurement.median(times.small), Measurement.median(times.large))
    return [
      Figure(name: "refresh at \(baseline) bindings", value: base, unit: .nanoseconds),
      Figure(name: "refresh at \(bindings) bindings", value: cost, unit: .nanoseconds),
      Figure(name: "ratio", value: cost / base, unit: .one, bound: 1.5, isTiming: true),
    ]
  }

  /// Nanoseconds for one refresh.
  private func measure(_ domain: inout SyntheticDomain, _ random: inout SplitMix64) throws -> Double {
    var total = Duration.zero
    let accepted = domain.anchor.counters[.acceptedRefresh]
    let batches = refreshes / Self.batch
    for _ in 0..<batches {
      let datagrams = try (0..<Self.batch).map { _ in
        try domain.refresh(of: random.node(below: domain.nodeCount))
      }
      total += try Measurement.time { for datagram in datagrams { try domain.receive(datagram) } }
    }
    try domain.require(domain.anchor.counters[.acceptedRefresh] - accepted == UInt64(batches * Self.batch))
    return total.inNanoseconds / Double(batches * Self.batch)
  }
}
