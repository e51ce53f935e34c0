import NetTypes
import PMIPCore

/// Where a sign of attachment comes from: one source on one access link.
public struct TriggerOrigin: Hashable, Sendable, Comparable {
  public var source: Attachment.Trigger
  /// Name of the access link.
  public var link: String
  /// Which one of several of this kind: the path of a control socket, an interface, the address or the key of an access
  /// point. Empty where there is only one.
  public var name: String

  public init(source: Attachment.Trigger, link: String, name: String = "") {
    self.source = source
    self.link = link
    self.name = name
  }

  public static func < (a: Self, b: Self) -> Bool {
    (a.link, a.source.rawValue, a.name) < (b.link, b.source.rawValue, b.name)
  }
}

/// What a source says of one station.
public struct AttachmentSignal: Hashable, Sendable {
  public enum State: String, Hashable, Sendable, CaseIterable {
    /// It has just come, and may use the link.
    case up
    /// It is here (still): from a list of stations, or an interim report.
    case present
    /// It has associated, but may not use the link yet. Registers nobody; the time counts as that of its arrival.
    case associated
    /// It has been silent for long: its presence is to be verified.
    case inactive
    /// It has left.
    case down
  }

  public var origin: TriggerOrigin
  public var station: LinkLayerAddress
  public var state: State
  /// Name of the session at the source, where it has one: an end of another session is none of this one.
  public var session: String?
  /// Monotonic: when the source has seen it.
  public var time: Duration

  public init(
    _ origin: TriggerOrigin, _ station: LinkLayerAddress, _ state: State, session: String? = nil, at time: Duration
  ) {
    self.origin = origin
    self.station = station
    self.state = state
    self.session = session
    self.time = time
  }
}

/// What a source has to tell.
public enum TriggerReport: Hashable, Sendable {
  case station(AttachmentSignal)
  /// All the stations that the source has: what it said before and is not in here has left unnoticed.
  case stations(TriggerOrigin, Set<LinkLayerAddress>, at: Duration)
}
