import MobilityWire

/// Is a request newer than what was accepted before? RFC 5213 section 5.5 and RFC 6275 section 9.5.1.
///
/// The request decides which scheme applies: with a Timestamp option the timestamp rules, without it sequence numbers.
/// A gateway with the `sequence` policy (one without a synchronised clock) is always judged by sequence number.
enum Ordering {
  /// What the session accepted last.
  struct Mark: Hashable, Sendable {
    var sequence: UInt16
    /// nil when that was not judged by timestamp.
    var timestamp: NTPTimestamp?

    /// A request that waited may be older than the de-registration that ended its wait: timestamps never go back.
    func following(_ previous: Mark?) -> Mark {
      guard let timestamp, let earlier = previous?.timestamp else { return self }
      return Mark(sequence: sequence, timestamp: max(timestamp, earlier))
    }
  }

  /// The status that answers a request which is not newer; nil when it is.
  /// - Parameters:
  ///   - last: nil when there is no session yet: then any sequence number will do.
  ///   - clock: wall-clock time at which the request arrived.
  ///   - window: TimestampValidityWindow, RFC 5213 section 9.1.
  static func rejection(
    sequence: UInt16, timestamp: NTPTimestamp?, policy: GatewayPolicy.Ordering, last: Mark?, clock: NTPTimestamp,
    window: Duration
  ) -> BindingStatus? {
    switch (policy, timestamp) {
    case (.timestamp, .some(let timestamp)), (.nodeTimestamp, .some(let timestamp)):
      if let previous = last?.timestamp, timestamp < previous { return .timestampLowerThanPreviousAccepted }
      guard policy == .nodeTimestamp || timestamp.distance(to: clock) <= NTPTimestamp.units(window) else {
        return .timestampMismatch
      }
      // Equal is not lower, but it is not "greater than all accepted before" either.
      if timestamp == last?.timestamp { return .timestampMismatch }
      return nil
    case (.timestamp, .none), (.nodeTimestamp, .none), (.sequence, _):
      if let last, !isGreater(sequence, than: last.sequence) { return .sequenceNumberOutOfWindow }
      return nil
    }
  }

  /// Modulo 65,536: the 32,768 numbers behind `last` and `last` itself are not greater.
  static func isGreater(_ sequence: UInt16, than last: UInt16) -> Bool { Int16(bitPattern: sequence &- last) > 0 }
}
