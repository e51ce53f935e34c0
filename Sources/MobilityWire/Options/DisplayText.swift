extension MobileNodeIdentifier {
  /// For people and JSON: the NAI when it is printable text, else `subtype:hex`. Never used to compare.
  public var displayText: String {
    if subtype == 1, !identifier.isEmpty, identifier.allSatisfy({ (0x21...0x7e).contains($0) }) {
      return String(decoding: identifier, as: UTF8.self)
    }
    return "\(subtype):\(identifier.hexadecimal)"
  }
}

extension MobileNodeLinkLayerIdentifier {
  /// `02:00:00:00:01:01` for six octets, plain hexadecimal otherwise.
  public var displayText: String {
    identifier.count == 6
      ? identifier.map { [$0].hexadecimal }.joined(separator: ":") : identifier.hexadecimal
  }
}

extension Sequence<UInt8> {
  /// Two lower-case digits for each octet.
  public var hexadecimal: String {
    reduce(into: "") { text, octet in
      text += (octet < 16 ? "0" : "") + String(octet, radix: 16)
    }
  }
}
