/// What becomes of a packet (or of the evaluation) when a rule or a verdict map says so.
public enum NftVerdict: Hashable, Sendable {
  /// Ends the evaluation of this base chain; later base chains of the hook still see the packet.
  case accept
  case drop
  /// Back to the calling chain, or to the policy of the base chain.
  case `return`
  case jump(String)
  case goTo(String)
}
