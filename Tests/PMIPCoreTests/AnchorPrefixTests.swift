import MobilityWire
import NetTypes
import Testing

@testable import PMIPCore

@Suite("Anchor: prefixes")
struct AnchorPrefixTests {
  typealias Lab = AnchorLab

  @Test("The pool is given out in order, and then no more: 130")
  func exhaustion() {
    var lab = Lab { $0.unknownNodes = .accept }
    func attach(_ number: Int) -> PBU { .attach.with { $0.node = MobileNodeIdentifier(nai: "n\(number)") } }
    let given = (0..<4).map { lab.send(attach($0))?.prefixes }
    #expect(given == (0..<4).map { Lab.pool.subnet($0, length: 64).map { [$0] } })
    #expect(lab.send(attach(4))?.status == .insufficientResources)
    #expect(lab.count(.prefixesExhausted) == 1)
  }

  @Test("A released prefix is quarantined from others; its last node may have it back by name")
  func quarantine() {
    var lab = Lab {
      $0.prefixPools = [PrefixPool(prefix: Lab.firstPrefix, quarantine: .seconds(60))]
      $0.timers.minDelayBeforeBCEDelete = .zero
    }
    lab.send(.attach)
    lab.send(.deregister(Lab.firstPrefix))
    let other = PBU.attach.with { $0.node = Lab.mn2 }
    lab.pass(.seconds(50))
    #expect(lab.send(other)?.status == .insufficientResources)
    #expect(lab.send(other.with { $0.prefixes = [Lab.firstPrefix] })?.status == .notAuthorizedForHomeNetworkPrefix)
    #expect(lab.send(.attach.with { $0.prefixes = [Lab.firstPrefix] })?.status == .accepted)
    lab.send(.deregister(Lab.firstPrefix))
    lab.pass(.seconds(61))
    #expect(lab.send(other)?.prefixes == [Lab.firstPrefix])
  }

  @Test("Released prefixes are used before fresh ones, so the used part of a pool stays small")
  func reuse() {
    var lab = Lab { $0.timers.minDelayBeforeBCEDelete = .zero }
    lab.send(.attach)
    lab.send(.deregister(Lab.firstPrefix))
    #expect(lab.send(.attach.with { $0.node = Lab.mn2 })?.prefixes == [Lab.secondPrefix])
    lab.pass(.seconds(61))
    #expect(lab.send(.attach)?.prefixes == [Lab.firstPrefix])
  }

  @Test("Reservations come first, in their order, then the pools; others never get them")
  func reservations() {
    var lab = Lab { $0.nodes[0].reservedPrefixes = [Lab.thirdPrefix, Lab.firstPrefix] }
    #expect(lab.send(.attach.with { $0.node = Lab.mn2 })?.prefixes == [Lab.secondPrefix])
    #expect(lab.send(.attach)?.prefixes == [Lab.thirdPrefix])
    #expect(lab.send(.attach(Lab.cellular, .eutran))?.prefixes == [Lab.firstPrefix])
    let third = MobileNodeLinkLayerIdentifier(identifier: [2, 0, 0, 0, 0, 3])
    #expect(lab.send(.attach(third, .ethernet))?.prefixes == [prefix("2001:db8:100:3::/64")])
  }

  @Test("Pools are used in order")
  func pools() {
    var lab = Lab {
      $0.prefixPools = [
        PrefixPool(prefix: Lab.thirdPrefix), PrefixPool(prefix: prefix("2001:db8:200::/40"), assignedLength: 48),
      ]
    }
    #expect(lab.send(.attach)?.prefixes == [Lab.thirdPrefix])
    #expect(lab.send(.attach.with { $0.node = Lab.mn2 })?.prefixes == [prefix("2001:db8:200::/48")])
  }

  @Test("A prefix asked for by name must have the length that its pool assigns")
  func wrongLength() {
    var lab = Lab()
    for name in ["2001:db8:100::/63", "2001:db8:100::/65"] {
      #expect(lab.send(.attach.with { $0.prefixes = [prefix(name)] })?.status == .notAuthorizedForHomeNetworkPrefix)
    }
  }

  @Test("A changed configuration keeps what is assigned, frees what was reserved, reserves what is free")
  func reconfiguration() {
    let node = MobileNodeIdentifier(nai: "a")
    let other = MobileNodeIdentifier(nai: "b")
    let reserved = NodePolicy(identifier: node, reservedPrefixes: [Lab.firstPrefix])
    var allocator = PrefixAllocator(pools: [PrefixPool(prefix: Lab.pool)], nodes: [reserved])
    #expect(allocator.allocate(for: other, at: .zero) == Lab.secondPrefix)
    // The reservation is dropped: the pool has it again, although it had passed it.
    allocator.reconfigure(
      pools: [PrefixPool(prefix: Lab.pool)],
      nodes: [NodePolicy(identifier: other, reservedPrefixes: [Lab.thirdPrefix, Lab.secondPrefix])])
    #expect(allocator.allocate(for: node, at: .zero) == Lab.firstPrefix)
    #expect(allocator.allocate(for: node, at: .zero) == prefix("2001:db8:100:3::/64"))
    #expect(allocator.allocate(for: node, at: .zero) == nil)
    #expect(allocator.allocate(for: other, at: .zero) == Lab.thirdPrefix)
    // The pool is gone: what is assigned stays so, what is released does not come back.
    allocator.reconfigure(pools: [], nodes: [])
    let isClaimed = allocator.claim(Lab.firstPrefix, for: other, at: .zero)
    #expect(!isClaimed)
    allocator.release(Lab.firstPrefix, at: .zero)
    #expect(allocator.allocate(for: other, at: .seconds(999)) == nil)
  }

  @Test("A prefix claimed and released by name again and again is there once")
  func churn() {
    let node = MobileNodeIdentifier(nai: "a")
    var allocator = PrefixAllocator(pools: [PrefixPool(prefix: Lab.pool)], nodes: [])
    for round in 0..<10_000 {
      let now = Duration.seconds(round)
      let isClaimed = allocator.claim(Lab.thirdPrefix, for: node, at: now)
      #expect(isClaimed)
      allocator.release(Lab.thirdPrefix, at: now)
    }
    #expect(allocator.allocate(for: node, at: .seconds(10_000)) == Lab.firstPrefix)
  }
}
