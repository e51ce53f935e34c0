import DatapathModel
import NetTypes

/// A gateway that is wanted for a prefix which it does not serve yet.
struct PrefixWish: Hashable, Sendable {
  var binding: UInt32
  var prefix: IPv6Prefix
}

/// What the engine keeps to carry the policy out.
struct SteeringState: Sendable {
  enum WishState: Hashable, Sendable {
    case asked(until: Duration)
    case refused(String, until: Duration)

    var until: Duration {
      switch self {
      case .asked(let until), .refused(_, let until): until
      }
    }
  }

  /// A running comparison of all flows under what was valid before with what is valid now.
  struct Walk: Sendable {
    /// nil: it is not known what was valid for each flow.
    var before: (policy: FlowPolicy, time: LocalTime?)?
    /// Of the flow table's slab.
    var next = 0
    var deadline: Duration
  }

  private(set) var policy = FlowPolicy()
  /// Decisions of each rule; the last one: of no rule.
  private(set) var hits: [UInt64] = [0]
  var walk: Walk?
  var holdDowns = HoldDowns(durations: [])
  private(set) var wishes: [PrefixWish: WishState] = [:]
  private var questions: [AnchorQuestion: PrefixWish] = [:]
  private(set) var nextWishDeadline: Duration?
  var moves = MoveLog()
  /// As the flows' rules were last compared with it.
  var localTime: LocalTime?

  /// Rules that stay keep their hits.
  mutating func replace(_ new: FlowPolicy) {
    let known = Dictionary(zip(policy.rules, hits), uniquingKeysWith: { first, _ in first })
    hits = new.rules.map { known[$0] ?? 0 } + hits.suffix(1)
    policy = new
    holdDowns = HoldDowns(durations: new.holdDowns, continuing: holdDowns)
  }

  mutating func hit(_ rule: Int?) { hits[rule ?? hits.count - 1] += 1 }

  // MARK: Wishes

  mutating func asked(_ question: AnchorQuestion, _ wish: PrefixWish, until: Duration) {
    questions[question] = wish
    set(wish, .asked(until: until))
  }

  mutating func answered(_ question: AnchorQuestion) -> PrefixWish? {
    guard let wish = questions.removeValue(forKey: question) else { return nil }
    set(wish, nil)
    return wish
  }

  mutating func set(_ wish: PrefixWish, _ state: WishState?) {
    wishes[wish] = state
    // One that has gone leaves its deadline: when that comes, the next one is looked for.
    nextWishDeadline = wishes.isEmpty ? nil : [nextWishDeadline, state?.until].compactMap(\.self).min()
  }

  /// The anchor does not answer any more: what was asked of it, is asked again when it is back.
  mutating func forgetQuestions() {
    questions = [:]
    wishes = wishes.filter { if case .refused = $0.value { true } else { false } }
    nextWishDeadline = wishes.values.map(\.until).min()
  }

  /// Ends what has lasted long enough; returns the questions that got no answer.
  mutating func endWishes(_ now: Duration) -> [PrefixWish] {
    guard let deadline = nextWishDeadline, deadline <= now else { return [] }
    var unanswered: [PrefixWish] = []
    for (wish, state) in wishes where state.until <= now {
      if case .asked = state { unanswered.append(wish) }
      wishes[wish] = nil
    }
    questions = questions.filter { wishes[$0.value] != nil }
    nextWishDeadline = wishes.values.map(\.until).min()
    return unanswered
  }
}

/// Accesses that have come a short while ago, and when running flows may move to them: for each hold-down of the policy
/// a queue in the order of time.
struct HoldDowns: Sendable {
  struct Arrival: Hashable, Sendable {
    var binding: UInt32
    var since: Duration
    var due: Duration
  }

  private struct Queue: Sendable {
    let holdDown: Duration
    var arrivals: [Arrival] = []
    var first = 0
  }

  private var queues: [Queue]
  /// The newest arrival of a binding counts: one that goes and comes begins anew.
  private var since: [UInt32: Duration] = [:]

  init(durations: [Duration], continuing old: HoldDowns? = nil) {
    queues = durations.map { Queue(holdDown: $0) }
    for (binding, time) in (old?.since ?? [:]).sorted(by: { ($0.value, $0.key) < ($1.value, $1.key) }) {
      arrived(binding, at: time)
    }
  }

  mutating func arrived(_ binding: UInt32, at now: Duration) {
    guard !queues.isEmpty else { return }
    since[binding] = now
    for index in queues.indices {
      queues[index].arrivals.append(Arrival(binding: binding, since: now, due: now + queues[index].holdDown))
    }
  }

  mutating func left(_ binding: UInt32) { since[binding] = nil }

  /// The binding is looked at again after another hold-down.
  mutating func postpone(_ arrival: Arrival, _ holdDown: Duration, at now: Duration) {
    guard let index = queues.firstIndex(where: { $0.holdDown == holdDown }) else { return }
    since[arrival.binding] = arrival.since
    queues[index].arrivals.append(Arrival(binding: arrival.binding, since: arrival.since, due: now + holdDown))
  }

  var nextDeadline: Duration? {
    queues.compactMap { queue in
      queue.first < queue.arrivals.count ? queue.arrivals[queue.first].due : nil
    }.min()
  }

  /// Bindings whose hold-down is over, with it.
  mutating func due(_ now: Duration) -> [(arrival: Arrival, holdDown: Duration)] {
    var result: [(arrival: Arrival, holdDown: Duration)] = []
    for index in queues.indices {
      let holdDown = queues[index].holdDown
      while queues[index].first < queues[index].arrivals.count {
        let arrival = queues[index].arrivals[queues[index].first]
        guard arrival.due <= now else { break }
        queues[index].first += 1
        guard since[arrival.binding] == arrival.since else { continue }
        result.append((arrival, holdDown))
        // The longest hold-down is over.
        if index == queues.count - 1 { since[arrival.binding] = nil }
      }
      // What is over leaves the array when it is the larger part.
      if queues[index].first > queues[index].arrivals.count / 2 {
        queues[index].arrivals.removeFirst(queues[index].first)
        queues[index].first = 0
      }
    }
    return result
  }

  /// How long `binding` must still be there.
  func remaining(_ binding: UInt32, _ holdDown: Duration, at now: Duration) -> Duration? {
    guard let since = since[binding], since + holdDown > now else { return nil }
    return since + holdDown - now
  }
}

/// Moves of the last minute that no operator has ordered.
struct MoveLog: Sendable {
  static let span = Duration.seconds(60)

  private var moves: [(at: Duration, flow: FlowIdentifier)] = []
  private var first = 0
  private var counts: [FlowIdentifier: UInt16] = [:]

  mutating func note(_ flow: FlowIdentifier, at now: Duration) {
    forget(before: now)
    moves.append((now, flow))
    counts[flow, default: 0] += 1
  }

  mutating func count(_ flow: FlowIdentifier, at now: Duration) -> Int {
    forget(before: now)
    return Int(counts[flow] ?? 0)
  }

  private mutating func forget(before now: Duration) {
    while first < moves.count, moves[first].at + Self.span <= now {
      let flow = moves[first].flow
      first += 1
      if let count = counts[flow] { counts[flow] = count > 1 ? count - 1 : nil }
    }
    // What was forgotten leaves the array when it is the larger part.
    if first > moves.count / 2 {
      moves.removeFirst(first)
      first = 0
    }
  }
}
