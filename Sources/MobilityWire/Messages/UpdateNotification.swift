import NetTypes

//  Update Notification, RFC 7077 section 4.1. MH type 19. With reason 8 a Flow Mobility Initiate, RFC 7864 section 4.2.
//
//   0                   1                   2                   3
//   0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1
//                                  +-------------------------------+
//                                  |          Sequence #           |
//  +-------------------------------+-+-+---------------------------+
//  |      Notification Reason      |A|D|         Reserved          |
//  +-------------------------------+-+-+---------------------------+
//  |                       Mobility Options                        |

/// Flags of an Update Notification (16 bits).
public struct UpdateNotificationFlags: OptionSet, Hashable, Sendable, Codable {
  public let rawValue: UInt16
  public init(rawValue: UInt16) { self.rawValue = rawValue }
  /// A: an acknowledgement is requested.
  public static let acknowledge = Self(rawValue: 0x8000)
  /// D: a retransmission.
  public static let retransmission = Self(rawValue: 0x4000)
}

/// Update Notification (UPN), RFC 7077 section 4.1; from the anchor to a gateway.
public struct UpdateNotification: Hashable, Sendable {
  public var sequence: UInt16
  public var reason: NotificationReason
  public var flags: UpdateNotificationFlags
  public var options: MobilityOptions

  public init(
    sequence: UInt16, reason: NotificationReason, flags: UpdateNotificationFlags,
    options: MobilityOptions = MobilityOptions()
  ) {
    self.sequence = sequence
    self.reason = reason
    self.flags = flags
    self.options = options
  }
}

extension UpdateNotification: MobilityMessageBody {
  static let fixedPartEnd = 12

  init(decoding body: inout ByteReader<DecodeError>, codePoints: CodePoints) throws(DecodeError) {
    sequence = try body.uint16()
    reason = NotificationReason(rawValue: try body.uint16())
    flags = UpdateNotificationFlags(rawValue: try body.uint16())
    options = try MobilityOptions(decoding: &body, codePoints: codePoints)
  }

  func encodeFixedPart(into writer: inout ByteWriter) {
    writer.write(sequence)
    writer.write(reason.rawValue)
    writer.write(flags.rawValue)
  }

  var message: MobilityMessage { .updateNotification(self) }
}
