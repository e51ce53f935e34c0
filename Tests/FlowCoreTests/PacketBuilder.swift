import FlowCore
import NetTypes

/// Builds IPv6 packets header by header, for tests.
struct PacketBuilder {
  var source = IPv6Address(high: 0x2001_0db8_000c_0000, low: 2)
  var destination = IPv6Address(high: 0x2001_0db8_0100_0001, low: 0x10)
  var flowLabel: UInt32 = 0x12345
  private(set) var firstHeader: UInt8 = 59
  private var chain: [UInt8] = []
  /// Where the next-header octet of the last header is, in `chain`; nil for the IPv6 header itself.
  private var lastNextHeader: Int?

  private mutating func append(_ type: UInt8, _ header: [UInt8]) {
    if let lastNextHeader { chain[lastNextHeader] = type } else { firstHeader = type }
    lastNextHeader = chain.count
    chain += header
  }

  func hopByHop(units: UInt8 = 0) -> PacketBuilder { options(0, units: units) }
  func destinationOptions(units: UInt8 = 0) -> PacketBuilder { options(60, units: units) }
  func routing(units: UInt8 = 2) -> PacketBuilder { options(43, units: units) }

  private func options(_ type: UInt8, units: UInt8) -> PacketBuilder {
    var copy = self
    copy.append(type, [59, units] + Array(repeating: 0, count: 6 + Int(units) * 8))
    return copy
  }

  /// `words` as in the header: octets / 4 - 2.
  func authentication(words: UInt8 = 4) -> PacketBuilder {
    var copy = self
    copy.append(51, [59, words] + Array(repeating: 0xaa, count: (Int(words) + 2) * 4 - 2))
    return copy
  }

  func fragment(offset: UInt16, more: Bool, identification: UInt32) -> PacketBuilder {
    var copy = self
    let field = offset & 0xfff8 | (more ? 1 : 0)
    copy.append(44, [59, 0, UInt8(field >> 8), UInt8(truncatingIfNeeded: field)] + octets(identification))
    return copy
  }

  /// The transport header ends the chain.
  func transport(_ type: UInt8, _ header: [UInt8]) -> [UInt8] {
    var copy = self
    if let last = copy.lastNextHeader { copy.chain[last] = type } else { copy.firstHeader = type }
    let payload = copy.chain + header
    return octets(0x6000_0000 | flowLabel) + [UInt8(payload.count >> 8), UInt8(payload.count & 0xff)]
      + [copy.firstHeader, 64] + source.bytes + destination.bytes + payload
  }

  func ports(_ transport: TransportProtocol, _ source: UInt16, _ destination: UInt16) -> [UInt8] {
    self.transport(
      transport.rawValue, octets(UInt32(source) << 16 | UInt32(destination)) + Array(repeating: 0, count: 16))
  }

  func icmp(type: UInt8, code: UInt8 = 0, identifier: UInt16 = 0, body: [UInt8] = []) -> [UInt8] {
    transport(58, [type, code, 0, 0] + octets(UInt32(identifier) << 16) + body)
  }

  func tuple(_ transport: TransportProtocol, _ sourcePort: UInt16, _ destinationPort: UInt16) -> FlowSixTuple {
    FlowSixTuple(
      source: source, destination: destination, flowLabel: flowLabel, transport: transport, sourcePort: sourcePort,
      destinationPort: destinationPort)
  }
}

func octets(_ value: UInt32) -> [UInt8] { (0..<4).map { UInt8(truncatingIfNeeded: value >> (24 - 8 * UInt32($0))) } }

func dissect(_ packet: [UInt8]) -> Result<Dissection, DissectionError> {
  do throws(DissectionError) {
    return .success(try PacketDissector.dissect(packet.span.bytes))
  } catch {
    return .failure(error)
  }
}
