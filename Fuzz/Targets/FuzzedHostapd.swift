import AccessTriggers
import NetTypes
import PMIPCore

/// A hostapd that says anything at any time, and the ledger that hears of it.
enum FuzzedHostapd {
  /// Beginnings of datagrams: what random octets would seldom hit.
  private static let beginnings = [
    "", "OK\n", "PONG\n", "FAIL\n", "02:00:00:00:01:01\nflags=[AUTHORIZED]\n", "<3>AP-STA-CONNECTED ",
    "<3>AP-STA-DISCONNECTED ", "IFNAME=wlan0 <3>", "<3>AP-STA-POLL-OK 02:00:00:00:01:02", "<3>AP-DISABLED ",
    "<3>AP-ENABLED ", "<3>CTRL-EVENT-TERMINATING ",
  ]
  private static let stations = 16

  static func run(_ input: [UInt8], _ trace: ((String) -> Void)?) throws(FuzzFailure) {
    var input = FuzzInput(input)
    var session = HostapdSession(origin: TriggerOrigin(source: .hostapd, link: "acc0", name: "/run/hostapd/wlan0"))
    var ledger = PresenceLedger(capacity: stations)
    var now = Duration.zero
    while !input.isAtEnd {
      now += .milliseconds(Int(input.octet()))
      let effects: [HostapdSession.Effect]
      switch input.octet() % 8 {
      case 0: effects = session.opened(at: now)
      case 1:
        if let deadline = session.deadline { now = max(now, deadline) }
        effects = session.deadlineReached(at: now)
      case 2: effects = session.resynchronize(at: now)
      case 3:
        session.closed()
        effects = []
      default:
        let beginning = Array(input.choose(beginnings).utf8)
        let wasOpen = session.state != .disconnected
        let datagram = beginning + input.octets(Int(input.octet() % 64))
        effects = session.received(datagram, at: now)
        try require(wasOpen || effects.isEmpty, "heard something without a socket: \(effects)")
      }
      trace?("\(now) \(session.state.rawValue) \(effects)")
      for effect in effects {
        switch effect {
        case .send(let command): try require(!command.isEmpty, "an empty command")
        case .reconnect: session.closed()
        case .report(let report): try note(report, session.origin, &ledger)
        }
      }
      try require(
        (session.state == .disconnected) == (session.deadline == nil), "\(session.state) waits for \(session.deadline)")
    }
  }

  private static func note(
    _ report: TriggerReport, _ origin: TriggerOrigin, _ ledger: inout PresenceLedger
  ) throws(FuzzFailure) {
    let own =
      switch report {
      case .station(let signal): signal.origin == origin
      case .stations(let of, let present, _): of == origin && present.count <= HostapdSession.maximumStations
      }
    try require(own, "speaks for another, or of too many: \(report)")
    let before = ledger.stations(of: origin)
    for action in ledger.note(report) {
      if case .detach(_, let station) = action, case .stations = report {
        try require(before.contains(station), "\(station) leaves without having come")
      }
    }
    try require(ledger.stations(of: origin).count <= stations, "more stations than there is room for")
  }
}
