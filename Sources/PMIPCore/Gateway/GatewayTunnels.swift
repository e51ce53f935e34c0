import DatapathModel
import HeapModule
import NetTypes

/// The gateway's tunnels: one for each pair of Proxy-CoA and anchor, shared by all bindings between the two and
/// counted (RFC 5213 section 6.10.2). Numbers are dense from 1: the lowest free one is used next.
struct GatewayTunnels: Sendable {
  private struct Ends: Hashable, Sendable {
    var local: IPv6Address
    var remote: IPv6Address
  }

  private struct Tunnel: Sendable {
    var ends: Ends
    var users: Int
  }

  private var identifiers: [Ends: TunnelIdentifier] = [:]
  private var tunnels: [TunnelIdentifier: Tunnel] = [:]
  private var highest: UInt32 = 0
  /// Given back, all below or equal to `highest`.
  private var free = Heap<TunnelIdentifier>()

  /// Bindings that use a tunnel.
  func users(of identifier: TunnelIdentifier) -> Int { tunnels[identifier]?.users ?? 0 }

  /// Counts one more user. `added` is the tunnel to install when this user is the first. `preferred` is its number
  /// before a restart, taken when it is still free.
  mutating func acquire(
    local: IPv6Address, remote: IPv6Address, preferring preferred: TunnelIdentifier? = nil
  ) -> (identifier: TunnelIdentifier, added: TunnelDescription?) {
    let ends = Ends(local: local, remote: remote)
    if let identifier = identifiers[ends] {
      tunnels[identifier]?.users += 1
      return (identifier, nil)
    }
    let identifier = preferred.flatMap { claim($0) } ?? lowestFree()
    identifiers[ends] = identifier
    tunnels[identifier] = Tunnel(ends: ends, users: 1)
    return (identifier, TunnelDescription(identifier: identifier, local: local, remote: remote))
  }

  /// Counts one user less; true when it was the last and the tunnel is to be removed.
  mutating func release(_ identifier: TunnelIdentifier) -> Bool {
    guard var tunnel = tunnels[identifier] else { return false }
    tunnel.users -= 1
    guard tunnel.users == 0 else {
      tunnels[identifier] = tunnel
      return false
    }
    tunnels[identifier] = nil
    identifiers[tunnel.ends] = nil
    free.insert(identifier)
    return true
  }

  /// A number above the highest leaves the ones between free.
  private mutating func claim(_ identifier: TunnelIdentifier) -> TunnelIdentifier? {
    guard (1...Self.maximumPreferred).contains(identifier.rawValue), tunnels[identifier] == nil else { return nil }
    if identifier.rawValue > highest {
      for value in highest + 1..<identifier.rawValue { free.insert(TunnelIdentifier(rawValue: value)) }
      highest = identifier.rawValue
    }
    return identifier
  }

  private mutating func lowestFree() -> TunnelIdentifier {
    // A number that `claim` has taken out of turn is still in the heap.
    while let candidate = free.popMin() { if tunnels[candidate] == nil { return candidate } }
    highest += 1
    return TunnelIdentifier(rawValue: highest)
  }

  /// A stored number beyond this is not believed: it would make the numbers sparse.
  private static let maximumPreferred: UInt32 = 65_535
}
