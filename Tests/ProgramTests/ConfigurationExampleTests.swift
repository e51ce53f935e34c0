import DaemonKit
import Foundation
import MobilityWire
import NetTypes
import PMIPCore
import SignallingKit
import Testing

@testable import BondingPolicy
@testable import FlowManager
@testable import PacketReflector
@testable import lmad
@testable import magd

private let root = URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
  .deletingLastPathComponent()

/// Text and problems of a configuration that is expected to be refused.
private func errors<Root: Sendable>(_ body: () throws(ConfigurationErrors) -> Root) -> [String] {
  do throws(ConfigurationErrors) {
    _ = try body()
    return []
  } catch {
    return error.errors.map(\.description)
  }
}

private func withDirectory(_ files: [String: String], _ body: (String) throws -> Void) throws {
  let directory = FileManager.default.temporaryDirectory.appendingPathComponent("flowmob-\(UUID().uuidString)")
  try FileManager.default.createDirectory(at: directory, withIntermediateDirectories: true)
  defer { try? FileManager.default.removeItem(at: directory) }
  for (name, text) in files { try Data(text.utf8).write(to: directory.appendingPathComponent(name)) }
  try body(directory.path)
}

@Suite("Example configurations")
struct ConfigurationExampleTests {
  @Test("examples/lmad.yaml is read, and what it gives is the default or stands in the file")
  func anchor() throws {
    let loaded = try LMADaemonConfiguration.load(path: root.appendingPathComponent("examples/lmad.yaml").path)
    let configuration = loaded.value
    #expect(configuration.core.addresses == [IPv6Address("2001:db8:1::1")])
    #expect(configuration.core.gateways.map(\.name) == ["mag1", "mag2"])
    #expect(configuration.core.gateways.map(\.ordering) == [.timestamp, .timestamp])
    #expect(configuration.core.prefixPools == [PrefixPool(prefix: try #require(IPv6Prefix("2001:db8:100::/48")))])
    #expect(configuration.core.nodes.map(\.identifier) == [MobileNodeIdentifier(nai: "mn1@example.net")])
    #expect(configuration.core.nodes.first?.reservedPrefixes.count == 2)
    #expect(configuration.core.timers == LMATimers())
    #expect(configuration.core.limits == LMALimits())
    #expect(configuration.core.codePoints == CodePoints())
    #expect(configuration.core.sharedPrefixesIndicator == .sharedPrefixes)
    #expect(configuration.core.markLayout == .default)
    #expect(configuration.datapath.coreInterface == "core0")
    #expect(configuration.control == ControlSettings(socket: "/run/flowmob/lmad.sock", group: "root"))
    #expect(configuration.logLevel == .info)
    let effective = try LMADaemonConfiguration.table.text(configuration)
    #expect(try LMADaemonConfiguration.table.parse(effective, file: "effective").value == configuration)
  }

  @Test("examples/magd.yaml and its node map are read")
  func gateway() throws {
    let loaded = try MAGDaemonConfiguration.load(path: root.appendingPathComponent("examples/magd.yaml").path)
    let core = loaded.value.core
    #expect(core.proxyCareOfAddress == IPv6Address("2001:db8:1::11"))
    #expect(core.anchorAddress == IPv6Address("2001:db8:1::1"))
    #expect(core.accessLinks == [AccessLink(name: "acc0", accessTechnology: .wlan)])
    #expect(core.nodes.map(\.linkLayerAddress.rawValue) == [0x0200_0000_0101, 0x0200_0000_0102])
    #expect(core.nodes.allSatisfy { $0.identifier == MobileNodeIdentifier(nai: "mn1@example.net") })
    #expect(core.unknownNodes == .refuse)
    #expect(core.timers == MAGTimers())
    #expect(core.limits == MAGLimits())
    #expect(core.fixedLinkLayerAddress == .fixedGateway)
    #expect(core.fixedLinkLocalAddress == LinkLayerAddress.fixedGateway.linkLocalAddress)
    var file = loaded.value
    file.core.nodes = []
    let effective = try MAGDaemonConfiguration.table.text(file)
    #expect(try MAGDaemonConfiguration.table.parse(effective, file: "effective").value == file)
  }

  @Test("docs/configuration.md has the tables of the programs (FLOWMOB_UPDATE_DOCS=1 rewrites them)")
  func documentation() throws {
    let file = root.appendingPathComponent("docs/configuration.md")
    let text = try String(contentsOf: file, encoding: .utf8)
    var updated = text
    for (name, table) in [
      ("lmad", LMADaemonConfiguration.table.markdown), ("magd", MAGDaemonConfiguration.table.markdown),
      ("flow-manager", FlowManagerConfiguration.table.markdown),
      ("packet-reflector", ReflectorConfiguration.table.markdown),
      ("bonding-policy", BondingConfiguration.table.markdown),
    ] {
      let begin = try #require(updated.range(of: "<!-- options of \(name) -->\n"))
      let end = try #require(updated.range(of: "<!-- end of \(name) -->"))
      updated.replaceSubrange(begin.upperBound..<end.lowerBound, with: table)
    }
    if ProcessInfo.processInfo.environment["FLOWMOB_UPDATE_DOCS"] != nil {
      try Data(updated.utf8).write(to: file)
    } else {
      #expect(text == updated)
    }
  }
}

@Suite("Senders with an allowance of their own")
struct ConfiguredPeerTests {
  @Test("Every address of a gateway is a peer of lmad, those of its uplinks too")
  func gateways() throws {
    let text = """
      addresses: [2001:db8:1::1]
      gateways:
        - {name: mag1, address: "2001:db8:1::11", uplinks: ["2001:db8:2::11", "2001:db8:3::11"]}
        - {name: mag2, address: "2001:db8:1::12"}
      datapath: {core-interface: core0}
      """
    let addresses = ["2001:db8:1::11", "2001:db8:2::11", "2001:db8:3::11", "2001:db8:1::12"]
    #expect(
      try LMADaemonConfiguration.table.parse(text, file: "lmad.yaml").value.peers
        == Set(addresses.compactMap { IPv6Address($0) }))
  }

  @Test("Every anchor that the configuration names is a peer of magd")
  func anchors() throws {
    let text = """
      proxy-care-of-address: 2001:db8:1::11
      anchor: 2001:db8:1::1
      anchors: [{address: "2001:db8:1::2"}]
      access-links: [{interface: acc0, access-technology: ieee-802.11}]
      datapath: {core-interface: core0}
      """
    var configuration = try MAGDaemonConfiguration.table.parse(text, file: "magd.yaml").value
    configuration.core.nodes = [
      GatewayNodePolicy(
        linkLayerAddress: LinkLayerAddress(rawValue: 0x0200_0000_0101),
        identifier: MobileNodeIdentifier(nai: "mn1@example.net"), anchorAddress: IPv6Address("2001:db8:1::3"))
    ]
    let addresses = ["2001:db8:1::1", "2001:db8:1::2", "2001:db8:1::3"]
    #expect(configuration.peers == Set(addresses.compactMap { IPv6Address($0) }))
  }
}

@Suite("Bad configurations")
struct BadConfigurationTests {
  private let anchor = """
    addresses: [2001:db8:1::1]
    gateways:
      - {name: mag1, address: "2001:db8:1::11"}
    prefix-pools:
      - prefix: 2001:db8:100::/48
      - prefix: 2001:db8:100:8000::/49
    nodes:
      - {id: mn1@example.net, gateways: [mag2]}
    timers: {maximum-lifetme: 1h}
    datapath: {core-interface: core0}
    """

  @Test("Overlapping pools and unknown gateways have the line and key of the file, beside a misspelt key")
  func anchorProblems() throws {
    try withDirectory(["lmad.yaml": anchor]) { directory in
      let file = "\(directory)/lmad.yaml"
      #expect(
        errors { () throws(ConfigurationErrors) in try LMADaemonConfiguration.load(path: file) } == [
          "\(file):6:13: prefix-pools[1].prefix: 2001:db8:100:8000::/49 overlaps 2001:db8:100::/48 of prefix-pools[0]; "
            + "pools must be disjoint",
          "\(file):8:38: nodes[0].gateways[0]: 'mag2' is not the name of a gateway under gateways",
          "\(file):9:10: timers.maximum-lifetme: unknown key; did you mean 'maximum-lifetime'?",
        ])
    }
  }

  private let gateway = """
    proxy-care-of-address: 2001:db8:1::11
    anchor: 2001:db8:1::1
    access-links: [{interface: acc0, access-technology: ieee-802.11}]
    node-map: nodes.map
    unknown-nodes: derive
    datapath: {core-interface: core0}
    """

  @Test("Errors of the node map have its lines; derive needs a realm")
  func nodeMap() throws {
    let map = """
      # nodes
      02:00:00:00:01:01 mn1@example.net interfaces  # fine
      02:00:00:00:01 mn1@example.net
      02:00:00:00:01:02 mn1@example.net logcal

      02:00:00:00:01:01 mn2@example.net
      02:00:00:00:01:03
      02:00:00:00:01:04 mn1@example.net logical
      02:00:00:00:01:05 mn1@example.net interfaces 2001:db8:: more
      02:00:00:00:01:06 mn1@example.net interfaces lma1
      02:00:00:00:01:07 host/mn3@example.net 2001:db8::/64 2001:db8::/129
      """
    try withDirectory(["magd.yaml": gateway, "nodes.map": map]) { directory in
      let nodes = "\(directory)/nodes.map"
      #expect(
        errors { () throws(ConfigurationErrors) in try MAGDaemonConfiguration.load(path: "\(directory)/magd.yaml") }
          == [
            "\(directory)/magd.yaml:5:16: unknown-nodes: derive needs a realm; expected the key realm as well",
            "\(nodes):3:1: '02:00:00:00:01' is not a link-layer address; expected a link-layer address such as "
              + "02:00:00:00:00:01",
            "\(nodes):4:35: unknown value 'logcal'; expected one of interfaces, logical; did you mean 'logical'?",
            "\(nodes):6:1: 02:00:00:00:01:01 is given twice, first on line 2; expected each link-layer address once",
            "\(nodes):7:1: only a link-layer address; expected link-layer address, MN-ID, kind, anchor address, "
              + "prefixes",
            "\(nodes):8:35: mn1@example.net is of kind logical, on line 2 of kind interfaces; expected one kind for all "
              + "interfaces of a node",
            "\(nodes):9:57: too many words; expected link-layer address, MN-ID, kind, anchor address, "
              + "prefixes",
            "\(nodes):10:46: 'lma1' is not an IPv6 address; expected the anchor's IPv6 address",
            "\(nodes):11:54: '2001:db8::/129' is not an IPv6 prefix; expected a prefix such as 2001:db8::/64",
          ])
    }
  }

  @Test("Deviations: of each anchor its own, the prefixes that it needs in the node map, no unknown words")
  func deviations() throws {
    let tolerant =
      gateway.replacingOccurrences(of: "derive", with: "refuse")
      + "\nanchors: [{address: 2001:db8:1::1, tolerate: [pba-without-p-flag, no-dynamic-prefix]}]"
    let map = "02:00:00:00:01:01 mn1@example.net interfaces 2001:db8:1::1 2001:db8:100::/64 2001:db8:101::/64"
    try withDirectory([
      "magd.yaml": tolerant, "nodes.map": map,
      "typo.yaml": tolerant.replacingOccurrences(of: "p-flag", with: "flag"),
    ]) { directory in
      let core = try MAGDaemonConfiguration.load(path: "\(directory)/magd.yaml").value.core
      #expect(core.anchors.map(\.tolerated) == [[.missingProxyFlag, .noDynamicPrefix]])
      #expect(
        core.nodes.map { $0.homeNetworkPrefixes.map(\.description) } == [["2001:db8:100::/64", "2001:db8:101::/64"]])
      let typo = errors { () throws(ConfigurationErrors) in
        try MAGDaemonConfiguration.load(path: "\(directory)/typo.yaml")
      }
      #expect(typo.first?.contains("did you mean 'pba-without-p-flag'?") == true)
    }
  }

  @Test("What the core finds wrong with a node has the line of the map")
  func nodeProblem() throws {
    try withDirectory([
      "magd.yaml": gateway.replacingOccurrences(of: "derive", with: "refuse"),
      "nodes.map": "\n03:00:00:00:01:01 mn1@example.net\n",
    ]) { directory in
      #expect(
        errors { () throws(ConfigurationErrors) in try MAGDaemonConfiguration.load(path: "\(directory)/magd.yaml") }
          == [
            "\(directory)/nodes.map:2:1: 03:00:00:00:01:01 is no unicast address"
          ])
    }
  }

  @Test("A node map that is not there is an error; derived identifiers need no map")
  func noNodeMap() throws {
    let derived = gateway.replacingOccurrences(of: "node-map: nodes.map", with: "realm: example.net")
    try withDirectory(["magd.yaml": gateway + "\nrealm: example.net", "derived.yaml": derived]) { directory in
      #expect(
        errors { () throws(ConfigurationErrors) in try MAGDaemonConfiguration.load(path: "\(directory)/magd.yaml") }
          == [
            "\(directory)/nodes.map: cannot be read: No such file or directory; expected a node map"
          ])
      let loaded = try MAGDaemonConfiguration.load(path: "\(directory)/derived.yaml")
      #expect(loaded.value.core.unknownNodes == .derive(realm: "example.net"))
    }
  }
}

@Suite("State records")
struct StateRecordTests {
  @Test("A binding comes back from the state file as it was, whatever octets its identifiers have")
  func binding() throws {
    let record = BindingRecord(
      identifier: BindingIdentifier(rawValue: 7),
      node: MobileNodeIdentifier(subtype: 5, identifier: [0, 255, 10, 34]), kind: .logical,
      linkLayerIdentifier: MobileNodeLinkLayerIdentifier(identifier: [2, 0, 0, 0, 1, 1]), accessTechnology: .wlan,
      path: GatewayPath(
        gateway: MAGIdentifier(nai: "mag1@example.net"), binding: 254, label: 3, accessTechnology: .eutran),
      proxyCareOfAddress: try #require(IPv6Address("2001:db8:1::11")),
      anchorAddress: try #require(IPv6Address("2001:db8:1::1")), gatewayLinkLocalAddress: IPv6Address("fe80::1"),
      tunnel: .init(rawValue: 3), prefixes: [try #require(IPv6Prefix("2001:db8:100:1::/64"))],
      offLinkPrefixes: [try #require(IPv6Prefix("2001:db8:100:2::/64"))], isDefault: true, sequence: 65_535,
      timestamp: NTPTimestamp(rawValue: .max), lifetime: BindingLifetime(rawValue: 75),
      expiresAt: NTPTimestamp(rawValue: 1 << 63), registeredAt: NTPTimestamp(rawValue: 1), lastUpdate: .zero)
    var plain = record
    plain.identifier = BindingIdentifier(rawValue: 8)
    plain.linkLayerIdentifier = nil
    plain.gatewayLinkLocalAddress = nil
    plain.timestamp = nil
    plain.offLinkPrefixes = []
    plain.isDefault = false
    try withDirectory([:]) { directory in
      let file = try StateFile<StoredBinding>(directory: directory, name: "lmad")
      for record in [record, plain] {
        file.store(StoredBinding(record), key: StoredBinding.key(record.identifier))
      }
      try file.flush()
      let again = try StateFile<StoredBinding>(directory: directory, name: "lmad")
      #expect(again.takeRecords().map(\.record) == [record, plain])
    }
  }

  @Test("A peer's Restart Counter comes back from the state file as it was; a directory without the file has none")
  func peer() throws {
    let record = PeerRecord(address: try #require(IPv6Address("2001:db8:1::1")), restartCounter: .max)
    try withDirectory([:]) { directory in
      let file = try StateFile<StoredPeer>(directory: directory, name: "lmad-peers")
      #expect(file.takeRecords().isEmpty)
      try file.store(StoredPeer(record), key: record.address.description)
      try file.flush()
      #expect(
        try StateFile<StoredPeer>(directory: directory, name: "lmad-peers").takeRecords().map(\.record) == [record])
    }
  }

  @Test("An attachment comes back from the state file as it was")
  func attachment() throws {
    let record = AttachmentRecord(
      node: MobileNodeIdentifier(nai: "mn1@example.net"), kind: .interfaces, link: "acc0",
      linkLayerAddress: LinkLayerAddress(rawValue: 0x0200_0000_0101), uplink: 2, linkLocalAddress: nil,
      accessTechnology: .wlan,
      trigger: .routerSolicitation, anchorAddress: try #require(IPv6Address("2001:db8:1::1")),
      tunnel: .init(rawValue: 1), prefixes: [try #require(IPv6Prefix("2001:db8:100:1::/64"))], offLinkPrefixes: [],
      gatewayLinkLocalAddress: LinkLayerAddress.fixedGateway.linkLocalAddress, sequence: 1,
      lifetime: BindingLifetime(rawValue: 75), expiresAt: NTPTimestamp(rawValue: 1 << 40), attachedAt: .zero)
    try withDirectory([:]) { directory in
      let file = try StateFile<StoredAttachment>(directory: directory, name: "magd")
      let key = StoredAttachment.key(link: record.link, record.linkLayerAddress, uplink: 0)
      #expect(key == "acc0/02:00:00:00:01:01")
      #expect(StoredAttachment.key(link: "acc0", record.linkLayerAddress, uplink: 2) == key + "/2")
      try file.store(StoredAttachment(record), key: key)
      try file.flush()
      #expect(
        try StateFile<StoredAttachment>(directory: directory, name: "magd").takeRecords().map(\.record) == [record])
    }
  }
}
