import NetTypes

/// A choice of flows by some fields of the 6-tuple; a field that is nil takes every value.
public struct FlowSelector: Hashable, Sendable, Codable {
  public var source: IPv6Prefix?
  public var destination: IPv6Prefix?
  public var flowLabel: UInt32?
  public var transport: TransportProtocol?
  public var sourcePort: UInt16?
  public var destinationPort: UInt16?

  private enum CodingKeys: String, CodingKey {
    case source, destination, flowLabel, sourcePort, destinationPort
    case transport = "protocol"
  }

  public init(
    source: IPv6Prefix? = nil, destination: IPv6Prefix? = nil, flowLabel: UInt32? = nil,
    transport: TransportProtocol? = nil, sourcePort: UInt16? = nil, destinationPort: UInt16? = nil
  ) {
    self.source = source
    self.destination = destination
    self.flowLabel = flowLabel
    self.transport = transport
    self.sourcePort = sourcePort
    self.destinationPort = destinationPort
  }

  public var isEmpty: Bool { self == FlowSelector() }

  public func matches(_ tuple: FlowSixTuple) -> Bool {
    (source?.contains(tuple.source) ?? true) && (destination?.contains(tuple.destination) ?? true)
      && (flowLabel ?? tuple.flowLabel) == tuple.flowLabel && (transport ?? tuple.transport) == tuple.transport
      && (sourcePort ?? tuple.sourcePort) == tuple.sourcePort
      && (destinationPort ?? tuple.destinationPort) == tuple.destinationPort
  }

  /// The one tuple that this selector chooses; nil when it leaves anything open that `kind` looks at.
  public func exactTuple(_ kind: FlowKeyKind) -> FlowSixTuple? {
    guard let source, source.length == 128, let destination, destination.length == 128, let transport, let sourcePort,
      let destinationPort
    else { return nil }
    guard kind == .fiveTuple || flowLabel != nil else { return nil }
    return kind.normalize(
      FlowSixTuple(
        source: source.address, destination: destination.address, flowLabel: flowLabel ?? 0, transport: transport,
        sourcePort: sourcePort, destinationPort: destinationPort))
  }
}

extension TransportProtocol: Codable {
  public init(from decoder: any Decoder) throws {
    let container = try decoder.singleValueContainer()
    let text = try container.decode(String.self)
    guard let value = TransportProtocol(text) else {
      throw DecodingError.dataCorruptedError(in: container, debugDescription: "'\(text)' is not a transport protocol")
    }
    self = value
  }

  public func encode(to encoder: any Encoder) throws {
    var container = encoder.singleValueContainer()
    try container.encode(description)
  }
}

extension FlowSelector: CustomStringConvertible {
  public var description: String {
    var parts: [String] = []
    func text(_ prefix: IPv6Prefix) -> String { prefix.length == 128 ? "\(prefix.address)" : "\(prefix)" }
    if let transport { parts.append("protocol \(transport)") }
    if let source { parts.append("source \(text(source))") }
    if let sourcePort { parts.append("source-port \(sourcePort)") }
    if let destination { parts.append("destination \(text(destination))") }
    if let destinationPort { parts.append("destination-port \(destinationPort)") }
    if let flowLabel { parts.append("flow-label 0x" + String(flowLabel, radix: 16)) }
    return parts.isEmpty ? "any" : parts.joined(separator: " ")
  }
}

/// A standing order of the operator: new flows that match go to this gateway, where their node has it.
public struct FlowSelectorEntry: Hashable, Sendable, Codable {
  public var identifier: UInt32
  public var selector: FlowSelector
  /// Gateway name or tunnel number, as given.
  public var target: String
}
