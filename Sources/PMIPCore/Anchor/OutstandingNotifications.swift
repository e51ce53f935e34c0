import MobilityWire
import NetTypes

/// An Update Notification that waits for its acknowledgement, RFC 7077 section 5.
struct OutstandingNotification: Hashable, Sendable {
  enum Purpose: Hashable, Sendable {
    case forceReregistration, sessionParameters
    /// The Flow Mobility Initiate of a session.
    case flowMobility(BindingIdentifier)
  }

  /// As sent first; a retransmission differs in its D flag only.
  let message: UpdateNotification
  let source: IPv6Address
  let destination: IPv6Address
  let purpose: Purpose
  var retransmissions = 0

  var retransmission: UpdateNotification {
    var copy = message
    copy.flags.insert(.retransmission)
    return copy
  }
}

/// The notifications under way, by sequence number. One counter serves all gateways: numbers rise by one with each new
/// notification, wrap to 0, and none is given while another one with it is outstanding (RFC 7077 section 5.1).
struct OutstandingNotifications: Sendable {
  private var notifications: [UInt16: OutstandingNotification] = [:]
  private var next: UInt16

  /// - Parameter first: the first sequence number. RFC 7077 section 5.1 asks for a random one.
  init(first: UInt16) { next = first }

  var count: Int { notifications.count }

  subscript(sequence: UInt16) -> OutstandingNotification? { notifications[sequence] }

  /// By sequence number.
  func all(to gateway: IPv6Address) -> [OutstandingNotification] {
    notifications.values.filter { $0.destination == gateway }.sorted { $0.message.sequence < $1.message.sequence }
  }

  /// Ends only because `limits.outstanding-notifications` is far below 2^16.
  mutating func nextSequence() -> UInt16 {
    while notifications[next] != nil { next &+= 1 }
    defer { next &+= 1 }
    return next
  }

  mutating func store(_ notification: OutstandingNotification) {
    notifications[notification.message.sequence] = notification
  }

  @discardableResult
  mutating func remove(_ sequence: UInt16) -> OutstandingNotification? { notifications.removeValue(forKey: sequence) }
}
