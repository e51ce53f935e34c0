import NetTypes

/// RADIUS accounting (RFC 2866) as far as a gateway needs it: who began and ended a session at which access point.
public enum AccountingFault: String, Error, Hashable, Sendable, CaseIterable {
  /// Shorter than its Length says, or than a header.
  case tooShort = "too-short"
  /// Length below 20 or above 4096 octets (RFC 2865 section 3).
  case length
  /// Not an Accounting-Request.
  case code
  /// An attribute of less than two octets, or past the end.
  case attribute
  /// The authenticator is not that of the shared secret.
  case authenticator
  /// No Acct-Status-Type, which RFC 2866 section 5.1 demands.
  case noStatus = "no-status-type"
}

/// An Accounting-Request that the shared secret has made.
public struct AccountingRequest: Hashable, Sendable {
  /// Acct-Status-Type, RFC 2866 section 5.1.
  public enum Status: Hashable, Sendable {
    case start, stop, interimUpdate, accountingOn, accountingOff
    case other(UInt32)

    init(rawValue: UInt32) {
      switch rawValue {
      case 1: self = .start
      case 2: self = .stop
      case 3: self = .interimUpdate
      case 7: self = .accountingOn
      case 8: self = .accountingOff
      default: self = .other(rawValue)
      }
    }
  }

  enum Attribute {
    static let callingStation: UInt8 = 31
    static let proxyState: UInt8 = 33
    static let status: UInt8 = 40
    static let delay: UInt8 = 41
    static let session: UInt8 = 44
  }

  static let requestCode: UInt8 = 4
  static let responseCode: UInt8 = 5
  static let headerLength = 20
  public static let maximumLength = 4_096

  public var identifier: UInt8
  /// 16 octets.
  public var authenticator: [UInt8]
  public var status: Status
  /// Acct-Session-Id.
  public var session: [UInt8]?
  public var callingStation: [UInt8]?
  /// Acct-Delay-Time: seconds for which the access point has been trying to send this.
  public var delay: UInt32
  /// Values of the Proxy-State attributes, to be given back in their order (RFC 2866 section 4.2).
  public var proxyStates: [[UInt8]]

  /// Octets behind Length are padding (RFC 2865 section 3).
  public static func decode(_ datagram: [UInt8], secret: [UInt8]) throws(AccountingFault) -> AccountingRequest {
    var header = ByteReader(datagram, orThrow: AccountingFault.tooShort)
    let code = try header.uint8()
    let identifier = try header.uint8()
    let length = Int(try header.uint16())
    let authenticator = Array(try header.octets(16))
    guard (headerLength...maximumLength).contains(length) else { throw .length }
    guard length <= datagram.count else { throw .tooShort }
    guard code == requestCode else { throw .code }
    let expected = MD5.digest(
      of: datagram[..<4] + [UInt8](repeating: 0, count: 16) + datagram[headerLength..<length] + secret)
    guard authenticator.equalsInConstantTime(expected) else { throw .authenticator }

    var status: Status?
    var request = AccountingRequest(
      identifier: identifier, authenticator: authenticator, status: .start, delay: 0, proxyStates: [])
    var reader = ByteReader(datagram[headerLength..<length], orThrow: AccountingFault.attribute)
    while !reader.isAtEnd {
      let type = try reader.uint8()
      let size = try reader.uint8()
      guard size >= 2 else { throw .attribute }
      let value = try reader.octets(Int(size) - 2)
      switch type {
      case Attribute.status: status = Status(rawValue: try number(value))
      case Attribute.delay: request.delay = try number(value)
      case Attribute.session: request.session = Array(value)
      case Attribute.callingStation: request.callingStation = Array(value)
      case Attribute.proxyState: request.proxyStates.append(Array(value))
      default: break
      }
    }
    guard let status else { throw .noStatus }
    request.status = status
    return request
  }

  private static func number(_ value: ArraySlice<UInt8>) throws(AccountingFault) -> UInt32 {
    var reader = ByteReader(value, orThrow: AccountingFault.attribute)
    let number = try reader.uint32()
    guard reader.isAtEnd else { throw .attribute }
    return number
  }

  /// The Accounting-Response (RFC 2866 section 4.2).
  func response(secret: [UInt8]) -> [UInt8] {
    let attributes = proxyStates.flatMap { [Attribute.proxyState, UInt8($0.count + 2)] + $0 }
    var writer = ByteWriter(capacity: Self.headerLength + attributes.count)
    writer.write(Self.responseCode)
    writer.write(identifier)
    writer.write(UInt16(Self.headerLength + attributes.count))
    let digest = MD5.digest(of: writer.bytes + authenticator + attributes + secret)
    writer.write(digest)
    writer.write(attributes)
    return writer.bytes
  }
}
