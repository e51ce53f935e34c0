import NetTypes
import SeededRandom
import TestSupport
import Testing

@testable import AccessTriggers

private let one = LinkLayerAddress(rawValue: 0x0200_0000_0101)
private let two = LinkLayerAddress(rawValue: 0x0200_0000_0102)
private let origin = TriggerOrigin(source: .hostapd, link: "acc0", name: "/run/hostapd/wlan0")

@Suite("hostapd's control socket")
struct HostapdSessionTests {
  private func entry(_ station: LinkLayerAddress, flags: String = "[AUTH][ASSOC][AUTHORIZED]") -> String {
    "\(station)\nflags=\(flags)\naid=1\ncapability=0x431\n"
  }

  private func signal(_ station: LinkLayerAddress, _ state: AttachmentSignal.State) -> HostapdSession.Effect {
    .report(.station(AttachmentSignal(origin, station, state, at: .seconds(1))))
  }

  private func hear(_ session: inout HostapdSession, _ text: String) -> [HostapdSession.Effect] {
    session.received(Array(text.utf8), at: .seconds(1))
  }

  /// Subscribed, with an empty list of stations.
  private func connected() -> HostapdSession {
    var session = HostapdSession(origin: origin)
    #expect(session.opened(at: .zero) == [.send("ATTACH")])
    #expect(hear(&session, "OK\n") == [.send("STA-FIRST")])
    #expect(hear(&session, "") == [.report(.stations(origin, [], at: .seconds(1)))])
    #expect(session.state == .connected)
    return session
  }

  @Test("Subscribes, then reads who is there; a station without its key is not")
  func subscription() {
    var session = HostapdSession(origin: origin)
    _ = session.opened(at: .zero)
    _ = hear(&session, "OK\n")
    #expect(hear(&session, entry(one)) == [.send("STA-NEXT \(one)")])
    #expect(hear(&session, entry(two, flags: "[AUTH][ASSOC]")) == [.send("STA-NEXT \(two)")])
    #expect(hear(&session, "") == [.report(.stations(origin, [one], at: .seconds(1)))])
    #expect(session.counters["resynchronisations"] == 1)
  }

  @Test("Stations come and go, in the spellings of several versions of hostapd")
  func events() {
    var session = connected()
    #expect(hear(&session, "<3>AP-STA-CONNECTED \(one)") == [signal(one, .up)])
    #expect(hear(&session, "<3>AP-STA-CONNECTED \(one) keyid=1 auth_alg=open") == [signal(one, .up)])
    #expect(hear(&session, "IFNAME=wlan0 <3>AP-STA-DISCONNECTED \(one)") == [signal(one, .down)])
    #expect(hear(&session, "<3>AP-STA-POLL-OK \(one)") == [signal(one, .present)])
    #expect(hear(&session, "<3>AP-DISABLED ") == [.report(.stations(origin, [], at: .seconds(1)))])
    #expect(hear(&session, "<3>WPS-PBC-ACTIVE ") == [])
  }

  @Test("What happens while the list is read stands in it")
  func eventsWhileReading() {
    var session = HostapdSession(origin: origin)
    _ = session.opened(at: .zero)
    _ = hear(&session, "OK\n")
    _ = hear(&session, entry(one))
    #expect(hear(&session, "<3>AP-STA-CONNECTED \(two)") == [signal(two, .up)])
    #expect(hear(&session, "<3>AP-STA-DISCONNECTED \(one)") == [signal(one, .down)])
    // The station after which the list was to go on is gone: it is read anew.
    #expect(hear(&session, "FAIL\n") == [.send("STA-FIRST")])
    #expect(hear(&session, entry(two)) == [.send("STA-NEXT \(two)")])
    #expect(hear(&session, "") == [.report(.stations(origin, [two], at: .seconds(1)))])
  }

  @Test("A hostapd that does not answer is given up, and says nothing about its stations")
  func silence() {
    var session = connected()
    let asked = Duration.seconds(1) + HostapdSession.pingInterval
    #expect(session.deadlineReached(at: asked - .milliseconds(1)) == [])
    #expect(session.deadlineReached(at: asked) == [.send("PING")])
    #expect(session.received(Array("PONG\n".utf8), at: asked) == [])
    let again = asked + HostapdSession.pingInterval
    #expect(session.deadlineReached(at: again) == [.send("PING")])
    #expect(session.deadlineReached(at: again + HostapdSession.answerTime) == [.reconnect("hostapd does not answer")])
    session.closed()
    #expect(session.deadline == nil)
    #expect(session.counters["disconnections"] == 1)
    #expect(session.opened(at: .zero) == [.send("ATTACH")])
  }

  @Test("Refusals and nonsense: reconnected or counted, never believed")
  func nonsense() {
    var session = HostapdSession(origin: origin)
    _ = session.opened(at: .zero)
    #expect(hear(&session, "FAIL\n") == [.reconnect("hostapd refuses ATTACH: FAIL\n")])
    session = connected()
    for text in ["<3>AP-STA-CONNECTED", "<3>AP-STA-DISCONNECTED 02:00", "<3>"] { #expect(hear(&session, text) == []) }
    #expect(session.counters["malformed-events"] == 3)
    #expect(hear(&session, "UNKNOWN COMMAND\n") == [])
    #expect(session.counters["unexpected-answers"] == 1)
    #expect(hear(&session, "<3>CTRL-EVENT-TERMINATING ") == [.reconnect("hostapd ends")])
    var reading = HostapdSession(origin: origin)
    _ = reading.opened(at: .zero)
    _ = hear(&reading, "OK\n")
    for _ in 0..<HostapdSession.readingAttempts { #expect(hear(&reading, "FAIL\n") == [.send("STA-FIRST")]) }
    #expect(hear(&reading, "FAIL\n") == [.reconnect("hostapd gives no list of stations: FAIL")])
  }

  @Test("Whatever the socket says, cut anywhere, nothing but the whole address is a station")
  func truncation() {
    let event = "<3>AP-STA-CONNECTED \(one)"
    for count in 0..<event.utf8.count {
      var session = connected()
      #expect(session.received(Array(event.utf8.prefix(count)), at: .zero) == [])
    }
    var generator = SplitMix64.announced()
    var session = connected()
    for _ in 0..<2_000 {
      for effect in session.received(generator.octets(Int.random(in: 0...64, using: &generator)), at: .zero) {
        if case .report = effect { Issue.record("noise was taken for \(effect)") }
      }
    }
  }
}
