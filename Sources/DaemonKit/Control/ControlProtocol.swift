import Foundation

/// The control protocol, docs/control-protocol.md: one JSON document per line over a UNIX stream socket.
public enum ControlProtocol {
  public static let version = 1

  /// Keys sorted, so that equal values give equal lines.
  static func encode(_ value: some Encodable) throws -> [UInt8] {
    let encoder = JSONEncoder()
    encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
    return Array(try encoder.encode(value))
  }

  static func decode<Value: Decodable>(_ type: Value.Type, from line: [UInt8]) throws -> Value {
    try JSONDecoder().decode(type, from: Data(line))
  }

  /// What a decoding error means to whoever wrote the document: `arguments.prefix: …`.
  static func explain(_ error: any Error) -> String {
    guard let error = error as? DecodingError else { return "\(error)" }
    func text(_ context: DecodingError.Context, _ last: (any CodingKey)? = nil, _ problem: String) -> String {
      let keys = context.codingPath + (last.map { [$0] } ?? [])
      let joined: String = keys.map { key in key.intValue.map { "[\($0)]" } ?? "." + key.stringValue }.joined()
      let path = String(joined.drop { $0 == "." })
      return path.isEmpty ? problem : "\(path): \(problem)"
    }
    switch error {
    case .keyNotFound(let key, let context): return text(context, key, "is missing")
    case .valueNotFound(_, let context): return text(context, nil, "is null")
    case .typeMismatch(let type, let context): return text(context, nil, "is not of the type \(type)")
    case .dataCorrupted(let context): return text(context, nil, context.debugDescription)
    @unknown default: return "\(error)"
    }
  }
}

/// Why a command was refused. The codes are part of the interface: scripts test them.
public struct ControlError: Error, Hashable, Sendable, Codable, CustomStringConvertible {
  /// Kebab-case, such as `no-such-flow`.
  public var code: String
  /// For people; what is wrong.
  public var message: String
  /// For people; what to do next.
  public var hint: String?

  public init(code: String, message: String, hint: String? = nil) {
    self.code = code
    self.message = message
    self.hint = hint
  }

  public var description: String { hint.map { "\(message); \($0)" } ?? message }

  // Codes of the protocol itself.
  public static let malformedRequest = "malformed-request"
  public static let unsupportedVersion = "unsupported-version"
  public static let unknownCommand = "unknown-command"
  public static let invalidArguments = "invalid-arguments"
  public static let lineTooLong = "line-too-long"
  public static let tooManyClients = "too-many-clients"
  public static let tooManySubscriptions = "too-many-subscriptions"
  public static let internalError = "internal-error"
}

/// Arguments of a command that has none.
public struct NoArguments: Codable, Hashable, Sendable {
  public init() {}
}

/// Result of a command that has nothing to say.
public struct NoResult: Codable, Hashable, Sendable {
  public init() {}
}

// The documents on the wire.

struct RequestHead: Decodable {
  var version: Int
  var id: UInt64
  var command: String
}

struct RequestArguments<Arguments: Decodable>: Decodable {
  var arguments: Arguments
}

struct Request<Arguments: Encodable>: Encodable {
  var version = ControlProtocol.version
  var id: UInt64
  var command: String
  var arguments: Arguments
}

struct Answer<Result: Encodable>: Encodable {
  var version = ControlProtocol.version
  var id: UInt64
  var result: Result
}

struct Refusal: Codable {
  var version = ControlProtocol.version
  /// null when the request could not be read far enough to know it.
  var id: UInt64?
  var error: ControlError

  func encode(to encoder: any Encoder) throws {
    var container = encoder.container(keyedBy: CodingKeys.self)
    try container.encode(version, forKey: .version)
    try container.encode(id, forKey: .id)
    try container.encode(error, forKey: .error)
  }
}

/// What a server may send, as far as a client looks before it knows the type of the payload.
struct ServerLineHead: Decodable {
  var version: Int
  var id: UInt64?
  var event: String?
  var error: ControlError?
}

struct ServerLineResult<Result: Decodable>: Decodable {
  var result: Result
}

struct ServerLineData<Value: Decodable>: Decodable {
  var data: Value
}
