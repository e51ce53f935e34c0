import ArgumentParser
import DaemonKit

@main
struct PacketReflector: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "packet-reflector",
    abstract: "Lets the uplink of each flow leave by the interface on which its downlink arrives.",
    discussion: """
      For a terminal with several IPv6 access interfaces (weak host model). All packets stay in the kernel, so flows go \
      on when the program is killed. SIGTERM and `cleanup` take everything out of the kernel.
      """,
    version: Program.version,
    subcommands: [Run.self, Check.self, Doctor.self, Show.self, List.self, Flush.self, Cleanup.self])

  static let name = "packet-reflector"
  static let daemon = DaemonDescription(name: name, socket: ReflectorConfiguration().control.socket)

  static func main() { Program.main(Self.self, name: name) }
}

extension ConfigurationFileOptions {
  func load() throws(ConfigurationErrors) -> LoadedConfiguration<ReflectorConfiguration> {
    try ReflectorConfiguration.load(path: path(default: PacketReflector.daemon.configurationFile))
  }
}

extension ClientOptions {
  func connect() throws(ProgramFailure) -> ControlClient {
    try connect(defaultSocket: PacketReflector.daemon.socket, start: PacketReflector.daemon.start)
  }
}
