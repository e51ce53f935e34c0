import NetTypes

//  Mobility Header, RFC 6275 section 6.1.1. IPv6 Next Header 135.
//
//   0                   1                   2                   3
//   0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1
//  +---------------+---------------+---------------+---------------+
//  | Payload Proto |  Header Len   |    MH Type    |   Reserved    |
//  +---------------+---------------+---------------+---------------+
//  |           Checksum            |         Message Data
//  +-------------------------------+-------------------------------

/// The frame around every mobility message, and the way in and out of this module.
///
/// Octets become a value in one step, `decode`, or a `DecodeError` that says what is wrong, where, and (its `reaction`)
/// what the receiver owes the sender. `encode` is the way back. Decoding makes the receive checks of RFC 6275 section 9.2
/// in their order, then reads the fixed part of the message and its options; nothing of a message is visible unless all
/// of it is well-formed. It is strict about lengths and liberal about alignment, order of options, padding contents and
/// reserved fields. Encoding is canonical: one value, one sequence of octets, so a received message whose sender was
/// canonical too encodes to what was received.
///
/// A message or an option is a file of its own under `Messages` and `Options`: bit diagram, value type, decoding,
/// encoding. This file knows none of them.
public struct MobilityHeader: Hashable, Sendable {
  /// The value that a sender must use: no next header.
  public static let noNextHeader: UInt8 = 59
  /// IPv6 Next Header of a Mobility Header.
  public static let nextHeader: UInt8 = 135
  /// What Header Len can say.
  public static let maximumOctets = 2048
  private static let checksumOffset = 4
  /// Octets in front of the data of a message.
  static let fixedPartEnd = 6
  private static let unit = 8

  public var payloadProtocol: UInt8
  /// Header Len: 8-octet units behind the first.
  public var headerLength: UInt8
  public var type: MobilityHeaderType
  /// As received.
  public var checksum: UInt16

  /// The whole header in octets.
  public var octets: Int { (Int(headerLength) + 1) * Self.unit }

  private init(decoding reader: inout ByteReader<DecodeError>) throws(DecodeError) {
    payloadProtocol = try reader.uint8()
    headerLength = try reader.uint8()
    type = MobilityHeaderType(rawValue: try reader.uint8())
    try reader.skip(1)
    checksum = try reader.uint16()
  }
}

/// Who answers for the checksum of a received message.
public enum ChecksumOnReceipt: Hashable, Sendable {
  case verify
  /// A raw socket delivers only what verified; Mobility Headers over UDP over IPv4 carry none (RFC 5844).
  case kernelVerified
}

/// Who fills in the checksum of a message to send.
public enum ChecksumOnSend: Hashable, Sendable {
  case compute
  /// Left zero: a raw socket fills it in; Mobility Headers over UDP over IPv4 carry none (RFC 5844).
  case zero
}

public struct DecodedMessage: Hashable, Sendable {
  public var header: MobilityHeader
  public var message: MobilityMessage
}

extension MobilityHeader {
  /// Decodes one message.
  ///
  /// - Parameters:
  ///   - bytes: what followed the IPv6 headers. Octets behind the end of the Mobility Header are ignored.
  ///   - source: address of the IPv6 packet, for the checksum.
  ///   - destination: address of the IPv6 packet, for the checksum.
  public static func decode(
    _ bytes: ArraySlice<UInt8>, source: IPv6Address, destination: IPv6Address, codePoints: CodePoints = CodePoints(),
    checksum: ChecksumOnReceipt = .verify
  ) throws(DecodeError) -> DecodedMessage {
    guard bytes.count >= unit else { throw DecodeError(.tooShort, offset: bytes.count, value: bytes.count) }
    var whole = ByteReader(bytes, orThrow: DecodeError(.tooShort, offset: bytes.count, value: bytes.count))
    let header = try MobilityHeader(decoding: &whole)

    if checksum == .verify {
      let covered = bytes.prefix(header.octets)
      let residue = InternetChecksum.value(
        of: covered.span, source: source, destination: destination, nextHeader: nextHeader)
      guard residue == 0 else { throw DecodeError(.checksum, offset: checksumOffset, value: header.checksum) }
    }
    guard let kind = MobilityMessage.body(of: header.type) else {
      throw DecodeError(.unknownType, offset: 2, value: header.type.rawValue)
    }
    guard header.payloadProtocol == noNextHeader else {
      throw DecodeError(.payloadProtocol, offset: 0, value: header.payloadProtocol)
    }
    let short = DecodeError(.headerLengthShort, offset: 1, value: header.headerLength)
    guard header.octets >= kind.fixedPartEnd else { throw short }
    guard header.octets <= bytes.count else {
      throw DecodeError(.headerLengthOverrun, offset: 1, value: header.headerLength)
    }
    var body = try whole.take(header.octets - whole.offset, orThrow: short)
    return DecodedMessage(header: header, message: try kind.init(decoding: &body, codePoints: codePoints).message)
  }

  public static func decode(
    _ bytes: [UInt8], source: IPv6Address, destination: IPv6Address, codePoints: CodePoints = CodePoints(),
    checksum: ChecksumOnReceipt = .verify
  ) throws(DecodeError) -> DecodedMessage {
    try decode(bytes[...], source: source, destination: destination, codePoints: codePoints, checksum: checksum)
  }

  /// The option area of a message that `decode` accepts, element by element with padding, in wire order.
  public static func placedOptions(
    _ bytes: [UInt8], codePoints: CodePoints = CodePoints()
  ) throws(DecodeError) -> [PlacedOption] {
    let decoded = try decode(
      bytes, source: .unspecified, destination: .unspecified, codePoints: codePoints, checksum: .kernelVerified)
    let (_, body) = decoded.message.typeAndBody
    var area = ByteReader(
      bytes[..<decoded.header.octets], orThrow: DecodeError(.optionOverrun, offset: 0, value: bytes.count))
    try area.skip(Swift.type(of: body).fixedPartEnd)
    var result: [PlacedOption] = []
    while var element = try OptionElement(decoding: &area) {
      let option =
        element.type.isPadding
        ? nil : try MobilityOption(type: element.type, decoding: &element.body, codePoints: codePoints)
      result.append(PlacedOption(type: element.type, offset: element.offset, length: element.length, option: option))
    }
    return result
  }

  /// Encodes `message`. Options keep their order; padding, Header Len and checksum follow from them.
  public static func encode(
    _ message: MobilityMessage, source: IPv6Address, destination: IPv6Address, codePoints: CodePoints = CodePoints(),
    checksum: ChecksumOnSend = .compute
  ) throws(EncodeError) -> [UInt8] {
    var writer = ByteWriter()
    try encode(
      message, into: &writer, source: source, destination: destination, codePoints: codePoints, checksum: checksum)
    return writer.bytes
  }

  /// The same, in the place of what `writer` holds, whose memory is used again.
  public static func encode(
    _ message: MobilityMessage, into writer: inout ByteWriter, source: IPv6Address, destination: IPv6Address,
    codePoints: CodePoints = CodePoints(), checksum: ChecksumOnSend = .compute
  ) throws(EncodeError) {
    let (type, body) = message.typeAndBody
    writer.removeAll()
    writer.write(noNextHeader)
    writer.write(UInt8(0))  // Header Len
    writer.write(type.rawValue)
    writer.write(UInt8(0))
    writer.write(UInt16(0))  // checksum
    body.encodeFixedPart(into: &writer)
    try body.options.encode(into: &writer, codePoints: codePoints)
    guard writer.count <= maximumOctets else { throw .messageTooLong(octets: writer.count) }
    writer.overwrite(UInt8(writer.count / unit - 1), at: 1)
    if checksum == .compute {
      let value = InternetChecksum.value(
        of: writer.bytes.span, source: source, destination: destination, nextHeader: nextHeader)
      writer.overwrite(value, at: checksumOffset)
    }
  }
}
