import DaemonKit
import DatapathModel
import MobilityWire
import NetTypes
import PMIPCore

/// A `BindingRecord` as it stands in lmad's state file. The keys may be extended (with optional ones), never renamed:
/// a new lmad reads the file of an old one.
struct StoredBinding: Codable, Hashable {
  var id: UInt32
  var node: MobileNodeIdentifier
  var kind: TerminalKind
  /// Octets of the Mobile Node Link-layer Identifier option.
  var linkLayerIdentifier: [UInt8]?
  var accessTechnology: UInt8
  var path: StoredPath?
  var proxyCareOfAddress: IPv6Address
  var anchorAddress: IPv6Address
  var gatewayLinkLocalAddress: IPv6Address?
  var tunnel: TunnelIdentifier
  var prefixes: [IPv6Prefix]
  var offLinkPrefixes: [IPv6Prefix]
  var isDefault: Bool
  var sequence: UInt16
  /// Raw value of RFC 5213 section 8.8, as all times here.
  var timestamp: UInt64?
  /// Units of 4 s.
  var lifetime: UInt16
  var expiresAt: UInt64
  var registeredAt: UInt64
  var lastUpdate: UInt64

  /// The key of a record in the state file.
  static func key(_ identifier: BindingIdentifier) -> String { identifier.description }

  init(_ record: BindingRecord) {
    id = record.identifier.rawValue
    node = record.node
    kind = record.kind
    linkLayerIdentifier = record.linkLayerIdentifier?.identifier
    accessTechnology = record.accessTechnology.rawValue
    path = record.path.map(StoredPath.init)
    proxyCareOfAddress = record.proxyCareOfAddress
    anchorAddress = record.anchorAddress
    gatewayLinkLocalAddress = record.gatewayLinkLocalAddress
    tunnel = record.tunnel
    prefixes = record.prefixes
    offLinkPrefixes = record.offLinkPrefixes
    isDefault = record.isDefault
    sequence = record.sequence
    timestamp = record.timestamp?.rawValue
    lifetime = record.lifetime.rawValue
    expiresAt = record.expiresAt.rawValue
    registeredAt = record.registeredAt.rawValue
    lastUpdate = record.lastUpdate.rawValue
  }

  var record: BindingRecord {
    BindingRecord(
      identifier: BindingIdentifier(rawValue: id), node: node, kind: kind,
      linkLayerIdentifier: linkLayerIdentifier.map { MobileNodeLinkLayerIdentifier(identifier: $0) },
      accessTechnology: AccessTechnologyType(rawValue: accessTechnology), path: path?.path,
      proxyCareOfAddress: proxyCareOfAddress,
      anchorAddress: anchorAddress, gatewayLinkLocalAddress: gatewayLinkLocalAddress, tunnel: tunnel,
      prefixes: prefixes, offLinkPrefixes: offLinkPrefixes, isDefault: isDefault, sequence: sequence,
      timestamp: timestamp.map { NTPTimestamp(rawValue: $0) }, lifetime: BindingLifetime(rawValue: lifetime),
      expiresAt: NTPTimestamp(rawValue: expiresAt), registeredAt: NTPTimestamp(rawValue: registeredAt),
      lastUpdate: NTPTimestamp(rawValue: lastUpdate))
  }
}

/// A path of a gateway with several uplinks.
struct StoredPath: Codable, Hashable {
  var subtype: UInt8
  var identifier: [UInt8]
  var binding: UInt8
  var label: UInt8
  var accessTechnology: UInt8

  init(_ path: GatewayPath) {
    subtype = path.gateway.subtype
    identifier = path.gateway.identifier
    binding = path.binding
    label = path.label
    accessTechnology = path.accessTechnology.rawValue
  }

  var path: GatewayPath {
    GatewayPath(
      gateway: MAGIdentifier(subtype: subtype, identifier: identifier), binding: binding, label: label,
      accessTechnology: AccessTechnologyType(rawValue: accessTechnology))
  }
}

extension StoredBinding: JSONWritable {
  func write(to writer: inout JSONWriter) {
    writer.write(literally: "{\"accessTechnology\":")
    writer.write(UInt64(accessTechnology))
    writer.write(literally: ",\"anchorAddress\":")
    writer.write(anchorAddress)
    writer.write(literally: ",\"expiresAt\":")
    writer.write(expiresAt)
    if let gatewayLinkLocalAddress {
      writer.write(literally: ",\"gatewayLinkLocalAddress\":")
      writer.write(gatewayLinkLocalAddress)
    }
    writer.write(literally: ",\"id\":")
    writer.write(UInt64(id))
    writer.write(literally: ",\"isDefault\":")
    writer.write(isDefault)
    writer.write(literally: ",\"kind\":")
    writer.write(plain: kind.rawValue)
    writer.write(literally: ",\"lastUpdate\":")
    writer.write(lastUpdate)
    writer.write(literally: ",\"lifetime\":")
    writer.write(UInt64(lifetime))
    if let linkLayerIdentifier {
      writer.write(literally: ",\"linkLayerIdentifier\":")
      writer.write(linkLayerIdentifier)
    }
    writer.write(literally: ",\"node\":{\"octets\":")
    writer.write(node.identifier)
    writer.write(literally: ",\"subtype\":")
    writer.write(UInt64(node.subtype))
    writer.write(literally: "},\"offLinkPrefixes\":")
    writer.write(offLinkPrefixes)
    if let path {
      writer.write(literally: ",\"path\":{\"accessTechnology\":")
      writer.write(UInt64(path.accessTechnology))
      writer.write(literally: ",\"binding\":")
      writer.write(UInt64(path.binding))
      writer.write(literally: ",\"identifier\":")
      writer.write(path.identifier)
      writer.write(literally: ",\"label\":")
      writer.write(UInt64(path.label))
      writer.write(literally: ",\"subtype\":")
      writer.write(UInt64(path.subtype))
      writer.write(literally: "}")
    }
    writer.write(literally: ",\"prefixes\":")
    writer.write(prefixes)
    writer.write(literally: ",\"proxyCareOfAddress\":")
    writer.write(proxyCareOfAddress)
    writer.write(literally: ",\"registeredAt\":")
    writer.write(registeredAt)
    writer.write(literally: ",\"sequence\":")
    writer.write(UInt64(sequence))
    if let timestamp {
      writer.write(literally: ",\"timestamp\":")
      writer.write(timestamp)
    }
    writer.write(literally: ",\"tunnel\":")
    writer.write(UInt64(tunnel.rawValue))
    writer.write(literally: "}")
  }
}
