import ArgumentParser
import DaemonKit

/// Commands that ask the running reflector.
struct Show: ParsableCommand {
  static let configuration = CommandConfiguration(abstract: "Show interfaces, their routes and what was counted.")

  @OptionGroup var options: ClientOptions

  func run() throws {
    let status: ReflectorStatus = try options.connect().call("show")
    try options.print(status) { status in
      var table = TextTable(
        ["INTERFACE", "STATE", "MARK", "TABLE", "GATEWAY", "FLOWS", "DOWNLINK", "UPLINK"],
        right: ["TABLE", "FLOWS", "DOWNLINK", "UPLINK"])
      for interface in status.interfaces {
        table.add([
          interface.name, interface.isUp ? "up" : interface.isPresent ? "down" : "absent", interface.mark,
          "\(interface.table)", interface.gateways.map(\.description).joined(separator: ","), "\(interface.flows)",
          "\(interface.downlinkPackets)", "\(interface.uplinkPackets)",
        ])
      }
      let counters = status.counters.sorted { $0.key < $1.key }.map { "\($0.key) \($0.value)" }
      return table.text + "\n\n" + counters.joined(separator: "\n")
    }
  }
}

struct List: ParsableCommand {
  static let configuration = CommandConfiguration(abstract: "List the flows and the interface each one uses.")

  @OptionGroup var options: ClientOptions

  func run() throws {
    let document: ReflectedFlows = try options.connect().call("list")
    try options.print(document) { document in
      var table = TextTable(["INTERFACE", "PROTOCOL", "SOURCE", "DESTINATION", "EXPIRES"], right: ["EXPIRES"])
      func end(_ address: some CustomStringConvertible, _ port: UInt16?) -> String {
        port.map { "[\(address)]:\($0)" } ?? "\(address)"
      }
      for flow in document.flows {
        table.add([
          flow.interface, flow.protocol, end(flow.source, flow.sourcePort),
          end(flow.destination, flow.destinationPort), "\(flow.remainingSeconds)s",
        ])
      }
      return table.text
    }
  }
}

struct Flush: ParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "Release all flows: each follows the main routing table until its next downlink packet.")

  @OptionGroup var options: ClientOptions

  func run() throws {
    let result: FlushResult = try options.connect().call("flush")
    try options.print(result) { "released \($0.releasedFlows) flows" }
  }
}
