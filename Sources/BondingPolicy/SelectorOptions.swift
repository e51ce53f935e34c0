import ArgumentParser
import FlowCore
import NetTypes

/// Fields of an uplink flow on the command line.
struct SelectorOptions: ParsableArguments {
  @Option(help: ArgumentHelp("Source port at the terminal: the same as --source-port.", valueName: "number"))
  var port: UInt16?

  @Option(help: ArgumentHelp("Terminal: address or prefix.", valueName: "address"), transform: Self.prefix)
  var source: IPv6Prefix?

  @Option(help: ArgumentHelp("Correspondent: address or prefix.", valueName: "address"), transform: Self.prefix)
  var destination: IPv6Prefix?

  @Option(
    name: .customLong("protocol"), help: ArgumentHelp("tcp, udp, sctp, icmpv6, esp, or a number.", valueName: "name"),
    transform: Self.transport)
  var transport: TransportProtocol?

  @Option(help: ArgumentHelp("At the terminal, of TCP, UDP and SCTP.", valueName: "number"))
  var sourcePort: UInt16?

  @Option(help: ArgumentHelp("At the correspondent, of TCP, UDP and SCTP.", valueName: "number"))
  var destinationPort: UInt16?

  @Option(help: ArgumentHelp("Decimal, or hexadecimal after 0x.", valueName: "label"), transform: Self.label)
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

  private static func prefix(_ text: String) throws -> IPv6Prefix {
    if let address = IPv6Address(text) { return .host(address) }
    if let prefix = IPv6Prefix(text) { return prefix }
    throw ValidationError("'\(text)' is neither an IPv6 address nor a prefix such as 2001:db8:100:1::/64")
  }

  private static func transport(_ text: String) throws -> TransportProtocol {
    if let transport = TransportProtocol(text) { return transport }
    throw ValidationError("'\(text)' is not a transport protocol; use tcp, udp, sctp, icmpv6, esp or a number")
  }

  private static func label(_ text: String) throws -> UInt32 {
    let isHexadecimal = text.hasPrefix("0x")
    let label = UInt32(isHexadecimal ? text.dropFirst(2) : text[...], radix: isHexadecimal ? 16 : 10)
    guard let label, label <= 0xf_ffff else { throw ValidationError("'\(text)' is not a flow label, 0 to 0xfffff") }
    return label
  }
}
