import DatapathModel
import MobilityWire
import NetTypes
import Testing

@testable import PMIPCore

/// An anchor with a clock, two gateways and a kernel that does what it is told, unless a test says otherwise.
///
/// A step is one event; `effects` are those of the last step together with those of the outcomes it led to.
struct AnchorLab {
  static let anchorAddress = address("2001:db8:1::1")
  static let mag1 = address("2001:db8:2::1")
  static let mag2 = address("2001:db8:3::1")
  static let stranger = address("2001:db8:ffff::1")
  static let mn1 = MobileNodeIdentifier(nai: "mn1@example.net")
  static let mn2 = MobileNodeIdentifier(nai: "mn2@example.net")
  static let wlan = MobileNodeLinkLayerIdentifier(identifier: [2, 0, 0, 0, 0, 1])
  static let cellular = MobileNodeLinkLayerIdentifier(identifier: [2, 0, 0, 0, 0, 2])
  static let pool = prefix("2001:db8:100::/62")
  static let firstPrefix = prefix("2001:db8:100::/64")
  static let secondPrefix = prefix("2001:db8:100:1::/64")
  static let thirdPrefix = prefix("2001:db8:100:2::/64")

  enum Kernel { case obeys, refuses, isSlow }

  var anchor: LocalMobilityAnchor
  var now = Moment(monotonic: .seconds(1_000), wallClock: NTPTimestamp(seconds: 1_767_225_600, nanoseconds: 0))
  var kernel = Kernel.obeys
  /// What the kernel holds.
  var datapath = DatapathSnapshot()
  /// Installs that the slow kernel has not answered.
  var unanswered: [(EffectID, [DatapathChange])] = []
  var effects: [LMAEffect] = []
  /// What the state file holds.
  var records: [BindingIdentifier: BindingRecord] = [:]
  /// And of the gateways.
  var peers: [IPv6Address: PeerRecord] = [:]
  /// What a subscriber of the control socket knows.
  var subscriber: [BindingIdentifier: BindingSummary] = [:]
  var subscribedTunnels: Set<TunnelDescription> = []
  /// By question.
  var answers: [QuestionToken: ServiceAnswer] = [:]
  private var sequence: UInt16 = 0

  static func configuration(_ change: (inout LMAConfiguration) -> Void = { _ in }) -> LMAConfiguration {
    var configuration = LMAConfiguration(
      addresses: [anchorAddress],
      gateways: [GatewayPolicy(name: "mag1", address: mag1), GatewayPolicy(name: "mag2", address: mag2)],
      prefixPools: [PrefixPool(prefix: pool)], nodes: [NodePolicy(identifier: mn1), NodePolicy(identifier: mn2)])
    change(&configuration)
    return configuration
  }

  init(_ change: (inout LMAConfiguration) -> Void = { _ in }) {
    anchor = LocalMobilityAnchor(configuration: Self.configuration(change))
  }

  /// PBU --> ; returns what comes back to the sender, if anything does.
  @discardableResult
  mutating func send(
    _ update: PBU, from source: IPv6Address = mag1, to destination: IPv6Address = anchorAddress
  ) -> BindingAcknowledgement? {
    pass(.milliseconds(10))
    sequence &+= 1
    step(
      .message(.bindingUpdate(update.message(sequence: sequence, now: now)), source: source, destination: destination))
    return acknowledgement(to: source)
  }

  /// The last acknowledgement of this step to that address.
  func acknowledgement(to destination: IPv6Address) -> BindingAcknowledgement? {
    for case .send(.bindingAcknowledgement(let acknowledgement), Self.anchorAddress, destination) in effects.reversed()
    {
      return acknowledgement
    }
    return nil
  }

  mutating func step(_ event: LMAEvent) {
    effects = []
    run(anchor.handle(event, at: now))
    check()
  }

  /// The slow kernel answers what is open, in order; what the answers lead to is answered as `kernel` says. Removals
  /// succeed if `removesAll`: a removal that fails leaves something behind that only a reconciliation finds.
  mutating func answer(_ outcome: DatapathOutcome = .installed, removesAll: Bool = false) {
    effects = []
    let open = unanswered
    unanswered = []
    for (effect, changes) in open {
      self.answer(effect, changes, removesAll && anchor.removals[effect] != nil ? .installed : outcome)
    }
    check()
  }

  /// Another process with the same configuration, state file and kernel, `pause` of wall-clock time later.
  func restarted(after pause: Duration) -> AnchorLab {
    var lab = AnchorLab()
    lab.anchor = LocalMobilityAnchor(configuration: anchor.configuration)
    lab.now.wallClock =
      pause < .zero
      ? NTPTimestamp(rawValue: now.wallClock.rawValue - NTPTimestamp.units(.zero - pause))
      : now.wallClock.advanced(by: pause)
    lab.adopt(
      records.values.sorted { $0.identifier < $1.identifier }, peers: peers.keys.sorted().compactMap { peers[$0] })
    return lab
  }

  /// Restores from a state file; the shell makes the kernel what the anchor wants.
  mutating func adopt(_ stored: [BindingRecord], peers: [PeerRecord] = []) {
    records = Dictionary(stored.map { ($0.identifier, $0) }) { first, _ in first }
    self.peers = Dictionary(uniqueKeysWithValues: peers.map { ($0.address, $0) })
    effects = []
    run(anchor.handle(.restore(stored, peers: peers), at: now))
    datapath = anchor.desiredDatapath
    check()
  }

  /// Lets time pass, stopping at every deadline.
  mutating func pass(_ duration: Duration) {
    let end = now.monotonic + duration
    effects = []
    while let deadline = anchor.nextDeadline, deadline <= end {
      advance(to: deadline)
      run(anchor.handle(.deadlineReached, at: now))
      check()
    }
    advance(to: end)
  }

  private mutating func advance(to monotonic: Duration) {
    now.wallClock = now.wallClock.advanced(by: monotonic - now.monotonic)
    now.monotonic = monotonic
  }

  private mutating func run(_ new: [LMAEffect]) {
    effects += new
    for effect in new {
      switch effect {
      case .send: break
      case .install(let identifier, let changes):
        switch kernel {
        case .obeys: answer(identifier, changes, .installed)
        case .refuses: answer(identifier, changes, .failed("no memory"))
        case .isSlow: unanswered.append((identifier, changes))
        }
      case .notify(.bindingChanged(let summary)): subscriber[summary.identifier] = summary
      case .notify(.bindingRemoved(let summary, _)): subscriber[summary.identifier] = nil
      case .notify(.tunnelAdded(let tunnel)): subscribedTunnels.insert(tunnel)
      case .notify(.tunnelRemoved(let tunnel)): subscribedTunnels.remove(tunnel)
      case .notify(.notificationFailed), .notify(.gatewayChanged), .notify(.revocationEnded): break
      case .answer(let token, let answer): answers[token] = answer
      case .persist(.store(let record)): records[record.identifier] = record
      case .persist(.remove(let identifier)): records[identifier] = nil
      case .persist(.storePeer(let peer)): peers[peer.address] = peer
      case .persist(.removePeer(let address)): peers[address] = nil
      }
    }
  }

  private mutating func answer(_ effect: EffectID, _ changes: [DatapathChange], _ outcome: DatapathOutcome) {
    if outcome == .installed { for change in changes { datapath.apply(change) } }
    run(anchor.handle(.datapathOutcome(effect, outcome), at: now))
  }

  /// What must hold after every event.
  private func check() {
    var wrong: [String] = []
    func require(_ holds: Bool, _ rule: String) {
      if !holds { wrong.append(rule) }
    }
    let bindings = anchor.bindings
    if unanswered.isEmpty, kernel == .obeys {
      require(datapath == anchor.desiredDatapath, "the kernel holds what it should")
      require(subscribedTunnels == Set(anchor.tunnels), "subscribers know the tunnels")
    }
    require(
      Dictionary(uniqueKeysWithValues: bindings.map { ($0.identifier, $0.withoutTimes) })
        == subscriber.mapValues(\.withoutTimes),
      "subscribers know the bindings")
    let stored = Dictionary(uniqueKeysWithValues: records.map { ($0, $1.isDefault) })
    let active = bindings.filter { $0.state == .active }
    require(
      stored == Dictionary(uniqueKeysWithValues: active.map { ($0.identifier, $0.isDefault) }),
      "the active bindings are stored")
    var owners: [IPv6Prefix: MobileNodeIdentifier] = [:]
    for binding in bindings {
      for prefix in binding.prefixes {
        require(owners.updateValue(binding.node, forKey: prefix) ?? binding.node == binding.node, "one owner")
      }
    }
    let defaults = bindings.filter(\.isDefault).flatMap(\.prefixes)
    require(Set(defaults).count == defaults.count, "at most one default attachment of a prefix")
    require(Set(defaults) == Set(active.flatMap(\.prefixes)), "a default attachment of every active prefix")
    #expect(wrong.isEmpty)
  }

  func count(_ name: LMACounters.Name) -> UInt64 { anchor.counters[name] }

  func binding(of node: MobileNodeIdentifier = mn1, at gateway: IPv6Address) -> BindingSummary? {
    anchor.bindings(of: node).first { $0.proxyCareOfAddress == gateway }
  }

  /// Where packets to the prefix without a flow mark go.
  func route(to prefix: IPv6Prefix) -> IPv6Address? {
    datapath.prefixRoutes[prefix].flatMap { datapath.tunnels[$0]?.remote }
  }
}

/// A Proxy Binding Update in words. nil leaves the option out.
struct PBU {
  var node: MobileNodeIdentifier? = AnchorLab.mn1
  var handoff: HandoffIndicator? = .newInterface
  var access: AccessTechnologyType? = .wlan
  var linkLayer: MobileNodeLinkLayerIdentifier? = AnchorLab.wlan
  /// Empty: one ALL_ZERO; nil: no option.
  var prefixes: [IPv6Prefix]? = []
  var lifetime: Duration = .seconds(300)
  var timestamped = true
  /// What the gateway's clock is ahead of ours.
  var clockError: Duration = .zero
  var sequence: UInt16?
  var careOf: IPv6Address?
  var linkLocal: IPv6Address?
  var flags: BindingUpdateFlags = [.acknowledge, .proxyRegistration]
  var extra: [MobilityOption] = []

  static let attach = PBU()
  static func attach(_ linkLayer: MobileNodeLinkLayerIdentifier?, _ access: AccessTechnologyType = .wlan) -> PBU {
    PBU(access: access, linkLayer: linkLayer)
  }
  static func refresh(_ prefix: IPv6Prefix) -> PBU { PBU(handoff: .noChange, prefixes: [prefix]) }
  static func deregister(_ prefix: IPv6Prefix) -> PBU {
    PBU(handoff: .unknown, prefixes: [prefix], lifetime: .zero)
  }

  func with(_ change: (inout PBU) -> Void) -> PBU {
    var copy = self
    change(&copy)
    return copy
  }

  func message(sequence counted: UInt16 = 1, now: Moment) -> BindingUpdate {
    var options = MobilityOptions()
    if let node { options.append(.mobileNodeIdentifier(node)) }
    if let prefixes {
      options +=
        prefixes.isEmpty
        ? [.homeNetworkPrefix(.allZero)] : prefixes.map { .homeNetworkPrefix(HomeNetworkPrefixOption($0)) }
    }
    if let handoff { options.append(.handoffIndicator(handoff)) }
    if let access { options.append(.accessTechnologyType(access)) }
    if timestamped {
      let units = NTPTimestamp.units(clockError < .zero ? .zero - clockError : clockError)
      let clock = now.wallClock.rawValue
      options.append(.timestamp(NTPTimestamp(rawValue: clockError < .zero ? clock - units : clock + units)))
    }
    if let linkLayer { options.append(.mobileNodeLinkLayerIdentifier(linkLayer)) }
    if let careOf { options.append(.alternateCareOfAddress(careOf)) }
    if let linkLocal { options.append(.linkLocalAddress(linkLocal)) }
    options += extra
    return BindingUpdate(
      sequence: sequence ?? counted, flags: flags, lifetime: BindingLifetime(lifetime), options: options)
  }
}

extension BindingAcknowledgement {
  var prefixes: [IPv6Prefix] { options.homeNetworkPrefixes.compactMap(\.prefix) }
  var offLinkPrefixes: [IPv6Prefix] { options.flowMobilityPrefixes.compactMap(\.prefix) }
}

/// For literals in tests: a typing error stops the run.
func address(_ text: String) -> IPv6Address {
  guard let address = IPv6Address(text) else { preconditionFailure("'\(text)' is not an address") }
  return address
}

func prefix(_ text: String) -> IPv6Prefix {
  guard let prefix = IPv6Prefix(text) else { preconditionFailure("'\(text)' is not a prefix") }
  return prefix
}
