import NetTypes

//  Heartbeat, RFC 5847 section 3.3. MH type 13.
//
//   0                   1                   2                   3
//   0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1
//                                  +---------------------------+-+-+
//                                  |         Reserved          |U|R|
//  +-------------------------------+---------------------------+-+-+
//  |                         Sequence Number                       |
//  +---------------------------------------------------------------+
//  |                       Mobility Options                        |

/// Flags of a Heartbeat (16 bits).
public struct HeartbeatFlags: OptionSet, Hashable, Sendable, Codable {
  public let rawValue: UInt16
  public init(rawValue: UInt16) { self.rawValue = rawValue }
  /// Sent without a request, after a restart; its sequence number says nothing.
  public static let unsolicited = Self(rawValue: 0x0002)
  /// A response; without it a request.
  public static let response = Self(rawValue: 0x0001)
}

/// Heartbeat, RFC 5847 section 3.3. A response carries the Restart Counter option.
public struct Heartbeat: Hashable, Sendable {
  public var flags: HeartbeatFlags
  /// A response repeats that of its request.
  public var sequence: UInt32
  public var options: MobilityOptions

  public init(flags: HeartbeatFlags = [], sequence: UInt32, options: MobilityOptions = MobilityOptions()) {
    self.flags = flags
    self.sequence = sequence
    self.options = options
  }
  public var isResponse: Bool { flags.contains(.response) }
}

extension Heartbeat: MobilityMessageBody {
  static let fixedPartEnd = 12

  init(decoding body: inout ByteReader<DecodeError>, codePoints: CodePoints) throws(DecodeError) {
    flags = HeartbeatFlags(rawValue: try body.uint16())
    sequence = try body.uint32()
    options = try MobilityOptions(decoding: &body, codePoints: codePoints)
  }

  func encodeFixedPart(into writer: inout ByteWriter) {
    writer.write(flags.rawValue)
    writer.write(sequence)
  }

  var message: MobilityMessage { .heartbeat(self) }
}
