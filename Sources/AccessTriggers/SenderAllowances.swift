import NetTypes

/// How many messages of each sender are looked at: `burst` at once, `perSecond` in the long run. What comes beyond is
/// dropped unread, so no access point, broken or not, takes the gateway's time from the others. Every sender of these
/// protocols repeats what is not answered.
///
/// Senders that are known have an allowance each. All others share one, so forged source addresses buy nothing.
public struct SenderAllowances: Sendable {
  public struct Allowance: Hashable, Sendable {
    /// Both at least 1.
    public var perSecond: Int
    public var burst: Int

    public init(perSecond: Int, burst: Int) {
      self.perSecond = perSecond
      self.burst = burst
    }

    var interval: Duration { .seconds(1) / perSecond }
  }

  public static let ofKnownSender = Allowance(perSecond: 500, burst: 2_000)
  public static let ofStrangers = Allowance(perSecond: 100, burst: 500)
  public static let maximumSenders = 4_096

  private let ofKnownSender: Allowance
  private let ofStrangers: Allowance
  private let maximumSenders: Int
  /// Monotonic: when the allowance of a known sender is whole again.
  private var wholeAt: [IPv6Address: Duration] = [:]
  private var strangersWholeAt: Duration = .zero

  public init(
    ofKnownSender: Allowance = ofKnownSender, ofStrangers: Allowance = ofStrangers,
    maximumSenders: Int = maximumSenders
  ) {
    self.ofKnownSender = ofKnownSender
    self.ofStrangers = ofStrangers
    self.maximumSenders = maximumSenders
  }

  /// Whether a message of `sender` may be looked at; if so, it is paid.
  public mutating func admits(_ sender: IPv6Address, at now: Duration) -> Bool {
    guard let whole = wholeAt[sender] else { return Self.pay(ofStrangers, &strangersWholeAt, at: now) }
    var paid = whole
    guard Self.pay(ofKnownSender, &paid, at: now) else { return false }
    wholeAt[sender] = paid
    return true
  }

  /// `sender` has shown that it is who it says. When there is no room, senders that have been silent are forgotten; if
  /// that does not help, it stays a stranger.
  public mutating func know(_ sender: IPv6Address, at now: Duration) {
    guard wholeAt[sender] == nil else { return }
    if wholeAt.count >= maximumSenders { wholeAt = wholeAt.filter { $0.value > now } }
    if wholeAt.count < maximumSenders { wholeAt[sender] = now }
  }

  private static func pay(_ allowance: Allowance, _ wholeAt: inout Duration, at now: Duration) -> Bool {
    let after = max(wholeAt, now) + allowance.interval
    guard after - now <= allowance.interval * allowance.burst else { return false }
    wholeAt = after
    return true
  }
}
