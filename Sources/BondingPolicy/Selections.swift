import DaemonKit
import FlowCore
import Glibc
import LinuxNet
import NetTypes

/// The operator's choices of slaves for uplink flows. Of several that match, the one with more fields wins.
///
/// A source port alone, the paper's key, costs a packet one lookup for any number of ports; everything else costs a rule
/// each, so there may be fewer.
struct Selections: Hashable {
  private(set) var slaves: [FlowSelector: BondingPlan.Slave] = [:]

  /// Bound of selections that are a source port.
  static let maximumPorts = 1_024
  /// Bound of all others.
  static let maximumSelectors = 256
  /// Transports whose first two octets are the source port, the next two the destination port.
  static let portTransports: [TransportProtocol] = [.tcp, .udp, .sctp]

  subscript(selector: FlowSelector) -> BondingPlan.Slave? {
    get { slaves[selector] }
    set { slaves[selector] = newValue }
  }

  /// Slaves by source port.
  var ports: [(port: UInt16, slave: BondingPlan.Slave)] {
    slaves.compactMap { selector, slave in selector.onlyPort.map { ($0, slave) } }.sorted { $0.port < $1.port }
  }

  /// Selections of several fields, which are asked before the ports, and of one field, which are asked after them.
  var rules: (before: [Rule], after: [Rule]) {
    let rules = slaves.filter { $0.key.onlyPort == nil }.map { Rule(selector: $0.key, slave: $0.value) }
      .sorted { ($1.selector.weight, $0.selector.description) < ($0.selector.weight, $1.selector.description) }
    return (rules.filter { $0.selector.fields > 1 }, rules.filter { $0.selector.fields <= 1 })
  }

  struct Rule: Hashable {
    var selector: FlowSelector
    var slave: BondingPlan.Slave
  }

  /// All in the order in which they are asked.
  var inOrder: [Rule] {
    let (before, after) = rules
    let ports = ports.map { Rule(selector: FlowSelector(sourcePort: $0.port), slave: $0.slave) }
    return before + ports + after
  }

  /// The slave of an uplink flow.
  func slave(for flow: FlowSixTuple) -> BondingPlan.Slave? {
    let hasPorts = Self.portTransports.contains(flow.transport)
    return inOrder.first { rule in
      rule.selector.matches(flow) && (hasPorts || !rule.selector.namesPorts)
    }?.slave
  }

  func hasRoom(for selector: FlowSelector) -> Bool {
    if slaves[selector] != nil { return true }
    let ports = slaves.keys.count { $0.onlyPort != nil }
    return selector.onlyPort != nil ? ports < Self.maximumPorts : slaves.count - ports < Self.maximumSelectors
  }
}

extension FlowSelector {
  /// The source port, when that is all.
  var onlyPort: UInt16? { self == FlowSelector(sourcePort: sourcePort) ? sourcePort : nil }

  var namesPorts: Bool { sourcePort != nil || destinationPort != nil }

  var fields: Int {
    [source != nil, destination != nil, flowLabel != nil, transport != nil, sourcePort != nil, destinationPort != nil]
      .count { $0 }
  }

  /// Fields first, then bits of the prefixes.
  fileprivate var weight: Int { fields << 16 | (source?.length ?? 0) + (destination?.length ?? 0) }

  /// What keeps it from being a selection.
  var problem: String? {
    if isEmpty { return "no field is given" }
    if sourcePort == 0 || destinationPort == 0 { return "0 is no port" }
    if namesPorts, let transport, !Selections.portTransports.contains(transport) {
      return "\(transport) has no ports that a selection can name"
    }
    return nil
  }
}

/// Keeps selections over a crash, as long as the logical interface lives.
final class SelectionKeeper {
  private struct Record: Codable {
    var selector: FlowSelector
    var slave: String
  }
  private let file: StateFile<Record>
  private var stored: [Record]

  init(directory: String, interface: String) throws(LinuxError) {
    file = try StateFile(
      directory: directory, name: "bonding-policy-\(interface)-selections", durability: .processCrash)
    stored = file.takeRecords()
  }

  /// Those of the earlier run whose slaves there still are.
  func earlier(_ plan: BondingPlan) -> Selections {
    stored.reduce(into: Selections()) { selections, record in
      selections[record.selector] = plan.slaves.first { $0.name == record.slave }
    }
  }

  func store(_ selector: FlowSelector, _ slave: BondingPlan.Slave?) throws(LinuxError) {
    let key = selector.description
    stored.removeAll { $0.selector == selector }
    do {
      if let slave {
        let record = Record(selector: selector, slave: slave.name)
        stored.append(record)
        try file.store(record, key: key)
      } else {
        try file.remove(key: key)
      }
    } catch {
      throw LinuxError("encode selection of", key, code: EINVAL)
    }
    try file.flush()
  }

  func clear() throws(LinuxError) {
    for record in stored { try store(record.selector, nil) }
  }
}
