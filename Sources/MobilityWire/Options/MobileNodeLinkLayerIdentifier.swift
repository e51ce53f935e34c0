import NetTypes

//  Mobile Node Link-layer Identifier option, RFC 5213 section 8.6. Type 25, alignment as the identifier needs: none.
//
//   0                   1                   2                   3
//   0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1
//                                  +---------------+---------------+
//                                  |   Type = 25   | Length = 2+n  |
//  +-------------------------------+---------------+---------------+
//  |           Reserved            |   Identifier (n octets)
//  +-------------------------------+------------------------

/// Identity of the attached interface, RFC 5213 section 8.6: usually its MAC address, without padding.
public struct MobileNodeLinkLayerIdentifier: Hashable, Sendable {
  /// Nearly all are an EUI-48 or EUI-64 and stand in place: an anchor has millions, which it copies all the time.
  private enum Storage: Hashable, Sendable {
    /// At most eight octets, the last one least significant.
    case short(UInt64, count: UInt8)
    /// More.
    case long([UInt8])
  }

  private var storage: Storage

  public init(identifier: [UInt8]) { self.init(octets: identifier) }
  public init(_ address: LinkLayerAddress) { storage = .short(address.rawValue, count: 6) }

  private init(octets: some Collection<UInt8>) {
    guard octets.count <= 8 else {
      storage = .long(Array(octets))
      return
    }
    var value: UInt64 = 0
    for octet in octets { value = value << 8 | UInt64(octet) }
    storage = .short(value, count: UInt8(octets.count))
  }

  public var identifier: [UInt8] {
    switch storage {
    case .short(let value, let count):
      (0..<count).map { UInt8(truncatingIfNeeded: value >> (8 * UInt64(count - 1 - $0))) }
    case .long(let octets): octets
    }
  }

  /// How RFC 5213 section 5.1 writes "unknown"; an identifier without octets is none either.
  public var isAllZero: Bool {
    switch storage {
    case .short(let value, _): value == 0
    case .long(let octets): octets.allSatisfy { $0 == 0 }
    }
  }
}

extension MobileNodeLinkLayerIdentifier: Codable {
  private enum CodingKeys: CodingKey { case identifier }

  public init(from decoder: any Decoder) throws {
    let container = try decoder.container(keyedBy: CodingKeys.self)
    self.init(identifier: try container.decode([UInt8].self, forKey: .identifier))
  }

  public func encode(to encoder: any Encoder) throws {
    var container = encoder.container(keyedBy: CodingKeys.self)
    try container.encode(identifier, forKey: .identifier)
  }
}

extension MobileNodeLinkLayerIdentifier: MobilityOptionBody {
  init(decoding body: inout ByteReader<DecodeError>) throws(DecodeError) {
    try body.skip(2)
    self.init(octets: body.rest())
  }

  func encode(into writer: inout ByteWriter) {
    writer.writeZeros(2)
    switch storage {
    case .short(let value, let count):
      for index in (0..<count).reversed() { writer.write(UInt8(truncatingIfNeeded: value >> (8 * UInt64(index)))) }
    case .long(let octets): writer.write(octets)
    }
  }
}
