import NetTypes

//  Binding Identifier option, RFC 5648 section 4.3; BID-PRI: RFC 6089 section 4.1. Type 35, alignment 2n; with an
//  address 8n+2.
//
//   0                   1                   2                   3
//   0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1
//                                  +---------------+---------------+
//                                  |   Type = 35   |Length 4, 8, 20|
//  +-------------------------------+---------------+-+-------------+
//  |       Binding ID (BID)        |    Status     |H|   BID-PRI   |
//  +-------------------------------+---------------+-+-------------+
//  |         Care-of Address (none, 4 or 16 octets)                |
//  +---------------------------------------------------------------+

/// One of several bindings of a mobile node, RFC 5648 section 4.3 as extended by RFC 6089 section 4.1.
public struct BindingIdentifierOption: Hashable, Sendable {
  /// BID: 1...65535; 0 should not be used.
  public var binding: UInt16
  /// In an answer: overrides the status of the message for this binding; 0: it does not.
  public var status: BindingStatus
  /// H: the node is at home and abroad at once.
  public var simultaneousHomeAndForeign: Bool
  /// BID-PRI: 1 (highest) ... 127; 0: sent by RFC 5648, which has no priority.
  public var priority: UInt8
  /// Only in a Binding Update.
  public var careOfAddress: IPAddress?

  public init(
    binding: UInt16, status: BindingStatus = .accepted, simultaneousHomeAndForeign: Bool = false, priority: UInt8,
    careOfAddress: IPAddress? = nil
  ) {
    self.binding = binding
    self.status = status
    self.simultaneousHomeAndForeign = simultaneousHomeAndForeign
    self.priority = priority
    self.careOfAddress = careOfAddress
  }
}

extension BindingIdentifierOption: MobilityOptionBody {
  private static let simultaneousFlag: UInt8 = 0x80

  init(decoding body: inout ByteReader<DecodeError>) throws(DecodeError) {
    binding = try body.uint16()
    status = BindingStatus(rawValue: try body.uint8())
    let octet = try body.uint8()
    simultaneousHomeAndForeign = octet & Self.simultaneousFlag != 0
    priority = octet & ~Self.simultaneousFlag
    careOfAddress = body.isAtEnd ? nil : try body.ipAddress()
  }

  func encode(into writer: inout ByteWriter) throws(EncodeError) {
    guard priority < Self.simultaneousFlag else { throw .fieldOutOfRange(.bindingIdentifier) }
    writer.write(binding)
    writer.write(status.rawValue)
    writer.write(priority | (simultaneousHomeAndForeign ? Self.simultaneousFlag : 0))
    if let careOfAddress { writer.write(careOfAddress) }
  }

  /// With an address the option is aligned for it.
  var lengthForAlignment: Int { careOfAddress == nil ? 4 : 20 }
}
