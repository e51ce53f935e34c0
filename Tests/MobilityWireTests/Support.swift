import Foundation
import MobilityWire
import NetTypes
import TestSupport
import Testing

func hex(_ octets: some Sequence<UInt8>) -> String {
  octets.map { ($0 < 16 ? "0" : "") + String($0, radix: 16) }.joined()
}

func address(_ text: String) throws -> IPv6Address { try #require(IPv6Address(text), "\(text)") }

/// One message of Fixtures/vectors.json; the legend is in that file.
struct Vector: Sendable, CustomTestStringConvertible {
  var name: String
  var transport: String
  var source: IPv6Address
  var destination: IPv6Address
  var octets: [UInt8]
  var expect: Fields

  var testDescription: String { name }

  /// The Mobility Header's type octet, as sent.
  var type: UInt8 { octets[2] }
  var isImplementedMessage: Bool { [0, 5, 6, 7, 13, 16, 19, 20].contains(type) }
  /// Over UDP over IPv4 there is no checksum to verify or to fill in.
  var hasChecksum: Bool { transport != "udp4-5436" }

  func decode(codePoints: CodePoints = .noFlowMobility) throws(DecodeError) -> DecodedMessage {
    try MobilityHeader.decode(
      octets, source: source, destination: destination, codePoints: codePoints,
      checksum: hasChecksum ? .verify : .kernelVerified)
  }

  static let valid = all.vectors.filter { $0.expect.bool("valid") == true }
  static let negative = all.vectors.filter { $0.expect.bool("valid") == false }
  static let implemented = valid.filter(\.isImplementedMessage)
  static let errorCodes = all.errorCodes

  private static let all: (vectors: [Vector], errorCodes: Set<String>) = {
    guard let url = Bundle.module.url(forResource: "Fixtures/vectors", withExtension: "json"),
      let data = try? Data(contentsOf: url), let json = try? JSONSerialization.jsonObject(with: data),
      let root = json as? [String: Any], let list = root["vectors"] as? [[String: Any]],
      let codes = root["errorCodes"] as? [String: Any]
    else { fatalError("Fixtures/vectors.json is missing or not JSON") }
    return (list.map { Vector(Fields($0)) }, Set(codes.keys))
  }()

  private init(_ fields: Fields) {
    guard let name = fields.string("name"), let transport = fields.string("transport"),
      let source = fields.string("src").flatMap({ IPv6Address($0) }),
      let destination = fields.string("dst").flatMap({ IPv6Address($0) }),
      let octets = fields.string("hex").flatMap({ try? TestSupport.octets($0) }),
      let expect = fields.object("expect")
    else { fatalError("Fixtures/vectors.json: incomplete vector") }
    self.name = name
    self.transport = transport
    self.source = source
    self.destination = destination
    self.octets = octets
    self.expect = expect
  }
}

extension CodePoints {
  /// The vectors know no flow-mob option; one of them has an unknown option 200.
  static let noFlowMobility = CodePoints(flowMobilityOption: nil)
}

/// A JSON object with typed access.
struct Fields: @unchecked Sendable {
  // Unchecked: JSONSerialization's values are immutable.
  private let values: [String: Any]
  init(_ values: [String: Any]) { self.values = values }
  func int(_ key: String) -> Int? { values[key] as? Int }
  func bool(_ key: String) -> Bool? { values[key] as? Bool }
  var isEmpty: Bool { values.isEmpty }
  func string(_ key: String) -> String? { values[key] as? String }
  func double(_ key: String) -> Double? { values[key] as? Double }
  func ints(_ key: String) -> [Int]? { values[key] as? [Int] }
  /// A string, or a number as a string.
  func text(_ key: String) -> String? { string(key) ?? int(key).map(String.init) }
  func strings(_ key: String) -> [String] { values[key] as? [String] ?? [] }
  func object(_ key: String) -> Fields? { (values[key] as? [String: Any]).map(Fields.init) }
  func objects(_ key: String) -> [Fields] { (values[key] as? [[String: Any]] ?? []).map(Fields.init) }
}
