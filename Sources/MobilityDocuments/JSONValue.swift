/// A JSON value whose objects keep the order of their keys: a message prints in the order of its octets.
public enum JSONValue: Hashable, Sendable {
  case null
  case bool(Bool)
  case integer(Int64)
  case number(Double)
  case string(String)
  case array([JSONValue])
  case object(JSONObject)

  static func int(_ value: some BinaryInteger) -> JSONValue { .integer(Int64(clamping: value)) }
  /// RFC 5952 text, dotted quads, and everything else that describes itself.
  static func text(_ value: some CustomStringConvertible) -> JSONValue { .string(value.description) }
}

/// The members of a JSON object, in order.
public struct JSONObject: Hashable, Sendable, ExpressibleByDictionaryLiteral {
  public struct Member: Hashable, Sendable {
    public var key: String
    public var value: JSONValue
  }

  public var members: [Member]

  public init(dictionaryLiteral elements: (String, JSONValue)...) {
    members = elements.map { Member(key: $0.0, value: $0.1) }
  }

  public mutating func append(_ key: String, _ value: JSONValue) { members.append(Member(key: key, value: value)) }

  public mutating func append(_ other: JSONObject) { members += other.members }
}

extension JSONValue: CustomStringConvertible {
  /// JSON text on one line.
  public var description: String {
    var text = ""
    write(to: &text)
    return text
  }

  private func write(to text: inout String) {
    switch self {
    case .null: text += "null"
    case .bool(let value): text += value ? "true" : "false"
    case .integer(let value): text += String(value)
    case .number(let value): text += value.description
    case .string(let value): text += "\"" + value.escaped(quotes: true) + "\""
    case .array(let values):
      text += "["
      for (index, value) in values.enumerated() {
        if index > 0 { text += ", " }
        value.write(to: &text)
      }
      text += "]"
    case .object(let object):
      text += "{"
      for (index, member) in object.members.enumerated() {
        if index > 0 { text += ", " }
        text += "\"\(member.key)\": "
        member.value.write(to: &text)
      }
      text += "}"
    }
  }
}

extension String {
  /// With `\uXXXX` for everything that a terminal could take for more than text, and for backslashes; identifiers in a
  /// message are what a stranger has sent. `quotes`: those of JSON too.
  func escaped(quotes: Bool) -> String {
    var result = ""
    for scalar in unicodeScalars {
      switch scalar {
      case "\\": result += "\\\\"
      case "\"" where quotes: result += "\\\""
      default:
        switch scalar.properties.generalCategory {
        case .control, .format, .lineSeparator, .paragraphSeparator, .privateUse, .unassigned:
          for unit in String(scalar).utf16 {
            let digits = String(unit, radix: 16)
            result += "\\u" + String(repeating: "0", count: 4 - digits.count) + digits
          }
        default: result.unicodeScalars.append(scalar)
        }
      }
    }
    return result
  }
}
