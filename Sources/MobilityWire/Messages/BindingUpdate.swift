import NetTypes

//  Binding Update, RFC 6275 section 6.1.7. MH type 5. P flag: RFC 5213 section 8.1.
//
//   0                   1                   2                   3
//   0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1
//                                  +-------------------------------+
//                                  |          Sequence #           |
//  +-------------------------------+-------------------------------+
//  |A|H|L|K|M|R|P|F|T|B|S|D|  res. |     Lifetime (4 seconds)      |
//  +-------------------------------+-------------------------------+
//  |                       Mobility Options                        |

/// Flags of a Binding Update (IANA "Binding Update Flags", 16 bits). Undefined bits are kept and mean nothing.
public struct BindingUpdateFlags: OptionSet, Hashable, Sendable, Codable {
  public let rawValue: UInt16
  public init(rawValue: UInt16) { self.rawValue = rawValue }
  public static let acknowledge = Self(rawValue: 0x8000)
  public static let homeRegistration = Self(rawValue: 0x4000)
  public static let linkLocalCompatibility = Self(rawValue: 0x2000)
  public static let keyManagement = Self(rawValue: 0x1000)
  public static let map = Self(rawValue: 0x0800)
  public static let mobileRouter = Self(rawValue: 0x0400)
  public static let proxyRegistration = Self(rawValue: 0x0200)
  public static let forceUDP = Self(rawValue: 0x0100)
  public static let tlvHeader = Self(rawValue: 0x0080)
  public static let bulk = Self(rawValue: 0x0040)
  public static let multicast = Self(rawValue: 0x0020)
  public static let distributed = Self(rawValue: 0x0010)
}

/// Binding Update, RFC 6275 section 6.1.7; with `proxyRegistration` a Proxy Binding Update, RFC 5213 section 8.1.
public struct BindingUpdate: Hashable, Sendable {
  public var sequence: UInt16
  public var flags: BindingUpdateFlags
  public var lifetime: BindingLifetime
  public var options: MobilityOptions

  public init(sequence: UInt16, flags: BindingUpdateFlags, lifetime: BindingLifetime, options: MobilityOptions) {
    self.sequence = sequence
    self.flags = flags
    self.lifetime = lifetime
    self.options = options
  }
  public var isProxyRegistration: Bool { flags.contains(.proxyRegistration) }
}

extension BindingUpdate: MobilityMessageBody {
  static let fixedPartEnd = 12

  init(decoding body: inout ByteReader<DecodeError>, codePoints: CodePoints) throws(DecodeError) {
    sequence = try body.uint16()
    flags = BindingUpdateFlags(rawValue: try body.uint16())
    lifetime = BindingLifetime(rawValue: try body.uint16())
    options = try MobilityOptions(decoding: &body, codePoints: codePoints)
  }

  func encodeFixedPart(into writer: inout ByteWriter) {
    writer.write(sequence)
    writer.write(flags.rawValue)
    writer.write(lifetime.rawValue)
  }

  var message: MobilityMessage { .bindingUpdate(self) }
}
