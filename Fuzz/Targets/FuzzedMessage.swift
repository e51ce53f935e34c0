import MobilityWire
import NetTypes

// Messages as a core gets them: through the decoder.
extension FuzzInput {
  /// A message of which some octets are others; nil when no receiver would accept it.
  mutating func corrupted(_ message: MobilityMessage, _ codePoints: CodePoints) -> MobilityMessage? {
    guard
      var octets = try? MobilityHeader.encode(
        message, source: .unspecified, destination: .unspecified, codePoints: codePoints, checksum: .zero)
    else { return nil }
    mutate(&octets)
    return Self.decode(octets, codePoints)
  }

  /// Octets of the input: its length, then the Mobility Header.
  mutating func anyMessage(_ codePoints: CodePoints) -> MobilityMessage? {
    let length = Int(uint16() % 512)
    return Self.decode(octets(length), codePoints)
  }

  private static func decode(_ octets: [UInt8], _ codePoints: CodePoints) -> MobilityMessage? {
    let decoded = try? MobilityHeader.decode(
      octets, source: .unspecified, destination: .unspecified, codePoints: codePoints, checksum: .kernelVerified)
    return decoded?.message
  }
}

/// Whatever a daemon sends fits into a Mobility Header and says the same to its receiver.
func checkSent(_ message: MobilityMessage, _ codePoints: CodePoints) throws(FuzzFailure) {
  let octets: [UInt8]
  do throws(EncodeError) {
    octets = try MobilityHeader.encode(
      message, source: .unspecified, destination: .unspecified, codePoints: codePoints, checksum: .zero)
  } catch {
    throw FuzzFailure(description: "cannot be sent: \(error)\n\(message)")
  }
  let received: DecodedMessage
  do throws(DecodeError) {
    received = try MobilityHeader.decode(
      octets, source: .unspecified, destination: .unspecified, codePoints: codePoints, checksum: .kernelVerified)
  } catch {
    throw FuzzFailure(description: "cannot be received: \(error)\n\(message)")
  }
  try require(received.message == message, "sent as something else:\n\(message)\n\(received.message)")
}

/// Names of the domain that both cores are fuzzed in.
enum FuzzedDomain {
  static let nodes = ["mn1", "mn2", "bond", "denied", "stranger"].map { MobileNodeIdentifier(nai: "\($0)@example.net") }
  static let linkLayerAddresses = (1...4).map { LinkLayerAddress(rawValue: 0x0200_0000_0000 + $0) }
  static let anchors = (1...3).map { IPv6Address(high: 0x2001_0db8_0001_0000, low: $0) }
  static let gateways = (1...4).map { IPv6Address(high: 0x2001_0db8_0002_0000, low: $0) }
  /// The first four lie in the pool.
  static let prefixes = [0, 1, 2, 3, 4].compactMap {
    IPv6Prefix(IPv6Address(high: 0x2001_0db8_0100_0000 + $0, low: 0), length: 64)
  }
  static let pool = IPv6Prefix(IPv6Address(high: 0x2001_0db8_0100_0000, low: 0), length: 62)
  static let linkLocalAddresses = (1...2).map { IPv6Address(high: 0xfe80_0000_0000_0000, low: $0) }
}
