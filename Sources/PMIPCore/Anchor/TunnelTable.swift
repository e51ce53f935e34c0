import DatapathModel
import HeapModule
import NetTypes

/// The tunnels of an anchor: one for each pair of anchor address and Proxy-CoA, shared by all bindings between them and
/// counted (RFC 5213 section 5.6.1).
///
/// Numbers are dense, because each is a mark value and the offset of a routing table: the lowest free one is taken. A
/// number is free again only when the kernel has answered the removal of its tunnel, so that it never names two.
struct TunnelTable: Sendable {
  private struct Pair: Hashable, Sendable {
    var local: IPv6Address
    var remote: IPv6Address
  }

  private enum State: Hashable, Sendable {
    /// Asked for; no install that contains it has succeeded yet.
    case installing
    case installed
    /// Nobody uses it; the install effect that removes it is under way.
    case removing(EffectID)
  }

  private struct Tunnel: Sendable {
    var description: TunnelDescription
    var references = 0
    var state = State.installing
  }

  private var tunnels: [TunnelIdentifier: Tunnel] = [:]
  private var numbers: [Pair: TunnelIdentifier] = [:]
  /// References to the tunnels of each of our addresses.
  private var usersOfLocal: [IPv6Address: Int] = [:]
  /// Free numbers below `cursor`.
  private var free = Heap<TunnelIdentifier>()
  /// No number from here on was ever allocated, except by `restore`.
  private var cursor: UInt64 = 1

  /// Tunnels that somebody uses, by number.
  var inUse: [TunnelDescription] {
    tunnels.values.filter { $0.references > 0 }.map(\.description).sorted { $0.identifier < $1.identifier }
  }

  /// Tunnels that the kernel has confirmed, by number.
  var installed: [TunnelDescription] {
    tunnels.values.filter { $0.state == .installed }.map(\.description).sorted { $0.identifier < $1.identifier }
  }

  /// Bindings, with those that wait for the kernel, at one of our addresses.
  func users(local: IPv6Address) -> Int { usersOfLocal[local, default: 0] }

  subscript(identifier: TunnelIdentifier) -> TunnelDescription? { tunnels[identifier]?.description }

  /// Adds a reference to the tunnel between two addresses, which may be new; nil when all `maximum` numbers are taken.
  mutating func acquire(local: IPv6Address, remote: IPv6Address, maximum: UInt32) -> TunnelIdentifier? {
    let pair = Pair(local: local, remote: remote)
    if let number = numbers[pair] {
      retain(number)
      return number
    }
    guard let number = nextNumber(maximum: maximum) else { return nil }
    add(number, pair)
    return number
  }

  /// An install with this tunnel must contain `addTunnel`; adding what is there already does no harm.
  func needsInstall(_ identifier: TunnelIdentifier) -> Bool { tunnels[identifier]?.state != .installed }

  /// The kernel has the tunnel. True the first time.
  mutating func markInstalled(_ identifier: TunnelIdentifier) -> Bool {
    guard tunnels[identifier]?.state == .installing else { return false }
    tunnels[identifier]?.state = .installed
    return true
  }

  enum Release: Hashable, Sendable {
    case stillInUse
    /// That was the last reference: remove the tunnel with the given install effect. `known`: subscribers know it.
    case unused(TunnelDescription, known: Bool)
  }

  /// Takes a reference back; `removal` is the effect that will remove the tunnel if this was the last one.
  mutating func release(_ identifier: TunnelIdentifier, removal: EffectID) -> Release {
    guard var tunnel = tunnels[identifier] else { return .stillInUse }
    tunnel.references -= 1
    usersOfLocal[tunnel.description.local, default: 0] -= 1
    let known = tunnel.state == .installed
    if tunnel.references == 0 { tunnel.state = .removing(removal) }
    tunnels[identifier] = tunnel
    return tunnel.references == 0 ? .unused(tunnel.description, known: known) : .stillInUse
  }

  /// The kernel has answered a removal; the number is free unless the tunnel came back meanwhile.
  mutating func finishRemoval(_ identifier: TunnelIdentifier, removal: EffectID) {
    guard let tunnel = tunnels[identifier], tunnel.state == .removing(removal) else { return }
    tunnels[identifier] = nil
    numbers[Pair(local: tunnel.description.local, remote: tunnel.description.remote)] = nil
    if UInt64(identifier.rawValue) < cursor { free.insert(identifier) }
  }

  /// Adds a reference to a tunnel that existed before a restart, under its old number if that is still possible: marks
  /// in the kernel name it. nil when all numbers are taken.
  mutating func restore(
    _ number: TunnelIdentifier, local: IPv6Address, remote: IPv6Address, maximum: UInt32
  ) -> TunnelIdentifier? {
    let pair = Pair(local: local, remote: remote)
    let isFree = numbers[pair] == nil && tunnels[number] == nil && (1...maximum).contains(number.rawValue)
    if isFree { add(number, pair) }
    guard let number = isFree ? number : acquire(local: local, remote: remote, maximum: maximum) else { return nil }
    tunnels[number]?.state = .installed
    return number
  }

  private mutating func retain(_ number: TunnelIdentifier) {
    tunnels[number]?.references += 1
    if let local = tunnels[number]?.description.local { usersOfLocal[local, default: 0] += 1 }
    if case .removing = tunnels[number]?.state { tunnels[number]?.state = .installing }
  }

  private mutating func add(_ number: TunnelIdentifier, _ pair: Pair) {
    let description = TunnelDescription(identifier: number, local: pair.local, remote: pair.remote)
    tunnels[number] = Tunnel(description: description, references: 1)
    usersOfLocal[pair.local, default: 0] += 1
    numbers[pair] = number
  }

  private mutating func nextNumber(maximum: UInt32) -> TunnelIdentifier? {
    // The lowest free number may lie above a maximum that has become smaller, and `restore` may have taken it.
    while let number = free.min, number.rawValue <= maximum {
      free.removeMin()
      if tunnels[number] == nil { return number }
    }
    while cursor <= UInt64(maximum) {
      let number = TunnelIdentifier(rawValue: UInt32(cursor))
      cursor += 1
      if tunnels[number] == nil { return number }
    }
    return nil
  }
}
