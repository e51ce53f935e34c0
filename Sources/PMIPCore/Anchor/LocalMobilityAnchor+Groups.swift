import NetTypes

/// Bindings of one gateway that end together: those that it had when the removal began and that are still there.
struct GroupRemoval: Sendable {
  enum Rule: Hashable, Sendable {
    /// Of sessions that the gateway has lost: those registered before heartbeat request `confirmed`.
    case restarted(confirmed: UInt32)
    /// Unless the gateway answers again meanwhile.
    case unreachable
    /// Those registered before that time (monotonic); mere refreshes do not count.
    case revokedByOperator(before: Duration)
    /// The same, and the nodes may come back elsewhere within MinDelayBeforeBCEDelete.
    case revokedByGateway(before: Duration)

    /// A binding that awaits its deletion goes at once.
    var endsSuspended: Bool { if case .revokedByOperator = self { true } else { false } }
  }

  let gateway: IPv6Address
  let rule: Rule
}

extension LocalMobilityAnchor {
  typealias GroupRemovals = PacedGroups<GroupRemoval, Slice<SegmentedArray<BindingIdentifier>>>

  mutating func removeGroup(at gateway: IPv6Address, by rule: GroupRemoval.Rule, _ turn: inout Turn) {
    let members = cache.bindings(at: gateway)
    guard !members.isEmpty else { return }
    continueGroupRemoval(groupRemovals.begin(GroupRemoval(gateway: gateway, rule: rule), members[...]), &turn)
  }

  mutating func continueGroupRemoval(_ number: UInt64, _ turn: inout Turn) {
    guard let (removal, bindings, continues) = groupRemovals.next(of: number) else { return }
    if continues { peerDeadlines.set(.groupRemoval(number), to: turn.now.monotonic + GroupRemovals.pause) }
    for identifier in bindings {
      guard let entry = cache[identifier], entry.attachment.proxyCareOfAddress == removal.gateway else { continue }
      reachDeadlines(of: entry.node, &turn)
      perform(.groupRemoval(identifier, gateway: removal.gateway, removal.rule), for: entry.node, &turn)
    }
  }

  /// The turn of one binding has come, perhaps after an install of its node that moved it elsewhere.
  mutating func remove(
    _ identifier: BindingIdentifier, of gateway: IPv6Address, by rule: GroupRemoval.Rule, _ turn: inout Turn
  ) {
    guard let entry = cache[identifier], entry.attachment.proxyCareOfAddress == gateway else { return }
    guard entry.isActive || rule.endsSuspended else { return }
    switch rule {
    case .restarted(let confirmed):
      guard entry.heartbeat < confirmed else { return }
      counters.count(.bindingsLostByGateway)
      suspend(entry, because: .gatewayRestarted, &turn)
    case .unreachable:
      guard path(to: gateway) == .unreachable else { return }
      counters.count(.bindingsUnreachable)
      suspend(entry, because: .gatewayUnreachable, &turn)
    case .revokedByOperator(let before):
      guard entry.establishedAt <= before else { return }
      counters.count(.bindingsRevoked)
      delete(entry, cause: .revoked, &turn)
    case .revokedByGateway(let before):
      guard entry.establishedAt <= before else { return }
      counters.count(.bindingsRevoked)
      suspend(entry, because: .revoked, &turn)
    }
  }
}
