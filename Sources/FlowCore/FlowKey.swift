import NetTypes

/// Which fields of the 6-tuple classify packets.
public enum FlowKeyKind: String, Hashable, Sendable, Codable {
  case sixTuple = "6-tuple"
  /// Without the flow label, for correspondents that change it within a connection.
  case fiveTuple = "5-tuple"

  /// `tuple` as this key sees it.
  public func normalize(_ tuple: FlowSixTuple) -> FlowSixTuple {
    guard self == .fiveTuple else { return tuple }
    var result = tuple
    result.flowLabel = 0
    return result
  }
}
