import NetTypes
import Testing

@testable import LinuxNet

@Suite("Allowances for useless messages")
struct RefusalLimitTests {
  private let peer = IPv6Address(high: 0x2001_0db8_0001_0000, low: 0x11)
  private let otherPeer = IPv6Address(high: 0x2001_0db8_0001_0000, low: 0x12)
  private let stranger = IPv6Address(high: 0x2001_0db8_000c_0000, low: 2)
  private let otherStranger = IPv6Address(high: 0x2001_0db8_000c_0000, low: 3)

  private func allowances() -> RefusalAllowances {
    var result = RefusalAllowances(limits: RefusalLimits(perPeer: 100, ofStrangers: 10))
    result.peers = [peer, otherPeer]
    return result
  }

  /// Messages of `source` that get through, of `count` that all end in `verdict`.
  private func admitted(
    _ count: Int, of source: IPv6Address, _ verdict: MessageVerdict, _ allowances: inout RefusalAllowances,
    at now: Duration
  ) -> Int {
    (0..<count).count { _ in
      guard allowances.admits(source, now: now) else { return false }
      allowances.charge(source, verdict, now: now)
      return true
    }
  }

  @Test("A flood of one peer ends at its limit and touches nobody else")
  func peerFlood() {
    var allowances = allowances()
    #expect(admitted(1_000, of: peer, .refused, &allowances, at: .seconds(5)) == 100)
    #expect(admitted(1_000, of: otherPeer, .useful, &allowances, at: .seconds(5)) == 1_000)
    #expect(admitted(5, of: stranger, .refused, &allowances, at: .seconds(5)) == 5)
  }

  @Test("Strangers share one allowance, whatever addresses they use")
  func strangersFlood() {
    var allowances = allowances()
    #expect(admitted(8, of: stranger, .refused, &allowances, at: .seconds(5)) == 8)
    #expect(admitted(8, of: otherStranger, .fruitless, &allowances, at: .seconds(5)) == 2)
    #expect(admitted(1_000, of: peer, .useful, &allowances, at: .seconds(5)) == 1_000)
  }

  @Test("Peers pay for refusals only, and useful messages cost nobody anything")
  func free() {
    var allowances = allowances()
    #expect(admitted(1_000, of: peer, .fruitless, &allowances, at: .seconds(5)) == 1_000)
    #expect(admitted(1_000, of: stranger, .useful, &allowances, at: .seconds(5)) == 1_000)
  }

  @Test("An allowance comes back at its rate, up to the limit")
  func refill() {
    var allowances = allowances()
    #expect(admitted(1_000, of: peer, .refused, &allowances, at: .seconds(5)) == 100)
    #expect(admitted(1_000, of: peer, .refused, &allowances, at: .milliseconds(5_005)) == 0)
    #expect(admitted(1_000, of: peer, .refused, &allowances, at: .milliseconds(5_100)) == 10)
    #expect(admitted(1_000, of: stranger, .refused, &allowances, at: .milliseconds(5_100)) == 10)
    #expect(admitted(1_000, of: stranger, .refused, &allowances, at: .milliseconds(5_300)) == 2)
    #expect(admitted(1_000, of: peer, .refused, &allowances, at: .seconds(60)) == 100)
    #expect(admitted(1_000, of: stranger, .refused, &allowances, at: .seconds(60)) == 10)
  }
}
