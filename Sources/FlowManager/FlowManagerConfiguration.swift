import DaemonKit
import FlowCore
import Logging

/// Everything in flow-manager's configuration file.
struct FlowManagerConfiguration: DaemonConfiguration, Hashable {
  var anchorSocket = "/run/flowmob/lmad.sock"
  var queueNumber: UInt16 = 5_213
  /// Packets that may wait for a verdict at once.
  var queueLength: UInt32 = 8_192
  var flows = FlowManagerEngine.Configuration()
  var nftTable = "flowmob"
  var stateDirectory = "/var/lib/flowmob"
  /// nil: the default file, if it is there.
  var policyFile: String?
  var control = ControlSettings(socket: Self.defaultSocket)
  var logLevel = Logger.Level.info

  static let defaultFile = "/etc/flowmob/flow-manager.yaml"
  static let defaultSocket = "/run/flowmob/flow-manager.sock"

  /// Counters of all flows are read this often, if that does not take more than `pollShare` of the time.
  var pollInterval = Duration.seconds(2)
  /// Reading all counters takes at most one part in this many of our time,
  static let pollShare = 100
  /// but is done this often in any case: a flow is dropped at most a quarter of the timeout late.
  var longestPollInterval: Duration { max(flows.idleTimeout / 4, pollInterval) }

  /// How long after a reading that took `length` the next one is due.
  func pollInterval(after length: Duration) -> Duration {
    min(max(pollInterval, length * Self.pollShare), longestPollInterval)
  }

  static func load(path: String) throws(ConfigurationErrors) -> LoadedConfiguration<FlowManagerConfiguration> {
    try table.load(path: path)
  }

  static let table = OptionTable(
    initial: FlowManagerConfiguration(),
    [
      .option(
        "anchor-socket", \.anchorSocket, .socketPath,
        help: "Control socket of lmad; its bindings and tunnels come from there."),
      .section(
        "queue", help: "How first packets of flows reach us.",
        [
          .option(
            "number", \.queueNumber, .integer(0...UInt16.max), help: "NFQUEUE number; no other program may use it."),
          .option(
            "length", \.queueLength, .integer(64...1_048_576),
            help: "Packets that may wait at once; more pass on the default binding, unmarked and counted."),
        ]),
      .section(
        "flows", help: "The flow table.",
        [
          .option(
            "maximum", \.flows.maximumFlows, .integer(1...4_000_000),
            help: "Further flows stay on the default binding. The kernel reserves 16 octets for each of these."),
          .option(
            "maximum-selectors", \.flows.maximumSelectors, .integer(0...65_536),
            help: "Standing orders (`add` with an open selector); each new flow is compared with all."),
          .option(
            "idle-timeout", \.flows.idleTimeout, .duration(in: .seconds(4) ... .seconds(86_400)),
            help: "A flow without a packet for this long is forgotten; its next packet is a new flow's first."),
          .option(
            "poll-interval", \.pollInterval, .duration(in: .milliseconds(200) ... .seconds(60)),
            help:
              "Counters are read this often, for rates and idle flows; less often when reading takes over 1 % of it."
          ),
          .option(
            "key", \.flows.key, .word(["6-tuple": .sixTuple, "5-tuple": .fiveTuple]),
            help: "Whether the flow label tells flows apart. Changing it starts with an empty table."),
        ]),
      .option(
        "policy-file", \.policyFile, .optional(.path),
        help: "Which flows go where (docs/policy.md); without the key /etc/flowmob/policy.yaml, if it is there."),
      .option(
        "nft-table", \.nftTable, .text("a table name", maximumLength: 31),
        help: "Name of our nftables table, family ip6. A table of that name which is not ours is left alone."),
      .option(
        "state-directory", \.stateDirectory, .path,
        help: "Keeps standing orders (`add` with an open selector) over a restart."),
      .control,
      .logLevel,
    ])
}
