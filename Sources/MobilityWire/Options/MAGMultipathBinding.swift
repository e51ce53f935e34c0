import NetTypes

//  MAG Multipath Binding option, RFC 8278 section 4.1. Type 63, no alignment.
//
//   0                   1                   2                   3
//   0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1
//  +---------------+---------------+---------------+---------------+
//  |   Type = 63   |  Length = 6   |    If-ATT     |   If-Label    |
//  +---------------+---------------+-+-+-----------+---------------+
//  |      BID      |B|O|       Reserved (22 bits)                  |
//  +---------------+-+-+-------------------------------------------+

/// One path between a gateway with several addresses and its anchor, RFC 8278 section 4.1.
public struct MAGMultipathBinding: Hashable, Sendable {
  /// If-ATT: technology of the gateway's uplink.
  public var interfaceTechnology: AccessTechnologyType
  /// If-Label: type of the uplink, for policy.
  public var interfaceLabel: UInt8
  /// BID of the path: 1...254.
  public var binding: UInt8
  /// B: this request refreshes all bindings of the mobile node.
  public var bulkReRegistration: Bool
  /// O: this binding replaces all others. Never with B, and not in a de-registration.
  public var overwrite: Bool

  public init(
    interfaceTechnology: AccessTechnologyType, interfaceLabel: UInt8, binding: UInt8, bulkReRegistration: Bool = false,
    overwrite: Bool = false
  ) {
    self.interfaceTechnology = interfaceTechnology
    self.interfaceLabel = interfaceLabel
    self.binding = binding
    self.bulkReRegistration = bulkReRegistration
    self.overwrite = overwrite
  }
}

extension MAGMultipathBinding: MobilityOptionBody {
  private static let bulkFlag: UInt8 = 0x80
  private static let overwriteFlag: UInt8 = 0x40

  init(decoding body: inout ByteReader<DecodeError>) throws(DecodeError) {
    interfaceTechnology = AccessTechnologyType(rawValue: try body.uint8())
    interfaceLabel = try body.uint8()
    binding = try body.uint8()
    let flags = try body.uint8()
    bulkReRegistration = flags & Self.bulkFlag != 0
    overwrite = flags & Self.overwriteFlag != 0
    try body.skip(2)
  }

  func encode(into writer: inout ByteWriter) {
    writer.write(interfaceTechnology.rawValue)
    writer.write(interfaceLabel)
    writer.write(binding)
    writer.write((bulkReRegistration ? Self.bulkFlag : 0) | (overwrite ? Self.overwriteFlag : 0))
    writer.writeZeros(2)
  }
}
