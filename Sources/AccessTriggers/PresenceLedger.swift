import NetTypes
import PMIPCore

/// What the sources on the access links say about the stations, brought together: several sources that see one event
/// make one registration, and the late word of one source does not undo what a newer one of another has done.
///
/// - A station is attached as soon as one source says so. That is told to the core each time; it knows its sessions and
///   registers once. Whether the station is served at all is the core's decision too, from the node map.
/// - Of each kind of source the newest word counts, so a station that went from one access point of a link to the next
///   is not taken off it by the first one's notice of absence.
/// - The first source that has seen the station come, and now sees it leave, detaches it, and what the others have said
///   is void. The end of a session that a source has not begun since is `stale`, and ignored.
public struct PresenceLedger: Sendable {
  public enum Action: Hashable, Sendable {
    /// `since`: the first sign of this arrival, monotonic.
    case attach(TriggerOrigin, LinkLayerAddress, since: Duration)
    case detach(TriggerOrigin, LinkLayerAddress)
    /// Ask the kernel whether the station is still there.
    case verify(TriggerOrigin, LinkLayerAddress)
  }

  /// What became of the signals of one origin.
  public struct Tally: Hashable, Sendable {
    public enum Outcome: String, Hashable, Sendable, CaseIterable {
      case arrivals, departures
      /// Seen again, without news.
      case confirmations
      case associations, inactivities
      /// The end of an earlier session, or of none.
      case stale
      /// The node policy refuses the station.
      case refused
      /// The source is not enabled on the link.
      case disabled
    }
    public fileprivate(set) var counts: [Outcome: UInt64] = [:]
    public fileprivate(set) var last: AttachmentSignal?

    public init() {}

    public subscript(outcome: Outcome) -> UInt64 { counts[outcome, default: 0] }
  }

  /// Stations that are remembered; of more, every word is taken as new.
  public let capacity: Int
  public private(set) var tallies: [TriggerOrigin: Tally] = [:]
  /// Stations that did not fit.
  public private(set) var overflows: UInt64 = 0
  private var presences: [Place: Presence] = [:]

  private struct Place: Hashable {
    var link: String
    var station: LinkLayerAddress
  }

  private struct Presence {
    /// Until a source says that it may use the link.
    var associatedAt: Duration?
    var words: [Attachment.Trigger: Word] = [:]
  }

  private struct Word: Equatable {
    var name: String
    var session: String?
  }

  public init(capacity: Int) { self.capacity = capacity }

  public mutating func note(_ report: TriggerReport) -> [Action] {
    switch report {
    case .station(let signal): return note(signal).map { [$0] } ?? []
    case .stations(let origin, let present, let time):
      let missing = stations(of: origin).subtracting(present).sorted().map {
        AttachmentSignal(origin, $0, .down, at: time)
      }
      let here = present.sorted().map { AttachmentSignal(origin, $0, .present, at: time) }
      return (missing + here).compactMap { note($0) }
    }
  }

  /// Counts a signal that is not brought together with others: of neighbour discovery, the operator, or a disabled source.
  public mutating func count(_ outcome: Tally.Outcome, _ signal: AttachmentSignal) {
    tallies[signal.origin, default: Tally()].counts[outcome, default: 0] += 1
    tallies[signal.origin]?.last = signal
  }

  public mutating func countRefusal(_ origin: TriggerOrigin) {
    tallies[origin, default: Tally()].counts[.refused, default: 0] += 1
  }

  /// The kernel does not reach the station any more, whatever the sources say.
  public mutating func forget(_ station: LinkLayerAddress, onLink link: String) {
    presences[Place(link: link, station: station)] = nil
  }

  public mutating func forget(link: String) { presences = presences.filter { $0.key.link != link } }

  /// Stations that the source says are here.
  public func stations(of origin: TriggerOrigin) -> Set<LinkLayerAddress> {
    var result: Set<LinkLayerAddress> = []
    for (place, presence) in presences
    where place.link == origin.link && presence.words[origin.source]?.name == origin.name {
      result.insert(place.station)
    }
    return result
  }

  private mutating func note(_ signal: AttachmentSignal) -> Action? {
    let place = Place(link: signal.origin.link, station: signal.station)
    let known = presences[place]
    let word = Word(name: signal.origin.name, session: signal.session)
    switch signal.state {
    case .up, .present:
      if signal.state == .present, let said = known?.words[signal.origin.source], isConfirmed(said, by: word) {
        count(.confirmations, signal)
        return nil
      }
      count(.arrivals, signal)
      remember(place) { presence in
        presence.words[signal.origin.source] = word
        presence.associatedAt = nil
      }
      return .attach(signal.origin, signal.station, since: min(known?.associatedAt ?? signal.time, signal.time))
    case .associated:
      count(.associations, signal)
      if known?.words.isEmpty ?? true { remember(place) { $0.associatedAt = signal.time } }
      return nil
    case .inactive:
      count(.inactivities, signal)
      return .verify(signal.origin, signal.station)
    case .down:
      if let known, !known.words.isEmpty {
        guard let said = known.words[signal.origin.source], isConfirmed(said, by: word) else {
          count(.stale, signal)
          return nil
        }
      }
      count(.departures, signal)
      presences[place] = nil
      return .detach(signal.origin, signal.station)
    }
  }

  /// A list names no session, and speaks of any.
  private func isConfirmed(_ said: Word, by word: Word) -> Bool {
    said.name == word.name && (word.session == nil || said.session == nil || said.session == word.session)
  }

  private mutating func remember(_ place: Place, _ change: (inout Presence) -> Void) {
    guard presences[place] != nil || presences.count < capacity else {
      overflows += 1
      return
    }
    change(&presences[place, default: Presence()])
  }
}
