import MobilityDocuments
import MobilityWire
import NetTypes
import SeededRandom
import TestSupport
import Testing

@Suite struct MessageReportTests {
  // The vectors know no flow-mob option.
  private let codePoints = CodePoints(flowMobilityOption: nil)

  @Test("All vectors are there")
  func file() {
    #expect(Vector.all.count == 55 && Vector.all.count { $0.isValid } == 44)
  }

  @Test("The document is the `expect` object of the vector", arguments: Vector.all)
  func document(vector: Vector) throws {
    let report = MessageReport(vector.found, codePoints: codePoints)
    var expected = vector.expect
    if !vector.isValid {
      // What a receiver does about it is not the decoder's to say.
      guard case .object(var members) = expected else { return }
      members["action"] = nil
      members["allowed"] = nil
      expected = .object(members)
    }
    #expect(try JSON(report.document.description) == expected)
    #expect(report.isRefused != vector.isValid)
  }

  @Test("The text has a line for the header, the fixed part and every option", arguments: Vector.all)
  func text(vector: Vector) throws {
    let report = MessageReport(vector.found, codePoints: codePoints)
    let lines = report.text.split(separator: "\n")
    guard case .decoded(_, _, let options) = report.outcome else {
      #expect(lines.count == 1 && lines[0].contains(": refused: "))
      return
    }
    let fixed = vector.name == "brr-minimal" ? 0 : 1
    #expect(lines.count == 1 + fixed + options.count)
    for (line, option) in zip(lines.dropFirst(1 + fixed), options) {
      let words = line.split(whereSeparator: { $0 == " " || $0 == ":" })
      #expect(words.first.flatMap { Int($0) } == option.offset, "\(line)")
    }
  }

  @Test("What a message looks like to people")
  func example() throws {
    let report = MessageReport(try Vector.named("bra-mn-attached").found, codePoints: codePoints)
    #expect(
      report.text == """
        2001:db8:2::1 > 2001:db8:1::1: Binding Revocation, 56 octets, checksum 0xd1ff
          revocationType 2, status 132, sequence 8193, P yes, V no, G no
            12 MobileNodeIdentifier: subtype 1, identifier mn1@example.net
            30 PadN
            36 HomeNetworkPrefix: offLink no, prefixLength 64, prefix 2001:db8:100:1::
        """)
  }

  @Test("The flow-mob option has its name where its type is agreed")
  func flowMobility() throws {
    let prefix = HomeNetworkPrefixOption(try #require(IPv6Prefix("2001:db8:100:2::/64")), offLink: true)
    let update = BindingUpdate(
      sequence: 1, flags: [], lifetime: .zero, options: MobilityOptions([.flowMobility(prefix)]))
    let octets = try MobilityHeader.encode(.bindingUpdate(update), source: .unspecified, destination: .unspecified)
    let found = FoundMessage(octets: octets[...], source: .unspecified, destination: .unspecified)
    let document = try JSON(MessageReport(found).document.description)
    #expect(
      document["options"]
        == .array([
          .object([
            "type": .number(250), "name": .string("FlowMobility"), "length": .number(18), "offset": .number(12),
            "offLink": .bool(true), "prefixLength": .number(64), "prefix": .string("2001:db8:100:2::"),
          ])
        ]))
    let unknown = try JSON(MessageReport(found, codePoints: codePoints).document.description)
    guard case .array(let options)? = unknown["options"] else { return }
    #expect(options.first?["name"] == .string("Unknown"))
  }

  @Test("Identifiers that are no text are printed as octets, and none can steer a terminal")
  func identifiers() throws {
    func option(_ node: MobileNodeIdentifier) throws -> (json: JSON?, text: String) {
      let update = BindingUpdate(
        sequence: 1, flags: [], lifetime: .zero, options: MobilityOptions([.mobileNodeIdentifier(node)]))
      let octets = try MobilityHeader.encode(.bindingUpdate(update), source: .unspecified, destination: .unspecified)
      let report = MessageReport(
        FoundMessage(octets: octets[...], source: .unspecified, destination: .unspecified), codePoints: codePoints)
      guard case .array(let options)? = try JSON(report.document.description)["options"] else { return (nil, "") }
      return (options.first, report.text + report.document.description)
    }
    let binary = try option(MobileNodeIdentifier(subtype: 1, identifier: [0xff, 0xfe]))
    #expect(binary.json?["identifierHex"] == .string("fffe") && binary.json?["identifier"] == nil)
    let address = try option(MobileNodeIdentifier(subtype: 5, identifier: Array("abcdef".utf8)))
    #expect(address.json?["identifierHex"] == .string("616263646566"))
    let escape = try option(MobileNodeIdentifier(subtype: 1, identifier: Array("\u{1b}[2J\"\\\u{202e}é".utf8)))
    #expect(escape.json?["identifier"] == .string("\u{1b}[2J\"\\\u{202e}é"))
    #expect(escape.text.unicodeScalars.allSatisfy { $0 == "\n" || $0.value >= 0x20 && $0.value != 0x202e })
  }

  @Test("Every truncation is refused, by its code or as cut short", arguments: Vector.all)
  func truncations(vector: Vector) {
    for length in 0..<vector.octets.count {
      var found = vector.found
      found.octets = vector.octets[..<length]
      let report = MessageReport(found, codePoints: codePoints)
      #expect(report.isRefused, "\(length) octets")
      _ = report.text
      found.isCutShort = true
      guard case .refused(let error) = MessageReport(found, codePoints: codePoints).outcome else {
        Issue.record("\(length) captured octets were decoded")
        continue
      }
      // A whole header of a vector that lies about its length may still be complete.
      #expect(length < 8 ? error.code == .tooShort : error.code == .headerLengthOverrun || !vector.isValid)
    }
  }

  @Test("Random octets and random changes are printed or refused, never a crash")
  func random() {
    var generator = SplitMix64.announced()
    for _ in 0..<4_000 {
      var octets = generator.octets(.random(in: 0...120, using: &generator))
      if Bool.random(using: &generator), let vector = Vector.all.randomElement(using: &generator) {
        octets = vector.octets
        for _ in 0..<Int.random(in: 1...4, using: &generator) {
          octets[.random(in: 6..<octets.count, using: &generator)] = .random(in: 0...255, using: &generator)
        }
      }
      let report = MessageReport(
        FoundMessage(
          octets: octets[...], source: .unspecified, destination: .unspecified, checksum: .kernelVerified))
      #expect(!report.text.isEmpty)
      #expect(throws: Never.self) { try JSON(report.document.description) }
    }
  }
}
