import AccessTriggers
import LinuxNet
import Logging
import NetTypes

/// The kernel's stations of wireless interfaces of this host (nl80211).
///
/// A station is known from its association on, but the kernel does not tell when it has shown the key. Until it has, the
/// table is read now and then; it counts as having come when it may send.
final class StationSource: TriggerSource {
  /// Between readings of the table while a station has not shown the key.
  static let authorizationInterval: Duration = .milliseconds(20)
  /// A station that has not shown the key by then is not waited for.
  static let authorizationTime: Duration = .seconds(10)
  /// Stations that are waited for; more are found when one of them is.
  static let maximumPending = 1_024
  /// Between attempts while the kernel has no nl80211.
  static let retryInterval: Duration = .seconds(5)

  private struct Pending: Hashable {
    var interface: UInt32
    var station: LinkLayerAddress
  }

  private let loop: EventLoop
  private let log: Logger
  private let report: (TriggerReport) -> Void
  private let settle: () -> Void
  /// By name of the wireless interface.
  private let origins: [String: TriggerOrigin]
  private var interfaces: [UInt32: String] = [:]
  /// Those with a carrier.
  private var running: Set<UInt32> = []
  private var monitor: StationMonitor?
  private var problem: String?
  private var retryAt: Duration? = .zero
  private var pending: [Pending: Duration] = [:]
  private var pollAt: Duration?
  private var overruns: UInt64 = 0
  private var unauthorized: UInt64 = 0

  init(
    _ origins: [TriggerOrigin], loop: EventLoop, log: Logger, report: @escaping (TriggerReport) -> Void,
    settle: @escaping () -> Void
  ) {
    self.origins = Dictionary(origins.map { ($0.name, $0) }, uniquingKeysWith: { first, _ in first })
    self.loop = loop
    self.log = log
    self.report = report
    self.settle = settle
  }

  var nextDeadline: Duration? { retryAt ?? pollAt }

  func deadlineReached(at now: Duration) {
    if let retryAt {
      if retryAt <= now { open(at: now) }
    } else if let pollAt, pollAt <= now {
      pending = pending.filter { entry in
        if entry.value <= now { unauthorized += 1 }
        return entry.value > now
      }
      for interface in Set(pending.keys.map(\.interface)).sorted() { readAuthorized(interface, at: now) }
      self.pollAt = pending.isEmpty ? nil : now + Self.authorizationInterval
    }
  }

  func changed(_ link: Link) {
    guard origins[link.name] != nil else { return }
    interfaces[link.index] = link.name
    let cameUp = link.hasCarrier && running.insert(link.index).inserted
    if !link.hasCarrier { running.remove(link.index) }
    if cameUp { readAll(link.index, at: SystemClock.monotonic) }
  }

  func removed(_ link: Link) {
    interfaces[link.index] = nil
    running.remove(link.index)
  }

  func resynchronize(link: String) {
    for (index, name) in interfaces where origins[name]?.link == link { readAll(index, at: SystemClock.monotonic) }
  }

  var statuses: [TriggerStatus] {
    origins.values.map { origin in
      let isPresent = interfaces.values.contains(origin.name)
      let state = monitor == nil ? "unavailable" : isPresent ? "watching" : "no-interface"
      return TriggerStatus(origin: origin, state: state, problem: problem)
    }
  }

  var counters: [String: UInt64] { ["nl80211-overruns": overruns, "nl80211-never-authorized": unauthorized] }

  private func open(at now: Duration) {
    do {
      let monitor = try StationMonitor()
      try loop.add(monitor.descriptor) { [unowned self] _ in receive() }
      self.monitor = monitor
      problem = nil
      retryAt = nil
      for interface in interfaces.keys.sorted() { readAll(interface, at: now) }
    } catch {
      if problem == nil { log.warning("nl80211: \(error); tried again until it is there") }
      problem = "\(error)"
      retryAt = now + Self.retryInterval
    }
  }

  private func receive() {
    let now = SystemClock.monotonic
    do {
      let result = try monitor?.receive { event in
        switch event {
        case .new(let station):
          guard let origin = origin(of: station) else { return }
          report(.station(AttachmentSignal(origin, station.address, .associated, at: now)))
          waitFor(station, from: now)
        case .removed(let station):
          guard let origin = origin(of: station) else { return }
          pending[Pending(interface: station.interface, station: station.address)] = nil
          report(.station(AttachmentSignal(origin, station.address, .down, at: now)))
        }
      }
      if result == .overrun {
        overruns += 1
        for interface in interfaces.keys.sorted() { readAll(interface, at: now) }
      }
    } catch {
      log.warning("\(error)")
    }
    settle()
  }

  private func origin(of station: WirelessStation) -> TriggerOrigin? {
    interfaces[station.interface].flatMap { origins[$0] }
  }

  private func waitFor(_ station: WirelessStation, from now: Duration) {
    guard pending.count < Self.maximumPending else { return }
    let key = Pending(interface: station.interface, station: station.address)
    pending[key] = now + Self.authorizationTime
    // At once: in a network without keys it may send already.
    pollAt = now
  }

  /// Those that were waited for and may send now.
  private func readAuthorized(_ interface: UInt32, at now: Duration) {
    for station in stations(of: interface) ?? [] where station.isAuthorized {
      guard pending.removeValue(forKey: Pending(interface: interface, station: station.address)) != nil,
        let origin = origin(of: station)
      else { continue }
      report(.station(AttachmentSignal(origin, station.address, .up, at: now)))
    }
  }

  private func readAll(_ interface: UInt32, at now: Duration) {
    guard let name = interfaces[interface], let origin = origins[name], let present = stations(of: interface) else {
      return
    }
    report(.stations(origin, Set(present.filter(\.isAuthorized).map(\.address)), at: now))
    for station in present where !station.isAuthorized { waitFor(station, from: now) }
  }

  /// nil: not known.
  private func stations(of interface: UInt32) -> [WirelessStation]? {
    do {
      return try monitor?.stations(of: interface)
    } catch {
      log.debug("\(error)")
      return nil
    }
  }
}
