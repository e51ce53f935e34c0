import NetTypes

//  Quality of Service option, RFC 7222 section 4.1. Type 58, alignment 4n.
//
//   0                   1                   2                   3
//   0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1
//  +---------------+---------------+---------------+-----------+---+
//  |   Type = 58   | Length = 6+n  |     SR-ID     |   DSCP    | R |
//  +---------------+---------------+---------------+-----------+---+
//  |      OC       |              Reserved                         |
//  +---------------+-----------------------------------------------+
//  |  QoS attributes (n octets)  ...

/// A request for service quality, RFC 7222 section 4.1.
public struct QualityOfServiceOption: Hashable, Sendable {
  /// SR-ID; 0 in a gateway's first request, allocated by the anchor.
  public var serviceRequest: UInt8
  /// 0...63
  public var dscp: UInt8
  public var operation: QualityOfServiceOperation
  /// In wire order.
  public var attributes: [QualityOfServiceAttribute]

  public init(
    serviceRequest: UInt8, dscp: UInt8, operation: QualityOfServiceOperation,
    attributes: [QualityOfServiceAttribute] = []
  ) {
    self.serviceRequest = serviceRequest
    self.dscp = dscp
    self.operation = operation
    self.attributes = attributes
  }
}

/// Operational Code, RFC 7222 section 4.1.
public struct QualityOfServiceOperation: RawRepresentable, Hashable, Sendable, Codable {
  public let rawValue: UInt8
  public init(rawValue: UInt8) { self.rawValue = rawValue }
  public static let response = Self(rawValue: 0)
  public static let allocate = Self(rawValue: 1)
  public static let deallocate = Self(rawValue: 2)
  public static let modify = Self(rawValue: 3)
  public static let query = Self(rawValue: 4)
  public static let negotiate = Self(rawValue: 5)
}

extension QualityOfServiceOption: MobilityOptionBody {
  init(decoding body: inout ByteReader<DecodeError>) throws(DecodeError) {
    serviceRequest = try body.uint8()
    dscp = try body.uint8() >> 2
    operation = QualityOfServiceOperation(rawValue: try body.uint8())
    try body.skip(3)
    attributes = []
    while var element = try SubOptionElement(decoding: &body) {
      attributes.append(try QualityOfServiceAttribute(type: element.type, decoding: &element.body))
    }
  }

  func encode(into writer: inout ByteWriter) throws(EncodeError) {
    guard dscp < 64 else { throw .fieldOutOfRange(.qualityOfService) }
    writer.write(serviceRequest)
    writer.write(dscp << 2)
    writer.write(operation.rawValue)
    writer.writeZeros(3)
    for attribute in attributes { try attribute.encode(into: &writer) }
  }
}
