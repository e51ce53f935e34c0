import DaemonKit
import FlowCore
import NetTypes

// The keys of the policy file.
extension PolicyFile {
  static let table = OptionTable(
    initial: PolicyFile(),
    [
      .option(
        "rules", \.rules, .list(of: .mapping(ruleTable), count: 0...FlowPolicy.maximumRules),
        help:
          "In order; the first whose conditions all hold decides. A flow that none matches takes the default binding.")
    ])

  private static let ruleTable = OptionTable(
    initial: Rule(),
    [
      .option(
        "name", \.name, .text("a name", maximumLength: 63), required: true, help: "For `policy show` and `explain`."),
      .section("match", help: "All conditions must hold; one that is not there holds for every flow.", conditions),
      .option(
        "action", \.action, .word(of: SteeringAction.Word.allCases), required: true, help: "What becomes of its flows."),
      .option(
        "to", \.to, .list(of: .steeringTarget, count: 1...maximumValues),
        help: "Access types or gateways, in order. smallest-delay may leave it out: any access."),
      .option(
        "weights", \.weights, .list(of: .integer(0...1_000_000), count: 1...maximumValues),
        help: "Of load-balance, one for each target."),
      .option(
        "move-back", \.moveBack, .optional(.duration(in: .seconds(1) ... .seconds(3_600))),
        help: "Running flows move to a better access that has been there for so long; without it they stay."),
      .option(
        "max-moves-per-minute", \.maximumMoves, .integer(0...1_000),
        help: "Beyond, a flow leaves only a tunnel that is lost. Moves by operators do not count."),
    ])

  private static let maximumValues = 256

  private static let conditions: [ConfigurationOption<Rule>] = [
    .option(
      "nodes", \.match.nodes, .list(of: .namePattern, count: 1...maximumValues),
      help: "Node identifiers; `*` and `?` as in file names, `*@realm` for a realm."),
    .option("sources", \.match.sources, .list(of: .prefix, count: 1...maximumValues), help: "Of the correspondent."),
    .option("destinations", \.match.destinations, .list(of: .prefix, count: 1...maximumValues), help: "Of the node."),
    .option(
      "protocols", \.match.protocols, .list(of: .transportProtocol, count: 1...maximumValues),
      help: "tcp, udp, udplite, sctp, icmpv6, esp, or a number."),
    .option(
      "source-ports", \.match.sourcePorts, .list(of: .ports, count: 1...maximumValues), help: "Of the correspondent."),
    .option(
      "destination-ports", \.match.destinationPorts, .list(of: .ports, count: 1...maximumValues), help: "Of the node."),
    .option(
      "dscp", \.match.dscps, .list(of: .dscp, count: 1...64),
      help: "Of the first packet. A flow found in the kernel at start has none that is known."),
    .option(
      "flow-labels", \.match.flowLabels, .list(of: .integer(0...0xf_ffff, .hexadecimal), count: 1...maximumValues),
      help: "With flows.key 6-tuple."),
    .option(
      "rate-from", \.match.rateFrom, .optional(.bitRate),
      help: "Holds once the flow was measured at this rate or more; looked at again with each reading of the counters."),
    .option("rate-below", \.match.rateBelow, .optional(.bitRate), help: "Holds once the flow was measured below."),
    .option("size-from", \.match.sizeFrom, .optional(.size), help: "What the flow has carried."),
    .option(
      "size-below", \.match.sizeBelow, .optional(.size), help: "Holds once something was counted, and it is less."),
    .option(
      "hours", \.match.hours, .list(of: .hours, count: 1...maximumValues),
      help: "Local time, HH:MM-HH:MM, the end not included; may go over midnight."),
    .option(
      "weekdays", \.match.weekdays, .list(of: .word(of: LocalTime.Weekday.allCases), count: 1...7),
      help: "mon to sun, of the present moment."),
  ]
}

extension OptionType where Value: LosslessStringConvertible {
  /// A value that knows its own spelling.
  fileprivate static func spelled(_ expected: String, plural: String) -> OptionType {
    OptionType<String>.text(expected, plural: plural).mapped({ Value($0) }, back: { $0.description })
  }
}

extension OptionType where Value == SteeringTarget {
  fileprivate static var steeringTarget: OptionType {
    .spelled("an access type or the name of a gateway", plural: "access types or gateways")
  }
}

extension OptionType where Value == NamePattern {
  fileprivate static var namePattern: OptionType {
    .spelled("a pattern for node identifiers", plural: "patterns for node identifiers")
  }
}

extension OptionType where Value == TransportProtocol {
  fileprivate static var transportProtocol: OptionType {
    .spelled("tcp, udp, udplite, sctp, icmpv6, esp or a number to 255", plural: "transport protocols")
  }
}

extension OptionType where Value == PortRange {
  fileprivate static var ports: OptionType {
    .spelled("a port or a range such as 5000-5100", plural: "ports or ranges of ports")
  }
}

extension OptionType where Value == HourRange {
  fileprivate static var hours: OptionType {
    .spelled("hours such as 08:00-18:30", plural: "ranges of hours")
  }
}

extension OptionType where Value == UInt8 {
  /// Names of RFC 4594 and RFC 8622.
  fileprivate static var dscp: OptionType {
    .codePoint(
      "a DSCP", plural: "DSCPs",
      names: [
        "cs0": 0, "le": 1, "cs1": 8, "af11": 10, "af12": 12, "af13": 14, "cs2": 16, "af21": 18, "af22": 20, "af23": 22,
        "cs3": 24, "af31": 26, "af32": 28, "af33": 30, "cs4": 32, "af41": 34, "af42": 36, "af43": 38, "cs5": 40,
        "voice-admit": 44, "ef": 46, "cs6": 48, "cs7": 56,
      ], range: 0...63)
  }
}

extension OptionType where Value == UInt64 {
  fileprivate static var bitRate: OptionType {
    quantity(
      "a rate such as 500kbit or 2mbit (per second)",
      [("gbit", 1_000_000_000), ("mbit", 1_000_000), ("kbit", 1_000), ("bit", 1)])
  }

  fileprivate static var size: OptionType {
    quantity("a size such as 64kB or 10MB", [("GB", 1_000_000_000), ("MB", 1_000_000), ("kB", 1_000), ("B", 1)])
  }

  /// A whole number with one of these units, the largest first.
  private static func quantity(_ expected: String, _ units: [(name: String, factor: UInt64)]) -> OptionType {
    OptionType<String>.text(expected).mapped { text in
      let digits = text.prefix { $0.isASCII && $0.isNumber }
      guard let number = UInt64(digits), let unit = units.first(where: { $0.name == text.dropFirst(digits.count) })
      else { return nil }
      let (value, overflow) = number.multipliedReportingOverflow(by: unit.factor)
      return overflow ? nil : value
    } back: { value in
      let unit = units.first { value != 0 && value.isMultiple(of: $0.factor) } ?? units[units.count - 1]
      return "\(value / unit.factor)\(unit.name)"
    }
  }
}
