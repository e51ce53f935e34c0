import DatapathModel
import MobilityWire
import NetTypes
import PMIPCore

/// An `AttachmentRecord` as it stands in magd's state file. The keys may be extended (with optional ones), never
/// renamed: a new magd reads the file of an old one.
struct StoredAttachment: Codable, Hashable {
  var node: MobileNodeIdentifier
  var kind: TerminalKind
  var link: String
  var linkLayerAddress: LinkLayerAddress
  /// Absent: 0.
  var uplink: Int?
  var isPath: Bool?
  var linkLocalAddress: IPv6Address?
  var accessTechnology: UInt8
  var trigger: Attachment.Trigger
  var anchorAddress: IPv6Address
  var assignedAnchorAddress: IPv6Address?
  var tunnel: TunnelIdentifier
  var prefixes: [IPv6Prefix]
  var offLinkPrefixes: [IPv6Prefix]
  var gatewayLinkLocalAddress: IPv6Address
  var sequence: UInt16
  /// Units of 4 s.
  var lifetime: UInt16
  /// Raw value of RFC 5213 section 8.8, as all times here.
  var expiresAt: UInt64
  var attachedAt: UInt64

  /// The key of a record in the state file. A link name holds no slash.
  static func key(link: String, _ address: LinkLayerAddress, uplink: Int) -> String {
    uplink == 0 ? "\(link)/\(address)" : "\(link)/\(address)/\(uplink)"
  }

  init(_ record: AttachmentRecord) {
    node = record.node
    kind = record.kind
    link = record.link
    linkLayerAddress = record.linkLayerAddress
    uplink = record.uplink
    isPath = record.isPath
    linkLocalAddress = record.linkLocalAddress
    accessTechnology = record.accessTechnology.rawValue
    trigger = record.trigger
    anchorAddress = record.anchorAddress
    assignedAnchorAddress = record.assignedAnchorAddress
    tunnel = record.tunnel
    prefixes = record.prefixes
    offLinkPrefixes = record.offLinkPrefixes
    gatewayLinkLocalAddress = record.gatewayLinkLocalAddress
    sequence = record.sequence
    lifetime = record.lifetime.rawValue
    expiresAt = record.expiresAt.rawValue
    attachedAt = record.attachedAt.rawValue
  }

  var record: AttachmentRecord {
    AttachmentRecord(
      node: node, kind: kind, link: link, linkLayerAddress: linkLayerAddress,
      uplink: uplink ?? 0, linkLocalAddress: linkLocalAddress,
      accessTechnology: AccessTechnologyType(rawValue: accessTechnology),
      trigger: trigger, anchorAddress: anchorAddress, assignedAnchorAddress: assignedAnchorAddress,
      isPath: isPath ?? false, tunnel: tunnel, prefixes: prefixes,
      offLinkPrefixes: offLinkPrefixes, gatewayLinkLocalAddress: gatewayLinkLocalAddress, sequence: sequence,
      lifetime: BindingLifetime(rawValue: lifetime), expiresAt: NTPTimestamp(rawValue: expiresAt),
      attachedAt: NTPTimestamp(rawValue: attachedAt))
  }
}
