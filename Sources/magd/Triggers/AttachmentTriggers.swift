import AccessTriggers
import LinuxNet
import Logging
import MobilityWire
import NetTypes
import PMIPCore

/// All sources of attachment of this gateway, and what they have said.
///
/// Neighbour discovery and the operator are seen by the daemon itself; the sources here are the access points. What they
/// report goes through one ledger, which says what to do. Whether a node is served is not decided here: a source can only
/// say that a link-layer address is on a link, and the core looks it up in the node map.
final class AttachmentTriggers {
  let settings: TriggerSettings
  private(set) var delays: [Attachment.Trigger: RegistrationDelay] = [:]
  private var ledger: PresenceLedger
  private var sources: [any TriggerSource] = []
  /// Registrations whose messages are not sent yet.
  private var started: [(source: Attachment.Trigger, since: Duration)] = []

  /// - Parameter capacity: stations that are remembered.
  init(_ settings: TriggerSettings, capacity: Int) {
    self.settings = settings
    ledger = PresenceLedger(capacity: capacity)
  }

  /// Opens the sockets.
  ///
  /// - Parameters:
  ///   - file: the configuration file, to whose directory paths of secrets count.
  ///   - ownPath: what paths of our ends of control sockets begin with.
  ///   - perform: what the ledger says is to be done.
  ///   - settle: called after all actions of one reading.
  func start(
    file: String, ownPath: String, loop: EventLoop, log: Logger,
    perform: @escaping (PresenceLedger.Action) -> Void, settle: @escaping () -> Void
  ) throws {
    let report: (TriggerReport) -> Void = { [unowned self] report in
      for action in ledger.note(report) { perform(action) }
    }
    for (link, triggers) in settings.links.sorted(by: { $0.key < $1.key }) {
      for path in triggers.hostapd {
        sources.append(
          HostapdSource(
            origin: TriggerOrigin(source: .hostapd, link: link, name: path),
            ownPath: "\(ownPath).hostapd-\(sources.count)", loop: loop, log: log, report: report, settle: settle))
      }
    }
    let wireless = settings.links.flatMap { link, triggers in
      triggers.nl80211.map { TriggerOrigin(source: .nl80211, link: link, name: $0) }
    }
    if !wireless.isEmpty {
      sources.append(StationSource(wireless.sorted(), loop: loop, log: log, report: report, settle: settle))
    }
    if !settings.radius.clients.isEmpty {
      sources.append(
        try AccountingSource(settings.radius, file: file, loop: loop, report: report, settle: settle))
    }
    if !settings.remote.accessPoints.isEmpty {
      sources.append(
        try RemoteTriggerSource(settings.remote, file: file, loop: loop, report: report, settle: settle))
    }
  }

  func pointToPointNode(onLink link: String) -> LinkLayerAddress? { settings.links[link]?.pointToPointNode }

  // MARK: Time

  var nextDeadline: Duration? { sources.compactMap(\.nextDeadline).min() }

  func deadlineReached(at now: Duration) {
    for source in sources { source.deadlineReached(at: now) }
  }

  // MARK: Links

  func changed(_ link: Link) {
    for source in sources { source.changed(link) }
  }

  func removed(_ link: Link) {
    for source in sources { source.removed(link) }
  }

  /// Nobody is on a link that is down.
  func linkDown(_ link: String) { ledger.forget(link: link) }

  func linkUp(_ link: String) {
    for source in sources { source.resynchronize(link: link) }
  }

  /// The kernel does not reach the station.
  func unreachable(_ station: LinkLayerAddress, onLink link: String) { ledger.forget(station, onLink: link) }

  // MARK: Counting

  /// Whether a sign that the daemon has seen itself may attach its node.
  func admits(_ attachment: Attachment, isKnown: Bool, at now: Duration) -> Bool {
    let isEnabled = settings.links[attachment.link]?.enables(attachment.trigger) ?? true
    let signal = AttachmentSignal(
      TriggerOrigin(source: attachment.trigger, link: attachment.link), attachment.linkLayerAddress, .up, at: now)
    ledger.count(isKnown ? .confirmations : isEnabled ? .arrivals : .disabled, signal)
    return isKnown || isEnabled
  }

  func refused(_ origin: TriggerOrigin) { ledger.countRefusal(origin) }

  /// A registration has begun; `messagesSent` tells when its message is on its way.
  func registering(_ source: Attachment.Trigger, since: Duration) { started.append((source, since)) }

  func messagesSent(at now: Duration) {
    for (source, since) in started { delays[source, default: RegistrationDelay()].add(now - since) }
    started.removeAll(keepingCapacity: true)
  }

  var counters: [String: UInt64] {
    var result = ["trigger-ledger-overflows": ledger.overflows]
    for (origin, tally) in ledger.tallies {
      for (outcome, count) in tally.counts {
        result["trigger-\(origin.source.rawValue)-\(outcome.rawValue)", default: 0] += count
      }
    }
    for (source, delay) in delays {
      for bucket in delay.buckets where bucket.count > 0 {
        result["registration-delay-\(source.rawValue)-\(bucket.name)"] = bucket.count
      }
    }
    for source in sources { result.merge(source.counters) { $0 + $1 } }
    return result
  }

  /// What `magd show triggers` prints.
  func document(at now: Duration) -> TriggersDocument {
    var statuses = Dictionary(
      sources.flatMap(\.statuses).map { ($0.origin, $0) }, uniquingKeysWith: { first, _ in first })
    for (link, triggers) in settings.links {
      for source in [Attachment.Trigger.routerSolicitation, .neighbour] {
        let origin = TriggerOrigin(source: source, link: link)
        statuses[origin] = TriggerStatus(origin: origin, state: triggers.enables(source) ? "enabled" : "disabled")
      }
      if let node = triggers.pointToPointNode {
        let origin = TriggerOrigin(source: .pointToPoint, link: link)
        statuses[origin] = TriggerStatus(origin: origin, state: "node \(node)")
      }
    }
    for origin in ledger.tallies.keys where statuses[origin] == nil {
      statuses[origin] = TriggerStatus(origin: origin, state: "enabled")
    }
    return TriggersDocument(
      sources: statuses.values.sorted { $0.origin < $1.origin }.map {
        TriggersDocument.Source($0, ledger.tallies[$0.origin] ?? PresenceLedger.Tally(), at: now)
      },
      registrationDelays: delays.sorted { $0.key.rawValue < $1.key.rawValue }.map {
        TriggersDocument.Delay($0.key, $0.value)
      })
  }
}
