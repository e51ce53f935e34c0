import MobilityWire
import NetTypes
import SeededRandom
import TestSupport
import Testing

/// RFC 6275 section 9.2: which check, in which order, answered how.
@Suite struct ReceiveCheckTests {
  private static let gateway = IPv6Address(high: 0x2001_0db8_0002_0000, low: 1)
  private static let anchor = IPv6Address(high: 0x2001_0db8_0001_0000, low: 1)

  private func decode(_ octets: [UInt8], _ checksum: ChecksumOnReceipt = .kernelVerified) throws(DecodeError)
    -> DecodedMessage
  {
    try MobilityHeader.decode(octets, source: Self.gateway, destination: Self.anchor, checksum: checksum)
  }

  private func withChecksum(_ octets: [UInt8]) -> [UInt8] {
    var writer = ByteWriter()
    writer.write(octets)
    writer.overwrite(UInt16(0), at: 4)
    writer.overwrite(
      InternetChecksum.value(of: writer.bytes.span, source: Self.gateway, destination: Self.anchor, nextHeader: 135),
      at: 4)
    return writer.bytes
  }

  @Test("Everything is wrong; repairing one fault uncovers the next, in the RFC's order")
  func order() throws {
    // Payload Proto 17, Header Len 0 (too short for a BU), MH type 120, checksum wrong.
    var octets: [UInt8] = [17, 0, 120, 0, 0xde, 0xad, 0, 1]
    #expect(throws: DecodeError(.tooShort, offset: 7, value: 7)) { try decode(octets.dropLast(), .verify) }
    #expect(throws: DecodeError(.checksum, offset: 4, value: 0xdead)) { try decode(octets, .verify) }
    octets = withChecksum(octets)
    #expect(throws: DecodeError(.unknownType, offset: 2, value: 120)) { try decode(octets, .verify) }
    octets[2] = 5
    octets = withChecksum(octets)
    #expect(throws: DecodeError(.payloadProtocol, offset: 0, value: 17)) { try decode(octets, .verify) }
    octets[0] = 59
    octets = withChecksum(octets)
    #expect(throws: DecodeError(.headerLengthShort, offset: 1, value: 0)) { try decode(octets, .verify) }
    octets[1] = 1
    octets = withChecksum(octets)
    #expect(throws: DecodeError(.headerLengthOverrun, offset: 1, value: 1)) { try decode(octets, .verify) }
    octets += [0x82, 0, 0, 0x4b, 0, 0, 0, 23]
    octets = withChecksum(octets)
    let badOption = DecodeError(.optionNoLength, offset: 15, value: 23, option: .handoffIndicator)
    #expect(throws: badOption) { try decode(octets, .verify) }
    octets[15] = 0
    #expect(try decode(withChecksum(octets), .verify).message.options.isEmpty)
  }

  @Test("Reactions")
  func reactions() {
    for code in DecodeError.Code.allCases {
      let reaction = DecodeError(code, offset: 1, value: 0).reaction
      switch code {
      case .unknownType: #expect(reaction == .bindingError(status: BindingError.unrecognizedType))
      case .payloadProtocol, .headerLengthShort, .headerLengthOverrun:
        #expect(reaction == .parameterProblem(pointerInHeader: 1))
      default: #expect(reaction == .discard)
      }
    }
    let malformed = DecodeError(.optionLength, offset: 12, value: 6, option: .bindingIdentifier)
    #expect(malformed.reaction == .bindingAcknowledgement(status: .multipleCareOfAddressesMalformed))
  }

  @Test("A refusal needs the fixed part of a Binding Update that asks for an answer")
  func refusal() throws {
    let update = try octets("3b0205007e270009c2000096230600010014000001020000")
    for count in 0..<10 {
      #expect(BindingAcknowledgement(refusing: Array(update.prefix(count)), status: .reasonUnspecified) == nil)
    }
    let refusal = BindingAcknowledgement(refusing: update, status: .multipleCareOfAddressesMalformed)
    #expect(
      refusal
        == BindingAcknowledgement(
          status: .multipleCareOfAddressesMalformed, flags: .proxyRegistration, sequence: 9, lifetime: .zero,
          options: MobilityOptions()))
    var other = update
    other[8] = 0x42
    #expect(BindingAcknowledgement(refusing: other, status: .reasonUnspecified) == nil)
    other = update
    other[2] = 6
    #expect(BindingAcknowledgement(refusing: other, status: .reasonUnspecified) == nil)
  }

  @Test(
    "The checksum covers both addresses and every octet of the header",
    arguments: Vector.implemented.filter(\.hasChecksum))
  func checksum(vector: Vector) throws {
    let error = DecodeError(.checksum, offset: 4, value: 0)
    func code(_ octets: [UInt8], _ source: IPv6Address, _ destination: IPv6Address) -> DecodeError.Code? {
      do throws(DecodeError) {
        _ = try MobilityHeader.decode(octets, source: source, destination: destination, codePoints: .noFlowMobility)
        return nil
      } catch { return error.code }
    }
    #expect(code(vector.octets, vector.source, vector.destination) == nil)
    #expect(code(vector.octets, .allNodes, vector.destination) == error.code)
    #expect(code(vector.octets, vector.source, .allNodes) == error.code)
    for index in vector.octets.indices {
      var octets = vector.octets
      octets[index] ^= 0x10
      // A changed Header Len covers other octets, but its own as well.
      #expect(code(octets, vector.source, vector.destination) == error.code, "octet \(index)")
    }
  }

  @Test("Octets behind the end of the header are ignored", arguments: Vector.implemented)
  func trailing(vector: Vector) throws {
    var longer = vector
    longer.octets += [1, 2, 3, 4, 5, 6, 7, 8, 9]
    #expect(try longer.decode() == vector.decode())
    let embedded: [UInt8] = [9, 9, 9] + longer.octets
    #expect(
      try MobilityHeader.decode(
        embedded[3...], source: vector.source, destination: vector.destination, codePoints: .noFlowMobility,
        checksum: vector.hasChecksum ? .verify : .kernelVerified) == vector.decode())
  }

  @Test("Every truncation fails with the code of what is missing", arguments: Vector.valid)
  func truncation(vector: Vector) throws {
    for count in vector.octets.indices {
      let cut = Array(vector.octets[..<count])
      let error = try #require(throws: DecodeError.self) { try decode(cut) }
      let verified = try #require(throws: DecodeError.self) {
        try MobilityHeader.decode(
          cut, source: vector.source, destination: vector.destination, codePoints: .noFlowMobility)
      }
      if count < 8 {
        #expect(error == DecodeError(.tooShort, offset: count, value: count) && verified == error)
      } else if !vector.isImplementedMessage {
        #expect(error == DecodeError(.unknownType, offset: 2, value: vector.type))
      } else {
        #expect(error == DecodeError(.headerLengthOverrun, offset: 1, value: vector.octets[1]))
      }
    }
  }

  @Test(
    "A Header Len that ends early cuts the options: clean fault, or exactly the options before the cut",
    arguments: Vector.implemented)
  func shorterHeader(vector: Vector) throws {
    let whole = try MobilityHeader.placedOptions(vector.octets, codePoints: .noFlowMobility)
    for headerLength in 0..<Int(vector.octets[1]) {
      var octets = vector.octets
      octets[1] = UInt8(headerLength)
      let end = (headerLength + 1) * 8
      let isCut = whole.contains { $0.offset < end && $0.offset + 2 + ($0.length ?? -1) > end }
      do throws(DecodeError) {
        let placed = try MobilityHeader.placedOptions(octets, codePoints: .noFlowMobility)
        #expect(!isCut && placed == whole.filter { $0.offset < end })
      } catch {
        let fixedPartEnd = vector.type == 7 ? 24 : 12
        #expect(end < fixedPartEnd ? error.code == .headerLengthShort : isCut)
        if end >= fixedPartEnd { #expect(error.code == .optionOverrun || error.code == .optionNoLength) }
      }
    }
  }

  @Test("Random damage never traps, and what still decodes encodes to an equal message")
  func mutation() throws {
    var generator = SplitMix64.announced()
    var accepted = 0
    for round in 0..<20_000 {
      guard let vector = Vector.valid.randomElement(using: &generator) else { return }
      var octets = vector.octets
      for _ in 0..<Int.random(in: 1...4, using: &generator) {
        octets[Int.random(in: octets.indices, using: &generator)] = UInt8.random(in: 0...255, using: &generator)
      }
      if round % 4 == 0 { octets.removeLast(Int.random(in: 0...octets.count, using: &generator)) }
      guard let message = try? decode(octets).message else { continue }
      accepted += 1
      let encoded = try MobilityHeader.encode(message, source: Self.gateway, destination: Self.anchor)
      #expect(try decode(encoded, .verify).message == message, "\(hex(octets))")
    }
    #expect(accepted > 1000)
  }
}
