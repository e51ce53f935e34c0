import FlowCore
import Glibc
import LinuxNet
import NetTypes
import TerminalKit

/// What bonding-policy puts into the kernel for a configuration (paper, annex A.3; without a packet ever leaving the
/// kernel). Marks carry the choice of the slave between two tables:
///
/// - family ip6, the policy. Chain `input`: a packet that slave n received sets our bits of its connection's mark to n.
///   Chain `output`: a packet that the operator's selections match gets the mark of the selected slave, any other the
///   mark of its connection, so that the uplink follows the downlink.
/// - family netdev, the logical interface. Chain `from_n`, on slave n: IPv6 packets get the mark n and go to the peer of
///   the logical interface, so that they arrive on the latter. Chain `egress`, on the logical interface: packets with
///   mark n leave by slave n while that has carrier, all others by the default slave, the first one with carrier. What
///   leaves by a point-to-point slave, copies too, carries its mark, by which a filter there knows that the Ethernet header
///   has to go (`VirtualPair`).
///
/// A bond receives what its slaves receive, and sends what it gets (`BondingDriver`): the chains only mark, duplicate and
/// count for it.
///
/// All gateways of the domain have one link-local and one link-layer address, so a neighbour entry of the logical
/// interface is right on every slave. But each gateway has to hear of the terminal: solicitations, Neighbor
/// Advertisements and multicast listener reports leave by all slaves.
///
/// Only IPv6 is taken from the slaves: IPv4, EAPOL and the like stay where they were.
struct BondingPlan: Hashable {
  struct Slave: Hashable {
    var name: String
    /// 1...
    var number: UInt32
    /// The number at its place under the mask.
    var mark: UInt32
  }

  /// The state of the interfaces, as far as the rules depend on it.
  struct Links: Hashable {
    struct SlaveLink: Hashable {
      var slave: Slave
      var index: UInt32
      var hasCarrier: Bool
      var isPointToPoint = false
    }

    var interface: UInt32
    var linkLayerAddress: LinkLayerAddress?
    /// nil when the logical interface is a bond, which needs none.
    var peer: UInt32?
    /// Slaves that are present, in the order of the configuration.
    var slaves: [SlaveLink]

    var usable: [SlaveLink] { slaves.filter(\.hasCarrier) }
    /// The slave that takes packets with no mark of a usable slave.
    var defaultSlave: SlaveLink? { slaves.first(where: \.hasCarrier) }

    var hasPointToPoint: Bool { slaves.contains(where: \.isPointToPoint) }

    /// By which a packet with this mark leaves.
    func slave(forMark mark: UInt32) -> Slave? {
      (usable.first { $0.slave.mark == mark } ?? defaultSlave)?.slave
    }
  }

  let interface: String
  let peer: String
  /// As configured.
  let backEnd: BackEnd
  let slaves: [Slave]
  let linkLayerAddress: LinkLayerAddress?
  let marks: AccessMarks
  let policyTable: NftTable
  let deviceTable: NftTable

  init(_ configuration: BondingConfiguration) {
    let marks = AccessMarks(mask: configuration.markMask)
    interface = configuration.interface
    peer = Self.peerName(of: configuration.interface)
    slaves = configuration.slaves.enumerated().map { index, name in
      let number = UInt32(index + 1)
      return Slave(name: name, number: number, mark: marks.mark(number))
    }
    backEnd = configuration.backEnd
    linkLayerAddress = configuration.linkLayerAddress
    self.marks = marks
    policyTable = NftTable(name: configuration.nftTable)
    deviceTable = NftTable(family: .netdev, name: configuration.nftTable)
  }

  /// The other end of the veth pair.
  static func peerName(of interface: String) -> String { interface + "p" }

  var markMask: UInt32 { marks.mask }

  /// What other software must not use.
  var claims: HostClaims {
    let arrivals = slaves.map(arrivalChain)
    return HostClaims(
      markMask: markMask,
      nftTables: [
        policyTable: Set(["input", "output"] + slaves.map(markChain)), deviceTable: Set(["egress"] + arrivals),
      ])
  }

  func slave(ofMark mark: UInt32) -> Slave? { slaves.first { $0.mark == mark & markMask } }

  /// The link-layer address of the logical interface and its slaves: the configured one, what it has already, or that
  /// of the first slave, point-to-point links left out.
  func linkLayerAddress(_ links: [Link]) throws(LinuxError) -> LinkLayerAddress {
    if let address = linkLayerAddress { return address }
    let withAddress = slaves.first { slave in !links.contains { $0.name == slave.name && $0.isPointToPoint } }
    for name in [interface, withAddress?.name] {
      if let address = links.first(where: { $0.name == name })?.linkLayerAddress { return address }
    }
    throw LinuxError(
      "take link-layer address of", withAddress?.name ?? "point-to-point slaves", code: ENODEV,
      advice: withAddress == nil
        ? "they have none; set link-layer-address"
        : "the interface is not there; set link-layer-address to start without it")
  }

  /// nil unless there is a bond, or both ends of the pair.
  func state(of links: [Link], without refused: Set<String> = []) -> Links? {
    guard let own = links.first(where: { $0.name == interface }) else { return nil }
    let other = links.first { $0.name == peer }
    guard own.kind == Bond.kind || other != nil else { return nil }
    return Links(
      interface: own.index, linkLayerAddress: own.linkLayerAddress, peer: own.kind == Bond.kind ? nil : other?.index,
      slaves: slaves.compactMap { slave in
        guard let link = links.first(where: { $0.name == slave.name }), !refused.contains(slave.name) else {
          return nil
        }
        return Links.SlaveLink(
          slave: slave, index: link.index, hasCarrier: link.hasCarrier, isPointToPoint: link.isPointToPoint)
      })
  }

  // MARK: Policy

  static let selectionMap = "selected"

  /// Comment that tells a later start what marks meant.
  func meaning(_ slave: Slave) -> String { "downlink from \(slave.name), mark \(hexadecimal(slave.mark))" }
  static func isMeaning(_ comment: String) -> Bool { comment.hasPrefix("downlink from ") }

  private func markChain(_ slave: Slave) -> String { "mark_\(slave.number)" }
  private func arrivalChain(_ slave: Slave) -> String { "from_\(slave.number)" }

  /// Replaces the policy table, or makes it, in one step.
  func policy(_ selections: Selections) -> NftTransaction {
    var transaction = NftTransaction.replacement(of: policyTable)
    let input = "input"
    transaction.addChain(input, base: NftBaseChain(hook: .input, priority: NftBaseChain.manglePriority))
    // An ICMPv6 error about a connection does not say where its downlink is.
    transaction.addRule(
      chain: input, NftExpression.matchRelated + [.verdict(.return)], comment: "errors about a connection")
    for slave in slaves {
      transaction.addRule(
        chain: input,
        NftExpression.matchInputInterface(interface) + NftExpression.matchMark(slave.mark, mask: markMask)
          + NftExpression.mergeConntrackMark(slave.mark, mask: markMask) + [.verdict(.return)],
        comment: meaning(slave))
    }

    for slave in slaves {
      transaction.addChain(markChain(slave))
      transaction.addRule(
        chain: markChain(slave), NftExpression.mergeMark(slave.mark, mask: markMask) + [.verdict(.accept)])
    }
    transaction.addSet(NftSet(name: Self.selectionMap, key: [.transportProtocol, .port], value: .verdict))
    transaction.addElements(
      selections.ports.flatMap { port, slave in
        Selections.portTransports.map { transport in
          var key = NftKey()
          key.append(transport.rawValue)
          key.append(port)
          return NftElement(key: key.bytes, value: .verdict(.goTo(markChain(slave))))
        }
      }, to: Self.selectionMap)

    let output = "output"
    transaction.addChain(output, base: NftBaseChain(hook: .output, priority: NftBaseChain.manglePriority))
    let rules = selections.rules
    for rule in rules.before { addSelection(rule, in: output, &transaction) }
    transaction.addRule(
      chain: output,
      NftExpression.matchOutputInterface(interface) + [
        .metaLoad(.transportProtocol, into: .word(0)),
        .payloadLoad(base: .transport, offset: 0, length: 2, into: .word(1)),
        .lookup(set: Self.selectionMap, key: .word(0), into: .verdict, inverted: false),
      ], comment: "selected by source port")
    for rule in rules.after { addSelection(rule, in: output, &transaction) }
    for slave in slaves {
      transaction.addRule(
        chain: output,
        NftExpression.matchOutputInterface(interface)
          + NftExpression.matchConntrackMark(slave.mark, mask: markMask) + [.verdict(.goTo(markChain(slave)))],
        comment: "uplink follows to \(slave.name)")
    }
    return transaction
  }

  /// One rule for each transport that the selector takes.
  private func addSelection(_ rule: Selections.Rule, in chain: String, _ transaction: inout NftTransaction) {
    let selector = rule.selector
    var fields: [NftExpression] = []
    if let prefix = selector.source { fields += NftExpression.matchPrefix(prefix, in: .sourceAddress) }
    if let prefix = selector.destination { fields += NftExpression.matchPrefix(prefix, in: .destinationAddress) }
    if let label = selector.flowLabel { fields += NftExpression.matchFlowLabel(label) }
    let transports = selector.transport.map { [$0] } ?? (selector.namesPorts ? Selections.portTransports : [])
    for transport in transports.isEmpty ? [nil] : transports.map(Optional.some) {
      var expressions = NftExpression.matchOutputInterface(interface) + fields
      if let transport { expressions += NftExpression.matchTransportProtocol(transport.rawValue) }
      for (offset, port) in [(0, selector.sourcePort), (2, selector.destinationPort)] {
        guard let port else { continue }
        expressions += [
          .payloadLoad(base: .transport, offset: offset, length: 2, into: .word(0)),
          .compare(.word(0), .equal, NftExpression.networkOrder(port)),
        ]
      }
      transaction.addRule(
        chain: chain, expressions + [.verdict(.goTo(markChain(rule.slave)))], comment: "selected: \(selector)")
    }
  }

  // MARK: Logical interface

  /// ICMPv6 types that every gateway has to hear: multicast listener report and done (RFC 2710), Router Solicitation,
  /// Neighbor Solicitation and Advertisement (RFC 4861), version 2 multicast listener report (RFC 3810).
  static let duplicatedTypes: [UInt8] = [131, 132, 133, 135, 136, 143]
  private static let duplicatedTypesSet = "to_all"

  /// Comments of the rules, by which counters are found again.
  func arrivalComment(_ slave: Slave) -> String { "from \(slave.name)" }
  func departureComment(_ slave: Slave) -> String { "to \(slave.name)" }
  func defaultComment(_ slave: Slave) -> String { "to \(slave.name) by default" }
  static let duplicationComment = "to all slaves"
  static let dropComment = "no slave has carrier"

  /// Replaces the device table, or makes it, in one step.
  func devices(_ links: Links) -> NftTransaction {
    var transaction = NftTransaction.replacement(of: deviceTable)
    for link in links.slaves {
      addArrival(chain: arrivalChain(link.slave), on: link.slave.name, link, peer: links.peer, &transaction)
    }
    addEgress(on: interface, links, &transaction)
    return transaction
  }

  /// The same on the loopback interface, which every namespace has: whether the kernel knows all that is needed.
  var trial: NftTransaction {
    let loopback: UInt32 = 1
    let links = Links(
      interface: loopback, peer: loopback,
      slaves: slaves.map { Links.SlaveLink(slave: $0, index: loopback, hasCarrier: true) })
    var transaction = NftTransaction.replacement(of: NftTable(family: .netdev, name: deviceTable.name + "_trial"))
    for link in links.slaves {
      addArrival(chain: arrivalChain(link.slave), on: "lo", link, peer: loopback, &transaction)
    }
    addEgress(on: "lo", links, &transaction)
    return transaction
  }

  private func addArrival(
    chain: String, on device: String, _ link: Links.SlaveLink, peer: UInt32?, _ transaction: inout NftTransaction
  ) {
    transaction.addChain(chain, on: NftDeviceChain(hook: .ingress, device: device, priority: 0))
    transaction.addRule(
      chain: chain,
      NftExpression.matchIPv6() + NftExpression.mergeMark(link.slave.mark, mask: markMask) + [.counter]
        + (peer.map(NftExpression.forward) ?? []), comment: arrivalComment(link.slave))
  }

  private func addEgress(on device: String, _ links: Links, _ transaction: inout NftTransaction) {
    let (chain, types) = ("egress", Self.duplicatedTypesSet)
    transaction.addSet(NftSet(name: types, key: [.icmpv6Type]))
    transaction.addElements(
      Self.duplicatedTypes.map { type in
        var key = NftKey()
        key.append(type)
        return NftElement(key: key.bytes)
      }, to: types)
    transaction.addChain(chain, on: NftDeviceChain(hook: .egress, device: device, priority: 0))
    transaction.addRule(chain: chain, NftExpression.matchIPv6(.notEqual) + [.verdict(.accept)], comment: "not IPv6")
    let rules = departures(links)
    if rules.isEmpty {
      transaction.addRule(chain: chain, [.counter, .verdict(.drop)], comment: Self.dropComment)
    }
    for rule in rules {
      transaction.addRule(chain: chain, rule.expressions, comment: rule.comment)
    }
  }

  /// A rule of the chain `egress` that sends packets.
  struct DepartureRule: Hashable {
    var expressions: [NftExpression]
    var comment: String
  }

  /// None when no slave has carrier.
  func departures(_ links: Links) -> [DepartureRule] {
    guard let defaultSlave = links.defaultSlave else { return [] }
    func send(by link: Links.SlaveLink) -> [NftExpression] {
      links.peer == nil ? [.verdict(.accept)] : NftExpression.forward(toInterface: link.index)
    }
    func mark(_ link: Links.SlaveLink) -> [NftExpression] {
      links.hasPointToPoint ? NftExpression.mergeMark(link.slave.mark, mask: markMask) : []
    }
    let copies = links.usable.filter { $0 != defaultSlave }.flatMap {
      mark($0) + NftExpression.duplicate(toInterface: $0.index)
    }
    let toAll = DepartureRule(
      expressions: NftExpression.matchICMPv6Type(in: Self.duplicatedTypesSet) + [.counter] + copies
        + mark(defaultSlave) + send(by: defaultSlave), comment: Self.duplicationComment)
    let byMark = links.usable.map { link in
      DepartureRule(
        expressions: NftExpression.matchMark(link.slave.mark, mask: markMask) + [.counter] + send(by: link),
        comment: departureComment(link.slave))
    }
    let byDefault = DepartureRule(
      expressions: [.counter] + mark(defaultSlave) + send(by: defaultSlave),
      comment: defaultComment(defaultSlave.slave))
    return [toAll] + byMark + [byDefault]
  }
}

extension NftExpression {
  fileprivate static func matchFlowLabel(_ label: UInt32) -> [NftExpression] {
    [
      IPv6Field.firstWord.load(into: .word(0)),
      .bitwise(.word(0), into: .word(0), mask: networkOrder(UInt32(0xf_ffff)), xor: networkOrder(UInt32(0))),
      .compare(.word(0), .equal, networkOrder(label)),
    ]
  }
}
