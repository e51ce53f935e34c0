import NetTypes

//  Sub-options of the Flow Identification option. Pad1 (0) and PadN (1) are as among the mobility options.
//
//  Binding Reference, RFC 6089 section 4.2.1.3. Alignment 2n.
//  +---------------+---------------+-------------------------------+
//  | Sub-opt Type 2| Length = 2n   |     BID (n of them)  ...
//  +---------------+---------------+-------------------------------+
//
//  Traffic Selector, RFC 6089 section 4.2.1.4. Alignment: of the selector, RFC 6088 sections 3.1 and 3.2.
//  +---------------+---------------+---------------+---------------+
//  | Sub-opt Type 3| Length = 2+n  |   TS Format   |   Reserved    |
//  +---------------+---------------+---------------+---------------+
//  |  Traffic Selector (n octets)  ...
//
//  Flow Binding Action, RFC 7109 section 6.2.1. No alignment.
//  +---------------+---------------+---------------+---------------+
//  | Sub-opt Type 4|  Length = 2   |   Reserved    |    Action     |
//  +---------------+---------------+---------------+---------------+
//
//  Target Care-of Address, RFC 7109 section 6.2.2. No alignment.
//  +---------------+---------------+-------------------------------+
//  | Sub-opt Type 5|Length = 6, 18 |           Reserved            |
//  +---------------+---------------+-------------------------------+
//  |  Care-of Address (4 or 16 octets)  ...

/// One sub-option of a Flow Identification option. Padding is not a value.
public enum FlowSubOption: Hashable, Sendable, Codable {
  /// BIDs, at least one.
  case bindingReference([UInt16])
  case trafficSelector(TrafficSelector)
  case flowBindingAction(FlowBindingAction)
  /// Needed with the action `.move`.
  case targetCareOfAddress(IPAddress)
  /// Kept and re-encoded unchanged (RFC 6089 section 4.2.1: skipped by the protocol).
  case unknown(type: UInt8, data: [UInt8])
}

extension FlowSubOption {
  private enum Number {
    static let bindingReference: UInt8 = 2
    static let trafficSelector: UInt8 = 3
    static let flowBindingAction: UInt8 = 4
    static let targetCareOfAddress: UInt8 = 5
  }

  init(type: UInt8, decoding body: inout ByteReader<DecodeError>) throws(DecodeError) {
    switch type {
    case Number.bindingReference:
      guard body.remaining > 0, body.remaining % 2 == 0 else {
        throw body.failure.with(.bindingReferenceLength, value: body.remaining)
      }
      var bindings: [UInt16] = []
      while !body.isAtEnd { bindings.append(try body.uint16()) }
      self = .bindingReference(bindings)
    case Number.trafficSelector:
      let format = try body.uint8()
      try body.skip(1)
      self = .trafficSelector(try TrafficSelector(format: format, decoding: &body))
    case Number.flowBindingAction:
      try body.skip(1)
      self = .flowBindingAction(FlowBindingAction(rawValue: try body.uint8()))
    case Number.targetCareOfAddress:
      try body.skip(2)
      self = .targetCareOfAddress(try body.ipAddress())
    default: self = .unknown(type: type, data: Array(body.rest()))
    }
    guard body.isAtEnd else { throw body.failure }
  }

  /// `writer` holds the Mobility Header from its first octet: alignments count from there.
  func encode(into writer: inout ByteWriter) throws(EncodeError) {
    switch self {
    case .bindingReference(let bindings):
      guard !bindings.isEmpty else { throw .fieldOutOfRange(.flowIdentification) }
      writer.writePadding(OptionAlignment(multiple: 2).distance(from: writer.count))
      writer.writeElement(Number.bindingReference) { for binding in bindings { $0.write(binding) } }
    case .trafficSelector(let selector):
      writer.writePadding(selector.alignment.distance(from: writer.count))
      writer.writeElement(Number.trafficSelector) {
        $0.write(selector.format)
        $0.writeZeros(1)
        selector.encode(into: &$0)
      }
    case .flowBindingAction(let action):
      writer.writeElement(Number.flowBindingAction) {
        $0.writeZeros(1)
        $0.write(action.rawValue)
      }
    case .targetCareOfAddress(let address):
      writer.writeElement(Number.targetCareOfAddress) {
        $0.writeZeros(2)
        $0.write(address)
      }
    case .unknown(let type, let data):
      guard !MobilityOptionType(rawValue: type).isPadding else { throw .fieldOutOfRange(.flowIdentification) }
      writer.writeElement(type) { $0.write(data) }
    }
  }
}
