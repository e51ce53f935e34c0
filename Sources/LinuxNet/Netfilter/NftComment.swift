import CLinuxNet

/// Comments in the user data of rules, in the form that the `nft` tool reads and writes: type 0, length, text with a
/// terminating zero.
enum NftComment {
  /// Octets of text (`NFTNL_UDATA_COMMENT_MAXLEN`).
  static let maximumLength = 128

  static func encode(_ text: String) -> [UInt8] {
    let octets = text.utf8.prefix(maximumLength - 1)
    return [0, UInt8(octets.count + 1)] + octets + [0]
  }

  /// nil when there is no comment among the user data.
  static func decode(_ data: some Collection<UInt8>) -> String? {
    var rest = data[...]
    while rest.count >= 2, let type = rest.popFirst(), let length = rest.popFirst() {
      guard rest.count >= length else { return nil }
      if type == 0 { return String(decoding: rest.prefix(Int(length)).prefix { $0 != 0 }, as: UTF8.self) }
      rest = rest.dropFirst(Int(length))
    }
    return nil
  }
}
