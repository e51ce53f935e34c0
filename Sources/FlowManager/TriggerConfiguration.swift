import DaemonKit
import FlowCore
import LinuxNet

/// What the operator says about the tunnels to one gateway.
struct TunnelSettings: Hashable {
  var gateway = ""
  /// Octets a second.
  var capacity: UInt64?
  /// Where packets to the gateway queue, when that is not the tunnel's own device.
  var interface: String?
  /// A class or queueing discipline on `interface`; nil: its root.
  var trafficClass: TrafficControlHandle?

  static let table = OptionTable(
    initial: TunnelSettings(),
    [
      .option(
        "gateway", \.gateway, .text("a gateway name"), required: true,
        help: "The gateway, by the name that lmad gives it."),
      .option(
        "capacity", \.capacity, .optional(.bitRate),
        help: "What its tunnel carries; none: as measured while its queue is overfull."),
      .option(
        "interface", \.interface, .optional(.interfaceName),
        help: "Where its packets queue, for tunnels without a device of their own (srv6)."),
      .option(
        "class", \.trafficClass,
        .optional(
          OptionType<String>.text("a class", maximumLength: 9).mapped(
            expected: "a class such as 1:10, hexadecimal as tc writes it", { TrafficControlHandle($0) },
            back: { $0.description })),
        help: "The class on that interface which takes its packets; none: the root queueing discipline."),
    ])
}

extension FlowManagerConfiguration {
  static let congestionOptions = ConfigurationOption<FlowManagerConfiguration>.section(
    "congestion", help: "When a tunnel is congested, and how its flows are moved then; see docs/triggers.md.",
    [
      .option(
        "enabled", \.flows.congestion.isEnabled, .boolean,
        help: "Read the queues of tunnels, and move the fastest flows of congested ones where there is room."),
      .option(
        "interval", \.flows.congestion.interval, .duration(in: .milliseconds(100) ... .seconds(60)),
        help: "Between readings of the queues; longer when reading takes over 2 % of it."),
      .option(
        "drop-ratio", \.flows.congestion.dropRatio, .share(1...1_000),
        help: "Dropped among offered packets. TCP backs off and stays at some per cent: 1 to 3 % finds it."),
      .option(
        "drop-ratio-clear", \.flows.congestion.dropRatioClear, .share(1...1_000), help: "Below this no longer."),
      .option(
        "queue-delay", \.flows.congestion.queueDelay, .duration(in: .milliseconds(1) ... .seconds(60)),
        help: "Time that the waiting packets take to be sent."),
      .option(
        "queue-delay-clear", \.flows.congestion.queueDelayClear, .duration(in: .milliseconds(1) ... .seconds(60)),
        help: "Below this no longer."),
      .option(
        "utilisation", \.flows.congestion.utilisation, .share(10...1_000),
        help: "Rate against the configured capacity. A flow moves only to where it stays below this."),
      .option(
        "utilisation-clear", \.flows.congestion.utilisationClear, .share(10...1_000), help: "Below this no longer."),
      .option(
        "time", \.flows.congestion.time, .duration(in: .zero ... .seconds(3_600)),
        help: "A tunnel is congested when it has been above one of these for so long."),
      .option(
        "quiet-time", \.flows.congestion.quietTime, .duration(in: .zero ... .seconds(3_600)),
        help: "It no longer is when it has been below all lower ones for so long."),
      .option(
        "pause", \.flows.congestion.pause, .duration(in: .milliseconds(100) ... .seconds(3_600)),
        help: "After a flow has moved, until its effect is measured and the next one may."),
    ])

  static let qualityOptions = ConfigurationOption<FlowManagerConfiguration>.section(
    "quality", help: "Flows that are served worse than they were.",
    [
      .option("enabled", \.flows.quality.isEnabled, .boolean, help: "Watch fast flows and move those."),
      .option(
        "floor", \.flows.quality.floor,
        OptionType<UInt64>.bitRate.mapped({ UInt32(exactly: $0) }, back: { UInt64($0) }),
        help: "Flows are watched that are faster than this on average."),
      .option(
        "share", \.flows.quality.share, .share(10...900),
        help: "Of its own average, below which a flow is served badly."),
      .option(
        "time", \.flows.quality.time, .duration(in: .seconds(1) ... .seconds(3_600)), help: "For so long."),
      .option(
        "maximum-flows", \.flows.quality.maximumFlows, .integer(1...100_000), help: "Flows watched at once."),
    ])

  static let moveOptions = ConfigurationOption<FlowManagerConfiguration>.section(
    "moves", help: "Keeps flows from being moved to and fro. Operators, and outages, are not bound by it.",
    [
      .option(
        "max-moves-per-minute", \.flows.moveLimits.perMinute, .integer(1...60), help: "Moves of one flow."),
      .option(
        "hold-down", \.flows.moveLimits.holdDown, .duration(in: .zero ... .seconds(3_600)),
        help: "A flow that has left a tunnel does not go back to it for so long."),
    ])

  static let tunnelOptions = ConfigurationOption<FlowManagerConfiguration>.option(
    "tunnels", \.tunnels, .list(of: .mapping(TunnelSettings.table), count: 0...4_095),
    help: "What is known of the tunnels to gateways.")

  /// What the table of options cannot see.
  static func check(_ configuration: FlowManagerConfiguration) -> [SemanticProblem] {
    let congestion = configuration.flows.congestion
    var problems: [SemanticProblem] = []
    func compare(_ key: String, _ isBelow: Bool) {
      guard !isBelow else { return }
      problems.append(
        SemanticProblem(keyPath: "congestion.\(key)-clear", message: "is above \(key); it must be lower"))
    }
    compare("drop-ratio", congestion.dropRatioClear <= congestion.dropRatio)
    compare("queue-delay", congestion.queueDelayClear <= congestion.queueDelay)
    compare("utilisation", congestion.utilisationClear <= congestion.utilisation)
    var seen: Set<String> = []
    for (index, tunnel) in configuration.tunnels.enumerated() {
      if !seen.insert(tunnel.gateway).inserted {
        problems.append(
          SemanticProblem(keyPath: "tunnels[\(index)].gateway", message: "'\(tunnel.gateway)' is in the list already"))
      }
      if tunnel.trafficClass != nil, tunnel.interface == nil {
        problems.append(
          SemanticProblem(keyPath: "tunnels[\(index)].class", message: "needs the interface that the class is on"))
      }
    }
    return problems
  }
}
