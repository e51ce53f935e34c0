import NetTypes

/// What must survive a restart of ours about a peer: the Restart Counter that it told last (RFC 5847 section 3.2).
public struct PeerRecord: Hashable, Sendable, Codable {
  public var address: IPv6Address
  public var restartCounter: UInt32

  public init(address: IPv6Address, restartCounter: UInt32) {
    self.address = address
    self.restartCounter = restartCounter
  }
}
