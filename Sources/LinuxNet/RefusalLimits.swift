import NetTypes

/// How many useless messages each sender may have handled. What a sender sends beyond is dropped before it is decoded,
/// until its allowance has come back: a flood of one sender costs little more than its reception, and those who send
/// what is of use are never touched.
///
/// Peers that are known by address have an allowance each. All others share one, so a forged source address buys
/// nothing.
public struct RefusalLimits: Hashable, Sendable {
  /// Refused messages of one known peer, in a second and at once.
  public var perPeer: Int
  /// Refused and fruitless messages of all other senders, in a second and at once.
  public var ofStrangers: Int

  public init(perPeer: Int = 10_000, ofStrangers: Int = 1_000) {
    self.perPeer = perPeer
    self.ofStrangers = ofStrangers
  }
}

/// What became of a message, for the allowance of its sender.
public enum MessageVerdict: Hashable, Sendable {
  case useful
  /// It had no consequence: strangers pay for that, peers do not.
  case fruitless
  /// Malformed, or answered with an error.
  case refused
}

/// The allowances of all senders. Bounded by the number of peers.
struct RefusalAllowances {
  var limits: RefusalLimits {
    didSet { if limits != oldValue { reset() } }
  }
  var peers: Set<IPv6Address> = [] {
    didSet { reset() }
  }
  /// Only of peers that owe something.
  private var owing: [IPv6Address: Allowance] = [:]
  private var strangers: Allowance

  private struct Allowance {
    var left: Int
    var since: Duration

    /// Adds what has come back since the last time, up to `limit`, at `limit` a second.
    mutating func refill(limit: Int, now: Duration) {
      let elapsed = now - since
      guard elapsed < .seconds(1) else {
        left = limit
        since = now
        return
      }
      let (_, attoseconds) = elapsed.components
      let earned = Int(attoseconds / 1_000_000_000) * limit / 1_000_000_000
      guard earned > 0 else { return }
      left = min(limit, left + earned)
      since = now
    }
  }

  init(limits: RefusalLimits) {
    self.limits = limits
    strangers = Allowance(left: limits.ofStrangers, since: .zero)
  }

  private mutating func reset() {
    owing = [:]
    strangers = Allowance(left: limits.ofStrangers, since: .zero)
  }

  /// Whether a message of `source` may be looked at. Nobody can have used up an allowance that is whole, which is the
  /// case nearly always and costs nothing.
  mutating func admits(_ source: IPv6Address, now: Duration) -> Bool {
    if owing.isEmpty, strangers.left > 0 { return true }
    guard peers.contains(source) else {
      if strangers.left <= 0 { strangers.refill(limit: limits.ofStrangers, now: now) }
      return strangers.left > 0
    }
    guard var allowance = owing[source] else { return true }
    guard allowance.left <= 0 else { return true }
    allowance.refill(limit: limits.perPeer, now: now)
    owing[source] = allowance.left < limits.perPeer ? allowance : nil
    return allowance.left > 0
  }

  mutating func charge(_ source: IPv6Address, _ verdict: MessageVerdict, now: Duration) {
    guard verdict != .useful else { return }
    guard peers.contains(source) else {
      strangers.refill(limit: limits.ofStrangers, now: now)
      strangers.left -= 1
      return
    }
    guard verdict == .refused else { return }
    var allowance = owing[source] ?? Allowance(left: limits.perPeer, since: now)
    allowance.refill(limit: limits.perPeer, now: now)
    allowance.left -= 1
    owing[source] = allowance
  }
}
