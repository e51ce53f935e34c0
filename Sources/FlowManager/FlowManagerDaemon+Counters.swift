import DatapathModel
import FlowCore
import LinuxNet
import NetTypes

/// Counters that a command waits for.
struct CounterRound {
  var flows: ArraySlice<FlowIdentifier>
  let isLarge: Bool
  /// Time that the parts have taken so far.
  var length = Duration.zero
  let then: () -> Void
}

// The counters of the flows: read by and by for rates and idle flows, and at once for who asks.
extension FlowManagerDaemon {
  /// The next part of the counters of all flows; gives the time until the one after it.
  func poll() -> Duration {
    let start = SystemClock.monotonic
    let (tuples, next) = engine.table.tuples(from: pollPosition, limit: Self.flowsPerReading)
    readCounters(of: tuples)
    pollPosition = next ?? 0
    let parts = max(1, engine.table.count / Self.flowsPerReading)
    return configuration.pollInterval(after: (SystemClock.monotonic - start) * parts) / parts
  }

  func currentCounters(of flows: some Sequence<FlowIdentifier>) -> [KernelCounter] {
    let tuples = flows.compactMap { engine.table.flow($0)?.tuple }
    return reading { () throws(LinuxError) in try kernel.counters(of: tuples) } ?? []
  }

  private func readCounters(of tuples: [FlowSixTuple]) {
    guard !tuples.isEmpty else { return }
    if let counters = reading({ () throws(LinuxError) in try kernel.counters(of: tuples) }) {
      handle(.counters(counters))
    }
  }

  /// For a command that shows or writes the counters of what `reference` means: calls `then` when they were read, as
  /// fresh as the share of time allows. What cannot be found is for `then` to refuse.
  func withCounters(of reference: FlowReference, then: @escaping () -> Void) {
    guard case .all(let filter) = reference else {
      if let flow = try? engine.flow(reference) { readCounters(of: [flow.tuple]) }
      return then()
    }
    withCounters(of: filter, then: then)
  }

  func withCounters(of filter: FlowFilter, then: @escaping () -> Void) {
    guard let flows = try? engine.identifiers(filter), mayRead(flows.count) else { return then() }
    guard flows.count > Self.flowsPerReading else {
      handle(.counters(currentCounters(of: flows)))
      return then()
    }
    let round = CounterRound(flows: flows[...], isLarge: flows.count > Self.alwaysReadFlows, then: then)
    // Who asks about a node does not wait for a million flows.
    let place = round.isLarge ? nil : rounds.firstIndex(where: \.isLarge)
    rounds.insert(round, at: place ?? rounds.endIndex)
    loop.background = { [unowned self] in readFurther() }
  }

  private func mayRead(_ flows: Int) -> Bool {
    flows <= Self.alwaysReadFlows
      || !rounds.contains(where: \.isLarge)
        && SystemClock.monotonic - lastRound.end >= lastRound.length * Self.readingShare
  }

  /// The next part of the first round; false when there is none left.
  private func readFurther() -> Bool {
    let start = SystemClock.monotonic
    handle(.counters(currentCounters(of: rounds[0].flows.prefix(Self.flowsPerReading))))
    rounds[0].flows.removeFirst(min(rounds[0].flows.count, Self.flowsPerReading))
    rounds[0].length += SystemClock.monotonic - start
    guard rounds[0].flows.isEmpty else { return true }
    let round = rounds.removeFirst()
    if round.isLarge { lastRound = (SystemClock.monotonic, round.length) }
    round.then()
    armTimer()
    return !rounds.isEmpty
  }
}
