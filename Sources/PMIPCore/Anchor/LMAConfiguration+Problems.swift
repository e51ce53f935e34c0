import DatapathModel
import MobilityWire
import NetTypes

extension LMAConfiguration {
  /// Everything that an anchor must not start with, all at once, in the order of the file. Empty: good.
  public func problems() -> [ConfigurationProblem] {
    var problems = Problems()
    checkAddresses(&problems)
    checkGateways(&problems)
    checkPools(&problems)
    checkNodes(&problems)
    checkTimers(&problems)
    checkLimits(&problems)
    checkCodePoints(&problems)
    checkRedirections(&problems)
    problems.list += revocation.problems(at: "revocation")
    return problems.list
  }

  /// What the configuration file may say.
  private enum Bounds {
    static let deleteDelay = Duration.zero...Duration.seconds(3_600)
    static let assignDelay = Duration.zero...Duration.seconds(60)
    static let validityWindow = Duration.milliseconds(1)...Duration.seconds(3_600)
    static let lifetime = ProtocolConstants.lifetimeUnit...ProtocolConstants.maximumLifetime
    static let quarantine = Duration.zero...Duration.seconds(86_400)
    static let bindings = 1...16_777_216
    static let bindingsPerNode = 1...64
    static let prefixesPerRequest = 1...ProtocolConstants.maximumPrefixesPerAcknowledgement
    static let pendingRegistrations = 1...1_000_000
    static let notificationReplay = Duration.milliseconds(500)...Duration.seconds(5)
    static let notificationRetransmissions = 0...5
    /// Half of the sequence numbers.
    static let outstandingNotifications = 1...32_768
  }

  private struct Problems {
    var list: [ConfigurationProblem] = []

    mutating func add(_ keyPath: String, _ message: String) {
      list.append(ConfigurationProblem(keyPath: keyPath, message: message))
    }

    mutating func check<Value: Comparable>(_ keyPath: String, _ value: Value, in bounds: ClosedRange<Value>) {
      guard !bounds.contains(value) else { return }
      add(keyPath, "\(value) is out of range; expected \(bounds.lowerBound) to \(bounds.upperBound)")
    }
  }

  private func checkAddresses(_ problems: inout Problems) {
    if addresses.isEmpty {
      problems.add("addresses", "no address; expected at least one IPv6 address that gateways send their PBUs to")
    }
    var seen: [IPv6Address: Int] = [:]
    for (index, address) in addresses.enumerated() {
      let key = "addresses[\(index)]"
      if !address.isRoutableUnicast { problems.add(key, "\(address) is not a routable unicast address") }
      if let first = seen.updateValue(index, forKey: address) {
        problems.add(key, "\(address) stands at addresses[\(first)] already; remove one")
      }
    }
  }

  private func checkGateways(_ problems: inout Problems) {
    var names: [String: Int] = [:]
    var places: [IPv6Address: Int] = [:]
    for (index, gateway) in gateways.enumerated() {
      let key = "gateways[\(index)]"
      if gateway.name.isEmpty { problems.add("\(key).name", "empty; every gateway needs a name of its own") }
      if let first = names.updateValue(index, forKey: gateway.name) {
        problems.add("\(key).name", "'\(gateway.name)' is the name of gateways[\(first)] already; choose another")
      }
      let uplinks = gateway.uplinks.enumerated().map { ("\(key).uplinks[\($0.offset)]", $0.element) }
      for (key, address) in [("\(key).address", gateway.address)] + uplinks {
        if !address.isRoutableUnicast { problems.add(key, "\(address) is not a routable unicast address") }
        if let first = places.updateValue(index, forKey: address) {
          problems.add(key, "\(address) is the address of gateways[\(first)] already")
        }
        if addresses.contains(address) {
          problems.add(key, "\(address) is an address of this anchor; expected the Proxy-CoA")
        }
      }
      problems.list += gateway.heartbeat.problems(at: "\(key).heartbeat")
    }
  }

  private func checkPools(_ problems: inout Problems) {
    let infrastructure = addresses + gateways.flatMap(\.addresses)
    for (index, pool) in prefixPools.enumerated() {
      let key = "prefix-pools[\(index)]"
      if !pool.prefix.address.isRoutableUnicast {
        problems.add("\(key).prefix", "\(pool.prefix) is not a prefix of routable unicast addresses")
      }
      for (other, earlier) in prefixPools[..<index].enumerated() where earlier.prefix.overlaps(pool.prefix) {
        problems.add(
          "\(key).prefix", "\(pool.prefix) overlaps \(earlier.prefix) of prefix-pools[\(other)]; pools must be disjoint"
        )
      }
      for address in infrastructure where pool.prefix.contains(address) {
        problems.add(
          "\(key).prefix",
          "\(pool.prefix) contains \(address), an address of the anchor or of a gateway; nodes would get it")
      }
      if pool.assignedLength < pool.prefix.length {
        problems.add(
          "\(key).assigned-length",
          "\(pool.assignedLength) is shorter than the pool \(pool.prefix); expected \(pool.prefix.length) to 128")
      } else if pool.assignedLength > 128 {
        problems.add("\(key).assigned-length", "\(pool.assignedLength) is out of range; expected at most 128")
      }
      problems.check("\(key).quarantine", pool.quarantine, in: Bounds.quarantine)
    }
  }

  private func checkNodes(_ problems: inout Problems) {
    let gatewayNames = Set(gateways.map(\.name))
    var identifiers: [MobileNodeIdentifier: Int] = [:]
    var reserved: [IPv6Prefix: String] = [:]
    for (index, node) in nodes.enumerated() {
      let key = "nodes[\(index)]"
      if node.identifier.identifier.isEmpty { problems.add("\(key).id", "empty; expected the identity of a node") }
      if let first = identifiers.updateValue(index, forKey: node.identifier) {
        problems.add("\(key).id", "the same node stands at nodes[\(first)] already; join them")
      }
      for (position, prefix) in node.reservedPrefixes.enumerated() {
        let prefixKey = "\(key).reserved-prefixes[\(position)]"
        checkReservation(prefix, prefixKey, &problems)
        if let first = reserved.updateValue(prefixKey, forKey: prefix) {
          problems.add(prefixKey, "\(prefix) is reserved at \(first) already")
        }
      }
      for (position, name) in node.gateways.enumerated() where !gatewayNames.contains(name) {
        problems.add("\(key).gateways[\(position)]", "'\(name)' is not the name of a gateway under gateways")
      }
    }
  }

  private func checkReservation(_ prefix: IPv6Prefix, _ key: String, _ problems: inout Problems) {
    guard let pool = prefixPools.first(where: { $0.prefix.contains(prefix) }) else {
      return problems.add(
        key, "\(prefix) lies in no pool; add a pool that contains it, traffic to it would not come here")
    }
    if prefix.length != pool.assignedLength {
      problems.add(key, "\(prefix) has another length than its pool \(pool.prefix) assigns, \(pool.assignedLength)")
    }
  }

  private func checkRedirections(_ problems: inout Problems) {
    for (index, redirection) in redirections.enumerated() {
      let key = "redirections[\(index)]"
      if !addresses.contains(redirection.from) {
        problems.add("\(key).from", "\(redirection.from) is not one of `addresses`")
      }
      if redirections[..<index].contains(where: { $0.from == redirection.from }) {
        problems.add("\(key).from", "\(redirection.from) has a redirection already; join them")
      }
      if redirection.to.isEmpty { problems.add("\(key).to", "no address; expected others of `addresses`") }
      for (position, address) in redirection.to.enumerated() {
        let place = "\(key).to[\(position)]"
        if !addresses.contains(address) { problems.add(place, "\(address) is not one of `addresses`") }
        if redirections.contains(where: { $0.from == address }) {
          problems.add(place, "\(address) is redirected itself; sessions are assigned once")
        }
      }
      problems.check("\(key).maximum-sessions", redirection.maximumSessions, in: Bounds.bindings)
    }
  }

  private func checkTimers(_ problems: inout Problems) {
    problems.check("timers.min-delay-before-bce-delete", timers.minDelayBeforeBCEDelete, in: Bounds.deleteDelay)
    problems.check("timers.max-delay-before-new-bce-assign", timers.maxDelayBeforeNewBCEAssign, in: Bounds.assignDelay)
    problems.check("timers.timestamp-validity-window", timers.timestampValidityWindow, in: Bounds.validityWindow)
    problems.check("timers.maximum-lifetime", timers.maximumLifetime, in: Bounds.lifetime)
    problems.check(
      "timers.min-delay-between-update-notification-replay", timers.minDelayBetweenUpdateNotificationReplay,
      in: Bounds.notificationReplay)
    problems.check(
      "timers.max-update-notification-retransmit-count", timers.maxUpdateNotificationRetransmitCount,
      in: Bounds.notificationRetransmissions)
  }

  private func checkLimits(_ problems: inout Problems) {
    problems.check("limits.bindings", limits.bindings, in: Bounds.bindings)
    problems.check("limits.bindings-per-node", limits.bindingsPerNode, in: Bounds.bindingsPerNode)
    problems.check("limits.prefixes-per-request", limits.prefixesPerRequest, in: Bounds.prefixesPerRequest)
    problems.check("limits.pending-registrations", limits.pendingRegistrations, in: Bounds.pendingRegistrations)
    problems.check(
      "limits.outstanding-notifications", limits.outstandingNotifications, in: Bounds.outstandingNotifications)
  }

  private func checkCodePoints(_ problems: inout Problems) {
    let lastAssigned = ProtocolConstants.lastAssignedOptionType
    if let option = codePoints.flowMobilityOption, option <= lastAssigned {
      problems.add(
        "flow-mobility.option-type",
        "\(option) is assigned by IANA to another option; expected \(lastAssigned + 1) to 255")
    }
    let indicator = sharedPrefixesIndicator.rawValue
    if indicator < HandoffIndicator.sharedPrefixes.rawValue {
      problems.add(
        "flow-mobility.shared-prefixes-indicator",
        "\(indicator) is assigned by IANA to another meaning; expected 6 (RFC 7864) to 255")
    }
  }
}
