import MobilityWire
import NetTypes

/// A Proxy Binding Update that waits for its answer, with every transmission of it that may still be answered.
///
/// RFC 6275 section 11.7.3 accepts an acknowledgement whose sequence number matches *an outstanding* Binding Update.
/// Every transmission of the current request counts as outstanding for an acceptance: it asked for the same thing, and
/// without this rule a path slower than the first timeout could not register before the back-off has caught up with it.
/// A refusal counts only for the newest transmission, because 135 and 157 are what an older one earns when the network
/// delivered it behind a newer one. A new request (refresh, de-registration) forgets the transmissions of the old one.
struct OutstandingRequest: Hashable, Sendable {
  enum Purpose: Hashable, Sendable {
    /// Asks for a binding: after attachment, or again after a lost one.
    case registration
    /// Extends the lifetime of a binding.
    case refresh
    case deregistration
  }

  struct Transmission: Hashable, Sendable {
    var sequence: UInt16
    /// nil: sequence numbers order the requests.
    var timestamp: NTPTimestamp?
    /// Monotonic.
    var sentAt: Duration
  }

  /// Options 63 and 64 of RFC 8278.
  struct Multipath: Hashable, Sendable {
    var binding: MAGMultipathBinding
    var gateway: MAGIdentifier
  }

  /// Older transmissions are forgotten. At doubling intervals from 1 s the eighth is sent a minute after the first.
  static let maximumTransmissions = 8
  /// After an answer that asks for another try at once (135, 157). With the transmission that the timer paced these are
  /// three messages in a row, MAX_UPDATE_RATE of RFC 6275 section 12.
  static let maximumImmediateRetries = 2

  let purpose: Purpose
  let source: IPv6Address
  let anchorAddress: IPv6Address
  let handoffIndicator: HandoffIndicator
  /// Empty: one ALL_ZERO option, the anchor chooses.
  let prefixes: [IPv6Prefix]
  /// 0 in de-registrations.
  let lifetime: BindingLifetime
  /// Value of the Link-local Address option; nil: no option.
  let linkLocalAddress: IPv6Address?
  /// Of the Access Network Identifier option; nil: no option.
  let accessNetwork: AccessNetworkSubOption?
  /// Redirect-Capability option (RFC 6463): the anchor may assign another one.
  let offersRedirect: Bool
  let multipath: Multipath?
  /// The Proxy-CoA, when the message leaves from another address.
  let alternateCareOfAddress: IPv6Address?

  private(set) var transmissions: [Transmission] = []
  var retransmission: Retransmission
  private(set) var immediateRetries = 0

  init(
    purpose: Purpose, source: IPv6Address, anchorAddress: IPv6Address, handoffIndicator: HandoffIndicator,
    prefixes: [IPv6Prefix], lifetime: BindingLifetime, linkLocalAddress: IPv6Address?,
    accessNetwork: AccessNetworkSubOption? = nil, offersRedirect: Bool, multipath: Multipath?,
    alternateCareOfAddress: IPv6Address?, retransmission: Retransmission
  ) {
    self.purpose = purpose
    self.source = source
    self.anchorAddress = anchorAddress
    self.handoffIndicator = handoffIndicator
    self.prefixes = prefixes
    self.lifetime = lifetime
    self.linkLocalAddress = linkLocalAddress
    self.accessNetwork = accessNetwork
    self.offersRedirect = offersRedirect
    self.multipath = multipath
    self.alternateCareOfAddress = alternateCareOfAddress
    self.retransmission = retransmission
  }

  /// The newest with its number; an acceptance echoes the timestamp as well.
  func transmission(answeredBy acknowledgement: BindingAcknowledgement) -> Transmission? {
    transmissions.last {
      guard $0.sequence == acknowledgement.sequence else { return false }
      guard acknowledgement.status.isAccepted, let echo = acknowledgement.options.timestamp else { return true }
      return echo == $0.timestamp
    }
  }

  func isNewest(_ transmission: Transmission) -> Bool { transmissions.last == transmission }

  mutating func transmitted(_ sequence: UInt16, _ timestamp: NTPTimestamp?, at now: Duration) {
    if transmissions.count == Self.maximumTransmissions { transmissions.removeFirst() }
    transmissions.append(Transmission(sequence: sequence, timestamp: timestamp, sentAt: now))
  }

  /// The timer has paced this transmission.
  mutating func resumeImmediateRetries() { immediateRetries = 0 }

  /// false when the retransmission timer must pace the next try.
  mutating func mayRetryAtOnce() -> Bool {
    guard immediateRetries < Self.maximumImmediateRetries else { return false }
    immediateRetries += 1
    return true
  }

  /// The message of RFC 5213 section 6.9.1.5. Options in the order of the published examples; none depends on it.
  /// `timestamp` nil: sequence numbers order the requests.
  func bindingUpdate(
    node: MobileNodeIdentifier, accessTechnology: AccessTechnologyType, linkLayerAddress: LinkLayerAddress,
    sequence: UInt16, timestamp: NTPTimestamp?
  ) -> BindingUpdate {
    var options: [MobilityOption] = [.mobileNodeIdentifier(node)]
    if prefixes.isEmpty {
      options.append(.homeNetworkPrefix(.allZero))
    } else {
      options += prefixes.map { .homeNetworkPrefix(HomeNetworkPrefixOption($0)) }
    }
    options.append(.handoffIndicator(handoffIndicator))
    options.append(.accessTechnologyType(accessTechnology))
    if let timestamp { options.append(.timestamp(timestamp)) }
    options.append(.mobileNodeLinkLayerIdentifier(MobileNodeLinkLayerIdentifier(linkLayerAddress)))
    if let linkLocalAddress { options.append(.linkLocalAddress(linkLocalAddress)) }
    if let alternateCareOfAddress { options.append(.alternateCareOfAddress(alternateCareOfAddress)) }
    if let accessNetwork { options.append(.accessNetworkIdentifier([accessNetwork])) }
    if offersRedirect { options.append(.redirectCapability) }
    if let multipath {
      options.append(.magMultipathBinding(multipath.binding))
      options.append(.magIdentifier(multipath.gateway))
    }
    return BindingUpdate(
      sequence: sequence, flags: [.acknowledge, .proxyRegistration], lifetime: lifetime,
      options: MobilityOptions(options))
  }
}
