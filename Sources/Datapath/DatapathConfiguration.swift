import DatapathModel
import LinuxNet
import NetTypes

/// How packets are encapsulated. On the wire both are IPv6 in IPv6 without any other header (RFC 2473), so the two ends
/// of a tunnel may differ.
public enum EncapsulationMode: String, Hashable, Sendable, Codable {
  /// A tunnel device for each pair of anchor and gateway.
  case ip6tnl
  /// Routes that encapsulate (H.Encaps.Red) and decapsulate (End.DT6; RFC 8986), without devices.
  case srv6
}

/// Key `encapsulation`.
public enum EncapsulationChoice: String, Hashable, Sendable, Codable {
  /// `ip6tnl` where the kernel has it, else `srv6`.
  case auto
  case ip6tnl, srv6
}

/// Section `datapath` of a daemon's configuration, and what of the rest the data plane needs.
public struct DatapathConfiguration: Hashable, Sendable {
  public enum Role: Hashable, Sendable {
    case anchor(Anchor)
    case gateway(Gateway)
  }

  public struct Anchor: Hashable, Sendable {
    /// The bits of the packet mark that name a tunnel.
    public var markLayout: MarkLayout
    /// Tunnel n uses table `tableBase` + n; `tableBase` itself is the decapsulation table of `srv6`.
    public var tableBase: UInt32
    /// All prefixes that bindings may come from: the pools.
    public var aggregates: [IPv6Prefix]
    public init(markLayout: MarkLayout = .default, tableBase: UInt32, aggregates: [IPv6Prefix]) {
      self.markLayout = markLayout
      self.tableBase = tableBase
      self.aggregates = aggregates
    }
  }

  public struct Gateway: Hashable, Sendable {
    /// What arrives on an access link is looked up here. The next number is the decapsulation table of `srv6`, the one
    /// behind it the downlink table.
    public var uplinkTable: UInt32
    /// Names of the access interfaces.
    public var accessLinks: [String]
    /// Those of `accessLinks` that are there while a session lasts (PPP).
    public var sessionLinks: Set<String>
    public init(uplinkTable: UInt32, accessLinks: [String], sessionLinks: Set<String> = []) {
      self.uplinkTable = uplinkTable
      self.accessLinks = accessLinks
      self.sessionLinks = sessionLinks
    }

    var downlinkTable: UInt32 { uplinkTable + 2 }
  }

  /// A way to the other end of the tunnels.
  public struct CoreLink: Hashable, Sendable {
    public var interface: String
    /// Our end of its tunnels.
    public var address: IPv6Address
    public init(interface: String, address: IPv6Address) {
      self.interface = interface
      self.address = address
    }
  }

  public var encapsulation: EncapsulationChoice
  /// Name of the interface towards the other end of the tunnels.
  public var coreInterface: String
  /// Our end of the tunnels: LMAA or Proxy-CoA. `srv6` can have only one in a network namespace, or
  /// one for each interface.
  public var localAddress: IPv6Address
  /// Beside `coreInterface` and `localAddress`, of a gateway with several uplinks.
  public var furtherLinks: [CoreLink] = []
  /// Where prefix routes and downlinks go.
  public var routeTable: UInt32
  /// Of our first rule; an anchor uses further ones (`MarkRules.priorities`).
  public var rulePriority: UInt32
  /// Our tag on routes and rules.
  public var routeProtocol: UInt8
  /// Our tag on devices: "lmad" or "magd".
  public var owner: String
  public var role: Role

  public init(
    encapsulation: EncapsulationChoice = .auto, coreInterface: String, localAddress: IPv6Address,
    routeTable: UInt32 = Route.mainTable, rulePriority: UInt32, routeProtocol: UInt8, owner: String, role: Role
  ) {
    self.encapsulation = encapsulation
    self.coreInterface = coreInterface
    self.localAddress = localAddress
    self.routeTable = routeTable
    self.rulePriority = rulePriority
    self.routeProtocol = routeProtocol
    self.owner = owner
    self.role = role
  }

  /// The preferred one first.
  public var coreLinks: [CoreLink] { [CoreLink(interface: coreInterface, address: localAddress)] + furtherLinks }

  func isSessionLink(_ name: String) -> Bool {
    if case .gateway(let gateway) = role { gateway.sessionLinks.contains(name) } else { false }
  }

  /// Where packets of a tunnel with this end leave.
  func coreInterface(of local: IPv6Address) -> String {
    furtherLinks.first { $0.address == local }?.interface ?? coreInterface
  }

  /// Octets that a tunnel adds to a packet.
  public static let tunnelOverhead: UInt32 = 40

  var deviceAlias: String { "flowmob:\(owner)" }

  var decapsulationTable: UInt32 {
    switch role {
    case .anchor(let anchor): anchor.tableBase
    case .gateway(let gateway): gateway.uplinkTable + 1
    }
  }

  /// What comes out of a tunnel is looked up here.
  var decapsulatedTable: UInt32 {
    switch role {
    case .anchor: routeTable
    case .gateway(let gateway): gateway.downlinkTable
    }
  }

  /// The rules of an anchor's tunnels, without any yet; nil at a gateway.
  var markRules: MarkRules? {
    guard case .anchor(let anchor) = role else { return nil }
    return MarkRules(
      layout: anchor.markLayout, tableBase: anchor.tableBase, basePriority: rulePriority, protocolNumber: routeProtocol)
  }

  /// Where the rules of others would be among ours.
  var rulePriorities: ClosedRange<UInt32> { markRules?.priorities ?? rulePriority...rulePriority }

  /// The tables that are ours alone.
  var tables: ClosedRange<UInt32> {
    switch role {
    case .anchor(let anchor): anchor.tableBase...(anchor.tableBase + anchor.markLayout.maximumTunnels)
    case .gateway(let gateway): gateway.uplinkTable...gateway.downlinkTable
    }
  }
}
