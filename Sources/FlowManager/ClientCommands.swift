import ArgumentParser
import DaemonKit
import FlowCore

// Commands that ask the running daemon.

struct Show: ParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "Show flows, tunnels, nodes, selectors or counters.",
    subcommands: [
      ShowFlows.self, ShowFlow.self, Tunnels.self, Nodes.self, ShowSelectors.self, ShowCounters.self, ShowDegraded.self,
    ])
}

struct ShowFlow: ParsableCommand {
  static let configuration = CommandConfiguration(commandName: "flow", abstract: "One flow in full.")
  @OptionGroup var client: ClientOptions
  @OptionGroup var flow: FlowOptions

  func validate() throws { try flow.check() }

  func run() throws {
    let arguments = FlowArguments(flow: flow.identifier, selector: flow.selector)
    try client.print(try client.connect().call("show flow", arguments, as: FlowDocument.self)) { $0.text }
  }
}

/// `tunnels`, and the same as `show tunnels`.
struct Tunnels: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "tunnels", abstract: "Tunnels of the anchor, with their flows and what these have sent.")
  @OptionGroup var client: ClientOptions

  func run() throws {
    try client.print(try client.connect().call("show tunnels", as: TunnelsDocument.self)) { $0.text }
  }
}

/// `nodes`, and the same as `show nodes`.
struct Nodes: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "nodes", abstract: "Nodes with their accesses and flows, as the anchor has told of them.")
  @OptionGroup var client: ClientOptions
  @Option(help: ArgumentHelp("Only this node.", valueName: "node")) var node: String?
  @Option(help: ArgumentHelp("At most so many nodes, in the order of their names.", valueName: "count"))
  var limit = NodesArguments.standardLimit
  @Option(help: ArgumentHelp("Those that come after this one: the next page.", valueName: "node")) var after: String?

  func validate() throws {
    guard (1...NodesArguments.maximumLimit).contains(limit) else {
      throw ValidationError("--limit takes 1 to \(NodesArguments.maximumLimit) nodes; for more take several pages")
    }
    if node != nil && after != nil { throw ValidationError("--node names one node already; leave out --after") }
  }

  func run() throws {
    let arguments = NodesArguments(node: node, limit: limit, after: after)
    try client.print(try client.connect().call("show nodes", arguments, as: NodesDocument.self)) { $0.text }
  }
}

struct ShowSelectors: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "selectors", abstract: "Standing orders for new flows, made by `add`.")
  @OptionGroup var client: ClientOptions

  func run() throws {
    try client.print(try client.connect().call("show selectors", as: SelectorsDocument.self)) { $0.text }
  }
}

struct ShowCounters: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "counters", abstract: "What was done, and every reason for which something was not.")
  @OptionGroup var client: ClientOptions

  func run() throws {
    try client.print(try client.connect().call("show counters", as: CountersDocument.self)) { $0.text }
  }
}

struct Add: ParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "Send a flow, or all new flows that match, to a gateway.",
    discussion: """
      With all fields of the 6-tuple the flow is made at once. With some of them the selector becomes a standing order \
      for flows that begin later, where their node has the gateway; it lasts until `del --selector`, also over a restart.
      """)
  @OptionGroup var client: ClientOptions
  @OptionGroup(title: "6-tuple") var fields: SelectorOptions
  @Option(help: ArgumentHelp("Gateway name or tunnel number.", valueName: "gateway")) var to: String

  func validate() throws {
    if fields.selector.isEmpty { throw ValidationError("say which flows: give options such as --destination") }
  }

  func run() throws {
    let arguments = AddArguments(selector: fields.selector, to: to)
    try client.print(try client.connectPatiently().call("add", arguments, as: ChangeDocument.self)) { $0.text("added") }
  }
}
