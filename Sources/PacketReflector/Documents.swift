import NetTypes

/// `packet-reflector show`: what the reflector knows about its interfaces, and what it has counted.
struct ReflectorStatus: Codable, Hashable {
  struct Interface: Codable, Hashable {
    var name: String
    /// Place in the configuration, from 1.
    var number: UInt32
    /// Packet and connection mark of its flows.
    var mark: String
    /// Routing table of its flows.
    var table: UInt32
    var isPresent: Bool
    /// Up, with carrier.
    var isUp: Bool
    /// Next hops of the default routes in its table.
    var gateways: [IPv6Address]
    /// Routes in its table.
    var routes: Int
    /// Connections whose downlink came here last.
    var flows: Int
    /// Of connections, since the start.
    var downlinkPackets: UInt64
    var downlinkOctets: UInt64
    var uplinkPackets: UInt64
    var uplinkOctets: UInt64
  }

  var interfaces: [Interface]
  var counters: [String: UInt64]
}

/// A connection that has been seen on one of our interfaces, in the direction of its first packet.
struct ReflectedFlow: Codable, Hashable {
  var source: IPv6Address
  var destination: IPv6Address
  /// Name (`tcp`, `udp`, …) or next-header number.
  var `protocol`: String
  var sourcePort: UInt16?
  var destinationPort: UInt16?
  /// Where its downlink arrived last, and its uplink leaves; absent when the number is no longer in the configuration.
  var interface: String?
  var mark: String
  /// Until the kernel forgets the connection, when no packet comes.
  var remainingSeconds: Int
}

/// `packet-reflector list`.
struct ReflectedFlows: Codable, Hashable {
  var flows: [ReflectedFlow]
}

/// `packet-reflector flush`.
struct FlushResult: Codable, Hashable {
  /// Connections that follow the main table again.
  var releasedFlows: Int
}

/// `packet-reflector cleanup`: what was found and taken out.
struct RemovalResult: Codable, Hashable {
  var tables: Int
  var rules: Int
  var routes: Int
  var releasedFlows: Int
}
