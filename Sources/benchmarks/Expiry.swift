import ArgumentParser
import PMIPCore

/// Many lifetimes end within a second while gateways go on refreshing.
struct Expiry: ParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "Many lifetimes that end in one second: longest turn of the loop.")
  @Option(help: "Bindings that expire.") var expiring = 100_000
  @Option(help: "Bindings in all.") var bindings = 1_000_000

  func run() throws {
    var domain = SyntheticDomain()
    try domain.grow(to: bindings)
    // A second of registrations with the shortest lifetime, then nobody refreshes them: all end within one second.
    let step = Duration.seconds(1) / expiring
    for node in 0..<expiring {
      domain.pass(step)
      try domain.receive(try domain.registration(of: bindings + node, lifetime: .seconds(4)))
    }
    domain.pass(.seconds(4))
    var random = SplitMix(state: 2)
    var (turns, refreshes, total) = (Pauses(), Pauses(), Duration.zero)
    while let deadline = domain.anchor.nextDeadline, deadline <= domain.now.monotonic {
      let before = Measurement.threadTime
      try domain.handle(.deadlineReached)
      let turn = Measurement.threadTime - before
      turns.add(turn)
      total += turn
      // Served between two turns, as a daemon's loop does.
      let datagram = try domain.refresh(of: Int(random.next() % UInt64(bindings)))
      let arrival = Measurement.threadTime
      try domain.receive(datagram)
      refreshes.add(Measurement.threadTime - arrival)
    }
    guard domain.anchor.counters[.bindingsExpired] == UInt64(expiring) else {
      throw ValidationError("\(domain.anchor.counters[.bindingsExpired]) bindings expired, not \(expiring)")
    }
    print("expiry: \((total.inNanoseconds / Double(expiring)).text(0)) ns a binding (mean)")
    print("turns: \(turns.count), longest \(turns.longest.inMilliseconds.text(2)) ms")
    print("refresh between two turns: longest \(refreshes.longest.inMilliseconds.text(2)) ms")
    var verdict = Verdict()
    verdict.require(turns.aboveBound + refreshes.aboveBound == 0, "pauses above the bound")
    try verdict.finish()
  }
}
