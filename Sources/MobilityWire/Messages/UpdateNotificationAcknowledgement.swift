import NetTypes

//  Update Notification Acknowledgement, RFC 7077 section 4.2. MH type 20. In answer to reason 8 a Flow Mobility
//  Acknowledge, RFC 7864 section 4.3.
//
//   0                   1                   2                   3
//   0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1
//                                  +-------------------------------+
//                                  |          Sequence #           |
//  +---------------+---------------+-------------------------------+
//  |    Status     |                   Reserved                    |
//  +---------------+-----------------------------------------------+
//  |                       Mobility Options                        |

/// Update Notification Acknowledgement (UPA), RFC 7077 section 4.2; from a gateway to the anchor.
public struct UpdateNotificationAcknowledgement: Hashable, Sendable {
  /// That of the notification.
  public var sequence: UInt16
  public var status: UpdateNotificationStatus
  public var options: MobilityOptions

  public init(sequence: UInt16, status: UpdateNotificationStatus, options: MobilityOptions = MobilityOptions()) {
    self.sequence = sequence
    self.status = status
    self.options = options
  }
}

extension UpdateNotificationAcknowledgement: MobilityMessageBody {
  static let fixedPartEnd = 12

  init(decoding body: inout ByteReader<DecodeError>, codePoints: CodePoints) throws(DecodeError) {
    sequence = try body.uint16()
    status = UpdateNotificationStatus(rawValue: try body.uint8())
    try body.skip(3)
    options = try MobilityOptions(decoding: &body, codePoints: codePoints)
  }

  func encodeFixedPart(into writer: inout ByteWriter) {
    writer.write(sequence)
    writer.write(status.rawValue)
    writer.writeZeros(3)
  }

  var message: MobilityMessage { .updateNotificationAcknowledgement(self) }
}
