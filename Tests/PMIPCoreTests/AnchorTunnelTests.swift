import DatapathModel
import NetTypes
import Testing

@testable import PMIPCore

@Suite("Anchor: tunnel numbers")
struct AnchorTunnelTests {
  typealias Lab = AnchorLab

  static func acquire(_ table: inout TunnelTable, _ remote: IPv6Address, maximum: UInt32 = 9) -> UInt32? {
    table.acquire(local: Lab.anchorAddress, remote: remote, maximum: maximum)?.rawValue
  }

  /// Numbers 1 and 2, of which 1 is free again.
  static func firstFree() -> TunnelTable {
    var table = TunnelTable()
    for remote in [Lab.mag1, Lab.mag2] { _ = acquire(&table, remote) }
    _ = table.release(TunnelIdentifier(rawValue: 1), removal: EffectID(rawValue: 1))
    table.finishRemoval(TunnelIdentifier(rawValue: 1), removal: EffectID(rawValue: 1))
    return table
  }

  @Test("The lowest free number is taken first")
  func lowest() {
    var table = Self.firstFree()
    #expect(Self.acquire(&table, Lab.stranger) == 1)
    #expect(Self.acquire(&table, Lab.mag1) == 3)
  }

  @Test("A free number that a restored tunnel has taken names no second one")
  func restored() {
    var table = Self.firstFree()
    let restored = table.restore(
      TunnelIdentifier(rawValue: 1), local: Lab.anchorAddress, remote: Lab.stranger, maximum: 9)
    #expect(restored?.rawValue == 1)
    #expect(Self.acquire(&table, Lab.mag1) == 3)
  }

  @Test("A restored number outside the mark mask is replaced")
  func outsideMask() {
    var table = TunnelTable()
    for (number, remote) in [(0, Lab.mag1), (10, Lab.mag2)] as [(UInt32, IPv6Address)] {
      let restored = table.restore(
        TunnelIdentifier(rawValue: number), local: Lab.anchorAddress, remote: remote, maximum: 9)
      #expect(restored.map { (1...9).contains($0.rawValue) } == true)
    }
    #expect(table.installed.map(\.identifier.rawValue) == [1, 2])
  }

  @Test("The answer to an earlier removal does not free a tunnel that has come back")
  func revived() {
    var table = TunnelTable()
    _ = Self.acquire(&table, Lab.mag1)
    _ = table.release(TunnelIdentifier(rawValue: 1), removal: EffectID(rawValue: 1))
    #expect(Self.acquire(&table, Lab.mag1) == 1)
    table.finishRemoval(TunnelIdentifier(rawValue: 1), removal: EffectID(rawValue: 1))
    #expect(Self.acquire(&table, Lab.mag2) == 2)
    #expect(table.inUse.map(\.remote) == [Lab.mag1, Lab.mag2])
  }
}
