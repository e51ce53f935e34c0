import NetTypes
import PMIPCore

/// The gateway's end of the remote attachment trigger: messages in, signals and answers out.
///
/// A message counts once. Its time must lie within `clockSkew` of ours, must not be before our own start, and must be
/// newer than the last one about the same station with the same key; the very same message is answered again, because
/// its first answer may be lost, and has no other effect. What a sender sends beyond its allowance is dropped unread; an
/// address from which a message was accepted has one of its own.
public struct RemoteTriggerServer: Sendable {
  public struct AccessPoint: Hashable, Sendable {
    public var key: [UInt8]
    /// Access link that its stations are on.
    public var link: String

    public init(key: [UInt8], link: String) {
      self.key = key
      self.link = link
    }
  }

  public static let rememberedStations = 65_536

  public private(set) var counters: [String: UInt64] = [:]
  private let accessPoints: [UInt32: AccessPoint]
  private let clockSkew: Duration
  private let stationLimit: Int
  /// Nothing of this time (microseconds since 1970) or before is taken.
  private var floor: UInt64
  private var allowances: SenderAllowances
  private var last: [Sender: RemoteTrigger] = [:]

  private struct Sender: Hashable {
    var key: UInt32
    var station: LinkLayerAddress
  }

  /// - Parameters:
  ///   - accessPoints: by key identifier.
  ///   - startedAt: microseconds since 1970. What was sent before may have had its effect already.
  ///   - stationLimit: stations whose last message is remembered, over all keys.
  public init(
    accessPoints: [UInt32: AccessPoint], clockSkew: Duration, startedAt: UInt64, stationLimit: Int = rememberedStations,
    allowances: SenderAllowances = SenderAllowances()
  ) {
    self.accessPoints = accessPoints
    self.clockSkew = clockSkew
    self.stationLimit = stationLimit
    self.allowances = allowances
    floor = startedAt
    for name in ["received", "accepted", "repeated", "over-allowance"] { counters[name] = 0 }
    for fault in RemoteTriggerFault.allCases { counters[fault.rawValue] = 0 }
  }

  /// - Parameters:
  ///   - now: monotonic.
  ///   - clock: microseconds since 1970.
  public mutating func receive(
    _ datagram: [UInt8], from address: IPv6Address, at now: Duration, clock: UInt64
  ) -> (response: [UInt8]?, report: TriggerReport?) {
    count("received")
    guard allowances.admits(address, at: now) else {
      count("over-allowance")
      return (nil, nil)
    }
    do throws(RemoteTriggerFault) {
      let message = try RemoteTrigger.decode(datagram) { accessPoints[$0]?.key }
      guard let accessPoint = accessPoints[message.keyIdentifier] else { throw .unknownKey }
      let answer = message.acknowledgement(key: accessPoint.key)
      let sender = Sender(key: message.keyIdentifier, station: message.station)
      if last[sender] == message {
        count("repeated")
        return (answer, nil)
      }
      let difference = Duration.microseconds(
        Int64(clamping: message.time > clock ? message.time - clock : clock - message.time))
      guard difference <= clockSkew else { throw .clock }
      guard message.time > max(floor, last[sender]?.time ?? 0) else { throw .replayed }
      remember(message, sender, clock: clock)
      allowances.know(address, at: now)
      count("accepted")
      let state: AttachmentSignal.State =
        switch message.event {
        case .up: .up
        case .down: .down
        case .inactive: .inactive
        }
      let origin = TriggerOrigin(source: .remote, link: accessPoint.link, name: "key \(message.keyIdentifier)")
      return (answer, .station(AttachmentSignal(origin, message.station, state, at: now)))
    } catch {
      count(error.rawValue)
      return (nil, nil)
    }
  }

  /// When there is no room, stations that nothing was heard of for longer than any message may be old are forgotten; if
  /// that does not help, all are, and nothing that was sent up to now is taken any more.
  private mutating func remember(_ message: RemoteTrigger, _ sender: Sender, clock: UInt64) {
    if last[sender] == nil, last.count >= stationLimit {
      let skew = UInt64(clamping: clockSkew.components.seconds + 1) * 1_000_000
      let oldest = clock > skew ? clock - skew : 0
      last = last.filter { $0.value.time >= oldest }
      if last.count >= stationLimit {
        floor = max(floor, last.values.reduce(0) { max($0, $1.time) })
        last.removeAll()
      }
    }
    last[sender] = message
  }

  private mutating func count(_ name: String) { counters[name, default: 0] += 1 }
}
