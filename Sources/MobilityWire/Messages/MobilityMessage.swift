import NetTypes

/// Every message that this suite sends or understands.
///
/// A new message is a file with its `MobilityMessageBody`, a case here, and one line in each of the two switches below;
/// the framing does not change.
public enum MobilityMessage: Hashable, Sendable, Codable {
  case bindingRefreshRequest(BindingRefreshRequest)
  case bindingUpdate(BindingUpdate)
  case bindingAcknowledgement(BindingAcknowledgement)
  case bindingError(BindingError)
  case heartbeat(Heartbeat)
  case bindingRevocation(BindingRevocation)
  case updateNotification(UpdateNotification)
  case updateNotificationAcknowledgement(UpdateNotificationAcknowledgement)
}

/// What the framing needs to know of one message: the data between the checksum and the end of the Mobility Header.
protocol MobilityMessageBody: Codable {
  /// Offset in the Mobility Header at which the options begin; the minimum Header Len follows from it.
  static var fixedPartEnd: Int { get }

  var options: MobilityOptions { get }

  /// Reads from offset 6 to the end of the header.
  init(decoding body: inout ByteReader<DecodeError>, codePoints: CodePoints) throws(DecodeError)

  /// Writes from offset 6 up to `fixedPartEnd`; reserved fields as 0.
  func encodeFixedPart(into writer: inout ByteWriter)

  var message: MobilityMessage { get }
}

extension MobilityMessage {
  /// The message that a type stands for; nil when this suite does not implement it.
  static func body(of type: MobilityHeaderType) -> (any MobilityMessageBody.Type)? {
    switch type {
    case .bindingRefreshRequest: BindingRefreshRequest.self
    case .bindingUpdate: BindingUpdate.self
    case .bindingAcknowledgement: BindingAcknowledgement.self
    case .bindingError: BindingError.self
    case .heartbeat: Heartbeat.self
    case .bindingRevocation: BindingRevocation.self
    case .updateNotification: UpdateNotification.self
    case .updateNotificationAcknowledgement: UpdateNotificationAcknowledgement.self
    default: nil
    }
  }

  var typeAndBody: (MobilityHeaderType, any MobilityMessageBody) {
    switch self {
    case .bindingRefreshRequest(let body): (.bindingRefreshRequest, body)
    case .bindingUpdate(let body): (.bindingUpdate, body)
    case .bindingAcknowledgement(let body): (.bindingAcknowledgement, body)
    case .bindingError(let body): (.bindingError, body)
    case .heartbeat(let body): (.heartbeat, body)
    case .bindingRevocation(let body): (.bindingRevocation, body)
    case .updateNotification(let body): (.updateNotification, body)
    case .updateNotificationAcknowledgement(let body): (.updateNotificationAcknowledgement, body)
    }
  }

  public var type: MobilityHeaderType { typeAndBody.0 }
  public var options: MobilityOptions { typeAndBody.1.options }
}
