import MobilityWire
import NetTypes

extension TrafficSelector {
  /// Format, presence flags, and the fields that are there.
  var fields: JSONObject {
    var fields: JSONObject = ["tsFormat": .int(format)]
    switch self {
    case .ipv4(let selector):
      fields.append("flags", .hex(selector.flags))
      fields.append(selector.sourceAddress, "SourceAddress") { .text($0) }
      fields.append(selector.destinationAddress, "DestinationAddress") { .text($0) }
      fields.append(selector.securityParameterIndex, "SPI") { .int($0) }
      fields.append(selector.sourcePort, "SourcePort") { .int($0) }
      fields.append(selector.destinationPort, "DestinationPort") { .int($0) }
      fields.append(selector.differentiatedServices, "DS") { .int($0) }
      fields.append(selector.protocolNumber, "Protocol") { .int($0) }
    case .ipv6(let selector):
      fields.append("flags", .hex(selector.flags))
      fields.append(selector.sourceAddress, "SourceAddress") { .text($0) }
      fields.append(selector.destinationAddress, "DestinationAddress") { .text($0) }
      fields.append(selector.securityParameterIndex, "SPI") { .int($0) }
      fields.append(selector.flowLabel, "FlowLabel") { .int($0.rawValue) }
      fields.append(selector.sourcePort, "SourcePort") { .int($0) }
      fields.append(selector.destinationPort, "DestinationPort") { .int($0) }
      fields.append(selector.trafficClass, "TrafficClass") { .int($0) }
      fields.append(selector.nextHeader, "NextHeader") { .int($0) }
    case .unknown(_, let data): fields.append("dataHex", .string(data.hexadecimal))
    }
    return fields
  }
}

extension JSONObject {
  /// `startName`, and `endName` for a range.
  fileprivate mutating func append<Value>(
    _ range: SelectorRange<Value>?, _ name: String, _ json: (Value) -> JSONValue
  ) {
    guard let range else { return }
    append("start" + name, json(range.start))
    if let end = range.end { append("end" + name, json(end)) }
  }
}
