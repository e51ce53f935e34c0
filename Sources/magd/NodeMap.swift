import DaemonKit
import MobilityWire
import NetTypes
import PMIPCore

/// The file that says which node a link-layer address belongs to.
///
/// One node per line: link-layer address, MN-ID, kind (`interfaces` or `logical`, default `interfaces`), the address of
/// its anchor (default: the gateway's) and prefixes to propose to an anchor that assigns none by itself. Several lines
/// may name one node, one for each of its interfaces. `#` starts a comment.
enum NodeMap {
  /// More lines than this are not a node map.
  static let maximumNodes = 1_000_000

  struct Line: Hashable, Sendable {
    var node: GatewayNodePolicy
    var position: SourcePosition
  }

  static func load(path: String) throws(ConfigurationErrors) -> [Line] {
    try parse(try ConfigurationText.read(path: path, expected: "a node map"), file: path)
  }

  static func parse(_ text: String, file: String) throws(ConfigurationErrors) -> [Line] {
    var parser = Parser(file: file)
    for (index, line) in text.split(separator: "\n", omittingEmptySubsequences: false).enumerated() {
      parser.read(line, number: index + 1)
      if parser.result.count > maximumNodes {
        throw ConfigurationErrors([
          ConfigurationError(
            SourcePosition(file: file), "has too many nodes", expected: "at most \(maximumNodes) lines")
        ])
      }
    }
    guard parser.errors.isEmpty else { throw ConfigurationErrors(parser.errors) }
    return parser.result
  }

  private struct Parser {
    let file: String
    var result: [Line] = []
    var errors: [ConfigurationError] = []
    private var lines: [LinkLayerAddress: Int] = [:]
    private var kinds: [MobileNodeIdentifier: (kind: TerminalKind, line: Int)] = [:]

    init(file: String) { self.file = file }

    mutating func read(_ line: Substring, number: Int) {
      let content = line.prefix { $0 != "#" }
      let fields = content.split(whereSeparator: \.isWhitespace)
      func position(_ field: Int) -> SourcePosition {
        let start = field < fields.count ? fields[field].startIndex : content.endIndex
        let column = content.unicodeScalars.distance(from: content.startIndex, to: start) + 1
        return SourcePosition(file: file, line: number, column: column)
      }
      guard let first = fields.first else { return }
      // An MN-ID may have a slash; of the words behind it only a prefix has.
      let plain = fields.count < 2 ? fields.count : 2 + fields[2...].prefix { !$0.contains("/") }.count
      guard (2...4).contains(plain) else {
        errors.append(
          ConfigurationError(
            position(plain < 2 ? 0 : 4), plain < 2 ? "only a link-layer address" : "too many words",
            expected: "link-layer address, MN-ID, kind, anchor address, prefixes"))
        return
      }
      guard let address = LinkLayerAddress(String(first)) else {
        errors.append(
          ConfigurationError(
            position(0), "'\(first)' is not a link-layer address",
            expected: "a link-layer address such as 02:00:00:00:00:01"))
        return
      }
      if let earlier = lines[address] {
        errors.append(
          ConfigurationError(
            position(0), "\(address) is given twice, first on line \(earlier)",
            expected: "each link-layer address once"))
      }
      lines[address] = number
      guard fields[1].utf8.count <= 254 else {
        errors.append(
          ConfigurationError(
            position(1), "has \(fields[1].utf8.count) octets", expected: "an MN-ID of at most 254 octets"))
        return
      }
      var node = GatewayNodePolicy(linkLayerAddress: address, identifier: MobileNodeIdentifier(nai: String(fields[1])))
      if plain > 2 {
        guard let kind = TerminalKind(rawValue: String(fields[2])) else {
          errors.append(
            ConfigurationError.unknownWord(
              String(fields[2]), at: position(2),
              known: [TerminalKind.interfaces.rawValue, TerminalKind.logical.rawValue]))
          return
        }
        node.kind = kind
      }
      if let earlier = kinds[node.identifier], earlier.kind != node.kind {
        errors.append(
          ConfigurationError(
            position(2),
            "\(fields[1]) is of kind \(node.kind.rawValue), on line \(earlier.line) of kind "
              + earlier.kind.rawValue, expected: "one kind for all interfaces of a node"))
      }
      kinds[node.identifier] = kinds[node.identifier] ?? (node.kind, number)
      if plain > 3 {
        guard let anchor = IPv6Address(String(fields[3])) else {
          errors.append(
            ConfigurationError(
              position(3), "'\(fields[3])' is not an IPv6 address", expected: "the anchor's IPv6 address"))
          return
        }
        node.anchorAddress = anchor
      }
      for field in plain..<fields.count {
        guard let prefix = IPv6Prefix(String(fields[field])) else {
          errors.append(
            ConfigurationError(
              position(field), "'\(fields[field])' is not an IPv6 prefix", expected: "a prefix such as 2001:db8::/64"))
          return
        }
        node.homeNetworkPrefixes.append(prefix)
      }
      result.append(Line(node: node, position: position(0)))
    }
  }
}
