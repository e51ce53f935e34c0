import DatapathModel
import NetTypes

// What the anchor tells its subscribers over the control socket: a snapshot as the answer to `subscribe`, then events.
// Both sides use these types, so the feed cannot drift apart. Keys are camelCase and may be extended, never renamed.

/// A tunnel to a gateway, with the packet mark that selects it.
public struct AnchorTunnel: Hashable, Sendable, Codable {
  public var id: TunnelIdentifier
  /// Configured name of the gateway, else its address.
  public var gateway: String
  public var local: IPv6Address
  public var remote: IPv6Address
  /// The tunnel number, shifted under the anchor's mark mask.
  public var mark: UInt32
  /// Device of the tunnel; absent for encapsulations without one.
  public var interface: String?
  /// The gateway does not answer heartbeats: packets into the tunnel are probably lost.
  public var isUnreachable: Bool?
  /// Of heartbeats to the gateway; absent: not measured.
  public var roundTripMicroseconds: Int64?

  public init(
    id: TunnelIdentifier, gateway: String, local: IPv6Address, remote: IPv6Address, mark: UInt32, interface: String?,
    isUnreachable: Bool? = nil, roundTripMicroseconds: Int64? = nil
  ) {
    self.id = id
    self.gateway = gateway
    self.local = local
    self.remote = remote
    self.mark = mark
    self.interface = interface
    self.isUnreachable = isUnreachable
    self.roundTripMicroseconds = roundTripMicroseconds
  }
}

/// A binding cache entry (RFC 5213 section 5.1), as far as flows are concerned.
public struct AnchorBinding: Hashable, Sendable, Codable {
  public var id: UInt32
  /// The mobile node identifier as text; only ever compared and printed here.
  public var node: String
  /// `interfaces` or `logical`, the paper's two kinds of terminal.
  public var kind: String
  public var gateway: String
  public var tunnel: TunnelIdentifier
  /// Access Technology Type, RFC 5213 section 8.5.
  public var accessTechnology: UInt8
  public var prefixes: [IPv6Prefix]
  /// Prefixes of the node's other interfaces that this gateway has been told to serve.
  public var offLinkPrefixes: [IPv6Prefix]
  /// Unmarked packets to `prefixes` take this binding.
  public var isDefault: Bool
  /// `active`, or `awaiting-deletion` while MinDelayBeforeBCEDelete runs (carries no traffic).
  public var state: String

  public init(
    id: UInt32, node: String, kind: String, gateway: String, tunnel: TunnelIdentifier, accessTechnology: UInt8,
    prefixes: [IPv6Prefix], offLinkPrefixes: [IPv6Prefix], isDefault: Bool, state: String
  ) {
    self.id = id
    self.node = node
    self.kind = kind
    self.gateway = gateway
    self.tunnel = tunnel
    self.accessTechnology = accessTechnology
    self.prefixes = prefixes
    self.offLinkPrefixes = offLinkPrefixes
    self.isDefault = isDefault
    self.state = state
  }

  public var isActive: Bool { state == "active" }

  /// Whether the gateway of this binding delivers packets for `prefix` to the node.
  public func serves(_ prefix: IPv6Prefix) -> Bool { prefixes.contains(prefix) || offLinkPrefixes.contains(prefix) }
}

/// Everything the anchor has, as the answer to `subscribe`.
public struct AnchorSnapshot: Hashable, Sendable, Codable {
  /// The bits of the packet mark that name a tunnel.
  public var markMask: UInt32
  /// The anchor's pools: every packet to a node goes to one of these.
  public var homePrefixes: [IPv6Prefix]
  public var tunnels: [AnchorTunnel]
  public var bindings: [AnchorBinding]

  public init(
    markMask: UInt32, homePrefixes: [IPv6Prefix], tunnels: [AnchorTunnel], bindings: [AnchorBinding]
  ) {
    self.markMask = markMask
    self.homePrefixes = homePrefixes
    self.tunnels = tunnels
    self.bindings = bindings
  }
}

/// Data of `binding-changed` and `binding-removed`.
public struct AnchorBindingChange: Hashable, Sendable, Codable {
  public var binding: AnchorBinding
  /// Why it went: `deregistered`, `expired`, ...; absent for a change.
  public var cause: String?

  public init(binding: AnchorBinding, cause: String? = nil) {
    self.binding = binding
    self.cause = cause
  }
}

/// Arguments of `serve-prefixes`: the gateway of the binding is to serve these prefixes of the node, see
/// docs/control-protocol.md. The result is an `AnchorBindingChange`.
public struct ServePrefixesRequest: Hashable, Sendable, Codable {
  /// Number of the binding.
  public var binding: UInt32
  public var prefixes: [IPv6Prefix]

  public init(binding: UInt32, prefixes: [IPv6Prefix]) {
    self.binding = binding
    self.prefixes = prefixes
  }
}

/// Data of `gateway-changed`: what the anchor's heartbeats say about the path to a gateway (RFC 5847).
public struct AnchorGateway: Hashable, Sendable, Codable {
  /// As in `AnchorTunnel.gateway`.
  public var name: String
  public var address: IPv6Address
  /// `unknown`, `reachable`, `unreachable` or `unsupported`.
  public var path: String
  /// `reachable`, `unreachable`, `restarted` or `delay`: what has happened.
  public var change: String
  /// Of heartbeats; absent: not measured.
  public var roundTripMicroseconds: Int64?

  public init(name: String, address: IPv6Address, path: String, change: String, roundTripMicroseconds: Int64? = nil) {
    self.name = name
    self.address = address
    self.path = path
    self.change = change
    self.roundTripMicroseconds = roundTripMicroseconds
  }
}

/// A change at the anchor after the snapshot, in the order in which it happened.
public enum AnchorEvent: Hashable, Sendable {
  case tunnelAdded(AnchorTunnel)
  case tunnelRemoved(AnchorTunnel)
  /// New or changed.
  case bindingChanged(AnchorBindingChange)
  case bindingRemoved(AnchorBindingChange)
  case gatewayChanged(AnchorGateway)

  /// The name of the event on the control socket.
  public enum Name: String, Sendable, CaseIterable {
    case tunnelAdded = "tunnel-added"
    case tunnelRemoved = "tunnel-removed"
    case bindingChanged = "binding-changed"
    case bindingRemoved = "binding-removed"
    case gatewayChanged = "gateway-changed"
  }

  public var name: Name {
    switch self {
    case .tunnelAdded: .tunnelAdded
    case .tunnelRemoved: .tunnelRemoved
    case .bindingChanged: .bindingChanged
    case .bindingRemoved: .bindingRemoved
    case .gatewayChanged: .gatewayChanged
    }
  }
}

extension Duration {
  /// As the feed has them.
  public var microseconds: Int64 { components.seconds * 1_000_000 + components.attoseconds / 1_000_000_000_000 }
}
