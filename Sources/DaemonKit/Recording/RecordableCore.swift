/// A protocol core as a recording sees it: made from `Start`, then events in and effects out, and nothing else that
/// could influence it. Two cores with the same start and the same events at the same moments give the same effects.
public protocol RecordableCore {
  /// Everything that a new core is made from.
  associatedtype Start: Codable
  /// The clocks that the core sees.
  associatedtype Moment: Codable
  associatedtype Event: Codable
  associatedtype Effect: Codable

  /// - Throws: when no daemon would have started so.
  init(start: Start) throws(RecordingError)

  mutating func handle(_ event: Event, at now: Moment) -> [Effect]
}

/// First line of a recording.
struct RecordingHeader<Start: Codable>: Codable {
  static var currentFormat: Int { 1 }

  var format = RecordingHeader.currentFormat
  var program: String
  /// `Program.version` of the daemon.
  var version: String
  var start: Start
}

/// What can be read of the first line whoever has written it.
struct RecordingHead: Decodable {
  var format: Int
  var program: String
  var version: String
}

/// Every further line: one event, and what the core made of it.
struct RecordedTurn<Core: RecordableCore>: Codable {
  /// 1, 2, 3 …
  var number: UInt64
  var at: Core.Moment
  var event: Core.Event
  /// In the order in which the daemon ran them.
  var effects: [Core.Effect]
}
