import NetTypes
import PMIPCore

/// The dialogue with one hostapd over its control socket, as a value: datagrams and time in, datagrams and reports out.
///
/// ATTACH subscribes to the events. Then the stations are read one by one (STA-FIRST, STA-NEXT), and what is missing in
/// the list has left while nobody was listening. hostapd does not tell when it ends in a way that a datagram socket would
/// show, so it is asked from time to time (PING); a hostapd that does not answer has ended, and the shell opens the socket
/// anew. Meanwhile nothing is said about the stations: they are looked for when hostapd is back.
public struct HostapdSession: Sendable {
  public enum Effect: Hashable, Sendable {
    case send(String)
    case report(TriggerReport)
    /// hostapd does not answer, or has ended.
    case reconnect(String)
  }

  public enum State: String, Hashable, Sendable {
    case disconnected, subscribing, reading, connected
  }

  /// For an answer.
  public static let answerTime: Duration = .seconds(2)
  /// Between questions whether it is still there.
  public static let pingInterval: Duration = .seconds(5)
  /// The list of stations is begun anew this often, because it changed while it was read.
  static let readingAttempts = 16
  /// Stations of one access point.
  public static let maximumStations = 8_192

  public let origin: TriggerOrigin
  public private(set) var state = State.disconnected
  /// Monotonic; nil: nothing to wait for.
  public private(set) var deadline: Duration?
  public private(set) var counters: [String: UInt64] = [
    "connections": 0, "disconnections": 0, "events": 0, "resynchronisations": 0, "malformed-events": 0,
    "unexpected-answers": 0,
  ]
  /// Of the list that is being read.
  private var listed: Set<LinkLayerAddress> = []
  /// In a row: the station after which the list was to go on had left meanwhile.
  private var brokenReadings = 0
  private var isPinging = false

  /// - Parameter origin: `name` is the path of the socket.
  public init(origin: TriggerOrigin) { self.origin = origin }

  /// The socket is open.
  public mutating func opened(at now: Duration) -> [Effect] {
    state = .subscribing
    isPinging = false
    brokenReadings = 0
    deadline = now + Self.answerTime
    return [.send("ATTACH")]
  }

  /// The socket is closed, or a datagram could not be sent.
  public mutating func closed() {
    if state != .disconnected { count("disconnections") }
    state = .disconnected
    deadline = nil
  }

  /// Reads the list of stations again.
  public mutating func resynchronize(at now: Duration) -> [Effect] { state == .connected ? readStations(at: now) : [] }

  public mutating func deadlineReached(at now: Duration) -> [Effect] {
    guard let due = deadline, due <= now else { return [] }
    guard state == .connected, !isPinging else { return [.reconnect("hostapd does not answer")] }
    isPinging = true
    deadline = now + Self.answerTime
    return [.send("PING")]
  }

  public mutating func received(_ datagram: [UInt8], at now: Duration) -> [Effect] {
    guard state != .disconnected else { return [] }
    let text = String(decoding: datagram, as: UTF8.self)
    if let event = Self.event(in: text) { return received(event: event, at: now) }
    switch state {
    case .disconnected: return []
    case .subscribing:
      guard text.hasPrefix("OK") else { return [.reconnect("hostapd refuses ATTACH: \(text.prefix(32))")] }
      count("connections")
      return readStations(at: now)
    case .reading:
      deadline = now + Self.answerTime
      return received(station: text, at: now)
    case .connected:
      if isPinging, text.hasPrefix("PONG") {
        isPinging = false
        deadline = now + Self.pingInterval
      } else {
        count("unexpected-answers")
      }
      return []
    }
  }

  // MARK: Stations

  private mutating func readStations(at now: Duration) -> [Effect] {
    state = .reading
    isPinging = false
    listed = []
    deadline = now + Self.answerTime
    return [.send("STA-FIRST")]
  }

  /// An entry of the list: the address on a line, then what is known about it. The list ends with an empty answer; FAIL
  /// says that the station after which it was to go on is not there any more.
  private mutating func received(station text: String, at now: Duration) -> [Effect] {
    guard let first = text.split(separator: "\n").first else {
      state = .connected
      brokenReadings = 0
      deadline = now + Self.pingInterval
      count("resynchronisations")
      return [.report(.stations(origin, listed, at: now))]
    }
    if first == "FAIL", brokenReadings < Self.readingAttempts {
      brokenReadings += 1
      return readStations(at: now)
    }
    guard let station = LinkLayerAddress(String(first)), listed.count < Self.maximumStations else {
      return [.reconnect("hostapd gives no list of stations: \(first.prefix(32))")]
    }
    // A station that has not shown the key yet has no such flag.
    let flags = text.split(separator: "\n").first { $0.hasPrefix("flags=") }
    if flags?.contains("[AUTHORIZED]") ?? true { listed.insert(station) }
    return [.send("STA-NEXT \(station)")]
  }

  // MARK: Events

  /// `<3>AP-STA-CONNECTED 02:…`, also behind `IFNAME=wlan0 `; nil: the answer to a command.
  private static func event(in text: String) -> Substring? {
    var rest = text[...]
    if rest.hasPrefix("IFNAME="), let space = rest.firstIndex(of: " ") { rest = rest[rest.index(after: space)...] }
    guard rest.first == "<", let end = rest.firstIndex(of: ">") else { return nil }
    return rest[rest.index(after: end)...]
  }

  private mutating func received(event: Substring, at now: Duration) -> [Effect] {
    count("events")
    let words = event.split(whereSeparator: \.isWhitespace)
    guard let name = words.first else {
      count("malformed-events")
      return []
    }
    let stationState: AttachmentSignal.State
    switch name {
    case "AP-STA-CONNECTED": stationState = .up
    case "AP-STA-DISCONNECTED": stationState = .down
    case "AP-STA-POLL-OK": stationState = .present
    // Nobody is on an access point that is switched off.
    case "AP-DISABLED", "INTERFACE-DISABLED": return [.report(.stations(origin, [], at: now))]
    case "AP-ENABLED", "INTERFACE-ENABLED": return resynchronize(at: now)
    case "CTRL-EVENT-TERMINATING": return [.reconnect("hostapd ends")]
    default: return []
    }
    guard words.count > 1, let station = LinkLayerAddress(String(words[1])) else {
      count("malformed-events")
      return []
    }
    // It may stand in a part of the list that was read before.
    if state == .reading {
      if stationState == .down { listed.remove(station) } else if stationState == .up { listed.insert(station) }
    }
    return [.report(.station(AttachmentSignal(origin, station, stationState, at: now)))]
  }

  private mutating func count(_ name: String) { counters[name, default: 0] += 1 }
}
