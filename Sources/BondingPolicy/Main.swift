import ArgumentParser
import DaemonKit

@main
struct BondingPolicy: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "bonding-policy",
    abstract: "One logical interface over several access interfaces, with the access chosen flow by flow.",
    discussion: """
      For a terminal that has one prefix on all its accesses. The uplink of a flow leaves by the slave on which its \
      downlink arrives, unless `select` names another. All packets stay in the kernel, so flows go on when the program \
      is killed, and the next start takes over. SIGTERM and `cleanup` take everything out of the kernel, the logical \
      interface with its addresses included, and give the slaves back as they were.
      """,
    version: Program.version,
    subcommands: [
      Create.self, Run.self, Check.self, Doctor.self, Show.self, List.self, Select.self, Unselect.self, Cleanup.self,
    ])

  static let name = "bonding-policy"
  static let daemon = DaemonDescription(name: name, socket: BondingConfiguration().control.socket)

  static func main() { Program.main(Self.self, name: name) }
}

extension ConfigurationFileOptions {
  func load() throws(ConfigurationErrors) -> LoadedConfiguration<BondingConfiguration> {
    try BondingConfiguration.load(path: path(default: BondingPolicy.daemon.configurationFile))
  }
}

extension ClientOptions {
  func connect() throws(ProgramFailure) -> ControlClient {
    try connect(defaultSocket: BondingPolicy.daemon.socket, start: BondingPolicy.daemon.start)
  }
}
