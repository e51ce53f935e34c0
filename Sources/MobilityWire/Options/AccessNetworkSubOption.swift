import NetTypes

//  Sub-options of the Access Network Identifier option, RFC 6757 section 3.1. No alignment, no padding.
//
//  Network-Identifier, RFC 6757 section 3.1.1.
//  +---------------+---------------+-+-------------+---------------+
//  |  ANI Type 1   |    Length     |E|  Reserved   |Net-Name Length|
//  +---------------+---------------+-+-------------+---------------+
//  |  Network Name ...             | AP-Name Length|  AP Name  ...
//  +-------------------------------+---------------+----------------
//
//  Geo-Location, RFC 6757 section 3.1.2.
//  +---------------+---------------+-------------------------------+
//  |  ANI Type 2   |  Length = 6   |   Latitude (24 bits)
//  +---------------+---------------+---------------+---------------+
//                  |   Longitude (24 bits)                         |
//  +---------------+-----------------------------------------------+
//
//  Operator-Identifier, RFC 6757 section 3.1.3.
//  +---------------+---------------+---------------+---------------+
//  |  ANI Type 3   | Length = 1+n  |  Op-ID Type   |  Identifier ...
//  +---------------+---------------+---------------+---------------+

/// One property of the access network of a mobile node, RFC 6757 section 3.1; each kind stands at most once.
public enum AccessNetworkSubOption: Hashable, Sendable, Codable {
  /// `name`: 1...255 octets, for example an SSID; `accessPoint`: 0...255. `isUTF8`: the E flag, else of unknown encoding.
  case networkIdentifier(isUTF8: Bool, name: [UInt8], accessPoint: [UInt8])
  case geoLocation(GeoLocation)
  /// `kind`: 1 private enterprise number, 2 realm.
  case operatorIdentifier(kind: UInt8, identifier: [UInt8])
  /// Kept and re-encoded unchanged; those of RFC 7563 (4, 5, 6) too.
  case unknown(type: UInt8, data: [UInt8])
}

/// Degrees in 24 bits of two's complement, of which 9 are whole (RFC 6757 section 3.1.2).
public struct GeoLocation: Hashable, Sendable, Codable {
  /// Units of 1/32768 degree, north positive.
  public var latitude: Int32
  /// Units of 1/32768 degree, east positive.
  public var longitude: Int32

  public init(latitude: Int32, longitude: Int32) {
    self.latitude = latitude
    self.longitude = longitude
  }

  public static let unitsPerDegree: Double = 32768
  public var latitudeDegrees: Double { Double(latitude) / Self.unitsPerDegree }
  public var longitudeDegrees: Double { Double(longitude) / Self.unitsPerDegree }

  fileprivate static let units: ClosedRange<Int32> = -0x80_0000...0x7f_ffff
}

extension AccessNetworkSubOption {
  private enum Number {
    static let networkIdentifier: UInt8 = 1
    static let geoLocation: UInt8 = 2
    static let operatorIdentifier: UInt8 = 3
  }
  private static let utf8Flag: UInt8 = 0x80

  init(type: UInt8, decoding body: inout ByteReader<DecodeError>) throws(DecodeError) {
    switch type {
    case Number.networkIdentifier:
      let flags = try body.uint8()
      let nameLength = Int(try body.uint8())
      guard nameLength > 0 else { throw body.failure }
      let name = Array(try body.octets(nameLength))
      let accessPointLength = Int(try body.uint8())
      self = .networkIdentifier(
        isUTF8: flags & Self.utf8Flag != 0, name: name, accessPoint: Array(try body.octets(accessPointLength)))
    case Number.geoLocation:
      self = .geoLocation(GeoLocation(latitude: try body.int24(), longitude: try body.int24()))
    case Number.operatorIdentifier:
      let kind = try body.uint8()
      self = .operatorIdentifier(kind: kind, identifier: Array(body.rest()))
    default: self = .unknown(type: type, data: Array(body.rest()))
    }
    guard body.isAtEnd else { throw body.failure }
  }

  func encode(into writer: inout ByteWriter) throws(EncodeError) {
    switch self {
    case .networkIdentifier(let isUTF8, let name, let accessPoint):
      guard let nameLength = UInt8(exactly: name.count), nameLength > 0,
        let accessPointLength = UInt8(exactly: accessPoint.count)
      else { throw .fieldOutOfRange(.accessNetworkIdentifier) }
      writer.writeElement(Number.networkIdentifier) {
        $0.write(isUTF8 ? Self.utf8Flag : 0)
        $0.write(nameLength)
        $0.write(name)
        $0.write(accessPointLength)
        $0.write(accessPoint)
      }
    case .geoLocation(let location):
      guard GeoLocation.units.contains(location.latitude), GeoLocation.units.contains(location.longitude) else {
        throw .fieldOutOfRange(.accessNetworkIdentifier)
      }
      writer.writeElement(Number.geoLocation) {
        $0.writeInt24(location.latitude)
        $0.writeInt24(location.longitude)
      }
    case .operatorIdentifier(let kind, let identifier):
      writer.writeElement(Number.operatorIdentifier) {
        $0.write(kind)
        $0.write(identifier)
      }
    case .unknown(let type, let data): writer.writeElement(type) { $0.write(data) }
    }
  }
}

extension ByteReader<DecodeError> {
  fileprivate mutating func int24() throws(DecodeError) -> Int32 {
    let upper = UInt32(try uint16()) << 16
    return Int32(bitPattern: upper | UInt32(try uint8()) << 8) >> 8
  }
}

extension ByteWriter {
  fileprivate mutating func writeInt24(_ value: Int32) {
    write(UInt16(truncatingIfNeeded: value >> 8))
    write(UInt8(truncatingIfNeeded: value))
  }
}
