import NetTypes
import PMIPCore
import Testing

@testable import AccessTriggers

private let node = LinkLayerAddress(rawValue: 0x0200_0000_0101)
private let hostapd = TriggerOrigin(source: .hostapd, link: "acc0", name: "wlan0")
private let otherHostapd = TriggerOrigin(source: .hostapd, link: "acc0", name: "wlan1")
private let kernel = TriggerOrigin(source: .nl80211, link: "acc0", name: "wlan0")
private let radius = TriggerOrigin(source: .radius, link: "acc0", name: "192.0.2.1")

@Suite("Several sources, one presence")
struct PresenceLedgerTests {
  private var ledger = PresenceLedger(capacity: 4)

  private mutating func hear(
    _ origin: TriggerOrigin, _ state: AttachmentSignal.State, session: String? = nil, at seconds: Int64 = 0
  ) -> [PresenceLedger.Action] {
    ledger.note(.station(AttachmentSignal(origin, node, state, session: session, at: .seconds(seconds))))
  }

  private func attach(_ origin: TriggerOrigin, since seconds: Int64 = 0) -> [PresenceLedger.Action] {
    [.attach(origin, node, since: .seconds(seconds))]
  }

  @Test("Who sees it leave first detaches it; the others come too late")
  mutating func firstWordCounts() {
    #expect(hear(kernel, .up) == attach(kernel))
    #expect(hear(hostapd, .up) == attach(hostapd))
    #expect(hear(radius, .up, session: "a") == attach(radius))
    #expect(hear(hostapd, .down) == [.detach(hostapd, node)])
    // It comes back at once, and the slow ones speak of the time before.
    #expect(hear(hostapd, .up) == attach(hostapd))
    #expect(hear(kernel, .down) == [])
    #expect(hear(radius, .down, session: "a") == [])
    #expect(ledger.tallies[radius]?[.stale] == 1)
    #expect(hear(radius, .up, session: "b") == attach(radius))
    #expect(hear(radius, .down, session: "a") == [])
    #expect(hear(radius, .down, session: "b") == [.detach(radius, node)])
  }

  @Test("From one access point of the link to the next: the first one's notice is stale")
  mutating func roaming() {
    _ = hear(hostapd, .up)
    _ = hear(otherHostapd, .up)
    #expect(hear(hostapd, .down) == [])
    #expect(ledger.stations(of: hostapd) == [])
    #expect(ledger.stations(of: otherHostapd) == [node])
    #expect(hear(otherHostapd, .down) == [.detach(otherHostapd, node)])
  }

  @Test("A list is compared with what was said before; whoever stands in it again is no news")
  mutating func lists() {
    _ = hear(hostapd, .up)
    #expect(ledger.note(.stations(hostapd, [node], at: .zero)) == [])
    #expect(ledger.tallies[hostapd]?[.confirmations] == 1)
    #expect(ledger.note(.stations(hostapd, [], at: .zero)) == [.detach(hostapd, node)])
    #expect(ledger.note(.stations(hostapd, [node], at: .seconds(3))) == attach(hostapd, since: 3))
    // The list of another access point says nothing about this one's stations.
    #expect(ledger.note(.stations(otherHostapd, [], at: .zero)) == [])
  }

  @Test("An association registers nobody, but from it counts how long the registration took")
  mutating func association() {
    #expect(hear(kernel, .associated, at: 1) == [])
    #expect(hear(hostapd, .up, at: 3) == attach(hostapd, since: 1))
    #expect(hear(kernel, .associated, at: 4) == [])
    #expect(hear(hostapd, .up, at: 5) == attach(hostapd, since: 5))
    #expect(hear(kernel, .down) == [])
  }

  @Test("An end without a beginning is told: magd may have restarted meanwhile")
  mutating func unknown() {
    #expect(hear(radius, .down, session: "a") == [.detach(radius, node)])
    #expect(hear(radius, .inactive) == [.verify(radius, node)])
  }

  @Test("What the kernel says of the station or the link ends every word")
  mutating func forgetting() {
    _ = hear(hostapd, .up)
    ledger.forget(node, onLink: "acc0")
    #expect(ledger.note(.stations(hostapd, [node], at: .zero)) == attach(hostapd))
    ledger.forget(link: "acc0")
    #expect(ledger.stations(of: hostapd) == [])
  }

  @Test("The ledger does not grow: stations beyond its capacity are attached all the same")
  mutating func capacity() {
    for number in 1...6 {
      let station = LinkLayerAddress(rawValue: UInt64(number))
      #expect(
        ledger.note(.station(AttachmentSignal(hostapd, station, .up, at: .zero)))
          == [.attach(hostapd, station, since: .zero)])
    }
    #expect(ledger.overflows == 2)
    #expect(ledger.stations(of: hostapd).count == 4)
    let last = LinkLayerAddress(rawValue: 6)
    #expect(ledger.note(.station(AttachmentSignal(hostapd, last, .down, at: .zero))) == [.detach(hostapd, last)])
  }

  @Test("Last, mean and longest delay")
  func delays() {
    var delay = RegistrationDelay()
    #expect(delay.mean == .zero)
    for milliseconds in [10, 30, 20] { delay.add(.milliseconds(milliseconds)) }
    #expect(delay.count == 3)
    #expect(delay.last == .milliseconds(20))
    #expect(delay.mean == .milliseconds(20))
    #expect(delay.maximum == .milliseconds(30))
  }

  @Test("Delays by bucket, and quantiles within the bucket that they fall into")
  func histogram() {
    var delay = RegistrationDelay()
    #expect(delay.quantile(0.5) == .zero)
    for _ in 0..<98 { delay.add(.milliseconds(4)) }
    delay.add(.milliseconds(5))
    delay.add(.seconds(60))
    let filled = delay.buckets.filter { $0.count > 0 }
    #expect(filled.map(\.name) == ["to-5ms", "longer"])
    #expect(filled.map(\.count) == [99, 1])
    // Half of all are about in the middle of 2 to 5 ms, where 99 are; the slowest is known exactly.
    #expect((.milliseconds(3) ... .milliseconds(4)).contains(delay.quantile(0.5)))
    #expect(delay.quantile(0.99) == .milliseconds(5))
    #expect(delay.quantile(1) == .seconds(60))
    var one = RegistrationDelay()
    one.add(.milliseconds(300))
    #expect(one.quantile(0.99) <= .milliseconds(300))
  }
}
