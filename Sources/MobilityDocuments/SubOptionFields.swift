import MobilityWire
import NetTypes

extension PlacedOption {
  /// The elements inside of an option with the key of their list; nil for an option without such.
  func subOptions(in message: [UInt8]) -> (key: String, elements: [JSONObject])? {
    guard let length else { return nil }
    func places(from start: Int, padded: Bool = false) -> [ElementPlace] {
      ElementPlace.all(in: message[(offset + 2 + start)..<(offset + 2 + length)], padded: padded)
    }
    switch option {
    case .flowIdentification(let flow):
      var values = flow.subOptions[...]
      // The reader has dropped the padding.
      return (
        "subOptions",
        places(from: 6, padded: true).map { place in
          var document: JSONObject = ["type": .int(place.type), "name": .string(Self.flowSubOptionName(place.type))]
          if let length = place.length { document.append("length", .int(length)) }
          document.append("offset", .int(place.offset))
          if !place.isPadding, let value = values.popFirst() { document.append(value.fields) }
          return document
        }
      )
    case .accessNetworkIdentifier(let values): return ("subOptions", documents(places(from: 0), values.map(\.named)))
    case .qualityOfService(let quality):
      return ("attributes", documents(places(from: 6), quality.attributes.map(\.named)))
    case .lmaControlledMAGParameters(let values):
      return ("subOptions", documents(places(from: 0), values.map(\.named)))
    default: return nil
    }
  }

  private func documents(
    _ places: [ElementPlace], _ values: [(name: String, fields: JSONObject)]
  ) -> [JSONObject] {
    zip(places, values).map { place, value in
      var document: JSONObject = ["type": .int(place.type), "name": .string(value.name)]
      if let length = place.length { document.append("length", .int(length)) }
      document.append(value.fields)
      return document
    }
  }

  private static func flowSubOptionName(_ type: UInt8) -> String {
    let names = ["Pad1", "PadN", "BindingReference", "TrafficSelector", "FlowBindingAction", "TargetCareOfAddress"]
    return Int(type) < names.count ? names[Int(type)] : "Unknown"
  }
}

/// Where an element of an option stands. The option has been decoded: its elements are well-formed.
private struct ElementPlace {
  var type: UInt8
  /// nil for Pad1.
  var length: Int?
  /// In the Mobility Header.
  var offset: Int
  var isPadding: Bool

  /// `padded`: the types 0 and 1 are Pad1 and PadN.
  static func all(in octets: ArraySlice<UInt8>, padded: Bool) -> [ElementPlace] {
    var places: [ElementPlace] = []
    var rest = octets
    while let type = rest.popFirst() {
      let offset = rest.startIndex - 1
      let isPadding = padded && MobilityOptionType(rawValue: type).isPadding
      if padded, MobilityOptionType(rawValue: type) == .pad1 {
        places.append(ElementPlace(type: type, length: nil, offset: offset, isPadding: true))
        continue
      }
      guard let length = rest.popFirst() else { break }
      places.append(ElementPlace(type: type, length: Int(length), offset: offset, isPadding: isPadding))
      rest = rest.dropFirst(Int(length))
    }
    return places
  }
}

extension FlowSubOption {
  fileprivate var fields: JSONObject {
    switch self {
    case .bindingReference(let bindings): ["bids": .array(bindings.map { .int($0) })]
    case .trafficSelector(let selector): selector.fields
    case .flowBindingAction(let action): ["action": .int(action.rawValue)]
    case .targetCareOfAddress(let address): ["address": .text(address)]
    case .unknown(_, let data): ["dataHex": .string(data.hexadecimal)]
    }
  }
}

extension AccessNetworkSubOption {
  fileprivate var named: (name: String, fields: JSONObject) {
    switch self {
    case .networkIdentifier(let isUTF8, let name, let accessPoint):
      var fields: JSONObject = ["utf8": .bool(isUTF8)]
      fields.append(.text(name, "networkName"))
      fields.append(.text(accessPoint, "accessPointName"))
      return ("NetworkIdentifier", fields)
    case .geoLocation(let place):
      return (
        "GeoLocation", ["latitude": .number(place.latitudeDegrees), "longitude": .number(place.longitudeDegrees)]
      )
    case .operatorIdentifier(let kind, let identifier):
      let realm: UInt8 = 2
      var fields: JSONObject = ["opIdType": .int(kind)]
      fields.append(
        kind == realm ? .text(identifier, "operatorId") : ["operatorIdHex": .string(identifier.hexadecimal)])
      return ("OperatorIdentifier", fields)
    case .unknown(let type, let data):
      let names: [UInt8: String] = [4: "CivicLocation", 5: "MAGGroupIdentifier", 6: "ANIUpdateTimer"]
      return (names[type] ?? "Unknown", ["dataHex": .string(data.hexadecimal)])
    }
  }
}

extension QualityOfServiceAttribute {
  fileprivate var named: (name: String, fields: JSONObject) {
    switch self {
    case .bitRate(let rate, let value): return (rate.name, ["bitsPerSecond": .int(value)])
    case .sessionAggregate(let downlink, let sameService, let excludesGuaranteed, let value):
      return (
        downlink ? "PerSessionAggMaxDLBitRate" : "PerSessionAggMaxULBitRate",
        [
          "sameService": .bool(sameService), "excludesGuaranteed": .bool(excludesGuaranteed),
          "bitsPerSecond": .int(value),
        ]
      )
    case .allocationRetentionPriority(let level, let capability, let vulnerability):
      return (
        "AllocationRetentionPriority",
        [
          "priorityLevel": .int(level), "preemptionCapability": .int(capability),
          "preemptionVulnerability": .int(vulnerability),
        ]
      )
    case .trafficSelector(let selector): return ("QoSTrafficSelector", selector.fields)
    case .unknown(let type, let data):
      let vendorSpecific: UInt8 = 11
      return (type == vendorSpecific ? "QoSVendorSpecific" : "Unknown", ["dataHex": .string(data.hexadecimal)])
    }
  }
}

extension QualityOfServiceBitRate {
  fileprivate var name: String {
    switch self {
    case .nodeAggregateMaximumDownlink: "PerMNAggMaxDLBitRate"
    case .nodeAggregateMaximumUplink: "PerMNAggMaxULBitRate"
    case .aggregateMaximumDownlink: "AggregateMaxDLBitRate"
    case .aggregateMaximumUplink: "AggregateMaxULBitRate"
    case .guaranteedDownlink: "GuaranteedDLBitRate"
    case .guaranteedUplink: "GuaranteedULBitRate"
    }
  }
}

extension LMAControlledMAGSubOption {
  fileprivate var named: (name: String, fields: JSONObject) {
    switch self {
    case .reregistration(let startTime, let initial, let maximum):
      (
        "ReRegistrationControl",
        [
          "reRegistrationStartTime": .int(startTime), "initialRetransmissionTime": .int(initial),
          "maximumRetransmissionTime": .int(maximum),
        ]
      )
    case .heartbeat(let interval, let delay, let maximum):
      (
        "HeartbeatControl",
        [
          "heartbeatInterval": .int(interval), "retransmissionDelay": .int(delay),
          "maximumRetransmissions": .int(maximum),
        ]
      )
    case .unknown(_, let data): ("Unknown", ["dataHex": .string(data.hexadecimal)])
    }
  }
}
