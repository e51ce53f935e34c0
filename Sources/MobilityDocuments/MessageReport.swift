import MobilityWire
import NetTypes

/// One received message as people and programs read it: decoded whole, or refused with the reason.
public struct MessageReport: Hashable, Sendable {
  /// Addresses of the pseudo-header.
  public var source: IPv6Address
  public var destination: IPv6Address
  /// From the Payload Proto octet on.
  public var octets: [UInt8]
  public var outcome: Outcome

  public enum Outcome: Hashable, Sendable {
    case decoded(MobilityHeader, MobilityMessage, options: [PlacedOption])
    case refused(DecodeError)
  }

  public var isRefused: Bool { if case .refused = outcome { true } else { false } }

  /// Decodes a message as a receiver would.
  public init(_ found: FoundMessage, codePoints: CodePoints = CodePoints()) {
    source = found.source
    destination = found.destination
    octets = Array(found.octets)
    do throws(DecodeError) {
      if let error = found.cutError { throw error }
      let decoded = try MobilityHeader.decode(
        octets, source: source, destination: destination, codePoints: codePoints, checksum: found.checksum)
      let options = try MobilityHeader.placedOptions(octets, codePoints: codePoints)
      outcome = .decoded(decoded.header, decoded.message, options: options)
    } catch {
      outcome = .refused(error)
    }
  }

  /// Keys and values of `expect` in the reference vectors; `docs/decode.md` lists them.
  public var document: JSONValue {
    switch outcome {
    case .refused(let error):
      .object(["valid": .bool(false), "error": .string(error.code.rawValue), "offset": .int(error.offset)])
    case .decoded(let header, let message, let options):
      .object([
        "valid": .bool(true), "payloadProto": .int(header.payloadProtocol), "headerLen": .int(header.headerLength),
        "mhType": .int(header.type.rawValue), "checksum": .hex(header.checksum), "totalLength": .int(header.octets),
        "message": .object(message.fields), "options": .array(options.map { .object($0.document(in: octets)) }),
      ])
    }
  }
}

extension FoundMessage {
  /// A capture that lacks the end of the message lacks what a checksum is computed over: that is what to say of it.
  fileprivate var cutError: DecodeError? {
    guard isCutShort else { return nil }
    guard octets.count >= 8 else { return DecodeError(.tooShort, offset: octets.count, value: octets.count) }
    let headerLength = octets[octets.startIndex + 1]
    guard (Int(headerLength) + 1) * 8 > octets.count else { return nil }
    return DecodeError(.headerLengthOverrun, offset: 1, value: headerLength)
  }
}
