import FlowCore
import NetTypes

/// `bonding-policy show`: the logical interface, its slaves, the operator's selections, and what was counted.
struct BondingStatus: Codable, Hashable {
  struct Interface: Codable, Hashable {
    var name: String
    var backend: BackEnd
    /// Why it is this one.
    var backendReason: String
    var isUp: Bool
    var linkLayerAddress: LinkLayerAddress?
    /// Octets.
    var mtu: UInt32?
    /// Usable ones: duplicate address detection has finished.
    var addresses: [IPv6Address]
  }

  struct Slave: Codable, Hashable {
    var name: String
    /// Place in the configuration, from 1.
    var number: UInt32
    /// Packet and connection mark of its flows.
    var mark: String
    var isPresent: Bool
    /// Up, with carrier, and flows use it.
    var hasCarrier: Bool
    /// Takes the flows that no other slave is chosen for.
    var isDefault: Bool
    /// Connections whose downlink came here last.
    var flows: Int
    /// Since the start of the program.
    var downlinkPackets: UInt64
    var downlinkOctets: UInt64
    var uplinkPackets: UInt64
    var uplinkOctets: UInt64
  }

  var interface: Interface
  var slaves: [Slave]
  /// In the order in which they are asked.
  var selections: [Selection]
  var counters: [String: UInt64]
}

/// Uplink flows that the operator has put on a slave.
struct Selection: Codable, Hashable {
  var selector: FlowSelector
  var slave: String
}

/// Arguments of `unselect`.
struct SelectedFlows: Codable, Hashable {
  var selector: FlowSelector
}

/// A connection that has been seen on the logical interface, in the direction of its first packet.
struct LogicalFlow: Codable, Hashable {
  var source: IPv6Address
  var destination: IPv6Address
  /// Name (`tcp`, `udp`, …) or next-header number.
  var `protocol`: String
  var sourcePort: UInt16?
  var destinationPort: UInt16?
  /// By which its uplink leaves now; absent when no slave has carrier.
  var slave: String?
  /// On which its downlink arrived last; absent when the number is no longer in the configuration.
  var arrivedOn: String?
  /// The operator chose the slave. Selections by flow label are not seen here: the kernel's list has no labels.
  var isSelected: Bool
  var mark: String
  /// Until the kernel forgets the connection, when no packet comes.
  var remainingSeconds: Int
}

/// `bonding-policy list`.
struct LogicalFlows: Codable, Hashable {
  var flows: [LogicalFlow]
}

/// `bonding-policy cleanup`: what was found and taken out.
struct RemovalResult: Codable, Hashable {
  var tables: Int
  var interfaces: Int
  /// Slaves that have their own link-layer address and IPv6 again.
  var restoredSlaves: [String]
  var releasedFlows: Int
}
