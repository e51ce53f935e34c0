import Foundation
import MobilityDocuments
import MobilityWire
import NetTypes
import Testing

/// One message of the reference vectors, which are a resource of MobilityWireTests.
struct Vector: Sendable, CustomTestStringConvertible {
  var name: String
  var transport: String
  var source: IPv6Address
  var destination: IPv6Address
  var octets: [UInt8]
  var expect: JSON

  var testDescription: String { name }
  var isValid: Bool { expect["valid"] == .bool(true) }

  var found: FoundMessage {
    FoundMessage(
      octets: octets[...], source: source, destination: destination,
      checksum: transport == "udp4-5436" ? .kernelVerified : .verify)
  }

  static let all: [Vector] = {
    let file = URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
      .appendingPathComponent("MobilityWireTests/Fixtures/vectors.json")
    guard let data = try? Data(contentsOf: file), let root = try? JSONDecoder().decode(JSON.self, from: data),
      case .array(let list)? = root["vectors"]
    else { fatalError("\(file.path) is missing or not JSON") }
    return list.map { entry in
      guard case .string(let name)? = entry["name"], case .string(let transport)? = entry["transport"],
        case .string(let src)? = entry["src"], let source = IPv6Address(src),
        case .string(let dst)? = entry["dst"], let destination = IPv6Address(dst),
        case .string(let hex)? = entry["hex"], let expect = entry["expect"]
      else { fatalError("\(file.path): incomplete vector") }
      return Vector(
        name: name, transport: transport, source: source, destination: destination,
        octets: MobilityDocumentsTests.octets(hex), expect: expect)
    }
  }()

  static func named(_ name: String) throws -> Vector { try #require(all.first { $0.name == name }) }
}

func octets(_ hex: String) -> [UInt8] {
  let digits = Array(hex.utf8.filter { $0 != UInt8(ascii: " ") && $0 != UInt8(ascii: "\n") })
  return stride(from: 0, to: digits.count, by: 2).map {
    UInt8(String(decoding: digits[$0...$0 + 1], as: UTF8.self), radix: 16) ?? 0
  }
}

/// A JSON tree to compare: objects without order, numbers by value.
enum JSON: Hashable, Sendable, Decodable {
  case null
  case bool(Bool)
  case number(Double)
  case string(String)
  case array([JSON])
  case object([String: JSON])

  init(from decoder: any Decoder) throws {
    let container = try decoder.singleValueContainer()
    if container.decodeNil() {
      self = .null
    } else if let value = try? container.decode(Bool.self) {
      self = .bool(value)
    } else if let value = try? container.decode(Double.self) {
      self = .number(value)
    } else if let value = try? container.decode(String.self) {
      self = .string(value)
    } else if let value = try? container.decode([JSON].self) {
      self = .array(value)
    } else {
      self = .object(try container.decode([String: JSON].self))
    }
  }

  init(_ text: String) throws { self = try JSONDecoder().decode(JSON.self, from: Data(text.utf8)) }

  subscript(key: String) -> JSON? { if case .object(let members) = self { members[key] } else { nil } }
}

/// SplitMix64: the same seed, the same test.
struct SeededGenerator: RandomNumberGenerator {
  private var state: UInt64
  init(seed: UInt64) { state = seed }

  mutating func next() -> UInt64 {
    state &+= 0x9e37_79b9_7f4a_7c15
    var z = state
    z = (z ^ z >> 30) &* 0xbf58_476d_1ce4_e5b9
    z = (z ^ z >> 27) &* 0x94d0_49bb_1331_11eb
    return z ^ z >> 31
  }

  mutating func octets(_ count: Int) -> [UInt8] { (0..<count).map { _ in UInt8.random(in: 0...255, using: &self) } }

  /// A new seed every run, or that of FLOWMOB_SEED; printed, so that a failure can be run again.
  static func announced(_ test: String = #function) -> SeededGenerator {
    let seed = ProcessInfo.processInfo.environment["FLOWMOB_SEED"].flatMap { UInt64($0) } ?? .random(in: 0...UInt64.max)
    print("\(test): FLOWMOB_SEED=\(seed)")
    return SeededGenerator(seed: seed)
  }
}
