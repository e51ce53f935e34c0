import DatapathModel
import FlowCore
import MobilityWire
import NetTypes
import PMIPCore

// What `lmad show …` prints. One value each; text and JSON are printers of it. The keys are documented in
// docs/json.md and may be extended, never renamed.

struct BindingsDocument: Codable {
  var bindings: [Binding]

  struct Binding: Codable {
    var id: UInt32
    var node: String
    var kind: String
    var linkLayerIdentifier: String?
    var accessTechnology: UInt8
    /// Of a gateway with several uplinks; absent for others.
    var path: Path?
    var gateway: String
    var proxyCareOfAddress: IPv6Address
    var anchorAddress: IPv6Address
    var tunnel: TunnelIdentifier
    var prefixes: [IPv6Prefix]
    var offLinkPrefixes: [IPv6Prefix]
    var isDefault: Bool
    var state: String
    var lifetimeSeconds: Int64
    var remainingSeconds: Int64
    /// Seconds since 1970.
    var registeredAt: UInt64
    var lastUpdate: UInt64

    init(_ binding: BindingSummary, now: Moment) {
      id = binding.identifier.rawValue
      node = binding.node.displayText
      kind = binding.kind.rawValue
      linkLayerIdentifier = binding.linkLayerIdentifier?.displayText
      accessTechnology = binding.accessTechnology.rawValue
      path = binding.path.map(Path.init)
      gateway = binding.gatewayName
      proxyCareOfAddress = binding.proxyCareOfAddress
      anchorAddress = binding.anchorAddress
      tunnel = binding.tunnel
      prefixes = binding.prefixes
      offLinkPrefixes = binding.offLinkPrefixes
      isDefault = binding.isDefault
      state = binding.state.rawValue
      lifetimeSeconds = binding.lifetime.components.seconds
      remainingSeconds = max(0, (binding.expiresAt - now.monotonic).components.seconds)
      registeredAt = binding.registeredAt.seconds
      lastUpdate = binding.lastUpdate.seconds
    }
  }
}

extension BindingsDocument.Binding {
  /// RFC 8278: If-Label, If-ATT and BID of the gateway's uplink.
  struct Path: Codable {
    var binding: UInt8
    var label: UInt8
    var accessTechnology: UInt8

    init(_ path: GatewayPath) {
      binding = path.binding
      label = path.label
      accessTechnology = path.accessTechnology.rawValue
    }
  }
}

struct TunnelsDocument: Codable {
  var tunnels: [Tunnel]

  struct Tunnel: Codable {
    var id: TunnelIdentifier
    var gateway: String
    var local: IPv6Address
    var remote: IPv6Address
    var mark: String
    var encapsulation: String
    /// Octets; absent while the core interface is missing.
    var mtu: UInt32?
    /// Bindings that hold this tunnel.
    var bindings: Int
  }
}

/// The paper's flow-mob lists: the bindings that belong to one node.
struct NodesDocument: Codable {
  var nodes: [Node]

  struct Node: Codable {
    var node: String
    var kind: String
    var bindings: [UInt32]
    var gateways: [String]
    var prefixes: [IPv6Prefix]
  }
}

struct GatewaysDocument: Codable {
  var gateways: [Gateway]

  struct Gateway: Codable {
    var name: String
    var address: IPv6Address
    var ordering: String
    var tunnel: TunnelIdentifier?
    var bindings: Int
    /// What the heartbeats say.
    var path: String
    var restartCounter: UInt32?
    var missedHeartbeats: Int

    init(_ gateway: GatewaySummary, tunnel: TunnelIdentifier?) {
      name = gateway.name
      address = gateway.address
      ordering = gateway.ordering.rawValue
      self.tunnel = tunnel
      bindings = gateway.bindings
      path = gateway.path.rawValue
      restartCounter = gateway.restartCounter
      missedHeartbeats = gateway.missedHeartbeats
    }
  }
}

/// Answer of `notify`: where the notification went.
struct NotifiedDocument: Codable {
  /// Absent: all nodes of the gateway.
  var node: String?
  var gateways: [String]
}

extension AnchorBinding {
  init(_ binding: BindingSummary) {
    self.init(
      id: binding.identifier.rawValue, node: binding.node.displayText, kind: binding.kind.rawValue,
      gateway: binding.gatewayName, tunnel: binding.tunnel, accessTechnology: binding.accessTechnology.rawValue,
      prefixes: binding.prefixes, offLinkPrefixes: binding.offLinkPrefixes, isDefault: binding.isDefault,
      state: binding.state.rawValue)
  }
}
