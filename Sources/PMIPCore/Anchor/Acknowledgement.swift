import MobilityWire
import NetTypes

/// Builds Proxy Binding Acknowledgements: RFC 5213 section 5.3.6.
enum Acknowledgement {
  /// What an accepted registration tells the gateway.
  struct Grant: Hashable, Sendable {
    var lifetime: BindingLifetime
    var prefixes: [HomeNetworkPrefixOption]
    /// Prefixes of the node's other interfaces.
    var offLinkPrefixes: [IPv6Prefix] = []
    /// They stand in the paper's flow-mob options; otherwise in HNP options with the L flag (RFC 7864 section 3.3).
    var usesFlowMobilityOption = false
    /// Answers a Link-local Address option, whatever it held.
    var gatewayLinkLocalAddress: IPv6Address?
    /// The anchor that has the session now, if it is not the one that answers (RFC 6463).
    var redirect: IPv6Address?
    var load: LoadInformation?
  }

  static func accepting(_ update: BindingUpdate, _ grant: Grant) -> BindingAcknowledgement {
    var options = head(of: update, prefixes: grant.prefixes)
    if let timestamp = update.options.timestamp { options.append(.timestamp(timestamp)) }
    if let identifier = update.options.linkLayerIdentifier {
      options.append(.mobileNodeLinkLayerIdentifier(identifier))
    }
    if update.options.linkLocalAddress != nil, let address = grant.gatewayLinkLocalAddress {
      options.append(.linkLocalAddress(address))
    }
    // Without the MAG Identifier option (RFC 8278 section 4).
    if let multipath = update.options.magMultipathBinding { options.append(.magMultipathBinding(multipath)) }
    if let redirect = grant.redirect { options.append(.redirect(.v6(redirect))) }
    if let load = grant.load { options.append(.loadInformation(load)) }
    for prefix in grant.offLinkPrefixes {
      options.append(
        grant.usesFlowMobilityOption
          ? .flowMobility(HomeNetworkPrefixOption(prefix))
          : .homeNetworkPrefix(HomeNetworkPrefixOption(prefix, offLink: true)))
    }
    return BindingAcknowledgement(
      status: .accepted, flags: .proxyRegistration, sequence: update.sequence, lifetime: grant.lifetime,
      options: options)
  }

  /// - Parameters:
  ///   - clock: the anchor's time of day, told with the two timestamp errors in place of the echo (section 5.5).
  ///   - lastAccepted: told with status 135 in place of the sequence number (RFC 6275 section 9.5.1).
  static func rejecting(
    _ update: BindingUpdate, _ status: BindingStatus, clock: NTPTimestamp, lastAccepted: UInt16?
  ) -> BindingAcknowledgement {
    // Without padding more options fit into a request than into our answer.
    let requested = Array(
      update.options.homeNetworkPrefixes.prefix(ProtocolConstants.maximumPrefixesPerAcknowledgement))
    var options = head(of: update, prefixes: requested.isEmpty ? [.allZero] : requested)
    if let timestamp = update.options.timestamp {
      let isOwnClock = status == .timestampMismatch || status == .timestampLowerThanPreviousAccepted
      options.append(.timestamp(isOwnClock ? clock : timestamp))
    }
    if let identifier = update.options.linkLayerIdentifier {
      options.append(.mobileNodeLinkLayerIdentifier(identifier))
    }
    if let address = update.options.linkLocalAddress { options.append(.linkLocalAddress(address)) }
    if status == .multipathBindingRefused, let multipath = update.options.magMultipathBinding {
      options.append(.magMultipathBinding(multipath))
    }
    return BindingAcknowledgement(
      status: status, flags: .proxyRegistration, sequence: lastAccepted ?? update.sequence, lifetime: .zero,
      options: options)
  }

  /// The options of every acknowledgement; what the request lacks stands as a zero-length identifier or as 0.
  private static func head(of update: BindingUpdate, prefixes: [HomeNetworkPrefixOption]) -> MobilityOptions {
    let options = update.options
    var head = MobilityOptions()
    head.reserveCapacity(options.count)
    head.append(.mobileNodeIdentifier(options.mobileNodeIdentifier ?? MobileNodeIdentifier(nai: "")))
    for prefix in prefixes { head.append(.homeNetworkPrefix(prefix)) }
    head.append(.handoffIndicator(options.handoffIndicator ?? .reserved))
    head.append(.accessTechnologyType(options.accessTechnologyType ?? .reserved))
    return head
  }
}
