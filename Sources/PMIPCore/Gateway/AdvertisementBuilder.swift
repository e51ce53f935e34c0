import MobilityWire
import NetTypes

/// Builds the unicast Router Advertisements of RFC 5213 section 6.9.
///
/// Prefix lifetimes are infinite instead of tied to the binding (RFC 5213 section 6.7 leaves it free): an advertisement
/// is not acknowledged, so with tied lifetimes the loss of a single one would take a working address away from a node
/// until the next refresh. A prefix that ends while the node is still here is withdrawn with lifetime 0; one that ends
/// because the node left needs no message.
struct AdvertisementBuilder {
  static let infiniteLifetime = UInt32.max
  /// RFC 4861 section 6.2.1: AdvDefaultLifetime is at most 9000 s.
  static let maximumRouterLifetime: Duration = .seconds(9_000)

  let configuration: MAGConfiguration
  /// As announced for the link; nil: no MTU option.
  let mtu: UInt32?

  /// The node's own prefixes, and those it must forget.
  func advertisement(for entry: BindingUpdateListEntry) -> AdvertisementPlan {
    let lifetime = min(configuration.timers.routerLifetime, Self.maximumRouterLifetime).components.seconds
    return plan(
      for: entry, routerLifetime: UInt16(clamping: lifetime),
      prefixes: (entry.binding?.prefixes ?? []).map { prefix($0, Self.infiniteLifetime) }
        + entry.withdrawnPrefixes.map { prefix($0, 0) })
  }

  /// The service ends while the node is still on the link: no prefix, no default router.
  func withdrawal(for entry: BindingUpdateListEntry) -> AdvertisementPlan {
    plan(
      for: entry, routerLifetime: 0,
      prefixes: ((entry.binding?.prefixes ?? []) + entry.withdrawnPrefixes).map { prefix($0, 0) })
  }

  private func prefix(_ prefix: IPv6Prefix, _ lifetime: UInt32) -> AdvertisementPlan.Prefix {
    AdvertisementPlan.Prefix(prefix: prefix, validLifetime: lifetime, preferredLifetime: lifetime)
  }

  private func plan(
    for entry: BindingUpdateListEntry, routerLifetime: UInt16, prefixes: [AdvertisementPlan.Prefix]
  ) -> AdvertisementPlan {
    AdvertisementPlan(
      link: entry.key.link, destinationLinkLayer: entry.key.linkLayerAddress,
      destination: entry.linkLocalAddress ?? .allNodes,
      source: entry.gatewayLinkLocalAddress ?? configuration.gatewayLinkLocalAddress,
      sourceLinkLayer: configuration.fixedLinkLayerAddress, routerLifetime: routerLifetime, mtu: mtu,
      prefixes: prefixes)
  }
}

extension MAGConfiguration {
  /// The anchor chooses our link-local address (FixedMAGLinkLocalAddressOnAllAccessLinks is ALL_ZERO).
  var anchorChoosesLinkLocalAddress: Bool { fixedLinkLocalAddress.isUnspecified }

  /// Our address towards nodes as long as no anchor has chosen another one.
  var gatewayLinkLocalAddress: IPv6Address {
    anchorChoosesLinkLocalAddress ? fixedLinkLayerAddress.linkLocalAddress : fixedLinkLocalAddress
  }
}
