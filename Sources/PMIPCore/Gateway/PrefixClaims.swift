import DatapathModel
import NetTypes

/// Which attachment a prefix is routed to when several claim it. That happens when two interfaces of one node are on
/// this gateway: the prefix of the one is served off-link through the other. On-link wins, because only there the
/// node has configured the addresses; among equals the newest registration wins, because that is where the anchor's
/// binding is. The paths of one attachment have one number, and the first uplink comes first.
struct PrefixClaims: Sendable {
  struct Claim: Hashable, Sendable {
    var key: AttachmentKey
    var isOnLink: Bool
    /// `BindingUpdateListEntry.Binding.claim`.
    var number: UInt64
    var tunnel: TunnelIdentifier
    /// nil: on-link route.
    var via: IPv6Address?

    func precedes(_ other: Claim) -> Bool {
      guard isOnLink == other.isOnLink else { return isOnLink }
      return number == other.number ? key.uplink < other.key.uplink : number > other.number
    }
  }

  /// Best first. Few claims each: one node has few interfaces.
  private var claims: [IPv6Prefix: [Claim]] = [:]

  func winner(of prefix: IPv6Prefix) -> Claim? { claims[prefix]?.first }

  /// Replaces the earlier claim of the same attachment.
  mutating func set(_ prefix: IPv6Prefix, _ claim: Claim) {
    var list = claims[prefix] ?? []
    list.removeAll { $0.key == claim.key }
    list.insert(claim, at: list.firstIndex { claim.precedes($0) } ?? list.endIndex)
    claims[prefix] = list
  }

  mutating func remove(_ prefix: IPv6Prefix, of key: AttachmentKey) {
    guard var list = claims[prefix] else { return }
    list.removeAll { $0.key == key }
    claims[prefix] = list.isEmpty ? nil : list
  }
}
