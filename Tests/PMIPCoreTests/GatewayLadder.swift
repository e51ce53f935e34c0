import DatapathModel
import MobilityWire
import NetTypes

@testable import PMIPCore

extension IPv6Address: ExpressibleByStringLiteral {
  /// Test data only: a typing error becomes `::`, which no expectation matches.
  public init(stringLiteral text: String) { self = IPv6Address(text) ?? .unspecified }
}

extension IPv6Prefix: ExpressibleByStringLiteral {
  public init(stringLiteral text: String) { self = IPv6Prefix(text) ?? .host(.unspecified) }
}

extension LinkLayerAddress: ExpressibleByStringLiteral {
  public init(stringLiteral text: String) { self = LinkLayerAddress(text) ?? LinkLayerAddress(rawValue: 0) }
}

/// One gateway, an anchor played by the test and a kernel that obeys: tests read as a ladder of PBU and PBA.
struct GatewayLadder {
  static let anchor: IPv6Address = "2001:db8:1::1"
  static let proxy: IPv6Address = "2001:db8:1::11"
  static let node = MobileNodeIdentifier(nai: "mn1@example.net")
  static let bonded = MobileNodeIdentifier(nai: "bond@example.net")
  static let mac: LinkLayerAddress = "02:00:00:00:01:01"
  static let secondMAC: LinkLayerAddress = "02:00:00:00:01:02"
  static let bondedMAC: LinkLayerAddress = "02:00:00:00:02:01"
  static let prefix: IPv6Prefix = "2001:db8:100:1::/64"
  static let secondPrefix: IPv6Prefix = "2001:db8:100:2::/64"
  static let thirdPrefix: IPv6Prefix = "2001:db8:100:3::/64"
  static let linkLocal: IPv6Address = "fe80::1:1"

  static var configuration: MAGConfiguration {
    MAGConfiguration(
      proxyCareOfAddress: proxy, anchorAddress: anchor,
      accessLinks: [
        AccessLink(name: "acc0", accessTechnology: .wlan), AccessLink(name: "acc1", accessTechnology: .wlan),
        AccessLink(name: "lte0", accessTechnology: .eutran),
      ],
      nodes: [
        GatewayNodePolicy(linkLayerAddress: mac, identifier: node),
        GatewayNodePolicy(linkLayerAddress: secondMAC, identifier: node),
        GatewayNodePolicy(linkLayerAddress: bondedMAC, identifier: bonded, kind: .logical),
      ])
  }

  enum Kernel { case obeys, refuses, silent }

  var gateway: MobileAccessGateway
  /// Monotonic.
  var clock: Duration = .zero
  /// Wall time at clock zero: 2026-01-01.
  var wallClock = NTPTimestamp(seconds: 1_767_225_600, nanoseconds: 0)
  var kernel = Kernel.obeys
  /// What the kernel has.
  private(set) var datapath = DatapathSnapshot()
  private(set) var lastPBU: BindingUpdate?
  private(set) var storage: [String: AttachmentRecord] = [:]
  private(set) var peers: [IPv6Address: PeerRecord] = [:]
  private(set) var unanswered: [EffectID] = []

  init(_ configuration: MAGConfiguration = Self.configuration) {
    gateway = MobileAccessGateway(configuration: configuration)
  }

  var moment: Moment { Moment(monotonic: clock, wallClock: wallClock.advanced(by: clock)) }

  // MARK: Events

  @discardableResult
  mutating func step(_ event: MAGEvent) -> [MAGEffect] {
    var all: [MAGEffect] = []
    var events = [event]
    while !events.isEmpty {
      let effects = gateway.handle(events.removeFirst(), at: moment)
      all += effects
      for effect in effects {
        switch effect {
        case .send(.bindingUpdate(let update), _, _): lastPBU = update
        case .install(let identifier, let changes):
          switch kernel {
          case .obeys:
            for change in changes { datapath.apply(change) }
            events.append(.datapathOutcome(identifier, .installed))
          case .refuses: events.append(.datapathOutcome(identifier, .failed("ENOBUFS")))
          case .silent: unanswered.append(identifier)
          }
        case .persist(.store(let record)):
          storage["\(record.link) \(record.linkLayerAddress) \(record.uplink)"] = record
        case .persist(.remove(let link, let address, let uplink)): storage["\(link) \(address) \(uplink)"] = nil
        case .persist(.storePeer(let peer)): peers[peer.address] = peer
        case .persist(.removePeer(let address)): peers[address] = nil
        case .send, .advertise, .probe, .notify: break
        }
      }
    }
    return all
  }

  @discardableResult
  mutating func attach(
    _ mac: LinkLayerAddress = Self.mac, on link: String = "acc0", _ trigger: Attachment.Trigger = .routerSolicitation,
    linkLocal: IPv6Address? = Self.linkLocal, as identifier: MobileNodeIdentifier? = nil
  ) -> [MAGEffect] {
    step(
      .attached(
        Attachment(
          link: link, linkLayerAddress: mac, linkLocalAddress: linkLocal, trigger: trigger, identifier: identifier)))
  }

  @discardableResult
  mutating func detach(
    _ mac: LinkLayerAddress = Self.mac, from link: String = "acc0", _ cause: DetachmentCause = .operatorRequest
  ) -> [MAGEffect] {
    step(.detached(link: link, mac, cause))
  }

  /// The anchor answers `update`, by default the last one sent, echoing what RFC 5213 section 5.3.6 says.
  static func answer(
    to update: BindingUpdate, _ status: BindingStatus = .accepted, prefixes: [IPv6Prefix] = [prefix],
    offLink: [IPv6Prefix] = [], flowMobility: [IPv6Prefix] = [], linkLocal: IPv6Address? = nil,
    lifetime: BindingLifetime? = nil, sequence: UInt16? = nil
  ) -> BindingAcknowledgement {
    var options: [MobilityOption] = []
    for option in update.options {
      switch option {
      case .homeNetworkPrefix: if !status.isAccepted || update.lifetime == .zero { options.append(option) }
      case .linkLocalAddress, .magIdentifier: break
      default: options.append(option)
      }
    }
    if status.isAccepted && update.lifetime > .zero {
      options += prefixes.map { .homeNetworkPrefix(HomeNetworkPrefixOption($0)) }
      options += offLink.map { .homeNetworkPrefix(HomeNetworkPrefixOption($0, offLink: true)) }
      options += flowMobility.map { .flowMobility(HomeNetworkPrefixOption($0)) }
    }
    if let linkLocal { options.append(.linkLocalAddress(linkLocal)) }
    return BindingAcknowledgement(
      status: status, flags: .proxyRegistration, sequence: sequence ?? update.sequence,
      lifetime: status.isAccepted ? lifetime ?? update.lifetime : .zero, options: MobilityOptions(options))
  }

  @discardableResult
  mutating func answer(
    _ status: BindingStatus = .accepted, to update: BindingUpdate? = nil, prefixes: [IPv6Prefix] = [prefix],
    offLink: [IPv6Prefix] = [], flowMobility: [IPv6Prefix] = [], linkLocal: IPv6Address? = nil,
    lifetime: BindingLifetime? = nil, sequence: UInt16? = nil, from anchor: IPv6Address = Self.anchor,
    at careOfAddress: IPv6Address = Self.proxy, changing: (inout BindingAcknowledgement) -> Void = { _ in }
  ) -> [MAGEffect] {
    guard let update = update ?? lastPBU else { return [] }
    var answer = Self.answer(
      to: update, status, prefixes: prefixes, offLink: offLink, flowMobility: flowMobility, linkLocal: linkLocal,
      lifetime: lifetime, sequence: sequence)
    changing(&answer)
    return step(.message(.bindingAcknowledgement(answer), source: anchor, destination: careOfAddress))
  }

  /// Attached and registered.
  static func registered(
    _ configuration: MAGConfiguration = Self.configuration, prefixes: [IPv6Prefix] = [prefix],
    offLink: [IPv6Prefix] = []
  ) -> Self {
    var ladder = Self(configuration)
    ladder.attach()
    ladder.answer(prefixes: prefixes, offLink: offLink)
    return ladder
  }

  /// Lets time pass; the effects of every deadline on the way.
  @discardableResult
  mutating func advance(by duration: Duration) -> [MAGEffect] {
    let end = clock + duration
    var effects: [MAGEffect] = []
    while let deadline = gateway.nextDeadline, deadline <= end {
      clock = max(clock, deadline)
      effects += step(.deadlineReached)
    }
    clock = end
    return effects
  }

  /// A crash: the gateway starts again with what was stored; the kernel keeps what it has.
  mutating func restart() {
    gateway = MobileAccessGateway(configuration: gateway.configuration)
    step(
      .restore(
        storage.keys.sorted().compactMap { storage[$0] }, peers: peers.keys.sorted().compactMap { peers[$0] }))
  }

  // MARK: Views

  var states: [AttachmentSummary.State] { gateway.attachments.map(\.state) }
  var state: AttachmentSummary.State? { gateway.attachments.first?.state }
  func count(_ counter: MAGCounters.Counter) -> UInt64 { gateway.counters[counter] }
}

extension [MAGEffect] {
  var updates: [BindingUpdate] {
    compactMap { if case .send(.bindingUpdate(let update), _, _) = $0 { update } else { nil } }
  }
  /// Source addresses of the updates.
  var sources: [IPv6Address] {
    compactMap { if case .send(.bindingUpdate, let source, _) = $0 { source } else { nil } }
  }
  var advertisements: [AdvertisementPlan] { compactMap { if case .advertise(let plan) = $0 { plan } else { nil } } }
  var changes: [DatapathChange] {
    flatMap { effect -> [DatapathChange] in
      if case .install(_, let changes) = effect { changes } else { [] }
    }
  }
  var probes: Int { filter { if case .probe = $0 { true } else { false } }.count }
  var removals: [DetachmentCause] {
    compactMap { if case .notify(.attachmentRemoved(_, let cause)) = $0 { cause } else { nil } }
  }
}

extension BindingUpdate {
  var namedPrefixes: [IPv6Prefix] { options.homeNetworkPrefixes.compactMap(\.prefix) }
  var asksForAnyPrefix: Bool { options.homeNetworkPrefixes == [.allZero] }
}
