import ArgumentParser
import DaemonKit
import FlowCore

struct Trigger: ParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "Say that the path to a gateway has become bad, or well again.",
    discussion: """
      For radio controllers and monitoring systems. No new flow goes to a degraded path while another can carry it, and \
      its flows leave it, some at a time. They do not come back by themselves.
      """)
  @OptionGroup var client: ClientOptions
  @Option(help: ArgumentHelp("Gateway name or tunnel number.", valueName: "gateway")) var gateway: String
  @Option(help: ArgumentHelp("Only the path of this node.", valueName: "identifier")) var node: String?
  @Option(help: ArgumentHelp("degraded or restored.", valueName: "state")) var state: String
  @Option(help: ArgumentHelp("Shown beside the path, in events and in the log.", valueName: "text")) var reason: String?
  @Option(
    name: .customLong("for"),
    help: ArgumentHelp("A path is degraded this long, 1 to 604800.", valueName: "seconds")) var seconds: Int64 =
      TriggerArguments.defaultLifetime

  var arguments: TriggerArguments {
    TriggerArguments(gateway: gateway, node: node, state: state, reason: reason, seconds: seconds)
  }

  func validate() throws {
    do throws(ControlError) { _ = try arguments.trigger() } catch { throw ValidationError(error.message) }
  }

  func run() throws {
    try client.print(try client.connect().call("trigger", arguments, as: DegradationsDocument.self)) { $0.text }
  }
}

struct ShowDegraded: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "degraded", abstract: "Paths that something outside has called bad, see `trigger`.")
  @OptionGroup var client: ClientOptions

  func run() throws {
    try client.print(try client.connect().call("show degraded", as: DegradationsDocument.self)) { $0.text }
  }
}
