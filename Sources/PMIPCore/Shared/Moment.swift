import MobilityWire

/// Both clocks, read once by the shell for each event. RFC 5213 timestamps need wall time, every lifetime and timer
/// needs monotonic time; a jump of the wall clock must not expire a binding.
public struct Moment: Hashable, Sendable, Codable {
  /// Since an arbitrary start; never goes back.
  public var monotonic: Duration
  public var wallClock: NTPTimestamp

  public init(monotonic: Duration, wallClock: NTPTimestamp) {
    self.monotonic = monotonic
    self.wallClock = wallClock
  }
}

/// Names an `install` effect, so that its outcome can come back as an event.
public struct EffectID: RawRepresentable, Hashable, Sendable, Codable, Comparable {
  public let rawValue: UInt64
  public init(rawValue: UInt64) { self.rawValue = rawValue }
  public static func < (a: Self, b: Self) -> Bool { a.rawValue < b.rawValue }
}

/// What the kernel said to an `install` effect.
public enum DatapathOutcome: Hashable, Sendable, Codable {
  case installed
  /// Text for logs; the core only needs to know that it failed.
  case failed(String)
}

/// Which of the paper's two kinds of terminal a node is (section 3.1).
public enum TerminalKind: String, Hashable, Sendable, Codable {
  /// Several IP interfaces, a prefix set each; weak host model.
  case interfaces
  /// One logical (bonding) interface: the same prefixes over every access.
  case logical
}
