import MobilityWire
import NetTypes

extension PlacedOption {
  /// One element of `options`: type, name and length, what the option says, and where it stands.
  var document: JSONObject {
    var document: JSONObject = ["type": .int(type.rawValue), "name": .string(name)]
    if let length { document.append("length", .int(length)) }
    if let option { document.append(option.fields) }
    document.append("offset", .int(offset))
    return document
  }

  /// The registry's name in one word; `Unknown` for an unassigned type.
  var name: String {
    switch option {
    case .flowMobility: "FlowMobility"
    case .unknown where type.description.contains(" "): "Unknown"
    default: type.description
    }
  }
}

extension MobilityOption {
  /// What stands behind Type and Length: keys and values of the reference vectors.
  fileprivate var fields: JSONObject {
    switch self {
    case .bindingRefreshAdvice(let interval):
      ["refreshInterval": .int(interval), "refreshIntervalSeconds": .int(Int(interval) * 4)]
    case .alternateCareOfAddress(let address): ["address": .text(address)]
    case .mobileNodeIdentifier(let node): .identifier(node.identifier, subtype: node.subtype)
    case .vendorSpecific(let vendor, let subtype, let data):
      ["vendorId": .int(vendor), "subtype": .int(subtype), "dataHex": .string(data.hexadecimal)]
    case .homeNetworkPrefix(let prefix), .flowMobility(let prefix):
      [
        "offLink": .bool(prefix.offLink), "prefixLength": .int(prefix.prefixLength), "prefix": .text(prefix.address),
      ]
    case .handoffIndicator(let indicator): ["handoffIndicator": .int(indicator.rawValue)]
    case .accessTechnologyType(let technology): ["accessTechnologyType": .int(technology.rawValue)]
    case .mobileNodeLinkLayerIdentifier(let interface):
      ["linkLayerIdentifier": .string(interface.identifier.hexadecimal)]
    case .linkLocalAddress(let address): ["linkLocalAddress": .text(address)]
    case .timestamp(let timestamp):
      [
        "timestamp": .hex(timestamp.rawValue), "seconds": .int(timestamp.seconds),
        "fraction65536": .int(timestamp.fraction65536),
      ]
    case .restartCounter(let counter): ["restartCounter": .int(counter)]
    case .unknown(_, let data): ["dataHex": .string(data.hexadecimal)]
    }
  }
}

extension JSONObject {
  /// A name and what kind of name it is (RFC 4283 section 3). Octets that are no text are printed as such: an
  /// identifier of another subtype than the NAI never is text (RFC 8371).
  fileprivate static func identifier(_ octets: [UInt8], subtype: UInt8) -> JSONObject {
    let nai: UInt8 = 1
    var fields: JSONObject = ["subtype": .int(subtype)]
    if subtype == nai, let text = String(validating: octets, as: UTF8.self) {
      fields.append("identifier", .string(text))
    } else {
      fields.append("identifierHex", .string(octets.hexadecimal))
    }
    return fields
  }
}
