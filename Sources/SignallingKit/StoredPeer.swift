import NetTypes
import PMIPCore

/// A `PeerRecord` as it stands in the state files `lmad-peers` and `magd-peers`. The keys may be extended (with optional
/// ones), never renamed: a new daemon reads the file of an old one.
public struct StoredPeer: Codable, Hashable {
  var address: IPv6Address
  var restartCounter: UInt32

  public init(_ record: PeerRecord) {
    address = record.address
    restartCounter = record.restartCounter
  }

  public var record: PeerRecord { PeerRecord(address: address, restartCounter: restartCounter) }
}
