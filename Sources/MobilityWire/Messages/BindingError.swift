import NetTypes

//  Binding Error, RFC 6275 section 6.1.9. MH type 7.
//
//   0                   1                   2                   3
//   0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1
//                                  +---------------+---------------+
//                                  |    Status     |   Reserved    |
//  +-------------------------------+---------------+---------------+
//  |                  Home Address (16 octets)                     |
//  +---------------------------------------------------------------+
//  |                       Mobility Options                        |

/// Binding Error, RFC 6275 section 6.1.9.
public struct BindingError: Hashable, Sendable {
  /// 1 = unknown binding for a Home Address option, 2 = unrecognized MH type.
  public var status: UInt8
  public var homeAddress: IPv6Address
  public var options: MobilityOptions

  public init(status: UInt8, homeAddress: IPv6Address = .unspecified, options: MobilityOptions = MobilityOptions()) {
    self.status = status
    self.homeAddress = homeAddress
    self.options = options
  }
  public static let unrecognizedType: UInt8 = 2
}

extension BindingError: MobilityMessageBody {
  static let fixedPartEnd = 24

  init(decoding body: inout ByteReader<DecodeError>, codePoints: CodePoints) throws(DecodeError) {
    status = try body.uint8()
    try body.skip(1)
    homeAddress = try body.ipv6Address()
    options = try MobilityOptions(decoding: &body, codePoints: codePoints)
  }

  func encodeFixedPart(into writer: inout ByteWriter) {
    writer.write(status)
    writer.write(UInt8(0))
    writer.write(homeAddress)
  }

  var message: MobilityMessage { .bindingError(self) }
}
