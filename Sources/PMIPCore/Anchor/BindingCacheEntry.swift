import DatapathModel
import MobilityWire
import NetTypes

/// One attachment of a mobile node: a mobility session (RFC 5213 section 5.1), or, when several attachments share
/// their prefixes, one of its paths (RFC 7864 section 5.1; the paper, section 3.2.1).
struct BindingCacheEntry: Hashable, Sendable {
  enum State: Hashable, Sendable {
    case active
    /// De-registered; a valid request within MinDelayBeforeBCEDelete brings it back (RFC 5213 section 5.3.5).
    case awaitingDeletion(until: Duration)
  }

  let identifier: BindingIdentifier
  let node: MobileNodeIdentifier
  var kind: TerminalKind
  /// Rises with every registration and revival: the oldest active attachment of a shared prefix has the lowest.
  var seniority: UInt64
  var attachment: RegistrationRequest.Attachment
  var anchorAddress: IPv6Address
  /// The gateway's link-local address on the access link; nil until a request or we have named one.
  var gatewayLinkLocalAddress: IPv6Address?
  var tunnel: TunnelIdentifier
  /// Never empty; sorted. Attachments that share one prefix share them all.
  var prefixes: [IPv6Prefix]
  /// Prefixes of the node's other interfaces that the gateway serves: as its last acknowledgement said, or as it has
  /// acknowledged itself since.
  var offLinkPrefixes: [IPv6Prefix] = []
  /// Packets to `prefixes` without a flow mark go to this attachment. Never while awaiting deletion.
  var isDefault: Bool
  var state = State.active
  /// Why the entry goes when its deletion is due.
  var removalCause = RemovalCause.deregistered
  /// Number of the last heartbeat request to the gateway when it registered the session, see `HeartbeatExchange`.
  var heartbeat: UInt32 = 0
  /// Monotonic: the last accepted request that was no mere refresh.
  var establishedAt: Duration = .zero
  var lifetime: BindingLifetime
  /// Monotonic.
  var expiresAt: Duration
  var lastAccepted: Ordering.Mark
  /// Wall clock.
  var registeredAt: NTPTimestamp
  var lastUpdate: NTPTimestamp

  var isActive: Bool { state == .active }

  /// When the entry goes away unless something happens before.
  var deadline: Duration {
    switch state {
    case .active: expiresAt
    case .awaitingDeletion(let until): until
    }
  }

  func record(at now: Moment) -> BindingRecord {
    BindingRecord(
      identifier: identifier, node: node, kind: kind, linkLayerIdentifier: attachment.linkLayerIdentifier,
      accessTechnology: attachment.accessTechnology, path: attachment.path,
      proxyCareOfAddress: attachment.proxyCareOfAddress,
      anchorAddress: anchorAddress, gatewayLinkLocalAddress: gatewayLinkLocalAddress, tunnel: tunnel,
      prefixes: prefixes, offLinkPrefixes: offLinkPrefixes, isDefault: isDefault, sequence: lastAccepted.sequence,
      timestamp: lastAccepted.timestamp, lifetime: lifetime,
      expiresAt: now.wallClock.advanced(by: expiresAt - now.monotonic), registeredAt: registeredAt,
      lastUpdate: lastUpdate)
  }

  func summary(gatewayName: String) -> BindingSummary {
    let state: BindingSummary.State =
      switch self.state {
      case .active: .active
      case .awaitingDeletion: .awaitingDeletion
      }
    return BindingSummary(
      identifier: identifier, node: node, kind: kind, linkLayerIdentifier: attachment.linkLayerIdentifier,
      accessTechnology: attachment.accessTechnology, path: attachment.path,
      proxyCareOfAddress: attachment.proxyCareOfAddress,
      gatewayName: gatewayName, anchorAddress: anchorAddress, tunnel: tunnel, prefixes: prefixes,
      offLinkPrefixes: offLinkPrefixes, isDefault: isDefault, state: state, lifetime: lifetime.duration,
      expiresAt: deadline, registeredAt: registeredAt, lastUpdate: lastUpdate)
  }
}
