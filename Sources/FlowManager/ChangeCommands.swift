import ArgumentParser
import DaemonKit
import FlowCore

// Commands that change flows. A command about several flows ends with status 1 when it could not be carried out for
// some of them.

extension ClientOptions {
  func printChange(_ document: ChangeDocument, _ done: String) throws {
    try print(document) { $0.text(done) }
    if let flows = document.flows, !flows.isTrial, !flows.refused.isEmpty {
      throw ExitCode(ExitStatus.failure)
    }
  }
}

struct Move: ParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "Move running flows to another access of their node.",
    discussion: """
      Flows of one node (--node), of one gateway (--from) or of one tunnel (--tunnel) move together. When the gateway \
      does not serve a prefix yet, the anchor is asked to bring it to do so; flows for which it will not stay where \
      they are, and the answer says why.
      """)
  @OptionGroup var client: ClientOptions
  @OptionGroup var choice: FlowChoiceOptions
  @Option(help: ArgumentHelp("Gateway name or tunnel number.", valueName: "gateway")) var to: String
  @Flag(help: "Change nothing; say what would move, and what not and why.") var dryRun = false

  func validate() throws { try choice.check() }

  func run() throws {
    let arguments = MoveArguments(flows: choice.arguments, to: to, isTrial: dryRun ? true : nil)
    try client.printChange(try client.connectPatiently().call("move", arguments), "moved")
  }
}

struct Del: ParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "Forget flows, or a selector.",
    discussion: "The next packet of a forgotten flow is a new flow's first: it goes where new flows go.")
  @OptionGroup var client: ClientOptions
  @OptionGroup var choice: FlowChoiceOptions
  @Option(help: ArgumentHelp("Number of a selector, see `show selectors`.", valueName: "number")) var selector: UInt32?
  @Flag(help: "Change nothing; say what would be forgotten.") var dryRun = false

  func validate() throws {
    guard selector != nil else { return try choice.check() }
    if !choice.isEmpty || dryRun { throw ValidationError("name a selector or flows, not both") }
  }

  func run() throws {
    let daemon = try client.connectPatiently()
    let document: ChangeDocument
    if let selector {
      document = try daemon.call("del selector", SelectorArguments(id: selector))
    } else {
      document = try daemon.call("del", DelArguments(flows: choice.arguments, isTrial: dryRun ? true : nil))
    }
    try client.printChange(document, "removed")
  }
}

struct Pin: ParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "Keep flows where they are.",
    discussion: """
      Only `move`, or an outage of its tunnel, moves a pinned flow. The pin ends with `unpin` or with the flow, and \
      survives a restart.
      """)
  @OptionGroup var client: ClientOptions
  @OptionGroup var choice: FlowChoiceOptions

  func validate() throws { try choice.check() }

  func run() throws { try client.printChange(try client.connectPatiently().call("pin", choice.arguments), "pinned") }
}

struct Unpin: ParsableCommand {
  static let configuration = CommandConfiguration(abstract: "Let policy and triggers move pinned flows again.")
  @OptionGroup var client: ClientOptions
  @OptionGroup var choice: FlowChoiceOptions

  func validate() throws { try choice.check() }

  func run() throws {
    try client.printChange(try client.connectPatiently().call("unpin", choice.arguments), "unpinned")
  }
}
