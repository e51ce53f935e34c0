import ArgumentParser
import DaemonKit
import FlowCore

@main
struct FlowManager: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "flow-manager",
    abstract: "Classifies the flows of mobile nodes at their anchor and moves them between accesses.",
    discussion: """
      A flow's first packet comes here; from then on the kernel takes the flow to its tunnel by itself, also when this \
      program is stopped or killed.
      """,
    version: Program.version,
    subcommands: [
      Run.self, Check.self, List.self, Show.self, Add.self, Move.self, Del.self, Pin.self, Unpin.self, Watch.self,
      Tunnels.self, Nodes.self, History.self, Events.self, Policy.self, Explain.self, Cleanup.self,
    ])

  static let name = "flow-manager"

  static func main() { Program.main(Self.self, name: name) }
}

extension ConfigurationFileOptions {
  func load() throws(ConfigurationErrors) -> LoadedConfiguration<FlowManagerConfiguration> {
    try FlowManagerConfiguration.load(path: path(default: FlowManagerConfiguration.defaultFile))
  }
}

extension ClientOptions {
  func connect() throws(ProgramFailure) -> ControlClient {
    try connect(defaultSocket: FlowManagerConfiguration.defaultSocket, start: "\(FlowManager.name) run")
  }

  /// For commands that may wait for the anchor: longer than the daemon does.
  func connectPatiently() throws(ProgramFailure) -> ControlClient {
    try connect(
      defaultSocket: FlowManagerConfiguration.defaultSocket, start: "\(FlowManager.name) run",
      timeout: FlowManagerEngine.anchorAnswerTimeout + ControlClient.defaultTimeout)
  }
}
