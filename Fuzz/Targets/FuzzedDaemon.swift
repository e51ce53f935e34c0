import DatapathModel
import MobilityWire
import NetTypes
import PMIPCore

/// A daemon around one of the two protocol cores: events as the input says, a `FuzzedKernel`, and after every event a
/// look at what must hold.
protocol FuzzedDaemon {
  associatedtype Event: FuzzedEvent

  var clock: FuzzedClock { get set }
  var kernel: FuzzedKernel { get set }
  var input: FuzzInput { get set }
  /// For retransmissions and duplicates.
  var received: [Event] { get set }

  /// Of the core, as are the next three.
  var nextDeadline: Duration? { get }
  var desiredDatapath: DatapathSnapshot { get }
  /// Sum of all counters.
  var counted: UInt64 { get }

  init(_ octets: [UInt8], _ trace: ((String) -> Void)?)

  /// Whatever the input wants to happen next.
  mutating func step() throws(FuzzFailure)
  /// Has the core handle an event, and runs the effects.
  mutating func run(_ event: Event) throws(FuzzFailure)
  /// What holds after every event.
  func check() throws(FuzzFailure)
  /// What is still waited for when kernel and deadlines have nothing to say any more; nil: nothing.
  var unsettled: String? { get }
}

/// What happens to both cores.
protocol FuzzedEvent {
  static var deadlineReached: Self { get }
  static func started(restartCounter: UInt32, sessionsLost: Bool) -> Self
  static func datapathOutcome(_ effect: EffectID, _ outcome: DatapathOutcome) -> Self
  static func message(_ message: MobilityMessage, source: IPv6Address, destination: IPv6Address) -> Self
}

extension LMAEvent: FuzzedEvent {}
extension MAGEvent: FuzzedEvent {}

extension FuzzedDaemon {
  static func run(_ octets: [UInt8], _ trace: ((String) -> Void)?) throws(FuzzFailure) {
    var fuzzed = Self(octets, trace)
    try fuzzed.handle(.started(restartCounter: 1, sessionsLost: false))
    while !fuzzed.input.isAtEnd { try fuzzed.step() }
    try fuzzed.settle()
  }

  mutating func handle(_ event: Event) throws(FuzzFailure) {
    try run(event)
    try check()
  }

  mutating func receive(
    _ message: MobilityMessage, source: IPv6Address, destination: IPv6Address
  ) throws(FuzzFailure) {
    let event = Event.message(message, source: source, destination: destination)
    received.append(event)
    let before = counted
    try handle(event)
    try require(before < counted, "a message was not counted")
  }

  mutating func answerOfKernel() throws(FuzzFailure) {
    guard !kernel.isIdle else { return }
    let choice = input.octet()
    let (effect, outcome) = kernel.answer(choice)
    try handle(.datapathOutcome(effect, outcome))
    // When nothing is under way that an old picture could undo.
    if kernel.isBroken, kernel.isIdle { kernel.reconcile(desiredDatapath) }
  }

  mutating func reachDeadline() throws(FuzzFailure) {
    guard let deadline = nextDeadline else { return }
    clock.pass(to: deadline)
    // What is due is less than the sessions and the requests that wait.
    for _ in 0...64 {
      guard let next = nextDeadline, next <= clock.now.monotonic else { return }
      try handle(.deadlineReached)
    }
    throw FuzzFailure(description: "the deadlines that are due do not end")
  }

  /// The kernel has answered, and all that is due has happened.
  private mutating func settle() throws(FuzzFailure) {
    while !kernel.isIdle { try answerOfKernel() }
    for _ in 0..<64 {
      try reachDeadline()
      while !kernel.isIdle { try answerOfKernel() }
      if unsettled == nil { return }
    }
    throw FuzzFailure(description: unsettled ?? "")
  }
}
