import ArgumentParser
import DaemonKit
import FlowCore

struct Policy: ParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "Show, check or reload the policy: which flows go where.",
    subcommands: [PolicyShow.self, PolicyCheck.self, PolicyReload.self])
}

struct PolicyShow: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "show", abstract: "The rules that are valid now, and how often each has decided.")
  @OptionGroup var client: ClientOptions

  func run() throws {
    try client.print(try client.connect().call("policy show", as: PolicyDocument.self)) { $0.text }
  }
}

struct PolicyCheck: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "check", abstract: "Check a policy file; no daemon is needed, nothing changes.")
  @Argument(
    help: ArgumentHelp("Policy file; otherwise the one that the configuration names.", valueName: "file"))
  var policy: String?
  @OptionGroup var file: ConfigurationFileOptions
  @Flag(help: "Explain every key of the policy file.") var explain = false
  @Flag(help: "Print JSON.") var json = false

  func run() throws {
    if explain { return print(PolicyFile.table.explanation, terminator: "") }
    let loaded = try PolicyFile.load(path: try policy ?? file.load().value.policyFile)
    let document = PolicyDocument(loaded)
    if json { return print(try JSONText.format(document)) }
    print(document.text)
    if let name = loaded.file { print("\(name) is right: \(loaded.policy.rules.count) rules") }
  }
}

struct PolicyReload: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "reload", abstract: "Read the policy file again.",
    discussion: """
      Flows whose decision changes move, unless they are pinned or an operator has placed them; the others are not \
      touched. When the file is wrong the old policy stays.
      """)
  @OptionGroup var client: ClientOptions

  func run() throws {
    try client.print(try client.connect().call("policy reload", as: PolicyDocument.self)) { $0.text }
  }
}

struct Explain: ParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "Say why a flow goes where it goes: which rule decides, and why the others do not.",
    discussion: "With all fields of a 6-tuple also for a flow that there is not yet.")
  @OptionGroup var client: ClientOptions
  @OptionGroup var flow: FlowOptions

  func validate() throws { try flow.check() }

  func run() throws {
    let arguments = FlowArguments(flow: flow.identifier, selector: flow.selector)
    try client.print(try client.connect().call("explain", arguments, as: ExplanationDocument.self)) { $0.text }
  }
}
