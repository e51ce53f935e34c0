import NetTypes
import Testing

@testable import AccessTriggers

private func address(_ number: UInt64) -> IPv6Address { IPv6Address(high: 0x2001_0db8_0003_0000, low: number) }

@Suite("Allowance of each sender")
struct SenderAllowanceTests {
  private func allowances(maximumSenders: Int = 2) -> SenderAllowances {
    SenderAllowances(
      ofKnownSender: .init(perSecond: 10, burst: 5), ofStrangers: .init(perSecond: 1, burst: 3),
      maximumSenders: maximumSenders)
  }

  private func admitted(
    _ allowances: inout SenderAllowances, _ sender: IPv6Address, of count: Int, at now: Duration
  ) -> Int {
    (0..<count).reduce(0) { sum, _ in sum + (allowances.admits(sender, at: now) ? 1 : 0) }
  }

  @Test("A burst at once, then as many as come back; never more than a burst")
  func burst() {
    var allowances = allowances()
    allowances.know(address(1), at: .zero)
    #expect(admitted(&allowances, address(1), of: 20, at: .zero) == 5)
    #expect(admitted(&allowances, address(1), of: 20, at: .milliseconds(99)) == 0)
    #expect(admitted(&allowances, address(1), of: 20, at: .milliseconds(200)) == 2)
    #expect(admitted(&allowances, address(1), of: 20, at: .seconds(3_600)) == 5)
  }

  @Test("Strangers share one allowance, and take nothing from those who are known")
  func strangers() {
    var allowances = allowances()
    allowances.know(address(1), at: .zero)
    let strangers = (2..<100).filter { allowances.admits(address($0), at: .zero) }
    #expect(strangers.count == 3)
    #expect(admitted(&allowances, address(1), of: 20, at: .zero) == 5)
  }

  @Test("No more senders than there is room for; the silent ones make room")
  func room() {
    var allowances = allowances()
    for number in 1...3 as ClosedRange<UInt64> {
      _ = allowances.admits(address(number), at: .zero)
      allowances.know(address(number), at: .zero)
      _ = allowances.admits(address(number), at: .zero)
    }
    // The third stayed a stranger, and strangers have used up what they have.
    #expect(admitted(&allowances, address(3), of: 1, at: .zero) == 0)
    allowances.know(address(3), at: .seconds(10))
    #expect(admitted(&allowances, address(3), of: 20, at: .seconds(10)) == 5)
  }

  @Test("Accounting: beyond the allowance requests are counted and not read, until it has come back")
  func accounting() {
    let client = address(1)
    var server = AccountingServer(
      clients: [client: .init(secret: Array("secret".utf8), link: "acc0")], allowances: allowances())
    for _ in 0..<8 { _ = server.receive([], from: client, port: 1_024, at: .zero) }
    #expect(server.counters["over-allowance"] == 3)
    #expect(server.counters["bad-too-short"] == 5)
    _ = server.receive([], from: client, port: 1_024, at: .seconds(1))
    #expect(server.counters["bad-too-short"] == 6)
    for number in 2..<10 as Range<UInt64> { _ = server.receive([], from: address(number), port: 1_024, at: .zero) }
    #expect(server.counters["unknown-client"] == 3)
  }

  @Test("Remote triggers: an address from which one was accepted has an allowance of its own")
  func remoteTriggers() {
    let key: [UInt8] = Array(0..<32)
    let start: UInt64 = 1_700_000_000_000_000
    var server = RemoteTriggerServer(
      accessPoints: [7: .init(key: key, link: "acc0")], clockSkew: .seconds(30), startedAt: start,
      allowances: allowances())
    let message = RemoteTrigger(
      event: .up, keyIdentifier: 7, time: start + 1, station: LinkLayerAddress(rawValue: 0x0200_0000_0101)
    ).encode(key: key)
    #expect(server.receive(message, from: address(1), at: .zero, clock: start + 1).report != nil)
    for number in 2..<20 as Range<UInt64> {
      // Played again from elsewhere, and by somebody without a key.
      _ = server.receive(message, from: address(number), at: .zero, clock: start + 1)
      _ = server.receive([1], from: address(number), at: .zero, clock: start + 1)
    }
    #expect(server.counters["over-allowance"] == 34)
    #expect(server.receive(message, from: address(1), at: .zero, clock: start + 2).response != nil)
  }
}
