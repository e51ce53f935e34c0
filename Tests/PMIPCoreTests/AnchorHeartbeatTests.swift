import MobilityWire
import NetTypes
import Testing

@testable import PMIPCore

@Suite("Anchor: heartbeats (RFC 5847)")
struct AnchorHeartbeatTests {
  typealias Lab = AnchorLab

  /// Requests every 10 s, three may be missed.
  static func lab(_ change: (inout GatewayPolicy) -> Void = { _ in }) -> Lab {
    Lab {
      $0.gateways[0].heartbeat.interval = .seconds(10)
      change(&$0.gateways[0])
    }
  }

  @Test("RFC 5847 3.1: a request every interval while a binding exists, numbers rise; with the last binding they end")
  func requests() {
    var lab = Self.lab()
    lab.pass(.seconds(60))
    #expect(lab.count(.heartbeatRequestsSent) == 0)
    lab.send(.attach)
    var numbers: [UInt32] = []
    for _ in 0..<4 {
      lab.pass(.seconds(10))
      numbers += lab.heartbeatRequests(to: Lab.mag1).map(\.sequence)
      lab.respond(to: numbers.last)
    }
    #expect(numbers.count >= 4 && numbers == Array(1...UInt32(numbers.count)))
    lab.send(.deregister(Lab.firstPrefix))
    lab.pass(.seconds(30))
    let sent = lab.count(.heartbeatRequestsSent)
    lab.pass(.seconds(60))
    #expect(lab.count(.heartbeatRequestsSent) == sent)
    #expect(lab.count(.gatewayPathsFailed) == 0)
  }

  @Test("The round-trip time is smoothed, and told when it was measured first and when it changes by an eighth")
  func roundTrip() {
    var lab = Self.lab()
    lab.send(.attach)
    lab.pass(.milliseconds(20))
    lab.respond(to: 1)
    #expect(lab.delays == [.milliseconds(20)])
    lab.pass(.milliseconds(10_004))
    lab.respond(to: 2)
    #expect(lab.delays == [], "24 ms are a small step of the average")
    #expect(lab.anchor.roundTrip(to: Lab.mag1) == .microseconds(20_500))
    lab.pass(.milliseconds(10_036))
    lab.respond(to: 3)
    #expect(lab.delays == [.microseconds(25_437) + .nanoseconds(500)])
    lab.respond(to: 3)
    #expect(lab.delays == [])
    // A gateway that does not answer any more has no delay.
    lab.pass(.seconds(60))
    #expect(lab.anchor.roundTrip(to: Lab.mag1) == nil)
  }

  @Test("Off by default: none is sent, each is answered")
  func offByDefault() {
    var lab = Lab()
    lab.send(.attach)
    lab.pass(.seconds(200))
    #expect(lab.count(.heartbeatRequestsSent) == 0)
    lab.heartbeat(Heartbeat(sequence: 9))
    #expect(lab.heartbeatsSent.map(\.sequence) == [9])
  }

  @Test("RFC 5847 3.1, 3.3: a request is answered with its number, R and the Restart Counter, also without a binding")
  func answer() {
    var lab = Self.lab()
    lab.step(.started(restartCounter: 7, sessionsLost: false))
    #expect(lab.effects.isEmpty)
    lab.heartbeat(Heartbeat(sequence: 0xffff_ffff))
    #expect(
      lab.heartbeatsSent == [
        Heartbeat(flags: .response, sequence: 0xffff_ffff, options: MobilityOptions([.restartCounter(7)]))
      ])
  }

  @Test("A stranger is counted and gets no answer")
  func stranger() {
    var lab = Self.lab()
    lab.heartbeat(Heartbeat(sequence: 1), from: Lab.stranger)
    lab.step(.message(.heartbeat(Heartbeat(sequence: 1)), source: Lab.mag1, destination: Lab.stranger))
    #expect(lab.effects.isEmpty)
    #expect(lab.count(.heartbeatsFromStrangers) == 2)
  }

  @Test(
    "RFC 5847 3.1: more than MISSING_HEARTBEATS_ALLOWED without an answer: unreachable; bindings stay; an answer ends it"
  )
  func pathFailure() {
    var lab = Self.lab()
    lab.send(.attach)
    lab.pass(.zero)
    lab.respond(to: 1)
    lab.pass(.seconds(39))
    #expect(lab.anchor.path(to: Lab.mag1) == .reachable)
    // Requests 2 to 5 are out; 2, 3 and 4 are missed.
    lab.pass(.seconds(2))
    #expect(lab.gatewayChanges == [])
    lab.pass(.seconds(10))
    #expect(lab.gatewayChanges == [.unreachable])
    #expect(lab.anchor.gatewaySummaries[0].path == .unreachable)
    #expect(lab.anchor.gatewaySummaries[0].missedHeartbeats == 4)
    #expect(lab.binding(at: Lab.mag1)?.state == .active)
    lab.pass(.seconds(10))
    #expect(lab.gatewayChanges == [], "told once")
    lab.respond(to: lab.heartbeatRequests(to: Lab.mag1).last?.sequence)
    #expect(lab.gatewayChanges == [.reachable])
    #expect(lab.count(.gatewayPathsFailed) == 1 && lab.count(.gatewayPathsRecovered) == 1)
  }

  @Test("path-failure remove: the bindings end like after a de-registration, and a gateway that comes back keeps them")
  func removal() {
    var lab = Self.lab { $0.pathFailure = .remove }
    lab.send(.attach)
    lab.pass(.seconds(45))
    #expect(lab.binding(at: Lab.mag1)?.state == .awaitingDeletion)
    #expect(lab.route(to: Lab.firstPrefix) == nil)
    var other = lab
    let answer = lab.send(.refresh(Lab.firstPrefix))
    #expect(answer?.status == .accepted && answer?.prefixes == [Lab.firstPrefix])
    lab.pass(.seconds(60))
    #expect(lab.binding(at: Lab.mag1)?.state == .active)
    other.pass(.seconds(11))
    #expect(other.removalCauses == [.gatewayUnreachable])
  }

  @Test("RFC 5847 3.1: a response resets the counter; a late, repeated or foreign one does not match")
  func matching() {
    var lab = Self.lab()
    lab.send(.attach)
    lab.pass(.seconds(35))
    #expect(lab.anchor.gatewaySummaries[0].missedHeartbeats == 3)
    lab.respond(to: 2)
    #expect(lab.anchor.gatewaySummaries[0].missedHeartbeats == 0)
    for number in [UInt32(1), 2, 5, 0] { lab.respond(to: number) }
    #expect(lab.count(.heartbeatResponsesUnmatched) == 4)
    lab.respond(to: 4)
    #expect(lab.count(.heartbeatResponsesReceived) == 2)
  }

  @Test("RFC 5847 3.2: another Restart Counter: the sessions of before end, but a node that registers keeps its prefix")
  func restart() {
    var lab = Self.lab()
    lab.send(.attach)
    lab.pass(.seconds(1))
    lab.respond(to: 1, counter: 5)
    lab.pass(.seconds(10))
    lab.respond(to: 2, counter: 6)
    #expect(lab.gatewayChanges == [.restarted])
    #expect(lab.binding(at: Lab.mag1)?.state == .awaitingDeletion)
    #expect(lab.count(.bindingsLostByGateway) == 1)
    #expect(lab.anchor.gatewaySummaries[0].restartCounter == 6)
    #expect(lab.send(.attach)?.prefixes == [Lab.firstPrefix])
    lab.pass(.seconds(10))
    lab.respond(to: 3, counter: 6)
    #expect(lab.binding(at: Lab.mag1)?.state == .active)
    // And one whose nodes do not come back.
    lab.pass(.seconds(10))
    lab.respond(to: 4, counter: 7)
    lab.pass(.seconds(11))
    #expect(lab.removalCauses == [.gatewayRestarted])
  }

  @Test("RFC 5847 3.2: an unsolicited response tells of a restart; its number says nothing, an older counter is late")
  func unsolicited() {
    var lab = Self.lab()
    lab.send(.attach)
    lab.pass(.seconds(1))
    lab.respond(to: 1, counter: 5)
    lab.pass(.seconds(10))
    lab.respond(to: 2, counter: 5)
    lab.heartbeat(.unsolicited(restartCounter: 4))
    #expect(lab.gatewayChanges == [] && lab.count(.heartbeatResponsesUnmatched) == 1)
    lab.heartbeat(.unsolicited(restartCounter: 5))
    #expect(lab.gatewayChanges == [])
    lab.heartbeat(.unsolicited(restartCounter: 6))
    #expect(lab.gatewayChanges == [.restarted])
    #expect(lab.binding(at: Lab.mag1)?.state == .awaitingDeletion)
    lab.heartbeat(.unsolicited(restartCounter: 6))
    #expect(lab.gatewayChanges == [])
  }

  @Test("A session that may belong to the new incarnation survives the news of the restart")
  func youngSession() {
    var lab = Self.lab()
    lab.send(.attach)
    lab.pass(.seconds(1))
    lab.respond(to: 1, counter: 5)
    lab.pass(.seconds(10))
    // The gateway restarts, and a node is faster than the next answer.
    lab.send(.attach(Lab.cellular))
    lab.send(.refresh(Lab.firstPrefix))
    lab.respond(to: 2, counter: 6)
    #expect(lab.anchor.bindings.map(\.state) == [.awaitingDeletion, .active])
  }

  @Test("A gateway without a stored counter is only taken note of")
  func firstCounter() {
    var lab = Self.lab()
    lab.send(.attach)
    lab.heartbeat(.unsolicited(restartCounter: 9))
    #expect(lab.gatewayChanges == [] && lab.anchor.gatewaySummaries[0].restartCounter == 9)
  }

  @Test(
    "RFC 6275 6.1.9: Binding Error 2 ends the requests until the gateway sends a heartbeat or the configuration changes"
  )
  func unsupported() {
    var lab = Self.lab()
    lab.send(.attach)
    lab.pass(.seconds(1))
    #expect(lab.count(.heartbeatRequestsSent) == 1)
    let error = BindingError(status: BindingError.unrecognizedType)
    lab.step(.message(.bindingError(error), source: Lab.mag1, destination: Lab.anchorAddress))
    #expect(lab.anchor.path(to: Lab.mag1) == .unsupported)
    lab.pass(.seconds(100))
    lab.send(.refresh(Lab.firstPrefix))
    lab.pass(.seconds(100))
    #expect(lab.count(.heartbeatRequestsSent) == 1 && lab.count(.gatewayPathsFailed) == 0)
    #expect(lab.count(.heartbeatsUnsupported) == 1)

    var other = lab
    lab.heartbeat(Heartbeat(sequence: 1))
    lab.send(.refresh(Lab.firstPrefix))
    lab.pass(.seconds(1))
    #expect(lab.count(.heartbeatRequestsSent) == 2)
    other.step(.configurationChanged(lab.anchor.configuration))
    other.pass(.seconds(1))
    #expect(other.count(.heartbeatRequestsSent) == 2)
  }

  @Test("After a change of configuration requests go out in the order of the addresses, the same in every process")
  func order() {
    let gateways = (1...8).map { IPv6Address(high: 0x2001_0db8_0002_0000, low: $0) }
    var lab = Lab {
      $0.gateways = gateways.map { GatewayPolicy(name: "\($0)", address: $0) }
      $0.prefixPools = [PrefixPool(prefix: prefix("2001:db8:100::/56"))]
      $0.unknownNodes = .accept
    }
    for gateway in gateways.reversed() {
      lab.send(.attach.with { $0.node = MobileNodeIdentifier(nai: "\(gateway)@example.net") }, from: gateway)
    }
    var configuration = lab.anchor.configuration
    for index in configuration.gateways.indices { configuration.gateways[index].heartbeat.interval = .seconds(10) }
    lab.step(.configurationChanged(configuration))
    lab.pass(.seconds(11))
    let asked = lab.effects.compactMap { effect -> IPv6Address? in
      if case .send(.heartbeat, _, let destination) = effect { destination } else { nil }
    }
    #expect(Array(asked.prefix(8)) == gateways)
  }

  @Test("A Binding Error of a gateway that has answered heartbeats is about something else")
  func otherError() {
    var lab = Self.lab()
    lab.send(.attach)
    lab.pass(.seconds(1))
    lab.respond(to: 1)
    lab.pass(.seconds(10))
    let error = BindingError(status: BindingError.unrecognizedType)
    lab.step(.message(.bindingError(error), source: Lab.mag1, destination: Lab.anchorAddress))
    #expect(lab.anchor.path(to: Lab.mag1) == .reachable)
  }

  @Test("RFC 5847 3.2: after a loss of sessions every gateway with heartbeats is told at once")
  func ownRestart() {
    var lab = Self.lab()
    lab.step(.started(restartCounter: 8, sessionsLost: true))
    #expect(
      lab.effects == [
        .send(.heartbeat(.unsolicited(restartCounter: 8)), source: Lab.anchorAddress, destination: Lab.mag1)
      ])
    #expect(Heartbeat.unsolicited(restartCounter: 8).flags == [.response, .unsolicited])
  }

  @Test("After a restart with its sessions the anchor goes on asking")
  func restored() {
    var first = Self.lab()
    first.send(.attach)
    var lab = first.restarted(after: .seconds(1))
    lab.pass(.seconds(25))
    #expect(lab.count(.heartbeatRequestsSent) == 3)
  }

  /// Three sessions at MAG1, which has told counter 5; then a restart of ours.
  static func restartedLab(_ change: (inout GatewayPolicy) -> Void = { _ in }) -> Lab {
    var lab = Self.lab(change)
    lab.send(.attach)
    lab.send(.attach(Lab.cellular))
    lab.send(.attach.with { $0.node = Lab.mn2 })
    lab.respond(to: 1, counter: 5)
    lab = lab.restarted(after: .seconds(1))
    lab.pass(.milliseconds(10))
    return lab
  }

  @Test("RFC 5847 3.2: the gateway's counter is stored: one that did not restart while we did keeps its sessions")
  func storedCounter() {
    var lab = Self.restartedLab()
    #expect(lab.anchor.gatewaySummaries[0].restartCounter == 5)
    #expect(lab.heartbeatRequests(to: Lab.mag1).map(\.sequence) == [2])
    lab.heartbeat(.unsolicited(restartCounter: 4))
    #expect(lab.count(.heartbeatResponsesUnmatched) == 1, "a late one")
    lab.respond(to: 2, counter: 5)
    #expect(lab.gatewayChanges == [])
    #expect(lab.anchor.bindings.map(\.state) == [.active, .active, .active])
    // From now on as ever: a mere refresh does not say which incarnation has the session.
    lab.send(.refresh(Lab.firstPrefix))
    lab.pass(.seconds(10))
    lab.respond(to: 3, counter: 6)
    #expect(lab.count(.bindingsLostByGateway) == 3)
  }

  @Test(
    "RFC 5847 3.2: a gateway that restarted while we did: its sessions end, but not those registered or refreshed since",
    arguments: [true, false])
  func restartWhileDown(unsolicited: Bool) {
    var lab = Self.restartedLab()
    #expect(lab.send(.attach)?.prefixes == [Lab.firstPrefix])
    lab.send(PBU(handoff: .noChange, linkLayer: Lab.cellular, prefixes: [Lab.secondPrefix]))
    if unsolicited { lab.heartbeat(.unsolicited(restartCounter: 6)) } else { lab.respond(to: 2, counter: 6) }
    #expect(lab.gatewayChanges == [.restarted])
    #expect(lab.anchor.bindings.map(\.state) == [.active, .active, .awaitingDeletion])
    #expect(lab.peers[Lab.mag1]?.restartCounter == 6)
    lab.pass(.seconds(11))
    #expect(lab.removalCauses == [.gatewayRestarted])
    // The new counter is stored as well.
    lab = lab.restarted(after: .seconds(1))
    lab.pass(.milliseconds(10))
    lab.respond(to: 2, counter: 6)
    #expect(lab.gatewayChanges == [])
    #expect(lab.anchor.bindings.map(\.state) == [.active, .active])
  }

  @Test("State without counters, of an older version: the first one is taken note of, and stored")
  func stateWithoutCounters() {
    let old = Self.restartedLab()
    var lab = Self.lab()
    lab.now.wallClock = old.now.wallClock
    lab.adopt(Array(old.records.values))
    lab.pass(.milliseconds(10))
    lab.respond(to: 1, counter: 9)
    #expect(lab.gatewayChanges == [])
    #expect(lab.effects.map(\.word) == ["gateway-changed", "store-peer"], "the delay")
    #expect(lab.anchor.bindings.map(\.state) == [.active, .active, .active])
  }

  @Test("A gateway that is no longer configured is forgotten: while we run, and when we start")
  func forgotten() {
    var lab = Self.restartedLab()
    let stored = lab.peers
    lab.step(.configurationChanged(Lab.configuration { $0.gateways.removeFirst() }))
    #expect(stored.count == 1 && lab.peers.isEmpty)
    lab = Lab { $0.gateways.removeFirst() }
    lab.adopt([], peers: Array(stored.values))
    #expect(lab.effects.map(\.word) == ["remove-peer"])
  }

  @Test("A gateway that has lost heartbeats while we were down is asked no more, whatever it told before")
  func unsupportedSinceRestart() {
    var lab = Self.restartedLab()
    let error = BindingError(status: BindingError.unrecognizedType)
    lab.step(.message(.bindingError(error), source: Lab.mag1, destination: Lab.anchorAddress))
    #expect(lab.anchor.path(to: Lab.mag1) == .unsupported)
  }

  @Test("Thousands of lost sessions end a few at a time")
  func manySessions() {
    var lab = Lab {
      $0.gateways[0].heartbeat.interval = .seconds(10)
      $0.unknownNodes = .accept
      $0.prefixPools = [PrefixPool(prefix: prefix("2001:db8:100::/52"))]
    }
    for index in 0..<300 {
      lab.send(.attach.with { $0.node = MobileNodeIdentifier(nai: "n\(index)@example.net") })
      lab.respond(to: lab.heartbeatRequests(to: Lab.mag1).last?.sequence, counter: 1)
    }
    lab.pass(.seconds(20))
    let number = lab.heartbeatRequests(to: Lab.mag1).last?.sequence
    lab.respond(to: number, counter: 1)
    lab.heartbeat(.unsolicited(restartCounter: 2))
    #expect(lab.count(.bindingsLostByGateway) == 128)
    lab.pass(.milliseconds(10))
    #expect(lab.count(.bindingsLostByGateway) == 256)
    lab.pass(.milliseconds(10))
    #expect(lab.count(.bindingsLostByGateway) == 300)
  }

  @Test("Intervals and counts out of range are refused", arguments: [-1, 50, 3_600_001])
  func configuration(milliseconds: Int) {
    let wrong = Lab.configuration { $0.gateways[0].heartbeat.interval = .milliseconds(milliseconds) }
    #expect(wrong.problems().map(\.keyPath) == ["gateways[0].heartbeat.interval"])
    let missing = Lab.configuration { $0.gateways[0].heartbeat.missingAllowed = -1 }
    #expect(missing.problems().map(\.keyPath) == ["gateways[0].heartbeat.missing-allowed"])
  }
}

extension AnchorLab {
  /// A heartbeat arrives.
  mutating func heartbeat(_ heartbeat: Heartbeat, from source: IPv6Address = mag1) {
    step(.message(.heartbeat(heartbeat), source: source, destination: Self.anchorAddress))
  }

  mutating func respond(to number: UInt32?, counter: UInt32 = 1, from source: IPv6Address = mag1) {
    guard let number else { return }
    heartbeat(
      Heartbeat(flags: .response, sequence: number, options: MobilityOptions([.restartCounter(counter)])),
      from: source)
  }

  var heartbeatsSent: [Heartbeat] {
    effects.compactMap { if case .send(.heartbeat(let heartbeat), _, _) = $0 { heartbeat } else { nil } }
  }

  func heartbeatRequests(to gateway: IPv6Address) -> [Heartbeat] { heartbeatsSent.filter { !$0.isResponse } }

  var delays: [Duration?] {
    effects.compactMap { effect -> Duration?? in
      if case .notify(.gatewayChanged(let gateway, .delay)) = effect { gateway.roundTrip } else { nil }
    }
  }

  /// Of the path; delays have a test of their own.
  var gatewayChanges: [GatewayChange] {
    effects.compactMap {
      if case .notify(.gatewayChanged(_, let change)) = $0, change != .delay { change } else { nil }
    }
  }

  var removalCauses: [RemovalCause] {
    effects.compactMap { if case .notify(.bindingRemoved(_, let cause)) = $0 { cause } else { nil } }
  }
}
