import DaemonKit
import Datapath
import Logging
import MobilityWire
import NetTypes
import PMIPCore
import SignallingKit

/// Everything in magd's configuration file: the core's part and the shell's.
struct MAGDaemonConfiguration: SignallingConfiguration, Hashable {
  static let keysOfRestart = "proxy-care-of-address, uplinks, access-links"
  static let keysOfTriggers = "triggers of access-links, radius-accounting, remote-triggers"

  enum UnknownNodes: Hashable, Sendable { case refuse, derive }

  var core = MAGConfiguration(proxyCareOfAddress: .unspecified, anchorAddress: .unspecified, accessLinks: [])
  /// As the file has it; relative to the file's directory.
  var nodeMap: String?
  /// With `realm`, becomes `core.unknownNodes`.
  var unknownNodes = UnknownNodes.refuse
  var realm: String?
  var triggers = TriggerSettings()
  var datapath = GatewayDatapathSettings()
  var control = ControlSettings(socket: "/run/flowmob/magd.sock")
  var stateDirectory = "/var/lib/flowmob"
  var recording = RecordingSettings()
  var logLevel = Logger.Level.info

  /// Reads and checks a file and the node map it names, structure and meaning. The result's `core` is complete.
  static func load(path: String) throws(ConfigurationErrors) -> LoadedConfiguration<MAGDaemonConfiguration> {
    var map: [NodeMap.Line] = []
    var mapErrors: [ConfigurationError] = []
    let result: Result<LoadedConfiguration<MAGDaemonConfiguration>, ConfigurationErrors>
    do throws(ConfigurationErrors) {
      let loaded = try table.load(path: path) { configuration in
        if let name = configuration.nodeMap {
          do throws(ConfigurationErrors) {
            map = try NodeMap.load(path: Self.resolve(name, besides: path))
          } catch {
            mapErrors = error.errors
          }
        }
        // Problems of nodes have their lines in the map.
        var problems = configuration.triggers.problems(
          accessLinks: configuration.core.accessLinks.map(\.name), file: path)
        for problem in configuration.completed(nodes: map.map(\.node)).problems() {
          if let index = problem.nodeMapIndex, map.indices.contains(index) {
            mapErrors.append(ConfigurationError(map[index].position, problem.message))
          } else {
            problems.append(problem)
          }
        }
        return problems
      }
      result = .success(loaded.mapped { $0.completed(nodes: map.map(\.node)) })
    } catch {
      result = .failure(error)
    }
    guard mapErrors.isEmpty else {
      if case .failure(let errors) = result { mapErrors += errors.errors }
      throw ConfigurationErrors(mapErrors)
    }
    return try result.get()
  }

  /// Problems of meaning.
  func problems() -> [SemanticProblem] {
    var problems = core.problems().map(SemanticProblem.init)
    if let first = core.uplinks.first, first.interface != datapath.coreInterface {
      problems.append(
        SemanticProblem(
          keyPath: "uplinks[0].interface",
          message: "\(first.interface) is not core-interface; the preferred uplink is \(datapath.coreInterface)"))
    }
    if unknownNodes == .derive, realm == nil {
      problems.append(
        SemanticProblem(keyPath: "unknown-nodes", message: "derive needs a realm; expected the key realm as well"))
    }
    return problems
  }

  /// The access links as the file has them.
  var accessLinks: [AccessLinkSettings] {
    get { core.accessLinks.map { AccessLinkSettings(link: $0, triggers: triggers.links[$0.name] ?? LinkTriggers()) } }
    set {
      core.accessLinks = newValue.map(\.link)
      triggers.links = Dictionary(newValue.map { ($0.link.name, $0.triggers) }, uniquingKeysWith: { first, _ in first })
    }
  }

  private func completed(nodes: [GatewayNodePolicy]) -> MAGDaemonConfiguration {
    var result = self
    result.core.nodes = nodes
    if unknownNodes == .derive, let realm { result.core.unknownNodes = .derive(realm: realm) }
    return result
  }

  private static func resolve(_ name: String, besides path: String) -> String {
    guard !name.hasPrefix("/"), let slash = path.lastIndex(of: "/") else { return name }
    return path[...slash] + name
  }
}

extension SemanticProblem {
  /// n when this is about `node-map[n]`.
  fileprivate var nodeMapIndex: Int? {
    guard keyPath.hasPrefix("node-map[") else { return nil }
    return Int(keyPath.dropFirst("node-map[".count).prefix { $0.isNumber })
  }
}

extension MAGDaemonConfiguration {
  /// Senders with an allowance of their own for refused messages: the anchors, those that a redirect may name as well.
  var peers: Set<IPv6Address> {
    Set(core.nodes.compactMap(\.anchorAddress)).union(core.anchors.map(\.address)).union([core.anchorAddress])
  }

  var datapathConfiguration: DatapathConfiguration {
    var result = DatapathConfiguration(
      encapsulation: datapath.encapsulation, coreInterface: datapath.coreInterface,
      localAddress: core.proxyCareOfAddress, routeTable: datapath.routeTable, rulePriority: datapath.rulePriorityBase,
      routeProtocol: datapath.routeProtocol, owner: "magd",
      role: .gateway(
        DatapathConfiguration.Gateway(
          uplinkTable: datapath.uplinkTable, accessLinks: core.accessLinks.map(\.name),
          sessionLinks: Set(triggers.links.filter { $0.value.pointToPointNode != nil }.keys))))
    result.furtherLinks = core.uplinks.dropFirst().map { .init(interface: $0.interface, address: $0.address) }
    return result
  }
}

/// What magd puts into the kernel, and where.
struct GatewayDatapathSettings: Hashable, Sendable {
  var encapsulation = EncapsulationChoice.auto
  /// Towards the anchor.
  var coreInterface = ""
  /// Packets of nodes are routed by this table alone.
  var uplinkTable: UInt32 = 52_130
  /// Routes to nodes; 254 is the main table.
  var routeTable: UInt32 = 254
  var rulePriorityBase: UInt32 = 5_213
  /// rtm_protocol of our routes and rules.
  var routeProtocol: UInt8 = 113
}

extension MAGDaemonConfiguration {
  static let table = OptionTable(
    initial: MAGDaemonConfiguration(),
    [
      .option(
        "proxy-care-of-address", \.core.proxyCareOfAddress, .ipv6Address, required: true,
        help: "Our address: source of Proxy Binding Updates and end of the tunnels."),
      .option(
        "anchor", \.core.anchorAddress, .ipv6Address, required: true,
        help: "Address of the local mobility anchor (LMAA)."),
      .option(
        "anchors", \.core.anchors, .list(of: .mapping(anchorPolicy), count: 0...256),
        help: "What is known about single anchors: `anchor`, those of the node map or those that a redirect names."),
      .option(
        "access-links", \.accessLinks, .list(of: .mapping(accessLink), count: 1...4_096), required: true,
        help: "Interfaces towards mobile nodes."),
      .option(
        "node-map", \.nodeMap, .optional(.path),
        help: "File with a line for each known link-layer address: MAC, MN-ID, kind. Relative to this file."),
      .option(
        "unknown-nodes", \.unknownNodes, .word(["refuse": .refuse, "derive": .derive]),
        help: "Nodes that are not in the map: refuse them, or derive the MN-ID mac@realm."),
      .option(
        "realm", \.realm, .optional(.text("a realm such as example.net", maximumLength: 240)),
        help: "Realm of derived MN-IDs."),
      .option(
        "fixed-link-local-address", \.core.fixedLinkLocalAddress, .ipv6Address,
        help: "Link-local address of all gateways on all access links (RFC 5213 section 9.3); `::` switches this off."),
      .option(
        "fixed-link-layer-address", \.core.fixedLinkLayerAddress, .linkLayerAddress,
        help: "Link-layer address of all gateways on all access links."),
      .option(
        "timestamps", \.core.useTimestamps, .boolean,
        help: "Order messages by the Timestamp option; false: by sequence number."),
      .option(
        "uplinks", \.core.uplinks, .list(of: .mapping(uplink), count: 0...254),
        help: "Several ways to the anchor (RFC 8278), the preferred one first; its address is proxy-care-of-address."),
      .option(
        "accept-redirect", \.core.acceptsRedirect, .boolean,
        help: "Offer Redirect-Capability for new sessions; the anchor may then assign another one (RFC 6463)."),
      .radiusAccounting,
      .remoteTriggers,
      .section(
        "timers", help: "RFC 5213 section 9.3 and RFC 6275 section 12.",
        [
          .option(
            "initial-bindack-timeout-first-registration", \.core.timers.initialBindackTimeoutFirstRegistration,
            .duration(in: .milliseconds(10) ... .seconds(32)), help: "Wait before a first registration is repeated."),
          .option(
            "initial-bindack-timeout", \.core.timers.initialBindackTimeout,
            .duration(in: .milliseconds(10) ... .seconds(32)),
            help: "Wait before a refresh or de-registration is repeated."),
          .option(
            "max-bindack-timeout", \.core.timers.maxBindackTimeout,
            .duration(in: .milliseconds(10) ... .seconds(3_600)),
            help: "The wait doubles up to this."),
          .option(
            "lifetime", \.core.timers.lifetime, .duration(in: .seconds(4) ... .seconds(262_140)),
            help: "Wanted lifetime of a binding, a multiple of 4s."),
          .option(
            "refresh-before-expiry", \.core.timers.refreshBeforeExpiry,
            .duration(in: .seconds(1) ... .seconds(262_140)),
            help: "A refresh is sent this long before expiry, at the latest at half of the granted lifetime."),
          .option(
            "router-lifetime", \.core.timers.routerLifetime, .duration(in: .zero ... .seconds(9_000)),
            help: "Router lifetime in Router Advertisements."),
          .option(
            "advertisement-interval", \.core.timers.advertisementInterval,
            .duration(in: .seconds(3) ... .seconds(86_400)),
            help: "Between unsolicited Router Advertisements to a registered node."),
          .option(
            "probe-interval", \.core.timers.probeInterval, .duration(in: .zero ... .seconds(3_600)),
            help: "Between probes that notice a silent departure; 0s: no probes."),
        ]),
      .option(
        "heartbeat", \.core.heartbeat, .mapping(heartbeat),
        help: "Requests to every anchor (RFC 5847); those of the anchors are answered in any case."),
      .revocation(\.core.revocation),
      .option(
        "identity", \.core.identity, .optional(.text("a NAI such as mag1@example.net", maximumLength: 240)),
        help: "Name of this gateway in messages to the anchor (RFC 5846 section 9.2); default: its address."),
      .section(
        "limits", help: "Bounds; what exceeds one is counted and refused.",
        [
          .option("attachments", \.core.limits.attachments, .integer(1...10_000_000), help: "Attachments in all."),
          .option(
            "prefixes-per-node", \.core.limits.prefixesPerNode, .integer(1...64),
            help: "Prefixes of one attachment that are served."),
        ]),
      .section(
        "flow-mobility", help: "Code points that both ends must agree on.",
        [
          .flowMobilityOptionType(\.core.codePoints.flowMobilityOption),
          .sharedPrefixesIndicator(\.core.sharedPrefixesIndicator),
        ]),
      .section(
        "datapath", help: "What goes into the kernel.",
        [
          .encapsulation(\.datapath.encapsulation),
          .option(
            "core-interface", \.datapath.coreInterface, .interfaceName, required: true,
            help: "Interface towards the anchor."),
          .option(
            "uplink-table", \.datapath.uplinkTable, .integer(256...0xffff_fffd),
            help: "Routing table for packets of mobile nodes; the next two numbers are used as well."),
          .option(
            "route-table", \.datapath.routeTable, .routingTable,
            help: "Table for the routes to mobile nodes; 254 is the main table."),
          .rulePriorityBase(\.datapath.rulePriorityBase),
          .routeProtocol(\.datapath.routeProtocol),
        ]),
      .control,
      .option(
        "state-directory", \.stateDirectory, .path,
        help: "Where attachments (`magd.*`) and the anchors' Restart Counters (`magd-peers.*`) are kept over a restart."
      ),
      .recording,
      .logLevel,
    ])

  private static let uplink = OptionTable(
    initial: Uplink(interface: "", address: .unspecified, label: 0, accessTechnology: .reserved),
    [
      .option("interface", \.interface, .interfaceName, required: true, help: "Name of the interface."),
      .option("address", \.address, .ipv6Address, required: true, help: "Our address on this way (Proxy-CoA)."),
      .option("label", \.label, .integer(0...255), help: "If-Label: a number that the anchor's policy knows."),
      .option(
        "access-technology", \.accessTechnology, .accessTechnology, required: true,
        help: "If-ATT: name or number of RFC 5213 section 8.5."),
    ])

  private static let anchorPolicy = OptionTable(
    initial: AnchorPolicy(address: .unspecified),
    [
      .option("address", \.address, .ipv6Address, required: true, help: "Its address (LMAA)."),
      .tolerate(\.tolerated, PeerDeviation.ofAnchors),
      .option(
        "heartbeat", \.heartbeat, .optional(.mapping(heartbeat)),
        help: "Requests to this anchor, instead of what `heartbeat` says for all."),
    ])

  private static let heartbeat = OptionTable(
    initial: HeartbeatSettings(), ConfigurationOption.heartbeat(interval: \.interval, missingAllowed: \.missingAllowed))

  private static let accessLink = OptionTable(
    initial: AccessLinkSettings(link: AccessLink(name: "", accessTechnology: .reserved)),
    [
      .option("interface", \.link.name, .interfaceName, required: true, help: "Name of the interface."),
      .option(
        "access-technology", \.link.accessTechnology, .accessTechnology, required: true,
        help: "Name or number of RFC 5213 section 8.5."),
      .option(
        "network-name", \.link.networkName, .optional(.text("a network name", plural: "network names")),
        help: "Told to an anchor that asks for the access network, such as an SSID (RFC 6757 section 3.1.1)."),
      .option(
        "triggers", \.triggers, .mapping(.linkTriggers),
        help: "Who may tell that a node is on this link (docs/attachment.md)."),
    ])
}

extension OptionType where Value == AccessTechnologyType {
  /// IANA's "Access Technology Type Option type values", by name or number.
  static var accessTechnology: OptionType {
    OptionType<UInt8>.codePoint(
      "an access technology", plural: "access technologies",
      names: [
        "virtual": 1, "ppp": 2, "ethernet": 3, "ieee-802.3": 3, "ieee-802.11": 4, "ieee-802.16e": 5, "3gpp-geran": 6,
        "3gpp-utran": 7, "3gpp-e-utran": 8, "3gpp2-ehrpd": 9, "3gpp2-hrpd": 10, "3gpp2-1xrtt": 11, "3gpp2-umb": 12,
        "3gpp-nb-iot": 13,
      ], range: 1...255
    ).mapped {
      AccessTechnologyType(rawValue: $0)
    } back: {
      $0.rawValue
    }
  }
}
