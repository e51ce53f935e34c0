import MobilityWire
import NetTypes

/// Who has which home network prefix. A prefix belongs to one node at a time (per-MN-prefix model, RFC 5213
/// section 5.2); how many bindings of that node use it is the binding cache's business.
///
/// A pool is not listed anywhere: the next never-used prefix is a counter. A released prefix waits out the pool's
/// quarantine, so that late packets of its last node do not reach a stranger, and is then preferred over a fresh one,
/// which keeps the used part of a pool small. Nothing here costs more than O(log n), except that a run of reserved
/// prefixes is walked over once. The same calls always give the same prefixes.
struct PrefixAllocator: Sendable {
  private struct Pool: Sendable {
    var configuration: PrefixPool
    /// Index of the first prefix that was never considered.
    var cursor: UInt64 = 0
    /// Free again at that time.
    var released = DeadlineTable<IPv6Prefix>()
    /// Last owner of a released prefix: the only one who may have it back during quarantine.
    var formerOwners = SegmentedDictionary<IPv6Prefix, MobileNodeIdentifier>()

    func holds(_ prefix: IPv6Prefix) -> Bool {
      prefix.length == configuration.assignedLength && configuration.prefix.contains(prefix)
    }
  }

  private var pools: [Pool] = []
  private var owners = SegmentedDictionary<IPv6Prefix, MobileNodeIdentifier>()
  private var reservations: [IPv6Prefix: MobileNodeIdentifier] = [:]
  private var reservedPrefixes: [MobileNodeIdentifier: [IPv6Prefix]] = [:]

  init(pools: [PrefixPool], nodes: [NodePolicy]) { reconfigure(pools: pools, nodes: nodes) }

  /// A prefix for one more interface of `node`: its reservations in their order, then the pools in theirs. nil when
  /// everything is taken.
  mutating func allocate(for node: MobileNodeIdentifier, at now: Duration) -> IPv6Prefix? {
    let reserved = reservedPrefixes[node]?.first { owners[$0] == nil }
    guard let prefix = reserved ?? takeFromPools(at: now) else { return nil }
    assign(prefix, to: node)
    return prefix
  }

  /// Gives `node` exactly this prefix, as its request names it (a gateway with a profile, or one that outlived our
  /// state). False when the prefix is not ours, not for this node, in use, or another node's until its quarantine ends.
  mutating func claim(_ prefix: IPv6Prefix, for node: MobileNodeIdentifier, at now: Duration) -> Bool {
    guard owners[prefix] == nil else { return false }
    if let reservedFor = reservations[prefix] {
      guard reservedFor == node else { return false }
    } else {
      guard let pool = pools.first(where: { $0.holds(prefix) }) else { return false }
      if let end = pool.released.deadline(of: prefix), end > now, pool.formerOwners[prefix] != node { return false }
    }
    assign(prefix, to: node)
    return true
  }

  /// After a restart: what was assigned stays assigned, whatever the configuration says now.
  mutating func restore(_ prefix: IPv6Prefix, for node: MobileNodeIdentifier) { assign(prefix, to: node) }

  /// The last binding with this prefix is gone.
  mutating func release(_ prefix: IPv6Prefix, at now: Duration) {
    guard let node = owners.removeValue(forKey: prefix), reservations[prefix] == nil else { return }
    guard let index = pools.firstIndex(where: { $0.holds(prefix) }) else { return }
    pools[index].released.set(prefix, to: now + pools[index].configuration.quarantine)
    pools[index].formerOwners[prefix] = node
  }

  /// The prefix was assigned but never told to anybody: no quarantine.
  mutating func giveBack(_ prefix: IPv6Prefix, at now: Duration) {
    guard owners.removeValue(forKey: prefix) != nil, reservations[prefix] == nil else { return }
    guard let index = pools.firstIndex(where: { $0.holds(prefix) }) else { return }
    pools[index].released.set(prefix, to: now)
  }

  /// New pools and reservations. Assigned prefixes stay with their nodes; a pool that is still there goes on where it
  /// was.
  mutating func reconfigure(pools newPools: [PrefixPool], nodes: [NodePolicy]) {
    let oldReservations = reservations
    reservations = [:]
    reservedPrefixes = [:]
    for node in nodes where !node.reservedPrefixes.isEmpty {
      reservedPrefixes[node.identifier] = node.reservedPrefixes
      for prefix in node.reservedPrefixes { reservations[prefix] = node.identifier }
    }
    let oldPools = pools
    pools = newPools.map { configuration in
      var pool =
        oldPools.first {
          $0.configuration.prefix == configuration.prefix
            && $0.configuration.assignedLength == configuration.assignedLength
        } ?? Pool(configuration: configuration)
      pool.configuration = configuration
      return pool
    }
    // The cursor has passed over what was reserved; without the reservation it is free.
    for prefix in oldReservations.keys.sorted() where reservations[prefix] == nil && owners[prefix] == nil {
      guard let index = pools.firstIndex(where: { $0.holds(prefix) }) else { continue }
      pools[index].released.set(prefix, to: .zero)
    }
  }

  private mutating func assign(_ prefix: IPv6Prefix, to node: MobileNodeIdentifier) {
    owners[prefix] = node
    for index in pools.indices where pools[index].holds(prefix) {
      pools[index].released.cancel(prefix)
      pools[index].formerOwners[prefix] = nil
    }
  }

  private mutating func takeFromPools(at now: Duration) -> IPv6Prefix? {
    for index in pools.indices {
      while let prefix = pools[index].released.popDue(at: now) {
        pools[index].formerOwners[prefix] = nil
        if isFree(prefix) { return prefix }
      }
      let configuration = pools[index].configuration
      while let prefix = configuration.prefix.subnet(pools[index].cursor, length: configuration.assignedLength) {
        pools[index].cursor += 1
        if isFree(prefix), pools[index].released.deadline(of: prefix) == nil { return prefix }
      }
    }
    return nil
  }

  private func isFree(_ prefix: IPv6Prefix) -> Bool { owners[prefix] == nil && reservations[prefix] == nil }
}
