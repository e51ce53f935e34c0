import NetTypes

//  Attributes of the Quality of Service option, RFC 7222 section 4.2. No alignment, no padding.
//
//  Bit rates, RFC 7222 sections 4.2.1 to 4.2.4 and 4.2.6 to 4.2.9. S and E only in types 3 and 4.
//  +---------------+---------------+-+-+---------------------------+
//  | Type 1-4, 6-9 |  Length = 6   |S|E|         Reserved          |
//  +---------------+---------------+-+-+---------------------------+
//  |                     Bit rate (bit/s)                          |
//  +---------------------------------------------------------------+
//
//  Allocation and Retention Priority, RFC 7222 section 4.2.5.
//  +---------------+---------------+---------------+-------+---+---+
//  |    Type 5     |  Length = 2   |   Reserved    |  PL   |PC |PV |
//  +---------------+---------------+---------------+-------+---+---+
//
//  Traffic Selector, RFC 7222 section 4.2.10: Reserved stands before TS Format, unlike in RFC 6089.
//  +---------------+---------------+---------------+---------------+
//  |    Type 10    | Length = 2+n  |   Reserved    |   TS Format   |
//  +---------------+---------------+---------------+---------------+
//  |  Traffic Selector (n octets)  ...

/// One attribute of a Quality of Service option, RFC 7222 section 4.2.
public enum QualityOfServiceAttribute: Hashable, Sendable, Codable {
  /// Bit/s.
  case bitRate(QualityOfServiceBitRate, UInt32)
  /// Bit/s of this session. `sameService` (S): together with the node's other sessions of the same service;
  /// `excludesGuaranteed` (E): without the flows that have a guaranteed rate.
  case sessionAggregate(downlink: Bool, sameService: Bool, excludesGuaranteed: Bool, UInt32)
  /// `level` 0...15, 1 highest; `capability` and `vulnerability` 0...3: 0 yes, 1 no.
  case allocationRetentionPriority(level: UInt8, capability: UInt8, vulnerability: UInt8)
  case trafficSelector(TrafficSelector)
  /// Kept and re-encoded unchanged; that of a vendor (11) too.
  case unknown(type: UInt8, data: [UInt8])
}

/// What a bit rate limits, by attribute type.
public enum QualityOfServiceBitRate: UInt8, Hashable, Sendable, Codable {
  case nodeAggregateMaximumDownlink = 1
  case nodeAggregateMaximumUplink = 2
  case aggregateMaximumDownlink = 6
  case aggregateMaximumUplink = 7
  case guaranteedDownlink = 8
  case guaranteedUplink = 9
}

extension QualityOfServiceAttribute {
  private enum Number {
    static let sessionAggregateDownlink: UInt8 = 3
    static let sessionAggregateUplink: UInt8 = 4
    static let allocationRetentionPriority: UInt8 = 5
    static let trafficSelector: UInt8 = 10
  }
  private static let sameServiceFlag: UInt16 = 0x8000
  private static let excludesGuaranteedFlag: UInt16 = 0x4000

  init(type: UInt8, decoding body: inout ByteReader<DecodeError>) throws(DecodeError) {
    switch type {
    case Number.sessionAggregateDownlink, Number.sessionAggregateUplink:
      let flags = try body.uint16()
      self = .sessionAggregate(
        downlink: type == Number.sessionAggregateDownlink, sameService: flags & Self.sameServiceFlag != 0,
        excludesGuaranteed: flags & Self.excludesGuaranteedFlag != 0, try body.uint32())
    case Number.allocationRetentionPriority:
      try body.skip(1)
      let octet = try body.uint8()
      self = .allocationRetentionPriority(
        level: octet >> 4, capability: octet >> 2 & 0x3, vulnerability: octet & 0x3)
    case Number.trafficSelector:
      try body.skip(1)
      let format = try body.uint8()
      self = .trafficSelector(try TrafficSelector(format: format, decoding: &body))
    default:
      if let rate = QualityOfServiceBitRate(rawValue: type) {
        try body.skip(2)
        self = .bitRate(rate, try body.uint32())
      } else {
        self = .unknown(type: type, data: Array(body.rest()))
      }
    }
    guard body.isAtEnd else { throw body.failure }
  }

  func encode(into writer: inout ByteWriter) throws(EncodeError) {
    switch self {
    case .bitRate(let rate, let value):
      writer.writeElement(rate.rawValue) {
        $0.writeZeros(2)
        $0.write(value)
      }
    case .sessionAggregate(let downlink, let sameService, let excludesGuaranteed, let value):
      writer.writeElement(downlink ? Number.sessionAggregateDownlink : Number.sessionAggregateUplink) {
        $0.write((sameService ? Self.sameServiceFlag : 0) | (excludesGuaranteed ? Self.excludesGuaranteedFlag : 0))
        $0.write(value)
      }
    case .allocationRetentionPriority(let level, let capability, let vulnerability):
      guard level < 16, capability < 4, vulnerability < 4 else { throw .fieldOutOfRange(.qualityOfService) }
      writer.writeElement(Number.allocationRetentionPriority) {
        $0.writeZeros(1)
        $0.write(level << 4 | capability << 2 | vulnerability)
      }
    case .trafficSelector(let selector):
      writer.writeElement(Number.trafficSelector) {
        $0.writeZeros(1)
        $0.write(selector.format)
        selector.encode(into: &$0)
      }
    case .unknown(let type, let data): writer.writeElement(type) { $0.write(data) }
    }
  }
}
