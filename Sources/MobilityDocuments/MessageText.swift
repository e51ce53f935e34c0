import MobilityWire

extension MessageReport {
  /// The message for people: a line for the header, one for the fixed part, one for each option.
  public var text: String {
    let title = "\(source) > \(destination): "
    switch outcome {
    case .refused(let error): return title + "refused: \(error)"
    case .decoded(let header, let message, let options):
      var lines = [
        title + "\(header.type), \(header.octets) octets, checksum \(JSONValue.hex(header.checksum).readable)"
      ]
      let fields = message.fields.members
      if !fields.isEmpty { lines.append("  " + fields.readable) }
      for option in options {
        let named: Set<String> = ["type", "name", "length", "offset"]
        let fields = option.document(in: octets).members.filter { !named.contains($0.key) }
        let place = String(option.offset)
        lines.append(
          "  " + String(repeating: " ", count: max(0, 4 - place.count)) + place + " \(option.name)"
            + (option.name == "Unknown" ? " (type \(option.type.rawValue))" : "")
            + (fields.isEmpty ? "" : ": " + fields.readable))
      }
      return lines.joined(separator: "\n")
    }
  }
}

extension [JSONObject.Member] {
  /// `key value, key value`.
  fileprivate var readable: String { map { "\($0.key) \($0.value.readable)" }.joined(separator: ", ") }
}

extension JSONValue {
  fileprivate var readable: String {
    switch self {
    case .null: "none"
    case .bool(let value): value ? "yes" : "no"
    case .string(let value): value.isEmpty ? "(empty)" : value.escaped(quotes: false)
    case .array(let values): values.isEmpty ? "none" : values.map(\.readable).joined(separator: " ")
    case .object(let object): "{" + object.members.readable + "}"
    case .integer, .number: description
    }
  }
}
