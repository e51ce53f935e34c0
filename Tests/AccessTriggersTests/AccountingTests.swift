import NetTypes
import SeededRandom
import TestSupport
import Testing

@testable import AccessTriggers

private let secret = Array("xyzzy5461".utf8)
private let client = IPv6Address(high: 0x2001_0db8_0003_0000, low: 1)
private let station = LinkLayerAddress(rawValue: 0x0200_0000_0101)

/// A client of the protocol: what it sends, made by the text of RFC 2866 and not by the decoder.
private struct AccessPoint {
  var secret = Array("xyzzy5461".utf8)
  var identifier: UInt8 = 1

  mutating func request(_ attributes: [(UInt8, [UInt8])]) -> [UInt8] {
    defer { identifier &+= 1 }
    let body = attributes.flatMap { [$0.0, UInt8($0.1.count + 2)] + $0.1 }
    let length = UInt16(20 + body.count)
    let head = [4, identifier, UInt8(length >> 8), UInt8(truncatingIfNeeded: length)]
    return head + MD5.digest(of: head + [UInt8](repeating: 0, count: 16) + body + secret) + body
  }

  mutating func request(
    _ status: UInt8, _ station: String = "02-00-00-00-01-01", session: String = "s1", delay: UInt8 = 0
  ) -> [UInt8] {
    request([
      (40, [0, 0, 0, status]), (31, Array(station.utf8)), (44, Array(session.utf8)), (41, [0, 0, 0, delay]),
    ])
  }
}

@Suite("RADIUS accounting")
struct AccountingTests {
  private let origin = TriggerOrigin(source: .radius, link: "acc0", name: "2001:db8:3::1")

  private func server() -> AccountingServer {
    AccountingServer(clients: [client: .init(secret: secret, link: "acc0")])
  }

  private func signal(
    _ state: AttachmentSignal.State, session: String? = "s1", at time: Duration
  ) -> TriggerReport {
    .station(AttachmentSignal(origin, station, state, session: session, at: time))
  }

  @Test("Start, Interim-Update and Stop are signals of their session; what was delayed has its time")
  func statuses() {
    var accessPoint = AccessPoint()
    var server = server()
    for (status, state) in [(UInt8(1), AttachmentSignal.State.up), (3, .present), (2, .down)] {
      let (response, reports) = server.receive(
        accessPoint.request(status, delay: 3), from: client, port: 1_024, at: .seconds(10))
      #expect(response != nil)
      #expect(reports == [signal(state, at: .seconds(7))])
    }
    #expect(server.counters["responses"] == 3)
  }

  @Test("A restart of the access point ends the sessions of all its stations")
  func restart() {
    var accessPoint = AccessPoint()
    var server = server()
    for status in [UInt8(7), 8] {
      let request = accessPoint.request([(40, [0, 0, 0, status])])
      #expect(
        server.receive(request, from: client, port: 1_024, at: .seconds(1)).reports
          == [.stations(origin, [], at: .seconds(1))])
    }
  }

  @Test("The response has the identifier, the client's Proxy-State attributes and its own authenticator")
  func response() throws {
    var accessPoint = AccessPoint(identifier: 77)
    var server = server()
    let request = accessPoint.request([(40, [0, 0, 0, 1]), (33, [1, 2]), (31, Array("020000000101".utf8)), (33, [])])
    let response = try #require(server.receive(request, from: client, port: 1, at: .zero).response)
    let attributes: [UInt8] = [33, 4, 1, 2, 33, 2]
    let head: [UInt8] = [5, 77, 0, 26]
    #expect(Array(response[..<4]) == head)
    #expect(Array(response[20...]) == attributes)
    #expect(Array(response[4..<20]) == MD5.digest(of: head + request[4..<20] + attributes + secret))
  }

  @Test("A repeated request is answered with the same octets and is no event; a new one with its number is")
  func repetition() {
    var accessPoint = AccessPoint()
    var server = server()
    let request = accessPoint.request(1)
    let first = server.receive(request, from: client, port: 1_024, at: .zero)
    let again = server.receive(request, from: client, port: 1_024, at: .seconds(2))
    #expect(again.response == first.response)
    #expect(again.reports.isEmpty)
    #expect(server.counters["repeated"] == 1)
    accessPoint.identifier = 1
    #expect(
      server.receive(accessPoint.request(2), from: client, port: 1_024, at: .seconds(3)).reports
        == [signal(.down, at: .seconds(3))])
    #expect(!server.receive(request, from: client, port: 1_024, at: .seconds(40)).reports.isEmpty)
  }

  @Test("More responses than are kept: the oldest goes, and nothing grows")
  func manyRequests() {
    var accessPoint = AccessPoint()
    var server = server()
    let first = accessPoint.request(1)
    _ = server.receive(first, from: client, port: 1, at: .zero)
    for port in 0..<UInt16(AccountingServer.rememberedResponses) {
      _ = server.receive(accessPoint.request(3), from: client, port: 2 + port, at: .zero)
    }
    #expect(!server.receive(first, from: client, port: 1, at: .zero).reports.isEmpty)
    #expect(server.counters["repeated"] == 0)
  }

  @Test("Without the secret there is neither signal nor answer")
  func wrongSecret() {
    var accessPoint = AccessPoint(secret: Array("guess".utf8))
    var server = server()
    let outcome = server.receive(accessPoint.request(1), from: client, port: 1, at: .zero)
    #expect(outcome.response == nil && outcome.reports.isEmpty)
    #expect(server.counters["bad-authenticator"] == 1)
    let stranger = server.receive(accessPoint.request(1), from: .unspecified, port: 1, at: .zero)
    #expect(stranger.response == nil && stranger.reports.isEmpty)
    #expect(server.counters["unknown-client"] == 1)
  }

  @Test("What says nothing about a station is answered, or it would come again for ever")
  func useless() {
    var accessPoint = AccessPoint()
    var server = server()
    let requests = [
      accessPoint.request(1, "nobody"), accessPoint.request([(40, [0, 0, 0, 1])]), accessPoint.request(9),
    ]
    for request in requests {
      let outcome = server.receive(request, from: client, port: 1, at: .zero)
      #expect(outcome.response != nil && outcome.reports.isEmpty)
    }
    #expect(server.counters["unreadable-station"] == 2)
    #expect(server.counters["other-status"] == 1)
  }

  @Test("Each fault has its name")
  func faults() {
    var accessPoint = AccessPoint()
    let good = accessPoint.request(1)
    func fault(_ octets: [UInt8]) -> AccountingFault? {
      do throws(AccountingFault) {
        _ = try AccountingRequest.decode(octets, secret: secret)
        return nil
      } catch {
        return error
      }
    }
    #expect(fault(good) == nil)
    #expect(fault(good + [1, 2, 3]) == nil)
    #expect(fault([1] + good.dropFirst()) == .code)
    #expect(fault([4, 1, 0, 19] + good.dropFirst(4)) == .length)
    #expect(fault([4, 1, 0xff, 0xff] + good.dropFirst(4)) == .length)
    #expect(fault(accessPoint.request([(31, [1])])) == .noStatus)
    #expect(fault(accessPoint.request([(40, [1])])) == .attribute)
    #expect(fault(accessPoint.request([(40, [0, 0, 0, 1, 0])])) == .attribute)
    for count in 0..<good.count { #expect(fault(Array(good[..<count])) == .tooShort) }
  }

  @Test("An octet changed anywhere is noticed, and whatever arrives is refused or read")
  func corruption() {
    var accessPoint = AccessPoint()
    let good = accessPoint.request(1)
    for index in good.indices {
      var bad = good
      bad[index] ^= 0x41
      #expect(throws: AccountingFault.self) { try AccountingRequest.decode(bad, secret: secret) }
    }
    var generator = SplitMix64.announced()
    for _ in 0..<2_000 {
      // Attributes at random, with the right authenticator: only then are they read.
      let body = generator.octets(Int.random(in: 0...60, using: &generator))
      let head: [UInt8] = [4, 9, 0, UInt8(20 + body.count)]
      let request = head + MD5.digest(of: head + [UInt8](repeating: 0, count: 16) + body + secret) + body
      _ = try? AccountingRequest.decode(request, secret: secret)
    }
  }

  @Test(
    "Spellings of Calling-Station-Id",
    arguments: [
      ("02-00-00-00-01-01", true), ("02:00:00:00:01:01", true), ("0200.0000.0101", true), ("020000-000101", true),
      ("020000000101", true), ("02-00-00-00-01-0A", true), ("02-00-00-00-01-0a", true),
      ("02-00:00-00-01-01", false), ("2-0-0-0-1-1", false), ("02-00-00-00-01", false), ("02-00-00-00-01-01-01", false),
      ("", false), ("-", false), ("02-00-00-00-01-01:ssid", false), ("0200000001010", false),
      ("02 00 00 00 01 01", false),
    ])
  func callingStation(text: String, isAddress: Bool) {
    #expect((LinkLayerAddress(callingStation: Array(text.utf8)) != nil) == isAddress)
  }

  @Test("An address is the same in each spelling")
  func callingStationValue() {
    for text in ["02-00-00-00-01-01", "0200.0000.0101", "020000000101"] {
      #expect(LinkLayerAddress(callingStation: Array(text.utf8)) == station)
    }
    #expect(AccountingServer.name(of: IPv6Address(high: 0, low: 0xffff_c000_0201)) == "192.0.2.1")
  }
}
