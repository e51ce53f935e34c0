import NetTypes

/// Builds the concatenated key of an element: each field starts on a 4-octet word and is padded with zeros behind.
public struct NftKey: Hashable, Sendable {
  public private(set) var bytes: [UInt8] = []

  public init() {}

  public mutating func append(_ field: some Collection<UInt8>) {
    bytes.append(contentsOf: field)
    bytes.append(contentsOf: repeatElement(0, count: -field.count & (NftRegister.width - 1)))
  }

  public mutating func append(_ address: IPv6Address) { append(address.bytes) }

  /// In network order.
  public mutating func append<Field: FixedWidthInteger>(_ field: Field) {
    append(withUnsafeBytes(of: field.bigEndian) { Array($0) })
  }
}
