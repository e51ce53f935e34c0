import AccessTriggers
import DaemonKit
import NetTypes
import PMIPCore

/// What `magd show triggers` prints; see docs/json.md.
struct TriggersDocument: Codable {
  var sources: [Source]
  var registrationDelays: [Delay]

  struct Source: Codable {
    var link: String
    var source: String
    var name: String?
    var state: String
    var problem: String?
    var lastEvent: Event?
    var counters: [String: UInt64]

    init(_ status: TriggerStatus, _ tally: PresenceLedger.Tally, at now: Duration) {
      link = status.origin.link
      source = status.origin.source.rawValue
      name = status.origin.name.isEmpty ? nil : status.origin.name
      state = status.state
      problem = status.problem
      lastEvent = tally.last.map { Event($0, at: now) }
      counters = status.counters
      for (outcome, count) in tally.counts { counters[outcome.rawValue] = count }
    }
  }

  struct Event: Codable {
    var state: String
    var linkLayerAddress: LinkLayerAddress
    var secondsAgo: Double

    init(_ signal: AttachmentSignal, at now: Duration) {
      state = signal.state.rawValue
      linkLayerAddress = signal.station
      secondsAgo = (now - signal.time) / .seconds(1)
    }
  }

  /// From the first sign of a node's arrival until its Proxy Binding Update was sent.
  struct Delay: Codable {
    var source: String
    var registrations: UInt64
    var lastMilliseconds: Double
    var meanMilliseconds: Double
    var p50Milliseconds: Double
    var p99Milliseconds: Double
    var maximumMilliseconds: Double
    var buckets: [Bucket]

    struct Bucket: Codable {
      /// nil: without a bound.
      var toMilliseconds: Double?
      var count: UInt64
    }

    init(_ source: Attachment.Trigger, _ delay: RegistrationDelay) {
      self.source = source.rawValue
      registrations = delay.count
      lastMilliseconds = delay.last / .milliseconds(1)
      meanMilliseconds = delay.mean / .milliseconds(1)
      p50Milliseconds = delay.quantile(0.5) / .milliseconds(1)
      p99Milliseconds = delay.quantile(0.99) / .milliseconds(1)
      maximumMilliseconds = delay.maximum / .milliseconds(1)
      buckets = delay.buckets.map { Bucket(toMilliseconds: $0.bound.map { $0 / .milliseconds(1) }, count: $0.count) }
    }
  }
}

extension TriggersDocument {
  var text: String {
    var table = TextTable(
      ["LINK", "SOURCE", "NAME", "STATE", "ARRIVALS", "DEPARTURES", "REFUSED", "LAST-EVENT"],
      right: ["ARRIVALS", "DEPARTURES", "REFUSED"])
    for source in sources {
      table.add([
        source.link, source.source, source.name, source.state, count(source, .arrivals), count(source, .departures),
        count(source, .refused),
        source.lastEvent.map { "\($0.state) \($0.linkLayerAddress) \(Int($0.secondsAgo))s ago" },
      ])
    }
    var delays = TextTable(
      ["SOURCE", "REGISTRATIONS", "LAST-MS", "MEAN-MS", "P50-MS", "P99-MS", "MAX-MS"],
      right: ["REGISTRATIONS", "LAST-MS", "MEAN-MS", "P50-MS", "P99-MS", "MAX-MS"])
    for delay in registrationDelays {
      delays.add([
        delay.source, "\(delay.registrations)", tenths(delay.lastMilliseconds), tenths(delay.meanMilliseconds),
        tenths(delay.p50Milliseconds), tenths(delay.p99Milliseconds), tenths(delay.maximumMilliseconds),
      ])
    }
    return registrationDelays.isEmpty ? table.text : "\(table.text)\n\n\(delays.text)"
  }

  private func count(_ source: Source, _ outcome: PresenceLedger.Tally.Outcome) -> String {
    "\(source.counters[outcome.rawValue, default: 0])"
  }

  private func tenths(_ milliseconds: Double) -> String { "\((milliseconds * 10).rounded() / 10)" }
}
