import DaemonKit
import Datapath
import DatapathModel
import LinuxNet
import Logging
import MobilityWire
import NetTypes
import PMIPCore
import SignallingKit

/// Everything in lmad's configuration file: the core's part and the shell's.
struct LMADaemonConfiguration: SignallingConfiguration, Hashable {
  static let keysOfRestart = "addresses, prefix-pools"

  var core = LMAConfiguration(addresses: [], gateways: [], prefixPools: [])
  var refusalLimits = RefusalLimits()
  var datapath = AnchorDatapathSettings()
  var control = ControlSettings(socket: "/run/flowmob/lmad.sock")
  var stateDirectory = "/var/lib/flowmob"
  var recording = RecordingSettings()
  var logLevel = Logger.Level.info

  static func load(path: String) throws(ConfigurationErrors) -> LoadedConfiguration<LMADaemonConfiguration> {
    try table.load(path: path) { $0.problems() }
  }

  /// Problems of meaning.
  func problems() -> [SemanticProblem] {
    core.problems().map(SemanticProblem.init)
  }
}

extension LMADaemonConfiguration {
  /// Senders with an allowance of their own for refused messages: every address that a gateway registers from.
  var peers: Set<IPv6Address> { Set(core.gateways.flatMap(\.addresses)) }

  var datapathConfiguration: DatapathConfiguration {
    DatapathConfiguration(
      encapsulation: datapath.encapsulation, coreInterface: datapath.coreInterface,
      localAddress: core.addresses.first ?? .unspecified, routeTable: datapath.routeTable,
      rulePriority: datapath.rulePriorityBase, routeProtocol: datapath.routeProtocol, owner: "lmad",
      role: .anchor(
        DatapathConfiguration.Anchor(
          markLayout: core.markLayout, tableBase: datapath.tableBase, aggregates: core.prefixPools.map(\.prefix))))
  }
}

/// What lmad puts into the kernel, and where.
struct AnchorDatapathSettings: Hashable, Sendable {
  var encapsulation = EncapsulationChoice.auto
  /// Towards the gateways.
  var coreInterface = ""
  /// Tunnel n has the routing table `tableBase` + n.
  var tableBase: UInt32 = 52_130
  /// Routes of home network prefixes; 254 is the main table.
  var routeTable: UInt32 = 254
  var rulePriorityBase: UInt32 = 5_213
  /// rtm_protocol of our routes and rules.
  var routeProtocol: UInt8 = 113
}

extension LMADaemonConfiguration {
  static let table = OptionTable(
    initial: LMADaemonConfiguration(),
    [
      .option(
        "addresses", \.core.addresses, .list(of: .ipv6Address, count: 1...64), required: true,
        help: "LMAA: our addresses that gateways send their Proxy Binding Updates to."),
      .option(
        "gateways", \.core.gateways, .list(of: .mapping(gateway), count: 1...4_095), required: true,
        help: "Gateways that may register nodes; others get status 154 (RFC 5213 section 4)."),
      .option(
        "prefix-pools", \.core.prefixPools, .list(of: .mapping(pool), count: 0...256),
        help: "Home network prefixes to give to nodes that have none reserved."),
      .option(
        "nodes", \.core.nodes, .list(of: .mapping(node), count: 0...1_000_000),
        help: "What is known about single nodes."),
      .option(
        "unknown-nodes", \.core.unknownNodes, .word(["refuse": .refuse, "accept": .accept]),
        help: "Nodes that are not in the list: refuse with status 152, or accept with the defaults of a node."),
      .option(
        "redirections", \.core.redirections, .list(of: .mapping(redirection), count: 0...64),
        help: "Runtime assignment (RFC 6463): new sessions asked for at one of our addresses are created at another."),
      .option(
        "load-information", \.core.advertisesLoad, .boolean,
        help: "Tell gateways in every acknowledgement how many sessions there are (RFC 6463 section 4.3)."),
      .section(
        "timers", help: "RFC 5213 section 9.1.",
        [
          .option(
            "min-delay-before-bce-delete", \.core.timers.minDelayBeforeBCEDelete,
            .duration(in: .zero ... .seconds(3_600)),
            help: "A de-registered binding is kept this long, for a registration through another gateway."),
          .option(
            "max-delay-before-new-bce-assign", \.core.timers.maxDelayBeforeNewBCEAssign,
            .duration(in: .zero ... .seconds(60)),
            help: "A registration with unknown handoff state waits this long for the old gateway to de-register."),
          .option(
            "timestamp-validity-window", \.core.timers.timestampValidityWindow,
            .duration(in: .milliseconds(1) ... .seconds(3_600)),
            help: "How far a gateway's clock may be from ours."),
          .option(
            "maximum-lifetime", \.core.timers.maximumLifetime, .duration(in: .seconds(4) ... .seconds(262_140)),
            help: "Longest lifetime that is granted."),
          .option(
            "min-delay-between-update-notification-replay", \.core.timers.minDelayBetweenUpdateNotificationReplay,
            .duration(in: .milliseconds(500) ... .seconds(5)),
            help: "An unacknowledged Update Notification is sent again after this long (RFC 7077 section 7)."),
          .option(
            "max-update-notification-retransmit-count", \.core.timers.maxUpdateNotificationRetransmitCount,
            .integer(0...5), help: "How often it is sent again before it is given up (RFC 7077 section 7)."),
        ]),
      .revocation(\.core.revocation),
      .section(
        "limits", help: "Bounds; what exceeds one is counted, and refused with status 130 unless said otherwise.",
        [
          .option("bindings", \.core.limits.bindings, .integer(1...10_000_000), help: "Bindings in all."),
          .option("bindings-per-node", \.core.limits.bindingsPerNode, .integer(1...64), help: "Bindings of one node."),
          .option(
            "prefixes-per-request", \.core.limits.prefixesPerRequest, .integer(1...60),
            help: "Home Network Prefix options in one Proxy Binding Update."),
          .option(
            "pending-registrations", \.core.limits.pendingRegistrations, .integer(1...1_000_000),
            help: "Registrations that wait for an old gateway or for the kernel."),
          .option(
            "refusals-per-gateway", \.refusalLimits.perPeer, .integer(1...1_000_000),
            help: "Refused messages of one gateway, in a second; what it sends beyond is dropped unread."),
          .option(
            "refusals-of-strangers", \.refusalLimits.ofStrangers, .integer(1...1_000_000),
            help: "The same for all senders together that are no gateways."),
          .option(
            "outstanding-notifications", \.core.limits.outstandingNotifications, .integer(1...32_768),
            help: "Update Notifications that wait for their acknowledgement; more are not sent."),
        ]),
      .section(
        "flow-mobility", help: "How gateways learn of the prefixes of a node's other interfaces.",
        [
          .option(
            "mode", \.core.flowMobilityMode, .word(["rfc7864": .rfc7864, "paper": .paper, "both": .both]),
            help: """
              rfc7864: by a Flow Mobility Initiate before the first flow moves there. paper: by the flow-mob option of \
              every acknowledgement. both: by the option, and by an initiate when a move cannot wait for the next one.
              """),
          .flowMobilityOptionType(\.core.codePoints.flowMobilityOption),
          .sharedPrefixesIndicator(\.core.sharedPrefixesIndicator),
        ]),
      .section(
        "datapath", help: "What goes into the kernel.",
        [
          .encapsulation(\.datapath.encapsulation),
          .option(
            "core-interface", \.datapath.coreInterface, .interfaceName, required: true,
            help: "Interface towards the gateways."),
          .option(
            "mark-mask", \.core.markLayout, .markLayout,
            help: "Bits of the packet mark that are ours; they hold the tunnel number."),
          .option(
            "table-base", \.datapath.tableBase, .integer(256...0xffff_0000),
            help: "Tunnel n has the routing table table-base + n."),
          .option(
            "route-table", \.datapath.routeTable, .routingTable,
            help: "Table for the routes of home network prefixes; 254 is the main table."),
          .rulePriorityBase(\.datapath.rulePriorityBase),
          .routeProtocol(\.datapath.routeProtocol),
        ]),
      .control,
      .option(
        "state-directory", \.stateDirectory, .path,
        help: "Where bindings (`lmad.*`) and the gateways' Restart Counters (`lmad-peers.*`) are kept over a restart."),
      .recording,
      .logLevel,
    ])

  private static let gateway = OptionTable(
    initial: GatewayPolicy(name: "", address: .unspecified),
    [
      .option("name", \.name, .text("a name"), required: true, help: "What this file and `show` call the gateway."),
      .option("address", \.address, .ipv6Address, required: true, help: "Its Proxy Care-of Address."),
      .option(
        "ordering", \.ordering,
        .word(["timestamp": .timestamp, "node-timestamp": .nodeTimestamp, "sequence": .sequence]),
        help: "How its messages are ordered: Timestamp option (RFC 5213 section 5.5) or sequence number (RFC 6275)."),
      .option(
        "uplinks", \.uplinks, .list(of: .ipv6Address, count: 0...253),
        help: "Further Proxy Care-of Addresses, each a path with a tunnel of its own (RFC 8278); none: status 180."),
      .tolerate(\.tolerated, PeerDeviation.ofGateways),
      .section(
        "heartbeat", help: "Requests to this gateway (RFC 5847); its own are answered in any case.",
        ConfigurationOption.heartbeat(interval: \.heartbeat.interval, missingAllowed: \.heartbeat.missingAllowed) + [
          .option(
            "on-failure", \.pathFailure, .word(["keep": .keep, "remove": .remove]),
            help:
              "Bindings of an unreachable gateway: keep them until they expire, or remove them like after a "
              + "de-registration. Flows leave it in any case if they can.")
        ]),
      .option(
        "revoke-after-handover", \.revokesAfterHandover, .boolean,
        help: "Tell it when a node has moved on to another gateway (RFC 5846 section 8.1)."),
      .option(
        "may-revoke-all", \.mayRevokeAll, .boolean,
        help: "It may end all of its bindings in one message (RFC 5846 section 8.2); false: status 130."),
    ])

  private static let redirection = OptionTable(
    initial: Redirection(from: .unspecified, to: []),
    [
      .option("from", \.from, .ipv6Address, required: true, help: "The address that gateways ask."),
      .option(
        "to", \.to, .list(of: .ipv6Address, count: 1...63), required: true,
        help: "The addresses that get the sessions."),
      .option(
        "choice", \.choice, .word(["first": .first, "least-loaded": .leastLoaded]),
        help: "first: in the order of the list while there is room. least-loaded: the one with the fewest sessions."),
      .option(
        "maximum-sessions", \.maximumSessions, .integer(1...10_000_000), help: "At each address of `to`."),
      .option(
        "fallback", \.fallback, .word(["serve": .serve, "refuse": .refuse]),
        help: "No room, or a gateway that does not offer: serve at the asked address, or refuse with status 130."),
    ])

  private static let pool = OptionTable(
    initial: PrefixPool(prefix: .host(.unspecified)),
    [
      .option("prefix", \.prefix, .prefix, required: true, help: "The pool."),
      .option(
        "assigned-length", \.assignedLength, .integer(1...128),
        help: "Length of the prefixes given out; 64 for address autoconfiguration."),
      .option(
        "quarantine", \.quarantine, .duration(in: .zero ... .seconds(86_400)),
        help: "A released prefix stays unused this long, so that late packets do not reach a stranger."),
    ])

  private static let node = OptionTable(
    initial: NodePolicy(identifier: MobileNodeIdentifier(nai: "")),
    [
      .option("id", \.identifier, .mobileNodeIdentifier, required: true, help: "MN-ID of the node."),
      .option(
        "kind", \.kind, .word(["interfaces": .interfaces, "logical": .logical]),
        help: "interfaces: a prefix set for each interface (weak host). logical: one bonding interface, one set."),
      .option(
        "proxy-registration", \.proxyRegistrationEnabled, .boolean,
        help: "false refuses the node with status 152."),
      .option(
        "reserved-prefixes", \.reservedPrefixes, .list(of: .prefix, count: 0...255),
        help: "Prefixes of this node alone, given to its interfaces in this order."),
      .option(
        "gateways", \.gateways, .list(of: .text("a gateway name", plural: "gateway names"), count: 0...4_095),
        help: "Names of the gateways it may use; none: all."),
    ])
}

extension OptionType where Value == MobileNodeIdentifier {
  static var mobileNodeIdentifier: OptionType {
    OptionType<String>.text("an identifier such as user@realm", plural: "identifiers", maximumLength: 254)
      .mapped {
        MobileNodeIdentifier(nai: $0)
      } back: {
        String(decoding: $0.identifier, as: UTF8.self)
      }
  }
}

extension OptionType where Value == MarkLayout {
  static var markLayout: OptionType {
    OptionType<UInt32>.markMask.mapped {
      MarkLayout(mask: $0)
    } back: {
      $0.mask
    }
  }
}
