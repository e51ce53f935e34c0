import MobilityDocuments
import MobilityWire
import NetTypes
import SeededRandom
import TestSupport
import Testing

/// Builds packets from the inside out.
private enum Packet {
  static let source = IPv6Address(high: 0x2001_0db8_0002_0000, low: 1)
  static let destination = IPv6Address(high: 0x2001_0db8_0001_0000, low: 1)

  static func ipv6(_ next: UInt8, _ payload: [UInt8], from: IPv6Address = source, to: IPv6Address = destination)
    -> [UInt8]
  {
    var writer = ByteWriter()
    IPv6Header(
      payloadLength: UInt16(payload.count), nextHeader: next, hopLimit: 64, source: from, destination: to
    ).encode(into: &writer)
    return writer.bytes + payload
  }

  static func ipv4(_ next: UInt8, _ payload: [UInt8], options: [UInt8] = [], fragment: UInt16 = 0) -> [UInt8] {
    let octets = 20 + options.count
    let total = octets + payload.count
    return [
      0x40 | UInt8(octets / 4), 0, UInt8(total >> 8), UInt8(total & 0xff), 0, 0, UInt8(fragment >> 8),
      UInt8(fragment & 0xff), 64, next, 0, 0, 192, 0, 2, 1, 192, 0, 2, 2,
    ] + options + payload
  }

  static func udp(_ from: UInt16, _ to: UInt16, _ payload: [UInt8]) -> [UInt8] {
    let length = 8 + payload.count
    return [
      UInt8(from >> 8), UInt8(from & 0xff), UInt8(to >> 8), UInt8(to & 0xff), UInt8(length >> 8),
      UInt8(length & 0xff), 0, 0,
    ] + payload
  }

  static func ethernet(_ payload: [UInt8], type: [UInt8] = [0x86, 0xdd], tags: [[UInt8]] = []) -> [UInt8] {
    [UInt8](repeating: 2, count: 12) + tags.flatMap { $0 + [0, 7] } + type + payload
  }
}

@Suite struct PacketWalkTests {
  private let message: [UInt8]
  private let vector: Vector

  init() throws {
    vector = try Vector.named("pbu-initial-attach")
    message = vector.octets
    #expect(vector.source == Packet.source && vector.destination == Packet.destination)
  }

  /// The packet holds exactly the message, and its checksum verifies with the addresses that were found.
  private func expectMessage(
    _ packet: [UInt8], _ link: LinkType = .raw, sourceLocation: SourceLocation = #_sourceLocation
  ) throws {
    let found = try #require(try PacketWalk.message(in: packet[...], of: link), sourceLocation: sourceLocation)
    #expect(Array(found.octets) == message, sourceLocation: sourceLocation)
    #expect(!found.isCutShort, sourceLocation: sourceLocation)
    let report = MessageReport(found, codePoints: CodePoints(flowMobilityOption: nil))
    #expect(try JSON(report.document.description) == vector.expect, sourceLocation: sourceLocation)
  }

  private func expectNone(_ packet: [UInt8], sourceLocation: SourceLocation = #_sourceLocation) throws {
    #expect(try PacketWalk.message(in: packet[...], of: .raw) == nil, sourceLocation: sourceLocation)
  }

  private func expect(
    _ problem: PacketProblem, _ packet: [UInt8], sourceLocation: SourceLocation = #_sourceLocation
  ) {
    #expect(throws: problem, sourceLocation: sourceLocation) { try PacketWalk.message(in: packet[...], of: .raw) }
  }

  @Test("Link layers: Ethernet with padding and tags, both cooked ones, raw")
  func links() throws {
    let packet = Packet.ipv6(135, message)
    try expectMessage(packet)
    try expectMessage(Packet.ethernet(packet) + [0, 0, 0, 0], .ethernet)
    try expectMessage(Packet.ethernet(packet, tags: [[0x81, 0x00]]), .ethernet)
    try expectMessage(Packet.ethernet(packet, tags: [[0x88, 0xa8], [0x81, 0x00]]), .ethernet)
    try expectMessage([0, 0, 0, 1, 0, 6, 2, 0, 0, 0, 0, 1, 0, 0, 0x86, 0xdd] + packet, .linuxCooked)
    try expectMessage([0x86, 0xdd] + [UInt8](repeating: 0, count: 18) + packet, .linuxCooked2)
    let tags = [[UInt8]](repeating: [0x81, 0x00], count: PacketWalk.maximumTags + 1)
    #expect(throws: PacketProblem.tooManyHeaders) {
      try PacketWalk.message(in: Packet.ethernet(packet, tags: tags)[...], of: .ethernet)
    }
    #expect(try PacketWalk.message(in: Packet.ethernet(packet, type: [0x08, 0x06])[...], of: .ethernet) == nil)
  }

  @Test("Hop-by-hop, destination options, routing, authentication and a fragment header of a whole packet")
  func extensionHeaders() throws {
    let hopByHop: [UInt8] = [60, 0, 5, 2, 0, 0, 1, 0]
    let destinationOptions: [UInt8] = [43, 0, 1, 4, 0, 0, 0, 0]
    let routing: [UInt8] = [44, 2, 2, 0, 0, 0, 0, 0] + Packet.source.bytes
    let atomic: [UInt8] = [51, 0, 0, 0, 0, 0, 0, 9]
    let authentication: [UInt8] = [135, 4] + [UInt8](repeating: 0, count: 22)
    try expectMessage(
      Packet.ipv6(0, hopByHop + destinationOptions + routing + atomic + authentication + message))
  }

  @Test("Fragments: only whole messages are decoded")
  func fragments() throws {
    for offset in [[0, 1], [0, 8], [0, 9]] as [[UInt8]] {
      expect(.fragment, Packet.ipv6(44, [135, 0] + offset + [0, 0, 0, 9] + message))
      try expectNone(Packet.ipv6(44, [6, 0] + offset + [0, 0, 0, 9] + message))
    }
    let control = Packet.udp(5436, 5436, message)
    try expectNone(Packet.ipv4(17, control, fragment: 0x2000))
    try expectNone(Packet.ipv4(17, control, fragment: 0x0001))
  }

  @Test("The addresses of the checksum: home address, type 2 routing header, segment routing header")
  func pseudoHeader() throws {
    let careOf = try #require(IPv6Address("2001:db8:ffff::7"))
    let home: [UInt8] = [135, 2, 1, 2, 0, 0, 201, 16] + Packet.source.bytes
    try expectMessage(Packet.ipv6(60, home + message, from: careOf))
    let type2: [UInt8] = [135, 2, 2, 1, 0, 0, 0, 0] + Packet.destination.bytes
    try expectMessage(Packet.ipv6(43, type2 + message, to: careOf))
    let type0: [UInt8] = [135, 4, 0, 2, 0, 0, 0, 0] + careOf.bytes + Packet.destination.bytes
    try expectMessage(Packet.ipv6(43, type0 + message, to: careOf))
    let segments: [UInt8] = [135, 4, 4, 1, 1, 0, 0, 0] + Packet.destination.bytes + careOf.bytes
    try expectMessage(Packet.ipv6(43, segments + message, to: careOf))
    let arrived: [UInt8] = [135, 2, 4, 0, 0, 0, 0, 0] + careOf.bytes
    try expectMessage(Packet.ipv6(43, arrived + message))
  }

  @Test("IP in IP up to the bound, in every combination")
  func nesting() throws {
    let inner = Packet.ipv6(135, message)
    try expectMessage(Packet.ipv6(41, inner))
    try expectMessage(Packet.ipv4(41, inner, options: [1, 1, 1, 0]))
    try expectMessage(Packet.ipv6(4, Packet.ipv4(41, inner)))
    // The encapsulation limit of ip6tnl.
    try expectMessage(Packet.ipv6(60, [41, 0, 4, 1, 4, 1, 1, 0] + inner))
    var packet = inner
    for _ in 1..<PacketWalk.maximumNesting { packet = Packet.ipv6(41, packet) }
    try expectMessage(packet)
    expect(.tooManyHeaders, Packet.ipv6(41, packet))
  }

  @Test("As many extension headers as the bound allows, and no more")
  func extensionHeaderBound() throws {
    let options: [UInt8] = [60, 0, 1, 4, 0, 0, 0, 0]
    let last: [UInt8] = [135, 0, 1, 4, 0, 0, 0, 0]
    let allowed = [UInt8]([[UInt8]](repeating: options, count: PacketWalk.maximumExtensionHeaders - 1).joined())
    try expectMessage(Packet.ipv6(60, allowed + last + message))
    expect(.tooManyHeaders, Packet.ipv6(60, allowed + options + last + message))
  }

  @Test("UDP port 4191: an IPv6 packet, with its checksum; with the TLV header too")
  func tunnelPort() throws {
    let inner = Packet.ipv6(135, message)
    try expectMessage(Packet.ipv4(17, Packet.udp(4191, 4191, inner)))
    try expectMessage(Packet.ipv4(17, Packet.udp(40_000, 4191, inner)))
    try expectMessage(Packet.ipv4(17, Packet.udp(4191, 4191, [0, 41, 0, UInt8(inner.count)] + inner)))
    // Keepalives and strangers.
    try expectNone(Packet.ipv4(17, Packet.udp(4191, 4191, [])))
    try expectNone(Packet.ipv4(17, Packet.udp(4191, 4191, [0xff, 1, 2, 3])))
    var spoiled = inner
    spoiled[45] ^= 1
    let found = try #require(
      try PacketWalk.message(in: Packet.ipv4(17, Packet.udp(4191, 4191, spoiled))[...], of: .raw))
    #expect(MessageReport(found).isRefused)
  }

  @Test("UDP port 5436: the message itself, whose checksum is not checked")
  func controlPort() throws {
    let vector = try Vector.named("pbu-over-ipv4")
    for ports in [(40_000, 5436), (5436, 40_000)] as [(UInt16, UInt16)] {
      let packet = Packet.ipv4(17, Packet.udp(ports.0, ports.1, vector.octets))
      let found = try #require(try PacketWalk.message(in: packet[...], of: .raw))
      #expect(found.source == IPv6Address("::ffff:192.0.2.1") && found.destination == IPv6Address("::ffff:192.0.2.2"))
      let report = MessageReport(found, codePoints: CodePoints(flowMobilityOption: nil))
      #expect(try JSON(report.document.description) == vector.expect)
    }
    try expectNone(Packet.ipv4(17, Packet.udp(5435, 5437, vector.octets)))
  }

  @Test("Other traffic holds no message")
  func others() throws {
    for next in [6, 17, 50, 58, 59] as [UInt8] { try expectNone(Packet.ipv6(next, message)) }
    try expectNone([0x10, 1, 2])
    try expectNone([])
  }

  @Test("A packet cut at any place is cut short or refused, and never decoded as something else")
  func truncations() throws {
    let inner = Packet.ipv6(60, [135, 0, 1, 4, 0, 0, 0, 0] + message)
    let packet = Packet.ethernet(Packet.ipv4(17, Packet.udp(4191, 4191, inner)), type: [0x08, 0x00])
    for length in 0..<packet.count {
      do throws(PacketProblem) {
        guard let found = try PacketWalk.message(in: packet[..<length], of: .ethernet) else {
          // Nothing behind the UDP header: a keepalive, as far as one can see.
          #expect(length == 14 + 20 + 8)
          continue
        }
        #expect(found.isCutShort && MessageReport(found).isRefused, "\(length) octets")
      } catch {
        #expect(error == .cutShort, "\(length) octets")
      }
    }
  }

  @Test("Random packets never crash the walk")
  func random() {
    var generator = SplitMix64.announced()
    // What leads deeper into the walk than pure chance.
    let tempting: [UInt8] = [0, 4, 17, 41, 43, 44, 51, 60, 135, 0x45, 0x60, 0x86, 0xdd, 0x08]
    for _ in 0..<5_000 {
      var octets = generator.octets(.random(in: 0...200, using: &generator))
      for _ in 0..<Int.random(in: 0...40, using: &generator) where !octets.isEmpty {
        octets[.random(in: 0..<octets.count, using: &generator)] = tempting.randomElement(using: &generator) ?? 0
      }
      if octets.count > 8, Bool.random(using: &generator) {
        octets[0] = 0x60
        octets[6] = tempting.randomElement(using: &generator) ?? 41
      }
      for link in LinkType.allCases {
        guard let found = try? PacketWalk.message(in: octets[...], of: link) else { continue }
        _ = MessageReport(found).document
      }
    }
  }
}
