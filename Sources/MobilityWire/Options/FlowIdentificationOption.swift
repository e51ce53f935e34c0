import NetTypes

//  Flow Identification option, RFC 6089 section 4.2. Type 45, alignment 2n.
//
//   0                   1                   2                   3
//   0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1
//  +---------------+---------------+-------------------------------+
//  |   Type = 45   | Length = 6+n  |             FID               |
//  +---------------+---------------+---------------+---------------+
//  |            FID-PRI            |   Reserved    |    Status     |
//  +-------------------------------+---------------+---------------+
//  |  Sub-options (n octets)  ...

/// A flow and what becomes of it, RFC 6089 section 4.2.
public struct FlowIdentificationOption: Hashable, Sendable {
  /// FID: 1...65535, unique for a mobile node.
  public var flow: UInt16
  /// FID-PRI: 1...65535, lower is more important, unique for a mobile node.
  public var priority: UInt16
  /// 0 in a request.
  public var status: FlowBindingStatus
  /// In wire order, without padding.
  public var subOptions: [FlowSubOption]

  public init(
    flow: UInt16, priority: UInt16, status: FlowBindingStatus = .accepted, subOptions: [FlowSubOption] = []
  ) {
    self.flow = flow
    self.priority = priority
    self.status = status
    self.subOptions = subOptions
  }

  /// BIDs of the bindings that carry the flow; nil without a Binding Reference.
  public var bindings: [UInt16]? {
    for case .bindingReference(let value) in subOptions { return value }
    return nil
  }
  public var trafficSelector: TrafficSelector? {
    for case .trafficSelector(let value) in subOptions { return value }
    return nil
  }
  public var action: FlowBindingAction? {
    for case .flowBindingAction(let value) in subOptions { return value }
    return nil
  }
  public var targetCareOfAddress: IPAddress? {
    for case .targetCareOfAddress(let value) in subOptions { return value }
    return nil
  }

  /// A second Binding Reference or Traffic Selector (RFC 6089 sections 4.2.1.3 and 4.2.1.4): answered with
  /// `FlowBindingStatus.optionMalformed`.
  public var duplicatesSubOption: Bool {
    subOptions.count { if case .bindingReference = $0 { true } else { false } } > 1
      || subOptions.count { if case .trafficSelector = $0 { true } else { false } } > 1
  }
}

extension FlowIdentificationOption: MobilityOptionBody {
  init(decoding body: inout ByteReader<DecodeError>) throws(DecodeError) {
    flow = try body.uint16()
    priority = try body.uint16()
    try body.skip(1)
    status = FlowBindingStatus(rawValue: try body.uint8())
    subOptions = []
    while var element = try SubOptionElement(decoding: &body, padded: true) {
      if element.isPadding { continue }
      subOptions.append(try FlowSubOption(type: element.type, decoding: &element.body))
    }
  }

  func encode(into writer: inout ByteWriter) throws(EncodeError) {
    writer.write(flow)
    writer.write(priority)
    writer.writeZeros(1)
    writer.write(status.rawValue)
    for option in subOptions { try option.encode(into: &writer) }
  }
}
