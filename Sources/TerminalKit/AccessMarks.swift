import LinuxNet
import NetTypes

/// Packet and connection marks that stand for access interfaces: the number of the interface, from 1, at its place under
/// a mask. The bits outside belong to others.
public struct AccessMarks: Hashable, Sendable {
  public let mask: UInt32

  public init(mask: UInt32) { self.mask = mask }

  /// Interfaces that there is room for.
  public var capacity: UInt32 { mask >> UInt32(mask.trailingZeroBitCount) }

  /// `number` is 1...capacity.
  public func mark(_ number: UInt32) -> UInt32 { number << UInt32(mask.trailingZeroBitCount) }
}

/// `0x00100000`.
public func hexadecimal(_ value: UInt32) -> String {
  let digits = String(value, radix: 16)
  return "0x" + String(repeating: "0", count: 8 - digits.count) + digits
}

extension NftExpression {
  /// Matches errors about a connection: they do not say where its downlink is.
  public static var matchRelated: [NftExpression] {
    let related: UInt32 = 4  // NF_CT_STATE_BIT(IP_CT_RELATED)
    return [
      .conntrackLoad(.state, into: .word(0)),
      .bitwise(.word(0), into: .word(0), mask: hostOrder(related), xor: hostOrder(0)),
      .compare(.word(0), .notEqual, hostOrder(0)),
    ]
  }
}

extension NftTransaction {
  /// Takes the table out, whether it is there or not.
  public static func removal(of table: NftTable) -> NftTransaction {
    var transaction = NftTransaction(table: table)
    transaction.addTable()
    transaction.deleteTable()
    return transaction
  }

  /// Begins with an empty table, whatever was there.
  public static func replacement(of table: NftTable) -> NftTransaction {
    var transaction = removal(of: table)
    transaction.addTable()
    return transaction
  }
}

extension ConntrackSocket {
  /// Takes the bits under `mask` off the marks of all connections. Gives how many had some.
  public func release(markedUnder mask: UInt32) throws(LinuxError) -> Int {
    var released = 0
    for entry in try entries(markedUnder: mask) where try setMark(0, mask: mask, of: entry) { released += 1 }
    return released
  }
}
