import NetTypes

//  Binding Revocation Indication and Acknowledgement, RFC 5846 sections 5.1 and 5.2. MH type 16.
//
//   0                   1                   2                   3
//   0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1
//                                  +---------------+---------------+
//                                  |B.R. Type 1, 2 | Trigger/Status|
//  +-------------------------------+-+-+-+---------+---------------+
//  |          Sequence #           |P|V|G|        Reserved         |
//  +-------------------------------+-+-+-+-------------------------+
//  |                       Mobility Options                        |

/// Flags of both revocation messages (16 bits).
public struct BindingRevocationFlags: OptionSet, Hashable, Sendable, Codable {
  public let rawValue: UInt16
  public init(rawValue: UInt16) { self.rawValue = rawValue }
  /// P: the binding is a proxy binding.
  public static let proxyBinding = Self(rawValue: 0x8000)
  /// V: the IPv4 home address binding only.
  public static let ipv4HomeAddressBinding = Self(rawValue: 0x4000)
  /// G: all bindings of a group.
  public static let global = Self(rawValue: 0x2000)
}

/// Binding Revocation, RFC 5846 section 5: one MH type for the indication and its acknowledgement.
public struct BindingRevocation: Hashable, Sendable {
  public enum Kind: Hashable, Sendable, Codable {
    /// BRI, B.R. type 1.
    case indication(BindingRevocationTrigger)
    /// BRA, B.R. type 2.
    case acknowledgement(BindingRevocationStatus)
  }

  public var kind: Kind
  /// An acknowledgement repeats that of its indication.
  public var sequence: UInt16
  /// An acknowledgement repeats those of its indication.
  public var flags: BindingRevocationFlags
  public var options: MobilityOptions

  public init(
    _ kind: Kind, sequence: UInt16, flags: BindingRevocationFlags, options: MobilityOptions = MobilityOptions()
  ) {
    self.kind = kind
    self.sequence = sequence
    self.flags = flags
    self.options = options
  }
}

extension BindingRevocation: MobilityMessageBody {
  static let fixedPartEnd = 12
  private static let indicationType: UInt8 = 1
  private static let acknowledgementType: UInt8 = 2

  init(decoding body: inout ByteReader<DecodeError>, codePoints: CodePoints) throws(DecodeError) {
    let offset = body.offset
    let type = try body.uint8()
    let reason = try body.uint8()
    switch type {
    case Self.indicationType: kind = .indication(BindingRevocationTrigger(rawValue: reason))
    case Self.acknowledgementType: kind = .acknowledgement(BindingRevocationStatus(rawValue: reason))
    default: throw DecodeError(.revocationType, offset: offset, value: type)
    }
    sequence = try body.uint16()
    flags = BindingRevocationFlags(rawValue: try body.uint16())
    options = try MobilityOptions(decoding: &body, codePoints: codePoints)
  }

  func encodeFixedPart(into writer: inout ByteWriter) {
    switch kind {
    case .indication(let trigger):
      writer.write(Self.indicationType)
      writer.write(trigger.rawValue)
    case .acknowledgement(let status):
      writer.write(Self.acknowledgementType)
      writer.write(status.rawValue)
    }
    writer.write(sequence)
    writer.write(flags.rawValue)
  }

  var message: MobilityMessage { .bindingRevocation(self) }
}
