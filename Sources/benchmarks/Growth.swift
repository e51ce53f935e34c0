/// From an empty cache to a full one: memory, and the longest that one registration holds up the rest.
struct Growth {
  var bindings = 1_000_000
  var runs = 3

  func measure() throws -> [Figure] {
    // Tunnels, pools and code are there before the first binding counts.
    let first = SyntheticDomain.gatewayCount
    var pauses = Pauses(pieces: bindings - first)
    var octets: [Double] = []
    for _ in 0..<runs {
      var domain = SyntheticDomain()
      try domain.grow(to: first)
      let before = Measurement.residentMemory
      pauses.startRun()
      try domain.grow(to: bindings) { pauses.add($0) }
      octets.append(Double(Measurement.residentMemory - before) / Double(bindings - first))
      try domain.require(domain.anchor.counters[.acceptedInitial] == UInt64(bindings))
    }
    return [
      Figure(name: "first registration, mean", value: pauses.mean.inNanoseconds, unit: .nanoseconds),
      pauses.longest("first registration, longest"),
      // Later runs reuse the memory of the first.
      Figure(name: "resident memory of a binding", value: octets[0], unit: .octets, bound: 1_024),
    ]
  }
}
