import SeededRandom

/// Many lifetimes end within a second while gateways go on refreshing.
struct Expiry {
  var expiring = 100_000
  var bindings = 1_000_000
  var runs = 3

  func measure() throws -> [Figure] {
    var turns = Pauses(pieces: 0)
    var refreshes = Pauses(pieces: 0)
    for _ in 0..<runs {
      turns.startRun()
      refreshes.startRun()
      try run(&turns, &refreshes)
    }
    return [
      Figure(
        name: "expiry of a binding, mean", value: turns.mean.inNanoseconds * Double(turns.count) / Double(expiring),
        unit: .nanoseconds),
      Figure(name: "turns", value: Double(turns.count), unit: .one),
      turns.longest("turn, longest"),
      refreshes.longest("refresh between two turns, longest"),
    ]
  }

  private func run(_ turns: inout Pauses, _ refreshes: inout Pauses) throws {
    var domain = SyntheticDomain()
    try domain.grow(to: bindings)
    // A second of registrations with the shortest lifetime, then nobody refreshes them: all end within one second.
    let step = Duration.seconds(1) / expiring
    for node in 0..<expiring {
      domain.pass(step)
      try domain.receive(try domain.registration(of: bindings + node, lifetime: .seconds(4)))
    }
    domain.pass(.seconds(4))
    var random = SplitMix64(seed: 2)
    while let deadline = domain.anchor.nextDeadline, deadline <= domain.now.monotonic {
      turns.add(try Measurement.time { try domain.handle(.deadlineReached) })
      // Served between two turns, as a daemon's loop does.
      let datagram = try domain.refresh(of: random.node(below: bindings))
      refreshes.add(try Measurement.time { try domain.receive(datagram) })
    }
    try domain.require(domain.anchor.counters[.bindingsExpired] == UInt64(expiring))
  }
}
