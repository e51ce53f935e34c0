import ArgumentParser

@main
struct FlowManagerCommand: ParsableCommand {
  static let configuration = CommandConfiguration(commandName: "flow-manager", abstract: "x")
}
