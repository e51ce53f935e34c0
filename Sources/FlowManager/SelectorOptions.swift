import ArgumentParser
import DaemonKit
import FlowCore
import NetTypes

/// Fields of a 6-tuple on the command line.
struct SelectorOptions: ParsableArguments {
  @Option(
    help: ArgumentHelp("Correspondent: address or prefix.", valueName: "address"), transform: FieldArguments.prefix)
  var source: IPv6Prefix?

  @Option(help: ArgumentHelp("Node: address or prefix.", valueName: "address"), transform: FieldArguments.prefix)
  var destination: IPv6Prefix?

  @Option(
    name: .customLong("protocol"),
    help: ArgumentHelp("tcp, udp, udplite, sctp, icmpv6, esp, or a number.", valueName: "name"),
    transform: Self.transport)
  var transport: TransportProtocol?

  @Option(help: ArgumentHelp("ICMPv6 echo: the identifier; ESP: the high half of the SPI.", valueName: "port"))
  var sourcePort: UInt16?

  @Option(help: ArgumentHelp("Port of the node; ESP: the low half of the SPI.", valueName: "port"))
  var destinationPort: UInt16?

  @Option(
    help: ArgumentHelp("Decimal, or hexadecimal after 0x.", valueName: "label"), transform: FieldArguments.flowLabel)
  var flowLabel: UInt32?

  var selector: FlowSelector {
    FlowSelector(
      source: source, destination: destination, flowLabel: flowLabel, transport: transport, sourcePort: sourcePort,
      destinationPort: destinationPort)
  }

  private static func transport(_ text: String) throws -> TransportProtocol {
    if let transport = TransportProtocol(text) { return transport }
    throw ValidationError("'\(text)' is not a transport protocol; use tcp, udp, udplite, sctp, icmpv6, esp or a number")
  }
}

/// A flow on the command line: its number, or fields that only it has.
struct FlowOptions: ParsableArguments {
  @Argument(help: ArgumentHelp("Number of the flow; or choose it with the options below.", valueName: "flow"))
  var flow: UInt32?

  @OptionGroup(title: "6-tuple") var fields: SelectorOptions

  var identifier: FlowIdentifier? { flow.map(FlowIdentifier.init(rawValue:)) }
  var selector: FlowSelector? { fields.selector.isEmpty ? nil : fields.selector }

  /// Exactly one way of naming it.
  func check() throws {
    if flow != nil, selector != nil { throw ValidationError("name the flow by its number or by its fields, not both") }
    if flow == nil, selector == nil {
      throw ValidationError(
        "name the flow: by its number, as `flow-manager list` shows it, or by options such as --source")
    }
  }
}
