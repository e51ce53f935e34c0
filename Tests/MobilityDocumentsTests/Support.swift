import Foundation
import MobilityDocuments
import MobilityWire
import NetTypes
import TestSupport
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
        case .string(let hex)? = entry["hex"], let octets = try? TestSupport.octets(hex), let expect = entry["expect"]
      else { fatalError("\(file.path): incomplete vector") }
      return Vector(
        name: name, transport: transport, source: source, destination: destination,
        octets: octets, expect: expect)
    }
  }()

  static func named(_ name: String) throws -> Vector { try #require(all.first { $0.name == name }) }
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
