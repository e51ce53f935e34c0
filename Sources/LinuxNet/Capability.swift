import CLinuxNet

/// A privilege of the calling thread (capabilities(7)).
public enum Capability: String, Hashable, Sendable, CaseIterable {
  case networkAdministration = "CAP_NET_ADMIN"
  case rawSockets = "CAP_NET_RAW"

  public var isEffective: Bool {
    let number = self == .networkAdministration ? CAP_NET_ADMIN : CAP_NET_RAW
    return cnet_effective_capabilities() >> UInt64(number) & 1 == 1
  }
}
