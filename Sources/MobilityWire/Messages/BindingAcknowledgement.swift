import NetTypes

//  Binding Acknowledgement, RFC 6275 section 6.1.8. MH type 6. P flag: RFC 5213 section 8.2.
//
//   0                   1                   2                   3
//   0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1
//                                  +---------------+---------------+
//                                  |    Status     |K|R|P|T|B|S|D|r|
//  +-------------------------------+---------------+---------------+
//  |          Sequence #           |     Lifetime (4 seconds)      |
//  +-------------------------------+-------------------------------+
//  |                       Mobility Options                        |

/// Flags of a Binding Acknowledgement (8 bits).
public struct BindingAcknowledgementFlags: OptionSet, Hashable, Sendable, Codable {
  public let rawValue: UInt8
  public init(rawValue: UInt8) { self.rawValue = rawValue }
  public static let keyManagement = Self(rawValue: 0x80)
  public static let mobileRouter = Self(rawValue: 0x40)
  public static let proxyRegistration = Self(rawValue: 0x20)
  public static let tlvHeader = Self(rawValue: 0x10)
  public static let bulk = Self(rawValue: 0x08)
  public static let multicast = Self(rawValue: 0x04)
  public static let distributed = Self(rawValue: 0x02)
}

/// Binding Acknowledgement, RFC 6275 section 6.1.8; with `proxyRegistration` a PBA, RFC 5213 section 8.2.
public struct BindingAcknowledgement: Hashable, Sendable {
  public var status: BindingStatus
  public var flags: BindingAcknowledgementFlags
  public var sequence: UInt16
  public var lifetime: BindingLifetime
  public var options: MobilityOptions

  public init(
    status: BindingStatus, flags: BindingAcknowledgementFlags, sequence: UInt16, lifetime: BindingLifetime,
    options: MobilityOptions
  ) {
    self.status = status
    self.flags = flags
    self.sequence = sequence
    self.lifetime = lifetime
    self.options = options
  }
  public var isProxyRegistration: Bool { flags.contains(.proxyRegistration) }
}

extension BindingAcknowledgement: MobilityMessageBody {
  static let fixedPartEnd = 12

  init(decoding body: inout ByteReader<DecodeError>, codePoints: CodePoints) throws(DecodeError) {
    status = BindingStatus(rawValue: try body.uint8())
    flags = BindingAcknowledgementFlags(rawValue: try body.uint8())
    sequence = try body.uint16()
    lifetime = BindingLifetime(rawValue: try body.uint16())
    options = try MobilityOptions(decoding: &body, codePoints: codePoints)
  }

  func encodeFixedPart(into writer: inout ByteWriter) {
    writer.write(status.rawValue)
    writer.write(flags.rawValue)
    writer.write(sequence)
    writer.write(lifetime.rawValue)
  }

  var message: MobilityMessage { .bindingAcknowledgement(self) }
}
