import DatapathModel

/// What the queueing discipline (or class) of a tunnel has counted, and what waits in it now.
public struct QueueReading: Hashable, Sendable {
  /// Sent.
  public var packets: UInt64
  public var octets: UInt64
  /// Modulo 2^32, as the kernel counts.
  public var drops: UInt32
  /// Octets that wait.
  public var backlog: UInt32

  public init(packets: UInt64, octets: UInt64, drops: UInt32, backlog: UInt32) {
    self.packets = packets
    self.octets = octets
    self.drops = drops
    self.backlog = backlog
  }
}

/// A tunnel's reading; without a queue when the tunnel has none that counts.
public struct TunnelReading: Hashable, Sendable {
  public var tunnel: TunnelIdentifier
  public var queue: QueueReading?
  /// What the operator says the tunnel carries, in octets a second.
  public var capacity: UInt64?

  public init(tunnel: TunnelIdentifier, queue: QueueReading?, capacity: UInt64? = nil) {
    self.tunnel = tunnel
    self.queue = queue
    self.capacity = capacity
  }
}
