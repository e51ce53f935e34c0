import DatapathModel
import FlowCore
import NetTypes

// What `list` and `show …` print. One value each; text and JSON are printers of it. The keys are documented in
// docs/json.md and may be extended, never renamed.

struct FlowDocument: Codable, Hashable {
  var id: FlowIdentifier
  var source: IPv6Address
  var destination: IPv6Address
  var flowLabel: UInt32
  /// `tcp`, `udp`, `udplite`, `sctp`, `icmpv6`, `esp`, or a number.
  var `protocol`: TransportProtocol
  /// ICMPv6 echo: the identifier; ESP: the high half of the SPI.
  var sourcePort: UInt16
  var destinationPort: UInt16
  var tunnel: TunnelIdentifier
  /// Absent when the anchor has not named the tunnel (yet).
  var gateway: String?
  var node: String?
  var packets: UInt64
  var octets: UInt64
  /// Seconds since 1970.
  var createdAt: UInt32
  /// Only an operator, or an outage of its tunnel, moves it.
  var isPinned: Bool
  /// Octets a second, over the last seconds.
  var rate: UInt32
  /// Since a packet was seen, to the grain of the counter poll.
  var idleSeconds: UInt32

  init(_ flow: Flow, in engine: FlowManagerEngine, now: FlowMoment) {
    id = flow.identifier
    source = flow.tuple.source
    destination = flow.tuple.destination
    flowLabel = flow.tuple.flowLabel
    `protocol` = flow.tuple.transport
    sourcePort = flow.tuple.sourcePort
    destinationPort = flow.tuple.destinationPort
    tunnel = flow.tunnel
    gateway = engine.mirror.tunnels[flow.tunnel]?.gateway
    node = engine.nodeName(of: flow)
    packets = flow.count.packets
    octets = flow.count.octets
    createdAt = flow.createdAt
    isPinned = flow.isPinned
    rate = flow.rate
    let seconds = UInt32(clamping: now.monotonic.components.seconds)
    idleSeconds = seconds > flow.lastActive ? seconds - flow.lastActive : 0
  }
}

struct FlowsDocument: Codable {
  var flows: [FlowDocument]
  /// Flows that were asked for as well but are beyond the limit.
  var more: Int
  /// false: the anchor is away, and bindings are as it last told.
  var anchorConnected: Bool
}

struct SelectorDocument: Codable, Hashable {
  var id: UInt32
  var selector: FlowSelector
  /// Gateway name or tunnel number.
  var to: String

  init(_ entry: FlowSelectorEntry) {
    id = entry.identifier
    selector = entry.selector
    to = entry.target
  }
}

struct SelectorsDocument: Codable {
  var selectors: [SelectorDocument]
}

struct TunnelsDocument: Codable {
  var tunnels: [Tunnel]
  var anchorConnected: Bool

  struct Tunnel: Codable {
    var id: TunnelIdentifier
    var gateway: String
    var local: IPv6Address
    var remote: IPv6Address
    /// Hexadecimal.
    var mark: String
    var interface: String?
    var flows: Int
    /// Packets of flows that were marked for this tunnel, since its chain was made.
    var packets: UInt64
    var octets: UInt64
    /// Absent while `congestion.enabled` is false, and before the first reading.
    var load: TunnelLoadDocument?
  }
}

/// The nodes as the anchor has told of them.
struct NodesDocument: Codable {
  /// In the order of their names.
  var nodes: [Node]
  /// How many follow.
  var more: Int
  var anchorConnected: Bool

  struct Node: Codable {
    var node: String
    var kind: String
    var flows: Int
    var bindings: [AnchorBinding]
  }
}

/// Answer of `add`, `move`, `del`, `pin` and `unpin`: the flow, the selector or the flows that it was about.
struct ChangeDocument: Codable {
  var flow: FlowDocument?
  var selector: SelectorDocument?
  var flows: BulkDocument?
}
