import NetTypes

/// What is known about a flow when a rule is compared with it.
public struct FlowFacts: Hashable, Sendable {
  public var tuple: FlowSixTuple
  public var node: String
  /// Of the first packet; nil: a flow that was found in the kernel at start.
  public var dscp: UInt8?
  /// Octets a second; nil: not measured yet.
  public var rate: UInt32?
  /// Octets so far; nil: nothing was counted yet.
  public var octets: UInt64?
  /// nil: the rules do not ask for it.
  public var time: LocalTime?

  public init(
    tuple: FlowSixTuple, node: String, dscp: UInt8? = nil, rate: UInt32? = nil, octets: UInt64? = nil,
    time: LocalTime? = nil
  ) {
    self.tuple = tuple
    self.node = node
    self.dscp = dscp
    self.rate = rate
    self.octets = octets
    self.time = time
  }
}

/// The traffic that a rule is for. A condition that is empty or nil holds for every flow; all must hold.
public struct TrafficMatch: Hashable, Sendable {
  public var nodes: [NamePattern] = []
  /// Of the correspondent.
  public var sources: [IPv6Prefix] = []
  /// Of the node.
  public var destinations: [IPv6Prefix] = []
  public var protocols: [TransportProtocol] = []
  /// Ports hold for protocols that have them.
  public var sourcePorts: [PortRange] = []
  public var destinationPorts: [PortRange] = []
  /// Differentiated services code points (RFC 2474) of the first packet, 0 to 63.
  public var dscps: [UInt8] = []
  public var flowLabels: [UInt32] = []
  /// Bits a second, as in the file; holds from here on, once a rate was measured.
  public var rateFrom: UInt64?
  /// Holds below.
  public var rateBelow: UInt64?
  /// Octets; holds from here on, once the flow was counted.
  public var sizeFrom: UInt64?
  public var sizeBelow: UInt64?
  /// One of them.
  public var hours: [HourRange] = []
  public var weekdays: [LocalTime.Weekday] = []

  public init() {}

  static let protocolsWithPorts: [TransportProtocol] = [.tcp, .udp, .udpLite, .sctp]

  /// Whether what a flow carries decides, which is known only later.
  public var looksAtVolume: Bool { rateFrom != nil || rateBelow != nil || sizeFrom != nil || sizeBelow != nil }
  public var looksAtTime: Bool { !hours.isEmpty || !weekdays.isEmpty }

  public func holds(for facts: FlowFacts) -> Bool { firstFailure(facts) == nil }

  /// The first condition that does not hold.
  public func firstFailure(_ facts: FlowFacts) -> Condition? {
    let tuple = facts.tuple
    if !protocols.isEmpty, !protocols.contains(tuple.transport) { return .transport }
    if !sourcePorts.isEmpty, !Self.holds(sourcePorts, tuple.sourcePort, tuple.transport) { return .sourcePort }
    if !destinationPorts.isEmpty, !Self.holds(destinationPorts, tuple.destinationPort, tuple.transport) {
      return .destinationPort
    }
    if !dscps.isEmpty, !(facts.dscp.map(dscps.contains) ?? false) { return .dscp }
    if !flowLabels.isEmpty, !flowLabels.contains(tuple.flowLabel) { return .flowLabel }
    if !sources.isEmpty, !sources.contains(where: { $0.contains(tuple.source) }) { return .source }
    if !destinations.isEmpty, !destinations.contains(where: { $0.contains(tuple.destination) }) { return .destination }
    if !nodes.isEmpty, !nodes.contains(where: { $0.matches(facts.node) }) { return .node }
    if looksAtVolume {
      let bits = facts.rate.map { UInt64($0) * 8 }
      if rateFrom != nil || rateBelow != nil, !Self.holds(rateFrom, rateBelow, bits) { return .rate }
      if sizeFrom != nil || sizeBelow != nil, !Self.holds(sizeFrom, sizeBelow, facts.octets) { return .size }
    }
    if !holds(at: facts.time) { return .time }
    return nil
  }

  /// Whether hours and weekdays hold.
  func holds(at time: LocalTime?) -> Bool {
    guard looksAtTime else { return true }
    guard let time else { return false }
    return (weekdays.isEmpty || weekdays.contains(time.weekday))
      && (hours.isEmpty || hours.contains { $0.contains(time.minute) })
  }

  private static func holds(_ ranges: [PortRange], _ port: UInt16, _ transport: TransportProtocol) -> Bool {
    ranges.contains { $0.contains(port) } && protocolsWithPorts.contains(transport)
  }

  private static func holds(_ from: UInt64?, _ below: UInt64?, _ value: UInt64?) -> Bool {
    guard let value else { return false }
    return value >= from ?? 0 && (below.map { value < $0 } ?? true)
  }
}

extension TrafficMatch {
  /// The kinds of condition, by the keys of the policy file.
  public enum Condition: String, Hashable, Sendable, CaseIterable {
    case transport = "protocols"
    case sourcePort = "source-ports"
    case destinationPort = "destination-ports"
    case dscp
    case flowLabel = "flow-labels"
    case source = "sources"
    case destination = "destinations"
    case node = "nodes"
    case rate
    case size
    case time
  }

  /// Why `condition` does not hold, in words.
  public func reason(_ condition: Condition, _ facts: FlowFacts) -> String {
    func list(_ values: [some CustomStringConvertible]) -> String {
      values.map(\.description).joined(separator: ", ")
    }
    func ports(_ ranges: [PortRange], _ port: UInt16, _ name: String) -> String {
      Self.protocolsWithPorts.contains(facts.tuple.transport)
        ? "\(name) port \(port) is not in \(list(ranges))" : "\(facts.tuple.transport) has no ports"
    }
    func bounds(_ from: UInt64?, _ below: UInt64?, _ unit: String) -> String {
      [from.map { "from \($0)" }, below.map { "below \($0)" }].compactMap { $0 }.joined(separator: " and ") + " \(unit)"
    }
    switch condition {
    case .transport: return "protocol \(facts.tuple.transport) is not in \(list(protocols))"
    case .sourcePort: return ports(sourcePorts, facts.tuple.sourcePort, "source")
    case .destinationPort: return ports(destinationPorts, facts.tuple.destinationPort, "destination")
    case .dscp:
      return facts.dscp.map { "DSCP \($0) is not in \(list(dscps))" }
        ?? "the DSCP is not known: the first packet was not seen"
    case .flowLabel:
      return "flow label 0x\(String(facts.tuple.flowLabel, radix: 16)) is not in "
        + flowLabels.map { "0x" + String($0, radix: 16) }.joined(separator: ", ")
    case .source: return "source \(facts.tuple.source) is not in \(list(sources))"
    case .destination: return "destination \(facts.tuple.destination) is not in \(list(destinations))"
    case .node: return "node \(facts.node) is not \(nodes.map(\.text).joined(separator: ", "))"
    case .rate:
      let wanted = bounds(rateFrom, rateBelow, "bit/s")
      return facts.rate.map { "rate \(UInt64($0) * 8) bit/s is not \(wanted)" }
        ?? "the rate is not known yet, and must be \(wanted)"
    case .size:
      let wanted = bounds(sizeFrom, sizeBelow, "octets")
      return facts.octets.map { "size \($0) octets is not \(wanted)" }
        ?? "the size is not known yet, and must be \(wanted)"
    case .time:
      let wanted = (weekdays.map(\.rawValue) + hours.map(\.description)).joined(separator: " ")
      return "now is not \(wanted)"
    }
  }
}

extension TrafficMatch {
  /// Every flow that `other` holds for, this one holds for too: after this one, `other` is never reached. Only single
  /// rules are compared; several that cover a later one together are not found.
  public func covers(_ other: TrafficMatch) -> Bool {
    // Ports imply the protocols that have them.
    let needsPorts = !other.sourcePorts.isEmpty || !other.destinationPorts.isEmpty
    let otherProtocols = other.protocols.isEmpty && needsPorts ? Self.protocolsWithPorts : other.protocols
    return Self.covers(protocols, otherProtocols) { $0 == $1 }
      && (sourcePorts.isEmpty || !other.sourcePorts.isEmpty && other.sourcePorts.allSatisfy(sourcePorts.cover))
      && (destinationPorts.isEmpty
        || !other.destinationPorts.isEmpty && other.destinationPorts.allSatisfy(destinationPorts.cover))
      && Self.covers(dscps, other.dscps) { $0 == $1 } && Self.covers(flowLabels, other.flowLabels) { $0 == $1 }
      && Self.covers(sources, other.sources) { $0.contains($1) }
      && Self.covers(destinations, other.destinations) { $0.contains($1) }
      && Self.covers(nodes, other.nodes) { $0.covers($1) }
      && Self.covers((rateFrom, rateBelow), (other.rateFrom, other.rateBelow))
      && Self.covers((sizeFrom, sizeBelow), (other.sizeFrom, other.sizeBelow)) && coversTime(other)
  }

  /// Each of `others` has one in `ours` that covers it; nothing stands for everything.
  private static func covers<Value>(_ ours: [Value], _ others: [Value], _ covers: (Value, Value) -> Bool) -> Bool {
    ours.isEmpty || !others.isEmpty && others.allSatisfy { other in ours.contains { covers($0, other) } }
  }

  /// Bounds that are not there hold for flows that were not measured, too.
  private static func covers(_ ours: (UInt64?, UInt64?), _ others: (UInt64?, UInt64?)) -> Bool {
    if ours == (nil, nil) { return true }
    if others == (nil, nil) { return false }
    let start = ours.0 ?? 0 <= others.0 ?? 0
    guard let end = ours.1 else { return start }
    return start && others.1.map { $0 <= end } ?? false
  }

  private func coversTime(_ other: TrafficMatch) -> Bool {
    guard looksAtTime else { return true }
    guard other.looksAtTime else { return false }
    let days = other.weekdays.isEmpty ? LocalTime.Weekday.allCases : other.weekdays
    guard weekdays.isEmpty || days.allSatisfy(weekdays.contains) else { return false }
    func holds(_ hours: [HourRange], _ minute: Int) -> Bool {
      hours.isEmpty || hours.contains { $0.contains(minute) }
    }
    return (0..<LocalTime.minutesOfDay).allSatisfy { !holds(other.hours, $0) || holds(hours, $0) }
  }
}
