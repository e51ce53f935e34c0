import MobilityWire
import NetTypes

/// Update Notifications of the last minute, so that a second copy is known as one (RFC 7077 section 6.1).
struct RecentNotifications: Sendable {
  private struct Item: Sendable {
    var anchor: IPv6Address
    var message: UpdateNotification
    var receivedAt: Duration
  }

  /// Older ones are forgotten: the longest series of retransmissions of RFC 7077 section 7 takes 30 s.
  static let memory: Duration = .seconds(60)
  /// More are forgotten, oldest first; a copy of a forgotten one is a first one, and doing it again changes nothing.
  static let maximum = 256

  private var items: [Item] = []

  /// - Returns: whether the same notification of that anchor came before. Number *and* content: the numbers of an
  ///   anchor that has started anew begin anywhere.
  mutating func isDuplicate(_ notification: UpdateNotification, from anchor: IPv6Address, at now: Duration) -> Bool {
    var message = notification
    message.flags.remove(.retransmission)
    items.removeAll { now - $0.receivedAt > Self.memory }
    if items.contains(where: { $0.anchor == anchor && $0.message == message }) { return true }
    if items.count == Self.maximum { items.removeFirst() }
    items.append(Item(anchor: anchor, message: message, receivedAt: now))
    return false
  }
}
