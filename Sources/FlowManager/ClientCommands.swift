import ArgumentParser
import DaemonKit
import FlowCore

// Commands that ask the running daemon.

struct List: ParsableCommand {
  static let configuration = CommandConfiguration(abstract: "List the flows.")
  @OptionGroup var client: ClientOptions

  func run() throws {
    try client.print(try client.connect().call("list", as: FlowsDocument.self)) { $0.text }
  }
}

struct Show: ParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "Show flows, tunnels, nodes, selectors or counters.",
    subcommands: [
      ShowFlows.self, ShowFlow.self, ShowTunnels.self, ShowNodes.self, ShowSelectors.self, ShowCounters.self,
    ])
}

struct ShowFlows: ParsableCommand {
  static let configuration = CommandConfiguration(commandName: "flows", abstract: "The flows; the same as `list`.")
  @OptionGroup var client: ClientOptions

  func run() throws {
    try client.print(try client.connect().call("list", as: FlowsDocument.self)) { $0.text }
  }
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

struct ShowTunnels: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "tunnels", abstract: "Tunnels of the anchor, with their flows and what these have sent.")
  @OptionGroup var client: ClientOptions

  func run() throws {
    try client.print(try client.connect().call("show tunnels", as: TunnelsDocument.self)) { $0.text }
  }
}

struct ShowNodes: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "nodes", abstract: "Nodes with their bindings, as the anchor has told of them.")
  @OptionGroup var client: ClientOptions

  func run() throws {
    try client.print(try client.connect().call("show nodes", as: NodesDocument.self)) { $0.text }
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
      for flows that begin later, where their node has the gateway; it lasts until `del --selector` or a restart.
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

struct Move: ParsableCommand {
  static let configuration = CommandConfiguration(abstract: "Move a running flow to another access of its node.")
  @OptionGroup var client: ClientOptions
  @OptionGroup var flow: FlowOptions
  @Option(help: ArgumentHelp("Gateway name or tunnel number.", valueName: "gateway")) var to: String

  func validate() throws { try flow.check() }

  func run() throws {
    let arguments = MoveArguments(flow: flow.identifier, selector: flow.selector, to: to)
    try client.print(try client.connectPatiently().call("move", arguments, as: ChangeDocument.self)) {
      $0.text("moved")
    }
  }
}

struct Del: ParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "Forget a flow or a selector.",
    discussion: "The next packet of a forgotten flow is a new flow's first: it takes the default binding.")
  @OptionGroup var client: ClientOptions
  @OptionGroup var flow: FlowOptions
  @Option(help: ArgumentHelp("Number of a selector, see `show selectors`.", valueName: "number")) var selector: UInt32?

  func validate() throws {
    guard selector != nil else { return try flow.check() }
    if flow.identifier != nil || flow.selector != nil { throw ValidationError("name a flow or a selector, not both") }
  }

  func run() throws {
    let daemon = try client.connect()
    let document: ChangeDocument
    if let selector {
      document = try daemon.call("del selector", SelectorArguments(id: selector))
    } else {
      document = try daemon.call("del", FlowArguments(flow: flow.identifier, selector: flow.selector))
    }
    try client.print(document) { $0.text("removed") }
  }
}

struct Pin: ParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "Keep a flow where it is.",
    discussion: """
      Only `move`, or an outage of its tunnel, moves a pinned flow. The pin ends with `unpin` or with the flow, and \
      survives a restart.
      """)
  @OptionGroup var client: ClientOptions
  @OptionGroup var flow: FlowOptions

  func validate() throws { try flow.check() }

  func run() throws {
    let arguments = FlowArguments(flow: flow.identifier, selector: flow.selector)
    try client.print(try client.connect().call("pin", arguments, as: ChangeDocument.self)) { $0.text("pinned") }
  }
}

struct Unpin: ParsableCommand {
  static let configuration = CommandConfiguration(abstract: "Let policy and triggers move a pinned flow again.")
  @OptionGroup var client: ClientOptions
  @OptionGroup var flow: FlowOptions

  func validate() throws { try flow.check() }

  func run() throws {
    let arguments = FlowArguments(flow: flow.identifier, selector: flow.selector)
    try client.print(try client.connect().call("unpin", arguments, as: ChangeDocument.self)) { $0.text("unpinned") }
  }
}
