import MobilityWire
import NetTypes

extension PlacedOption {
  /// One element of `options`: type, name and length, what the option says, and where it stands in `message`.
  func document(in message: [UInt8]) -> JSONObject {
    var document: JSONObject = ["type": .int(type.rawValue), "name": .string(name)]
    if let length { document.append("length", .int(length)) }
    if let option {
      document.append(option.fields)
      if let (key, elements) = subOptions(in: message) { document.append(key, .array(elements.map { .object($0) })) }
    }
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
    case .mobileNetworkPrefix(let prefix):
      ["prefixLength": .int(prefix.prefixLength), "prefix": .text(prefix.address)]
    case .mobileNodeIdentifier(let node): .identifier(node.identifier, subtype: node.subtype)
    case .authentication(let subtype, let spi, let authenticator):
      ["subtype": .int(subtype), "spi": .int(spi), "authenticatorHex": .string(authenticator.hexadecimal)]
    case .vendorSpecific(let vendor, let subtype, let data):
      ["vendorId": .int(vendor), "subtype": .int(subtype), "dataHex": .string(data.hexadecimal)]
    case .serviceSelection(let service): .text(service.identifier, "identifier")
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
    case .ipv4HomeAddress(let home):
      [
        "prefixLength": .int(home.prefixLength), "prefixRequest": .bool(home.requestsPrefix),
        "address": .text(home.address),
      ]
    case .ipv4AddressAcknowledgement(let reply):
      [
        "status": .int(reply.status.rawValue), "prefixLength": .int(reply.prefixLength),
        "address": .text(reply.address),
      ]
    case .natDetection(let detection):
      ["forceUDP": .bool(detection.forcesUDP), "refreshTime": .int(detection.refreshTime)]
    case .ipv4CareOfAddress(let address), .ipv4DefaultRouterAddress(let address),
      .alternateIPv4CareOfAddress(let address):
      ["address": .text(address)]
    case .greKey(let key): ["key": key.map { .int($0) } ?? .null]
    case .bindingIdentifier(let binding):
      [
        "bid": .int(binding.binding), "status": .int(binding.status.rawValue),
        "simultaneousHomeForeign": .bool(binding.simultaneousHomeAndForeign), "bidPriority": .int(binding.priority),
        "careOfAddress": binding.careOfAddress.map { .text($0) } ?? .null,
      ]
    case .ipv4HomeAddressRequest(let request):
      ["prefixLength": .int(request.prefixLength), "address": .text(request.address)]
    case .ipv4HomeAddressReply(let reply):
      [
        "status": .int(reply.status.rawValue), "prefixLength": .int(reply.prefixLength),
        "address": .text(reply.address),
      ]
    case .ipv4DHCPSupportMode(let isServer): ["dhcpServer": .bool(isServer)]
    case .flowSummary(let flows): ["flowIds": .array(flows.map { .int($0) })]
    case .flowIdentification(let flow):
      ["flowId": .int(flow.flow), "flowPriority": .int(flow.priority), "status": .int(flow.status.rawValue)]
    case .redirectCapability, .accessNetworkIdentifier, .lmaControlledMAGParameters: [:]
    case .redirect(let anchor): ["address": .text(anchor)]
    case .loadInformation(let load):
      [
        "priority": .int(load.priority), "sessionsInUse": .int(load.sessionsInUse),
        "maximumSessions": .int(load.maximumSessions), "usedCapacity": .int(load.usedCapacity),
        "maximumCapacity": .int(load.maximumCapacity),
      ]
    case .mobileNodeGroupIdentifier(let group): ["subtype": .int(group.subtype), "groupId": .int(group.group)]
    case .qualityOfService(let quality):
      [
        "serviceRequestId": .int(quality.serviceRequest), "dscp": .int(quality.dscp),
        "operationalCode": .int(quality.operation.rawValue),
      ]
    case .magMultipathBinding(let path):
      [
        "ifATT": .int(path.interfaceTechnology.rawValue), "ifLabel": .int(path.interfaceLabel),
        "bindingId": .int(path.binding), "bulkReRegistration": .bool(path.bulkReRegistration),
        "overwrite": .bool(path.overwrite),
      ]
    case .magIdentifier(let gateway): .identifier(gateway.identifier, subtype: gateway.subtype)
    case .delegatedMobileNetworkPrefix(let prefix):
      ["prefixLength": .int(prefix.prefixLength), "prefix": .text(prefix.address)]
    case .lmaUserPlaneAddress(let address): ["address": address.map { .text($0) } ?? .null]
    case .unknown(_, let data): ["dataHex": .string(data.hexadecimal)]
    }
  }
}

extension JSONObject {
  /// A name and what kind of name it is (RFC 4283 section 3). Only the NAI is text (RFC 8371).
  fileprivate static func identifier(_ octets: [UInt8], subtype: UInt8) -> JSONObject {
    let nai: UInt8 = 1
    var fields: JSONObject = ["subtype": .int(subtype)]
    fields.append(subtype == nai ? .text(octets, "identifier") : ["identifierHex": .string(octets.hexadecimal)])
    return fields
  }

  /// What should be UTF-8 under `key`; what is not, in hexadecimal under `keyHex`.
  static func text(_ octets: [UInt8], _ key: String) -> JSONObject {
    guard let text = String(validating: octets, as: UTF8.self) else {
      return [key + "Hex": .string(octets.hexadecimal)]
    }
    return [key: .string(text)]
  }
}
