import ArgumentParser
import DatapathModel
import MobilityWire
import NetTypes
import PMIPCore

/// An anchor with a thousand gateways and as many nodes as wanted, one interface each. It does what a daemon does
/// between socket and kernel: decode, handle, answer every install at once, encode.
struct SyntheticDomain {
  static let gatewayCount = 1_000
  static let anchorAddress = IPv6Address(high: 0x2001_0db8_0000_0001, low: 1)
  private static let pool = IPv6Prefix(IPv6Address(high: 0x2001_0db9_0000_0000, low: 0), length: 32)
  private static let start = NTPTimestamp(seconds: 1_767_225_600, nanoseconds: 0)

  private(set) var anchor: LocalMobilityAnchor
  private(set) var now = Moment(monotonic: .seconds(1_000), wallClock: Self.start)
  private(set) var nodeCount = 0
  private var sequence: UInt16 = 0
  private var writer = ByteWriter()
  /// Octets that went out, so that encoding cannot be left out.
  private(set) var octetsSent = 0

  init() { anchor = LocalMobilityAnchor(configuration: Self.configuration(gatewayPrefix: "mag")) }

  private static func configuration(gatewayPrefix: String) -> LMAConfiguration {
    var configuration = LMAConfiguration(
      addresses: [anchorAddress],
      gateways: (0..<gatewayCount).map { GatewayPolicy(name: "\(gatewayPrefix)\($0)", address: gateway(of: $0)) },
      prefixPools: pool.map { [PrefixPool(prefix: $0)] } ?? [], unknownNodes: .accept)
    configuration.limits.bindings = 10_000_000
    return configuration
  }

  var renamedGateways: LMAConfiguration { Self.configuration(gatewayPrefix: "north") }

  /// Something else was measured than what the figures say.
  func require(_ holds: Bool) throws {
    guard holds else {
      let counters = anchor.counters.list.filter { $0.1 > 0 }.map { "\($0.0) \($0.1)" }.joined(separator: ", ")
      throw ValidationError("the anchor did something else than the benchmark asked for: \(counters)")
    }
  }

  static func gateway(of node: Int) -> IPv6Address {
    IPv6Address(high: 0x2001_0db8_0000_0002, low: UInt64(node % gatewayCount) + 1)
  }

  mutating func pass(_ duration: Duration) {
    now.monotonic += duration
    now.wallClock = now.wallClock.advanced(by: duration)
  }

  struct Datagram {
    var bytes: [UInt8]
    var source: IPv6Address
  }

  /// A node's first registration: the anchor chooses the prefix, in the order of registrations.
  mutating func registration(of node: Int, lifetime: Duration = .seconds(3_600)) throws -> Datagram {
    try update(of: node, handoff: .newInterface, prefix: .allZero, lifetime: lifetime)
  }

  mutating func nextRegistration() throws -> Datagram {
    defer { nodeCount += 1 }
    return try registration(of: nodeCount)
  }

  /// As a gateway sends it (RFC 5213 section 6.9.1.3).
  mutating func refresh(of node: Int) throws -> Datagram {
    try update(of: node, handoff: .noChange, prefix: prefix(of: node))
  }

  mutating func handover(of node: Int) throws -> Datagram {
    try update(of: node, handoff: .betweenGateways, prefix: prefix(of: node), source: Self.gateway(of: node + 1))
  }

  mutating func deregistration(of node: Int) throws -> Datagram {
    try update(of: node, handoff: .unknown, prefix: prefix(of: node), lifetime: .zero)
  }

  /// From a stranger.
  mutating func refusedRegistration(of node: Int) throws -> Datagram {
    try update(
      of: node, handoff: .noChange, prefix: prefix(of: node), source: IPv6Address(high: 0x2001_0db8_00ff_0000, low: 1))
  }

  /// What the node got when all registered in order.
  private func prefix(of node: Int) -> HomeNetworkPrefixOption {
    Self.pool?.subnet(UInt64(node), length: 64).map { HomeNetworkPrefixOption($0) } ?? .allZero
  }

  private mutating func update(
    of node: Int, handoff: HandoffIndicator, prefix: HomeNetworkPrefixOption, lifetime: Duration = .seconds(3_600),
    source: IPv6Address? = nil
  ) throws -> Datagram {
    // Timestamps have a resolution of 15 us and must rise.
    pass(.microseconds(20))
    sequence &+= 1
    let digits = String(node)
    let name = "mn" + String(repeating: "0", count: max(0, 11 - digits.utf8.count)) + digits + "@operator.example"
    let update = BindingUpdate(
      sequence: sequence, flags: [.acknowledge, .proxyRegistration], lifetime: BindingLifetime(lifetime),
      options: MobilityOptions([
        .mobileNodeIdentifier(MobileNodeIdentifier(nai: name)), .homeNetworkPrefix(prefix), .handoffIndicator(handoff),
        .accessTechnologyType(.wlan), .timestamp(now.wallClock),
        .mobileNodeLinkLayerIdentifier(
          MobileNodeLinkLayerIdentifier(LinkLayerAddress(rawValue: 0x0200_0000_0000 | UInt64(node)))),
      ]))
    let source = source ?? Self.gateway(of: node)
    return Datagram(
      bytes: try MobilityHeader.encode(
        .bindingUpdate(update), source: source, destination: Self.anchorAddress, checksum: .zero),
      source: source)
  }

  /// The way of one datagram through a daemon.
  mutating func receive(_ datagram: Datagram) throws {
    let decoded = try MobilityHeader.decode(
      datagram.bytes, source: datagram.source, destination: Self.anchorAddress, checksum: .kernelVerified)
    try handle(.message(decoded.message, source: datagram.source, destination: Self.anchorAddress))
  }

  mutating func handle(_ event: LMAEvent) throws {
    for effect in anchor.handle(event, at: now) {
      switch effect {
      case .send(let message, let source, let destination):
        try MobilityHeader.encode(
          message, into: &writer, source: source, destination: destination, checksum: .zero)
        octetsSent += writer.count
      case .install(let identifier, _): try handle(.datapathOutcome(identifier, .installed))
      case .notify, .persist, .answer: break
      }
    }
  }

  /// Registers nodes until there are `count`; `each` gets the CPU time of every one.
  mutating func grow(to count: Int, each: (Duration) -> Void = { _ in }) throws {
    while nodeCount < count {
      let datagram = try nextRegistration()
      each(try Measurement.time { try receive(datagram) })
    }
  }
}
