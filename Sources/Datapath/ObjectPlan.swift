import DatapathModel
import LinuxNet
import NetTypes

/// Where packets for a tunnel leave.
struct TunnelOutput: Hashable {
  var interface: UInt32
  /// nil: the interface encapsulates.
  var encapsulation: Route.Encapsulation?
}

/// Which routes and rules stand for what. Pure: interfaces come in as indexes.
///
/// Anchor. Tunnel n has a table that routes all aggregates into it, and a rule that sends packets with mark n there
/// (`MarkRules`). Unmarked packets find the route of their prefix in the main table. An aggregate without binding is
/// unreachable.
///
/// Gateway. What arrives on an access link is looked up in the uplink table, and nowhere else: prefixes with a binding
/// go into their tunnel, everything else is dropped (RFC 5213 section 6.10.5 forwards only with a binding). Downlinks
/// are ordinary routes, so that the gateway itself reaches its nodes; and they stand in the downlink table, where what
/// comes out of a tunnel is looked up and nowhere else: a packet for nobody here is dropped, and not sent back by the
/// default route to the anchor, which would return it.
///
/// With `srv6` the kernel looks up the encapsulated packet once more, with the mark and the input interface of the
/// inner one. At the anchor it falls through the tunnel's table, because gateways have no addresses in the aggregates;
/// at the gateway a `throw` route sends it on to the main table.
struct ObjectPlan {
  var configuration: DatapathConfiguration
  var mode: EncapsulationMode

  /// Of the route that makes unbound addresses unreachable; any other route of an aggregate wins.
  static let unreachableMetric: UInt32 = .max - 1
  /// Of the routes of bindings: they win over what routing daemons add by default.
  static let bindingMetric: UInt32 = 64

  // MARK: Without bindings

  var standingRoutes: [Route] {
    switch configuration.role {
    case .anchor(let anchor):
      anchor.aggregates.map {
        route(to: $0, table: configuration.routeTable, metric: Self.unreachableMetric, kind: .unreachable)
      }
    case .gateway(let gateway):
      [gateway.uplinkTable, gateway.downlinkTable].map {
        route(to: .everything, table: $0, metric: Self.unreachableMetric, kind: .blackhole)
      }
    }
  }

  var standingRules: [RoutingRule] {
    guard case .gateway(let gateway) = configuration.role else { return [] }
    return gateway.accessLinks.map {
      RoutingRule(
        priority: configuration.rulePriority, .lookup(table: gateway.uplinkTable), inputInterface: $0,
        protocolNumber: configuration.routeProtocol)
    }
  }

  // MARK: Tunnels

  /// At a gateway: the rule of each tunnel. None at an anchor, see `MarkRules`.
  func rules(of tunnel: TunnelDescription) -> [RoutingRule] {
    // With `srv6` the decapsulating route names the table.
    guard case .gateway(let gateway) = configuration.role, mode == .ip6tnl else { return [] }
    return [
      RoutingRule(
        priority: configuration.rulePriority, .lookup(table: gateway.downlinkTable),
        inputInterface: DeviceTunnels.name(tunnel.identifier), protocolNumber: configuration.routeProtocol)
    ]
  }

  /// - Parameter core: index of the core interface.
  func routes(of tunnel: TunnelDescription, _ output: TunnelOutput, core: UInt32) -> [Route] {
    var routes: [Route] = []
    if mode == .srv6 {
      // The source is part of the key, so only the tunnel's other end is decapsulated.
      var decapsulation = route(
        to: .host(tunnel.local), table: configuration.decapsulationTable, interface: core,
        encapsulation: .decapsulate(table: configuration.decapsulatedTable))
      decapsulation.source = .host(tunnel.remote)
      routes.append(decapsulation)
    }
    switch configuration.role {
    case .anchor(let anchor):
      routes += anchor.aggregates.map {
        route(
          to: $0, table: anchor.tableBase + tunnel.identifier.rawValue, interface: output.interface,
          encapsulation: output.encapsulation)
      }
    case .gateway(let gateway):
      if mode == .srv6 {
        var outer = route(to: .host(tunnel.remote), table: gateway.uplinkTable, kind: .throw)
        outer.source = .host(tunnel.local)
        routes.append(outer)
      }
    }
    return routes
  }

  // MARK: Bindings

  func prefixRoute(_ prefix: IPv6Prefix, _ output: TunnelOutput?) -> Route {
    route(
      to: prefix, table: configuration.routeTable, interface: output?.interface,
      encapsulation: output?.encapsulation)
  }

  /// nil at an anchor.
  func uplink(_ prefix: IPv6Prefix, _ output: TunnelOutput?) -> Route? {
    guard case .gateway(let gateway) = configuration.role else { return nil }
    var uplink = route(
      to: .everything, table: gateway.uplinkTable, interface: output?.interface,
      encapsulation: output?.encapsulation)
    uplink.source = prefix
    return uplink
  }

  /// For the gateway itself, and for what comes out of a tunnel.
  func downlinks(_ prefix: IPv6Prefix, interface: UInt32?, via: IPv6Address?) -> [Route] {
    Set([configuration.routeTable, configuration.decapsulatedTable]).sorted().map { table in
      var downlink = route(to: prefix, table: table, interface: interface)
      downlink.gateway = via
      return downlink
    }
  }

  private func route(
    to destination: IPv6Prefix, table: UInt32, metric: UInt32 = Self.bindingMetric, kind: Route.Kind = .unicast,
    interface: UInt32? = nil, encapsulation: Route.Encapsulation? = nil
  ) -> Route {
    Route(
      to: destination, table: table, protocolNumber: configuration.routeProtocol, metric: metric, kind: kind,
      interface: interface, encapsulation: encapsulation)
  }
}
