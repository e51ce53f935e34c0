import MobilityWire
import NetTypes

/// Runtime assignment of an anchor, RFC 6463, in its co-located form: a new session that is asked for at one of our
/// addresses (rfLMA) is created at another one (r2LMA), and the acknowledgement tells the gateway so.
public struct Redirection: Hashable, Sendable, Codable {
  public enum Choice: String, Hashable, Sendable, Codable {
    /// The first address with room, in the order of the list.
    case first
    /// The address with the fewest sessions.
    case leastLoaded = "least-loaded"
  }

  /// A new session that cannot be assigned: no address has room, or the gateway does not offer to be redirected.
  public enum Fallback: String, Hashable, Sendable, Codable {
    /// It is created at the address that was asked.
    case serve
    /// Status 130.
    case refuse
  }

  /// One of the anchor's addresses, named by no other redirection.
  public var from: IPv6Address
  /// Others of the anchor's addresses.
  public var to: [IPv6Address]
  public var choice: Choice
  /// At each address of `to`.
  public var maximumSessions: Int
  public var fallback: Fallback

  public init(
    from: IPv6Address, to: [IPv6Address], choice: Choice = .leastLoaded, maximumSessions: Int = 1_000_000,
    fallback: Fallback = .serve
  ) {
    self.from = from
    self.to = to
    self.choice = choice
    self.maximumSessions = maximumSessions
    self.fallback = fallback
  }

  /// nil: none has room. `sessions` counts those at an address.
  func choose(_ sessions: (IPv6Address) -> Int) -> IPv6Address? {
    let open = to.map { (address: $0, sessions: sessions($0)) }.filter { $0.sessions < maximumSessions }
    switch choice {
    case .first: return open.first?.address
    case .leastLoaded: return open.min { $0.sessions < $1.sessions }?.address
    }
  }
}

extension LocalMobilityAnchor {
  /// The anchor address for a session that the request creates (`previous` nil) or moves.
  ///
  /// A node that has a session at an address of the redirection gets that one again: a retransmission whose first
  /// acknowledgement was lost, a handover, or its next interface.
  func anchorAddress(
    for request: RegistrationRequest, previous: BindingCacheEntry?
  ) throws(Refusal) -> IPv6Address {
    let asked = request.destination
    guard let redirection = configuration.redirections.first(where: { $0.from == asked }) else { return asked }
    if request.offersRedirect {
      let sessions = (previous.map { [$0] } ?? []) + cache.bindings(of: request.node)
      let known = sessions.first { $0.isActive && redirection.to.contains($0.anchorAddress) }?.anchorAddress
      if let address = known ?? redirection.choose(tunnelTable.users(local:)) { return address }
    }
    guard previous != nil || redirection.fallback == .serve else {
      throw Refusal(.insufficientResources, because: .redirectionImpossible)
    }
    return asked
  }

  /// For the Load Information option; nil: not told. We do not measure the traffic, so the capacities are 0.
  var loadInformation: LoadInformation? {
    guard configuration.advertisesLoad else { return nil }
    return LoadInformation(
      priority: 0, sessionsInUse: UInt32(clamping: cache.count),
      maximumSessions: UInt32(clamping: configuration.limits.bindings), usedCapacity: 0, maximumCapacity: 0)
  }
}
