/// A pattern for node identifiers: `*` stands for any characters, `?` for one; everything else for itself. `*@REALM`
/// chooses a realm (RFC 4282 network access identifiers).
public struct NamePattern: Hashable, Sendable {
  public let text: String
  private let octets: [UInt8]

  public init(_ text: String) {
    self.text = text
    octets = Array(text.utf8)
  }

  public func matches(_ name: String) -> Bool {
    var name = name
    return name.withUTF8 { Self.matches(octets, $0, wildcards: true) }
  }

  /// Every name that `other` matches is matched by this pattern too. May say false where that is hard to see.
  public func covers(_ other: NamePattern) -> Bool {
    other.octets.withUnsafeBufferPointer { Self.matches(octets, $0, wildcards: false) }
  }

  /// `wildcards`: a `?` of the pattern takes any octet; else, when `text` is a pattern itself, none that is `*` there.
  private static func matches(
    _ pattern: [UInt8], _ text: UnsafeBufferPointer<UInt8>, wildcards: Bool
  ) -> Bool {
    let star = UInt8(ascii: "*")
    let one = UInt8(ascii: "?")
    var p = 0
    var t = 0
    // Where the last star stands, and up to where it has taken the text.
    var lastStar: (pattern: Int, text: Int)?
    while t < text.count {
      if p < pattern.count, pattern[p] == star {
        lastStar = (p, t)
        p += 1
      } else if p < pattern.count,
        pattern[p] == text[t] && (wildcards || text[t] != star) || pattern[p] == one && (wildcards || text[t] != star)
      {
        p += 1
        t += 1
      } else if let back = lastStar {
        lastStar = (back.pattern, back.text + 1)
        p = back.pattern + 1
        t = back.text + 1
      } else {
        return false
      }
    }
    while p < pattern.count, pattern[p] == star { p += 1 }
    return p == pattern.count
  }
}

extension NamePattern: LosslessStringConvertible {
  public var description: String { text }
}
