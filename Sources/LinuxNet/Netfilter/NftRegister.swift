/// A 32-bit register of the nf_tables machine. A value longer than 4 octets occupies consecutive words, so the fields
/// of a concatenated key are loaded one behind the other, each starting on a word.
public struct NftRegister: RawRepresentable, Hashable, Sendable {
  public let rawValue: UInt32
  public init(rawValue: UInt32) { self.rawValue = rawValue }

  /// Octets of one word.
  public static let width = 4
  /// Words of the register file (`NFT_REG32_COUNT`).
  public static let count = 16

  /// Where a lookup in a verdict map, or an immediate verdict, puts its result.
  public static let verdict = NftRegister(rawValue: 0)

  /// Word `index`, 0..<`count`.
  public static func word(_ index: Int) -> NftRegister {
    precondition((0..<count).contains(index), "nf_tables has \(count) words of registers")
    return NftRegister(rawValue: 8 + UInt32(index))  // NFT_REG32_00
  }

  /// Words that a value of `octets` octets occupies.
  public static func words(forOctets octets: Int) -> Int { (octets + width - 1) / width }
}
