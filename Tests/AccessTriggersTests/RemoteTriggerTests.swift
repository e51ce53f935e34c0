import NetTypes
import SeededRandom
import TestSupport
import Testing

@testable import AccessTriggers

private let key: [UInt8] = Array(0..<32)
private let station = LinkLayerAddress(rawValue: 0x0200_0000_0101)
/// Microseconds since 1970.
private let start: UInt64 = 1_700_000_000_000_000
private let sender = IPv6Address(high: 0x2001_0db8_0003_0000, low: 1)

private func trigger(
  _ event: RemoteTrigger.Event, after microseconds: UInt64, key identifier: UInt32 = 7,
  _ station: LinkLayerAddress = station
) -> RemoteTrigger {
  RemoteTrigger(event: event, keyIdentifier: identifier, time: start + microseconds, station: station)
}

@Suite("Remote attachment trigger")
struct RemoteTriggerTests {
  private func server() -> RemoteTriggerServer {
    RemoteTriggerServer(
      accessPoints: [7: .init(key: key, link: "acc0"), 8: .init(key: key.reversed(), link: "acc1")],
      clockSkew: .seconds(30), startedAt: start)
  }

  private func fault(_ octets: [UInt8]) -> RemoteTriggerFault? {
    do throws(RemoteTriggerFault) {
      _ = try RemoteTrigger.decode(octets) { $0 == 7 ? key : nil }
      return nil
    } catch {
      return error
    }
  }

  @Test("The octets of docs/attachment.md")
  func layout() throws {
    let message = RemoteTrigger(event: .up, keyIdentifier: 7, time: 0x0006_0a24_181e_4000, station: station)
    let bytes = message.encode(key: key)
    let body = try octets("464d4154 01 01 0000 00000007 00060a24181e4000 020000000101")
    #expect(Array(bytes[..<26]) == body)
    #expect(Array(bytes[26...]) == HMACSHA256.code(of: body, key: key))
    #expect(try RemoteTrigger.decode(bytes) { _ in key } == message)
    let answer = message.acknowledgement(key: key)
    #expect(answer[5] == 0x81)
    #expect(Array(answer[26...]) == HMACSHA256.code(of: answer[..<26], key: key))
    // An answer is no trigger.
    #expect(fault(answer) == .event)
  }

  @Test("Up, down and inactive are signals on the link of the key, and are answered")
  func events() {
    var server = server()
    let states: [AttachmentSignal.State] = [.up, .down, .inactive]
    for (index, event) in RemoteTrigger.Event.allCases.enumerated() {
      let message = trigger(event, after: UInt64(index) + 1)
      let (response, report) = server.receive(
        message.encode(key: key), from: sender, at: .seconds(5), clock: start + 10)
      #expect(response == message.acknowledgement(key: key))
      #expect(
        report
          == .station(
            AttachmentSignal(
              TriggerOrigin(source: .remote, link: "acc0", name: "key 7"), station, states[index], at: .seconds(5))))
    }
  }

  @Test("A message counts once; the same octets again are answered again")
  func repetition() {
    var server = server()
    let first = trigger(.up, after: 5).encode(key: key)
    let answer = server.receive(first, from: sender, at: .zero, clock: start + 10)
    let again = server.receive(first, from: sender, at: .zero, clock: start + 20)
    #expect(again.response == answer.response && again.report == nil)
    #expect(server.counters["repeated"] == 1)
    _ = server.receive(trigger(.down, after: 9).encode(key: key), from: sender, at: .zero, clock: start + 20)
    // The up of before, played again by somebody who has heard it.
    let replayed = server.receive(first, from: sender, at: .zero, clock: start + 30)
    #expect(replayed.response == nil && replayed.report == nil)
    #expect(server.counters["replayed"] == 1)
    // Of another station an older message is news.
    let other = trigger(.up, after: 6, LinkLayerAddress(rawValue: 0x0200_0000_0102)).encode(key: key)
    #expect(server.receive(other, from: sender, at: .zero, clock: start + 40).report != nil)
  }

  @Test("Neither from before our start nor from another time")
  func time() {
    var server = server()
    #expect(
      server.receive(trigger(.up, after: 0).encode(key: key), from: sender, at: .zero, clock: start + 1).report == nil)
    #expect(server.counters["replayed"] == 1)
    let minute: UInt64 = 60_000_000
    let message = trigger(.up, after: minute).encode(key: key)
    #expect(server.receive(message, from: sender, at: .zero, clock: start + 1).report == nil)
    #expect(server.receive(message, from: sender, at: .zero, clock: start + 2 * minute).report == nil)
    #expect(server.counters["clock-skew"] == 2)
    #expect(server.receive(message, from: sender, at: .zero, clock: start + minute + 29_000_000).report != nil)
  }

  @Test("A key speaks for its own access point only")
  func keys() {
    var server = server()
    let stranger = trigger(.up, after: 1, key: 9).encode(key: key)
    let guess = trigger(.up, after: 1, key: 8).encode(key: key)
    for octets in [stranger, guess] {
      let outcome = server.receive(octets, from: sender, at: .zero, clock: start + 1)
      #expect(outcome.response == nil && outcome.report == nil)
    }
    #expect(server.counters["unknown-key"] == 1)
    #expect(server.counters["bad-authenticator"] == 1)
  }

  @Test("Each fault has its name, and no octet can be changed or left out")
  func faults() {
    let good = trigger(.up, after: 1).encode(key: key)
    for count in 0..<good.count { #expect(fault(Array(good[..<count])) == .tooShort) }
    #expect(fault(good + [0]) == .trailing)
    #expect(fault([0] + good.dropFirst()) == .magic)
    var bad = good
    bad[4] = 2
    #expect(fault(bad) == .version)
    for index in good.indices {
      bad = good
      bad[index] ^= 1
      #expect(fault(bad) != nil)
    }
    var generator = SplitMix64.announced()
    for _ in 0..<2_000 { #expect(fault(generator.octets(RemoteTrigger.length)) != nil) }
  }

  @Test("More stations than are remembered: nothing of before is taken any more, and nothing grows")
  func manyStations() {
    var server = RemoteTriggerServer(
      accessPoints: [7: .init(key: key, link: "acc0")], clockSkew: .seconds(30), startedAt: start, stationLimit: 16)
    for number in 0..<UInt64(16) {
      let message = trigger(.up, after: number + 1, LinkLayerAddress(rawValue: number + 1))
      _ = server.receive(message.encode(key: key), from: sender, at: .zero, clock: start + 100_000)
    }
    let next = trigger(.up, after: 200_000, LinkLayerAddress(rawValue: 0x0200_0000_ffff))
    #expect(server.receive(next.encode(key: key), from: sender, at: .zero, clock: start + 200_000).report != nil)
    let replay = trigger(.up, after: 1, LinkLayerAddress(rawValue: 1)).encode(key: key)
    #expect(server.receive(replay, from: sender, at: .zero, clock: start + 200_000).report == nil)
    #expect(server.counters["replayed"] == 1)
  }
}
