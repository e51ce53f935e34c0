import ArgumentParser
import DaemonKit

/// Commands that ask the running program.
struct Show: ParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "Show the logical interface, its slaves, the selections and what was counted.")

  @OptionGroup var options: ClientOptions

  func run() throws {
    let status: BondingStatus = try options.connect().call("show")
    try options.print(status) { status in
      let interface = status.interface
      let title =
        "\(interface.name) \(interface.isUp ? "up" : "down")"
        + " \(interface.linkLayerAddress.map(\.description) ?? "-") mtu \(interface.mtu.map(String.init) ?? "-")"
        + " \(interface.addresses.map(\.description).joined(separator: ","))"
        + "\nback end \(interface.backend.rawValue): \(interface.backendReason)"
      var table = TextTable(
        ["SLAVE", "STATE", "DEFAULT", "MARK", "FLOWS", "DOWNLINK", "UPLINK"], right: ["FLOWS", "DOWNLINK", "UPLINK"])
      for slave in status.slaves {
        table.add([
          slave.name, slave.hasCarrier ? "up" : slave.isPresent ? "down" : "absent", slave.isDefault ? "yes" : "no",
          slave.mark, "\(slave.flows)", "\(slave.downlinkPackets)", "\(slave.uplinkPackets)",
        ])
      }
      let selections = status.selections.map { "\($0.selector) uses \($0.slave)" }
      let counters = status.counters.sorted { $0.key < $1.key }.map { "\($0.key) \($0.value)" }
      return [[title], [table.text], selections, counters].filter { !$0.isEmpty }
        .map { $0.joined(separator: "\n") }.joined(separator: "\n\n")
    }
  }
}

struct List: ParsableCommand {
  static let configuration = CommandConfiguration(abstract: "List the flows and the slave each one uses.")

  @OptionGroup var options: ClientOptions

  func run() throws {
    let document: LogicalFlows = try options.connect().call("list")
    try options.print(document) { document in
      var table = TextTable(
        ["UPLINK", "DOWNLINK", "CHOSEN", "PROTOCOL", "SOURCE", "DESTINATION", "EXPIRES"], right: ["EXPIRES"])
      func end(_ address: some CustomStringConvertible, _ port: UInt16?) -> String {
        port.map { "[\(address)]:\($0)" } ?? "\(address)"
      }
      for flow in document.flows {
        table.add([
          flow.slave, flow.arrivedOn, flow.isSelected ? "by operator" : "by downlink", flow.protocol,
          end(flow.source, flow.sourcePort), end(flow.destination, flow.destinationPort), "\(flow.remainingSeconds)s",
        ])
      }
      return table.text
    }
  }
}

struct Select: ParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "Put uplink flows on a slave.",
    discussion: """
      Whatever their downlink does, by source port or by any fields of the 6-tuple. Of several selections that match, the \
      one with more fields wins. While the slave has no carrier they use the default slave.
      """)

  @OptionGroup var options: ClientOptions
  @OptionGroup(title: "Flows") var fields: SelectorOptions
  @Option(help: ArgumentHelp("Slave that takes the uplink.", valueName: "interface")) var slave: String

  func run() throws {
    let selection: Selection = try options.connect().call(
      "select", Selection(selector: fields.selector, slave: slave))
    try options.print(selection) { "\($0.selector) uses \($0.slave)" }
  }
}

struct Unselect: ParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "Take a selection back: its flows follow their downlink again.",
    discussion: "With the same fields as in `select`.")

  @OptionGroup var options: ClientOptions
  @OptionGroup(title: "Flows") var fields: SelectorOptions

  func run() throws {
    let flows: SelectedFlows = try options.connect().call("unselect", SelectedFlows(selector: fields.selector))
    try options.print(flows) { "\($0.selector) follows its downlink" }
  }
}
