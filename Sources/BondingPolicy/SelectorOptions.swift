import ArgumentParser
import DaemonKit
import FlowCore
import NetTypes

/// Fields of an uplink flow on the command line.
struct SelectorOptions: ParsableArguments {
  @Option(help: ArgumentHelp("Source port at the terminal: the same as --source-port.", valueName: "number"))
  var port: UInt16?

  @Option(help: ArgumentHelp("Terminal: address or prefix.", valueName: "address"), transform: FieldArguments.prefix)
  var source: IPv6Prefix?

  @Option(
    help: ArgumentHelp("Correspondent: address or prefix.", valueName: "address"), transform: FieldArguments.prefix)
  var destination: IPv6Prefix?

  @Option(
    name: .customLong("protocol"), help: ArgumentHelp("tcp, udp, sctp, icmpv6, esp, or a number.", valueName: "name"),
    transform: Self.transport)
  var transport: TransportProtocol?

  @Option(help: ArgumentHelp("At the terminal, of TCP, UDP and SCTP.", valueName: "number"))
  var sourcePort: UInt16?

  @Option(help: ArgumentHelp("At the correspondent, of TCP, UDP and SCTP.", valueName: "number"))
  var destinationPort: UInt16?

  @Option(
    help: ArgumentHelp("Decimal, or hexadecimal after 0x.", valueName: "label"), transform: FieldArguments.flowLabel)
  var flowLabel: UInt32?

  func validate() throws {
    if port != nil, sourcePort != nil { throw ValidationError("--port and --source-port are the same; give one") }
    if let problem = selector.problem { throw ValidationError("\(problem); name the flows, for example with --port") }
  }

  var selector: FlowSelector {
    FlowSelector(
      source: source, destination: destination, flowLabel: flowLabel, transport: transport,
      sourcePort: port ?? sourcePort, destinationPort: destinationPort)
  }

  private static func transport(_ text: String) throws -> TransportProtocol {
    if let transport = TransportProtocol(text) { return transport }
    throw ValidationError("'\(text)' is not a transport protocol; use tcp, udp, sctp, icmpv6, esp or a number")
  }
}
