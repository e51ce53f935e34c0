import MobilityWire
import NetTypes
import PMIPCore

// What `magd show …` prints; see docs/json.md.

struct AttachmentsDocument: Codable {
  var attachments: [Entry]

  struct Entry: Codable {
    var node: String
    var kind: String
    var link: String
    var linkLayerAddress: LinkLayerAddress
    var linkLocalAddress: IPv6Address?
    var accessTechnology: UInt8
    var trigger: String
    /// Position in `uplinks`; 0 when there is one way to the anchor.
    var uplink: Int
    var state: String
    var anchor: IPv6Address
    var prefixes: [IPv6Prefix]
    var offLinkPrefixes: [IPv6Prefix]
    /// Status of the last acknowledgement (RFC 5213 section 8.9).
    var lastStatus: UInt8?
    var lifetimeSeconds: Int64?
    var remainingSeconds: Int64?
    /// Seconds since 1970.
    var attachedAt: UInt64

    init(_ attachment: AttachmentSummary, now: Moment) {
      node = attachment.node.displayText
      kind = attachment.kind.rawValue
      link = attachment.link
      linkLayerAddress = attachment.linkLayerAddress
      linkLocalAddress = attachment.linkLocalAddress
      accessTechnology = attachment.accessTechnology.rawValue
      trigger = attachment.trigger.rawValue
      uplink = attachment.uplink
      state = attachment.state.rawValue
      anchor = attachment.anchorAddress
      prefixes = attachment.prefixes
      offLinkPrefixes = attachment.offLinkPrefixes
      lastStatus = attachment.lastStatus?.rawValue
      lifetimeSeconds = attachment.lifetime?.components.seconds
      remainingSeconds = attachment.expiresAt.map { max(0, ($0 - now.monotonic).components.seconds) }
      attachedAt = attachment.attachedAt.seconds
    }
  }
}

struct LinksDocument: Codable {
  var links: [Link]

  struct Link: Codable {
    var link: String
    var accessTechnology: UInt8
    var isUp: Bool
    var mtu: UInt32?
    /// Octets; what the Router Advertisements on this link say.
    var advertisedMTU: UInt32?
    var attachments: Int
  }
}

struct AnchorsDocument: Codable {
  var anchors: [Anchor]

  struct Anchor: Codable {
    var address: IPv6Address
    var bindings: Int
    /// What the heartbeats say.
    var path: String
    var restartCounter: UInt32?
    var missedHeartbeats: Int

    init(_ anchor: AnchorSummary) {
      address = anchor.address
      bindings = anchor.bindings
      path = anchor.path.rawValue
      restartCounter = anchor.restartCounter
      missedHeartbeats = anchor.missedHeartbeats
    }
  }
}

/// Data of `anchor-changed`.
struct AnchorChangeDocument: Codable {
  var anchor: AnchorsDocument.Anchor
  /// `reachable`, `unreachable` or `restarted`.
  var change: String
}
