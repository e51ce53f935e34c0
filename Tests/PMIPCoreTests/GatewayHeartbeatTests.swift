import MobilityWire
import NetTypes
import Testing

@testable import PMIPCore

@Suite("Gateway: heartbeats (RFC 5847)")
struct GatewayHeartbeatTests {
  typealias Ladder = GatewayLadder

  static var configuration: MAGConfiguration {
    var configuration = Ladder.configuration
    configuration.heartbeat.interval = .seconds(10)
    return configuration
  }

  @Test("RFC 5847 3.1: a request every interval while a binding exists; none by default")
  func requests() {
    var ladder = Ladder(Self.configuration)
    #expect(ladder.advance(by: .seconds(60)).heartbeats.isEmpty)
    ladder.attach()
    let effects = ladder.answer() + ladder.advance(by: .seconds(35))
    #expect(effects.heartbeats.map(\.sequence) == [1, 2, 3, 4])
    ladder.detach()
    ladder.answer()
    #expect(ladder.advance(by: .seconds(60)).heartbeats.isEmpty)
    #expect(ladder.gateway.anchors.map(\.path) == [.unknown])

    var silent = Ladder.registered()
    #expect(silent.advance(by: .seconds(100)).heartbeats.isEmpty)
  }

  @Test("RFC 5847 3.1: on or off for each anchor, whatever holds for the others")
  func perAnchor() {
    var own = HeartbeatSettings()
    own.interval = .seconds(4)
    var configuration = Ladder.configuration
    configuration.anchors = [AnchorPolicy(address: Ladder.anchor, heartbeat: own)]
    var ladder = Ladder.registered(configuration)
    #expect(ladder.advance(by: .seconds(9)).heartbeats.map(\.sequence) == [2, 3])

    var silent = Self.configuration
    silent.anchors = [AnchorPolicy(address: Ladder.anchor, heartbeat: HeartbeatSettings())]
    ladder.step(.configurationChanged(silent))
    #expect(ladder.advance(by: .seconds(60)).heartbeats.isEmpty)
    #expect(ladder.step(.started(restartCounter: 3, sessionsLost: true)).isEmpty)
    ladder.step(.configurationChanged(Self.configuration))
    #expect(ladder.advance(by: .zero).heartbeats.count == 1)

    own.missingAllowed = -1
    configuration.anchors = [AnchorPolicy(address: Ladder.anchor, heartbeat: own)]
    #expect(configuration.problems().map(\.keyPath) == ["anchors[0].heartbeat.missing-allowed"])
  }

  @Test("RFC 5847 3.1, 3.3: a request of a known anchor is answered, also without a binding; a stranger's is not")
  func answer() {
    var ladder = Ladder()
    ladder.step(.started(restartCounter: 3, sessionsLost: false))
    #expect(
      ladder.heartbeat(Heartbeat(sequence: 77)).heartbeats == [
        Heartbeat(flags: .response, sequence: 77, options: MobilityOptions([.restartCounter(3)]))
      ])
    #expect(ladder.heartbeat(Heartbeat(sequence: 78), from: "2001:db8:ffff::1").isEmpty)
    #expect(ladder.count(.heartbeatsFromStrangers) == 1)
  }

  @Test("RFC 5847 3.1: an anchor that does not answer is shown as unreachable; service goes on")
  func pathFailure() {
    var ladder = Ladder.registered(Self.configuration)
    ladder.advance(by: .zero)
    ladder.respond(to: 1)
    #expect(ladder.gateway.anchors.map(\.path) == [.reachable])
    // Missed: 2 to 5.
    #expect(ladder.advance(by: .seconds(49)).anchorChanges == [])
    #expect(ladder.advance(by: .seconds(1)).anchorChanges == [.unreachable])
    #expect(ladder.state == .registered && ladder.count(.anchorPathsFailed) == 1)
    #expect(ladder.respond(to: 6).anchorChanges == [.reachable])
    #expect(ladder.count(.anchorPathsRecovered) == 1)
  }

  @Test(
    "RFC 5847 3.2: an anchor that has lost its sessions gets them again, paced, with prefixes and a registration's HI")
  func anchorRestart() {
    var ladder = Ladder.registered(Self.configuration)
    ladder.attach(Ladder.bondedMAC, on: "lte0")
    ladder.answer(prefixes: [Ladder.secondPrefix])
    ladder.advance(by: .seconds(1))
    ladder.respond(to: 1, counter: 5)
    ladder.advance(by: .seconds(10))
    #expect(ladder.respond(to: 2, counter: 6).anchorChanges == [.restarted])
    let first = ladder.advance(by: .milliseconds(5)).updates
    let second = ladder.advance(by: .milliseconds(10)).updates
    #expect(first.map(\.options.handoffIndicator) == [.newInterface])
    #expect(first.map(\.namedPrefixes) == [[Ladder.prefix]])
    #expect(second.map(\.options.handoffIndicator) == [.sharedPrefixes])
    #expect(second.map(\.namedPrefixes) == [[Ladder.secondPrefix]])
    #expect(ladder.datapath.downlinks.count == 2, "the routes stay meanwhile")
    #expect(ladder.count(.bindingsLostByAnchor) == 2)
    ladder.answer(to: first.first, prefixes: [Ladder.prefix])
    ladder.answer(to: second.first, prefixes: [Ladder.secondPrefix])
    #expect(ladder.states == [.registered, .registered])
    ladder.advance(by: .seconds(10))
    #expect(ladder.respond(to: 3, counter: 6).anchorChanges == [])
    // The next refresh is an ordinary one.
    let refreshes = ladder.advance(by: .seconds(280)).updates
    #expect(refreshes.first?.options.handoffIndicator == .noChange)
  }

  @Test("RFC 5847 3.2: an unsolicited response of the restarted anchor has the same effect")
  func unsolicited() {
    var ladder = Ladder.registered(Self.configuration)
    ladder.advance(by: .seconds(1))
    ladder.respond(to: 1, counter: 5)
    #expect(ladder.heartbeat(.unsolicited(restartCounter: 6)).anchorChanges == [.restarted])
    #expect(ladder.advance(by: .zero).updates.count == 1)
    #expect(ladder.heartbeat(.unsolicited(restartCounter: 5)).anchorChanges == [])
  }

  @Test("A lost prefix is replaced: status 155 leads to another one")
  func prefixTaken() {
    var ladder = Ladder.registered(Self.configuration)
    ladder.advance(by: .seconds(1))
    ladder.respond(to: 1, counter: 5)
    ladder.heartbeat(.unsolicited(restartCounter: 6))
    ladder.advance(by: .zero)
    let effects = ladder.answer(.notAuthorizedForHomeNetworkPrefix)
    #expect(effects.updates.map(\.asksForAnyPrefix) == [true])
  }

  @Test("Binding Error 2 ends the requests until the anchor sends a heartbeat or the configuration changes")
  func unsupported() {
    var ladder = Ladder.registered(Self.configuration)
    ladder.advance(by: .seconds(1))
    let error = BindingError(status: BindingError.unrecognizedType)
    ladder.step(.message(.bindingError(error), source: Ladder.anchor, destination: Ladder.proxy))
    #expect(ladder.gateway.anchors.map(\.path) == [.unsupported])
    #expect(ladder.advance(by: .seconds(100)).heartbeats.isEmpty)
    #expect(ladder.count(.heartbeatsUnsupported) == 1)
    var changed = Self.configuration
    changed.heartbeat.interval = .seconds(20)
    ladder.step(.configurationChanged(changed))
    #expect(ladder.advance(by: .zero).heartbeats.count == 1)
  }

  /// Two nodes registered with an anchor that has told counter 5; then a restart of ours.
  static func restartedLadder() -> Ladder {
    var ladder = Ladder.registered(configuration)
    ladder.attach(Ladder.bondedMAC, on: "lte0")
    ladder.answer(prefixes: [Ladder.secondPrefix])
    ladder.advance(by: .zero)
    ladder.respond(to: 1, counter: 5)
    ladder.restart()
    return ladder
  }

  @Test("RFC 5847 3.2: the anchor's counter is stored: one that did not restart while we did is only asked to refresh")
  func storedCounter() {
    var ladder = Self.restartedLadder()
    #expect(ladder.gateway.anchors.map(\.restartCounter) == [5])
    #expect(ladder.advance(by: .zero).heartbeats.map(\.sequence) == [2])
    #expect(ladder.respond(to: 2, counter: 5).anchorChanges == [])
    #expect(ladder.advance(by: .milliseconds(5_010)).updates.map(\.options.handoffIndicator) == [.noChange, .noChange])
  }

  @Test("RFC 5847 3.2: an anchor that restarted while we did gets its sessions again, of nodes that are still here")
  func restartWhileDown() {
    var ladder = Self.restartedLadder()
    ladder.advance(by: .zero)
    #expect(ladder.respond(to: 2, counter: 6).anchorChanges == [.restarted])
    #expect(ladder.count(.bindingsLostByAnchor) == 2 && ladder.peers[Ladder.anchor]?.restartCounter == 6)
    // RFC 5213 6.13: one has left meanwhile, and is somewhere else perhaps.
    let left = ladder.advance(by: .seconds(3)) + ladder.detach(Ladder.mac, from: "acc0", .neighbourUnreachable)
    #expect(left.updates.map(\.lifetime) == [.zero])
    let updates = ladder.advance(by: .milliseconds(2_010)).updates
    #expect(updates.map(\.options.handoffIndicator) == [.sharedPrefixes])
    #expect(updates.map(\.namedPrefixes) == [[Ladder.secondPrefix]])
  }

  @Test("An anchor that we have nothing to do with any more is forgotten")
  func forgotten() {
    var ladder = Ladder(Self.configuration)
    let stored = [
      PeerRecord(address: Ladder.anchor, restartCounter: 5), PeerRecord(address: "2001:db8:9::1", restartCounter: 1),
    ]
    #expect(ladder.step(.restore([], peers: stored)) == [.persist(.removePeer("2001:db8:9::1"))])
    #expect(ladder.gateway.anchors.map(\.restartCounter) == [5])
  }

  @Test("RFC 5847 3.2: after a loss of sessions the anchor is told at once; not when nothing was lost")
  func ownRestart() {
    var ladder = Ladder(Self.configuration)
    #expect(ladder.step(.started(restartCounter: 2, sessionsLost: false)).isEmpty)
    #expect(
      ladder.step(.started(restartCounter: 3, sessionsLost: true)) == [
        .send(.heartbeat(.unsolicited(restartCounter: 3)), source: Ladder.proxy, destination: Ladder.anchor)
      ])
  }
}

extension GatewayLadder {
  @discardableResult
  mutating func heartbeat(_ heartbeat: Heartbeat, from source: IPv6Address = anchor) -> [MAGEffect] {
    step(.message(.heartbeat(heartbeat), source: source, destination: Self.proxy))
  }

  @discardableResult
  mutating func respond(to number: UInt32, counter: UInt32 = 1) -> [MAGEffect] {
    heartbeat(Heartbeat(flags: .response, sequence: number, options: MobilityOptions([.restartCounter(counter)])))
  }
}

extension [MAGEffect] {
  var heartbeats: [Heartbeat] {
    compactMap { if case .send(.heartbeat(let heartbeat), _, _) = $0 { heartbeat } else { nil } }
  }
  var anchorChanges: [AnchorChange] {
    compactMap { if case .notify(.anchorChanged(_, let change)) = $0 { change } else { nil } }
  }
}
