import DatapathModel
import FlowCore
import LinuxNet
import NetTypes

/// The nftables rules that take a packet to its tunnel's mark. What each chain does:
///
///     prerouting   (hook prerouting, priority mangle) to a home prefix? → classify; everything else passes
///     classify     key as if ports came right behind the IPv6 header: in `flows`? → its tunnel's chain. Most packets
///                  end here; of the others, TCP or UDP right behind the IPv6 header → unknown, everything else →
///                  extended. Only ICMPv6 could have the key of another flow, so it goes past the lookup.
///     extended     later fragment → mark of its first fragment; else by protocol → ports, icmp or other
///     ports        key with the first four octets of the transport header: in `flows`? → its tunnel's chain
///     icmp         echo → echo; error → unknown (it belongs to the flow of the packet inside); else → other
///     echo, other  key with the identifier, with nothing: in `flows`? → its tunnel's chain
///     unknown      count and queue; passes when nobody listens or the queue is full
///     t<N>         (one per tunnel) set the tunnel's bits of the mark, count → marked. For prefixes whose flows have
///                  just left the tunnel together, before that, those of their new tunnel → marked
///     dropped      (flows that the policy drops) count, drop
///     marked       TCP or UDP right behind the IPv6 header: accept; else → fragmented
///     fragmented   a first fragment leaves its mark for the later ones, or is counted if there is no room; accept
///     tag          no packet comes here: its rule has the `RulesetTag`
///
/// `flows` gives the number of a tunnel, and `tunnels`, a verdict map, the chain of that number. One step would be enough
/// if a rule could merge a mark from a map with the foreign bits of a packet's mark (it can from Linux 6.14 on), or if
/// `flows` were the verdict map; but the kernel looks through a whole verdict map for loops of chains whenever elements
/// with a chain are added, milliseconds for 100,000 flows. `tunnels` is small and seldom changes.
///
/// Elements carry a counter and no kernel timeout: a lookup does not refresh a timeout, only an update from the packet
/// path does, which would be a second search for every packet (docs/performance.md). The Flow Manager reads the counters
/// and removes what is idle. So when it dies, every flow keeps its tunnel.
struct FlowRules {
  /// Counts up when the rules below change, so that a new program replaces the rules of an old one.
  private static let version = 5

  static let flows = "flows"
  static let tunnels = NftSet(name: "tunnels", key: [.mark], value: .verdict)
  static let fragments = NftFragmentMap(name: "fragments")
  static let prerouting = "prerouting"
  static let unknown = "unknown"
  private static let tagged = "tag"
  static let fragmented = "fragmented"
  private static let marked = "marked"
  private static let dropped = "dropped"
  private static let structure = [
    prerouting, "classify", "extended", "ports", "icmp", "echo", "other", unknown, marked, fragmented, dropped, tagged,
  ]
  /// Most packets have these and no extension header, so that nobody need look for one.
  private static let plainTransports = [TransportProtocol.tcp, .udp]

  var key: FlowKeyKind
  var maximumFlows: Int
  var queueNumber: UInt16
  var queue: NftExpression

  private var flowKey: NftFlowKey { NftFlowKey(hasFlowLabel: key == .sixTuple) }

  var flowMap: NftFlowMap {
    NftFlowMap(name: Self.flows, key: flowKey, maximumElements: UInt32(clamping: maximumFlows))
  }

  /// What a rule in the kernel says about the rest, so that a restart replaces only what differs.
  func tag(_ ruleset: FlowRuleset) -> RulesetTag {
    RulesetTag(map: mapTag, rules: "\(Self.version) \(queueNumber) \(queue) \(ruleset)")
  }

  var mapTag: String { "\(RulesetTag.kindOfMap)\(key.rawValue):\(maximumFlows)" }

  // MARK: Steps of a transaction

  /// Makes table, map and rules. Elements and tunnel chains stay, unless `rebuildMapWith` gives elements for a new map.
  func write(_ ruleset: FlowRuleset, into transaction: inout NftTransaction, rebuildMapWith elements: [NftFlow]?) {
    transaction.addTable()
    if elements == nil { transaction.addSet(flowMap.set) }
    transaction.addSet(Self.tunnels)
    transaction.addSet(Self.fragments.set)
    for chain in Self.structure {
      let base = NftBaseChain(hook: .prerouting, priority: NftBaseChain.manglePriority)
      transaction.addChain(chain, base: chain == Self.prerouting ? base : nil)
      transaction.flushChain(chain)
    }
    if let elements {
      transaction.deleteSet(Self.flows)
      transaction.addSet(flowMap.set)
      transaction.addFlows(elements, to: flowMap)
    }
    transaction.addRule(chain: Self.tagged, [.counter], comment: tag(ruleset).comment)
    for prefix in ruleset.homePrefixes {
      transaction.addRule(
        chain: Self.prerouting,
        NftExpression.matchPrefix(prefix, in: .destinationAddress) + [.verdict(.goTo("classify"))])
    }
    writeClassification(into: &transaction)
    writeLookups(into: &transaction)
    transaction.addRule(chain: Self.unknown, [.counter, queue])
    for transport in Self.plainTransports {
      transaction.addRule(
        chain: Self.marked, NftExpression.matchNextHeader(transport.rawValue) + [.verdict(.accept)])
    }
    transaction.addRule(chain: Self.marked, [.verdict(.goTo(Self.fragmented))])
    transaction.addRule(
      chain: Self.fragmented, Self.fragments.recordMark(mask: ruleset.markMask) + [.verdict(.accept)])
    transaction.addRule(chain: Self.fragmented, Self.fragments.matchFirst + [.counter])
    transaction.addRule(chain: Self.fragmented, [.verdict(.accept)])
    transaction.addRule(chain: Self.dropped, [.counter, .verdict(.drop)])
    transaction.addElements([Self.tunnelElement(.drop)], to: Self.tunnels.name)
  }

  private func writeClassification(into transaction: inout NftTransaction) {
    transaction.addRule(
      chain: "classify",
      NftExpression.matchNextHeader(TransportProtocol.icmpv6.rawValue, .notEqual)
        + flowKey.load(.leading, .nextHeader) + flowMap.lookUpTunnel(in: Self.tunnels.name),
      comment: Self.lookupComment)
    for transport in Self.plainTransports {
      transaction.addRule(
        chain: "classify", NftExpression.matchNextHeader(transport.rawValue) + [.verdict(.goTo(Self.unknown))])
    }
    transaction.addRule(chain: "classify", [.verdict(.goTo("extended"))])
    transaction.addRule(chain: "extended", Self.fragments.restoreMark + [.verdict(.accept)])
    // A later fragment whose first one is not known takes the default binding.
    transaction.addRule(
      chain: "extended",
      [
        .extensionHeaderLoad(type: 44, offset: 2, length: 2, into: .word(0)),
        .bitwise(.word(0), into: .word(0), mask: [0xff, 0xf8], xor: [0, 0]),
        .compare(.word(0), .notEqual, [0, 0]), .verdict(.accept),
      ])
    for transport in TransportProtocol.withLeadingPorts {
      transaction.addRule(
        chain: "extended",
        NftExpression.matchTransportProtocol(transport.rawValue) + [.verdict(.goTo("ports"))])
    }
    transaction.addRule(
      chain: "extended",
      NftExpression.matchTransportProtocol(TransportProtocol.icmpv6.rawValue) + [.verdict(.goTo("icmp"))])
    transaction.addRule(chain: "extended", [.verdict(.goTo("other"))])
  }

  private func writeLookups(into transaction: inout NftTransaction) {
    for (types, chain) in [
      (PacketDissector.icmpEchoTypes, "echo"), (PacketDissector.icmpErrorTypes, Self.unknown),
    ] {
      transaction.addRule(
        chain: "icmp",
        [
          .payloadLoad(base: .transport, offset: 0, length: 1, into: .word(0)),
          .range(.word(0), from: [types.lowerBound], through: [types.upperBound], inverted: false),
          .verdict(.goTo(chain)),
        ])
    }
    transaction.addRule(chain: "icmp", [.verdict(.goTo("other"))])
    for (chain, ports) in [("ports", NftFlowKey.Ports.leading), ("echo", .echoIdentifier), ("other", .none)] {
      transaction.addRule(
        chain: chain, flowKey.load(ports) + flowMap.lookUpTunnel(in: Self.tunnels.name),
        comment: Self.lookupComment)
      transaction.addRule(chain: chain, [.verdict(.goTo(Self.unknown))])
    }
  }

  /// The chain of a tunnel; its rule's comment tells what it does.
  static func writeTunnelChain(
    _ tunnel: TunnelIdentifier, mark: UInt32, mask: UInt32, diversions: [TunnelDiversion],
    into transaction: inout NftTransaction
  ) {
    transaction.addChain(chainName(tunnel))
    transaction.flushChain(chainName(tunnel))
    for diversion in diversions {
      transaction.addRule(
        chain: chainName(tunnel),
        NftExpression.matchPrefix(diversion.prefix, in: .destinationAddress)
          + NftExpression.mergeMark(diversion.mark, mask: mask) + [.verdict(.goTo(marked))])
    }
    transaction.addRule(
      chain: chainName(tunnel),
      NftExpression.mergeMark(mark, mask: mask) + [.counter, .verdict(.goTo(marked))],
      comment: tunnelComment(mark: mark, mask: mask, diversions: diversions))
    transaction.addElements([tunnelElement(tunnel)], to: tunnels.name)
  }

  /// Nothing must be in the tunnel any more: its flows would meet the queue.
  static func removeTunnelChain(_ tunnel: TunnelIdentifier, from transaction: inout NftTransaction) {
    transaction.deleteElements([tunnelElement(tunnel)], from: tunnels.name)
    transaction.deleteChain(chainName(tunnel))
  }

  private static func tunnelElement(_ tunnel: TunnelIdentifier) -> NftElement {
    NftElement(key: NftExpression.hostOrder(tunnel.rawValue), value: .verdict(.goTo(chainName(tunnel))))
  }

  static func tunnelComment(mark: UInt32, mask: UInt32, diversions: [TunnelDiversion]) -> String {
    "mark 0x\(String(mark, radix: 16)) mask 0x\(String(mask, radix: 16))"
      + (diversions.isEmpty ? "" : ", \(diversions.count) prefixes diverted")
  }

  // MARK: Names

  /// See `NftFlowMap.lookUpTunnel`.
  private static let lookupComment = "@\(flows) gives the number of the tunnel"

  static func chainName(_ tunnel: TunnelIdentifier) -> String { tunnel == .drop ? dropped : "t\(tunnel)" }

  static func tunnel(ofChain name: String) -> TunnelIdentifier? {
    if name == dropped { return .drop }
    guard name.first == "t", let number = UInt32(name.dropFirst()) else { return nil }
    return TunnelIdentifier(rawValue: number)
  }
}

/// What one rule's comment says about the table: that it is ours, which map it has, and which rules.
struct RulesetTag: Hashable {
  private static let start = "flowmob"
  /// How the tags of maps begin whose values are tunnel numbers.
  static let kindOfMap = "numbers:"
  /// Key and size of the map.
  var map: String
  /// A digest of the rules.
  var rules: String

  init(map: String, rules: String) {
    self.map = map
    // FNV-1a: only to see whether something has changed.
    let digest = rules.utf8.reduce(UInt64(0xcbf2_9ce4_8422_2325)) { ($0 ^ UInt64($1)) &* 0x0100_0000_01b3 }
    self.rules = String(digest, radix: 16)
  }

  init?(comment: String) {
    let parts = comment.split(separator: " ")
    guard parts.count == 3, parts[0] == Self.start else { return nil }
    map = String(parts[1])
    rules = String(parts[2])
  }

  var comment: String { "\(Self.start) \(map) \(rules)" }

  var hasOurKindOfMap: Bool { map.hasPrefix(Self.kindOfMap) }
}
