import CLinuxNet
import NetTypes

/// A message as the kernel sent it. Keeping one beyond the callback that delivered it is allowed and costs a copy of
/// the receive buffer.
public struct ReceivedNetlinkMessage: Sendable {
  public let type: UInt16
  public let flags: NetlinkFlags
  public let sequence: UInt32
  /// What follows `nlmsghdr`.
  public let payload: ArraySlice<UInt8>

  /// The family's fixed header at the start of the payload; nil when the payload is shorter.
  public func header<Header: BitwiseCopyable>(as type: Header.Type) -> Header? {
    payload.loadPrefix(as: type)
  }

  /// The attributes behind a fixed header.
  public func attributes<Header: BitwiseCopyable>(after type: Header.Type) -> NetlinkAttributes {
    NetlinkAttributes(payload.dropFirst((MemoryLayout<Header>.size + 3) & ~3))
  }

  /// The messages of one received datagram. A message whose length field is wrong ends the sequence.
  static func messages(in datagram: ArraySlice<UInt8>) -> some Sequence<ReceivedNetlinkMessage> {
    Swift.sequence(state: datagram) { (rest: inout ArraySlice<UInt8>) -> ReceivedNetlinkMessage? in
      guard let header = rest.loadPrefix(as: nlmsghdr.self) else { return nil }
      let length = Int(header.nlmsg_len)
      guard length >= NetlinkMessage.headerLength, length <= rest.count else { return nil }
      let message = ReceivedNetlinkMessage(
        type: header.nlmsg_type, flags: NetlinkFlags(rawValue: header.nlmsg_flags), sequence: header.nlmsg_seq,
        payload: rest.prefix(length).dropFirst(NetlinkMessage.headerLength))
      rest = rest.dropFirst((length + 3) & ~3)
      return message
    }
  }
}

/// The attributes of a message or of a nested attribute, in their order. Parsing never reads outside the given octets:
/// an attribute whose length is wrong ends the sequence.
public struct NetlinkAttributes: Sequence, Sendable {
  let bytes: ArraySlice<UInt8>

  public init(_ bytes: ArraySlice<UInt8>) { self.bytes = bytes }

  public func makeIterator() -> Iterator { Iterator(rest: bytes) }

  public struct Iterator: IteratorProtocol {
    var rest: ArraySlice<UInt8>

    public mutating func next() -> NetlinkAttribute? {
      guard let header = rest.loadPrefix(as: nlattr.self) else { return nil }
      let length = Int(header.nla_len)
      guard length >= NetlinkMessage.attributeHeaderLength, length <= rest.count else { return nil }
      let attribute = NetlinkAttribute(
        type: header.nla_type & 0x3fff, payload: rest.prefix(length).dropFirst(NetlinkMessage.attributeHeaderLength))
      rest = rest.dropFirst((length + 3) & ~3)
      return attribute
    }
  }

  /// The first attribute of `type`. A linear search: messages have a few dozen attributes at most.
  public subscript(type: UInt16) -> NetlinkAttribute? { first { $0.type == type } }
}

/// One attribute. The accessors give nil when the payload has another size than the type asked for.
public struct NetlinkAttribute: Sendable {
  /// Without the flag bits NLA_F_NESTED and NLA_F_NET_BYTEORDER.
  public let type: UInt16
  public let payload: ArraySlice<UInt8>

  public var uint8: UInt8? { integer() }
  public var uint16: UInt16? { integer() }
  public var uint32: UInt32? { integer() }
  public var int32: Int32? { integer() }
  public var uint64: UInt64? { integer() }
  /// Network order.
  public var uint16BigEndian: UInt16? { integer().map(UInt16.init(bigEndian:)) }
  public var uint32BigEndian: UInt32? { integer().map(UInt32.init(bigEndian:)) }
  public var uint64BigEndian: UInt64? { integer().map(UInt64.init(bigEndian:)) }
  public var ipv6Address: IPv6Address? { payload.count == 16 ? IPv6Address(bytes: payload) : nil }
  public var linkLayerAddress: LinkLayerAddress? { LinkLayerAddress(bytes: payload) }
  /// Up to the first zero octet.
  public var string: String { String(decoding: payload.prefix { $0 != 0 }, as: UTF8.self) }
  public var nested: NetlinkAttributes { NetlinkAttributes(payload) }

  /// A C structure; nil when the payload is shorter.
  public func structure<Value: BitwiseCopyable>(as type: Value.Type) -> Value? { payload.loadPrefix(as: type) }

  private func integer<Value: FixedWidthInteger & BitwiseCopyable>() -> Value? {
    payload.count == MemoryLayout<Value>.size ? payload.loadPrefix(as: Value.self) : nil
  }
}

extension ArraySlice<UInt8> {
  /// The value stored in the first octets; nil when there are fewer.
  func loadPrefix<Value: BitwiseCopyable>(as type: Value.Type) -> Value? {
    guard count >= MemoryLayout<Value>.size else { return nil }
    return withUnsafeBytes { $0.loadUnaligned(as: type) }
  }
}
