import ArgumentParser
import DaemonKit
import Datapath
import LinuxNet
import Logging
import NetTypes

@main
struct AnchorProgram: ParsableCommand {
  static let name = "lmad"
  static let defaultConfiguration = "/etc/flowmob/lmad.yaml"
  static let startCommand = "lmad run -c \(defaultConfiguration)"
  static let configuration = CommandConfiguration(
    commandName: name, abstract: "Local Mobility Anchor of Proxy Mobile IPv6 with flow mobility.",
    discussion: "Exit status: 0 done, 1 refused or failed, 2 wrong configuration or usage, 3 daemon not reachable.",
    subcommands: [Run.self, Check.self, Show.self, Delete.self, Cleanup.self])

  static func main() { Program.main(AnchorProgram.self, name: name) }
}

extension AnchorProgram {
  struct Run: ParsableCommand {
    static let configuration = CommandConfiguration(abstract: "Run the daemon in the foreground.")
    @OptionGroup var file: ConfigurationFileOptions

    func run() throws {
      let path = file.path(default: defaultConfiguration)
      let loaded = try LMADaemonConfiguration.load(path: path)
      try loaded.preflight()
      StandardErrorLogHandler.bootstrap(level: loaded.value.logLevel)
      try Daemon(loaded.value, file: path, log: Logger(label: name)).run()
    }
  }

  struct Check: ParsableCommand {
    static let configuration = CommandConfiguration(
      abstract: "Check the configuration file and this host, without changing anything.")
    @OptionGroup var file: ConfigurationFileOptions
    @Flag(help: "Print every key with its kind, default and meaning instead.")
    var explain = false
    @Flag(help: "Print the effective configuration, defaults included.")
    var effective = false
    @Flag(help: "Check the file only, not the kernel, interfaces and privileges of this host.")
    var fileOnly = false
    @Flag(help: "Print JSON.")
    var json = false

    func run() throws {
      if explain { return print(LMADaemonConfiguration.table.explanation) }
      let path = file.path(default: defaultConfiguration)
      let loaded = try LMADaemonConfiguration.load(path: path)
      if !fileOnly { try loaded.preflight() }
      if effective { return print(try LMADaemonConfiguration.table.text(loaded.value), terminator: "") }
      print(json ? try JSONText.format(CheckDocument(file: path)) : "\(path): no errors")
    }
  }

  struct Cleanup: ParsableCommand {
    static let configuration = CommandConfiguration(
      abstract: "Remove the tunnels, routes and rules that a stopped lmad has left in the kernel.",
      discussion: "A stopped daemon leaves them on purpose: traffic goes on. The state file is kept.")
    @OptionGroup var file: ConfigurationFileOptions
    @Flag(help: "Print JSON.")
    var json = false

    func run() throws {
      let loaded = try LMADaemonConfiguration.load(path: file.path(default: defaultConfiguration))
      guard (try? ControlClient(path: loaded.value.control.socket)) == nil else {
        throw ProgramFailure("lmad is running at \(loaded.value.control.socket); stop it first")
      }
      let failures = try loaded.value.makeDatapath().teardown()
      guard failures.isEmpty else {
        throw ProgramFailure(failures.map(\.description).joined(separator: "\n"))
      }
      if json { print(try JSONText.format(CleanupDocument())) }
    }
  }

  struct Delete: ParsableCommand {
    static let configuration = CommandConfiguration(
      abstract: "Delete a binding by hand.",
      discussion: "Its flows move to another access of the node or end; the gateway registers again if the node is there.")
    @OptionGroup var client: ClientOptions
    @Argument(help: "Number of the binding, see `show bindings`.")
    var binding: UInt32

    func run() throws {
      let document: BindingsDocument = try client.connect(defaultSocket: LMADaemonConfiguration.defaultSocket, start: startCommand)
        .call("delete", DeleteArguments(binding: binding))
      try client.print(document, text: \.text)
    }
  }

  struct Show: ParsableCommand {
    static let configuration = CommandConfiguration(
      abstract: "Show what the running daemon knows.",
      subcommands: [Bindings.self, Tunnels.self, Nodes.self, Gateways.self, Counters.self])

    struct Bindings: ShowCommand {
      static let configuration = CommandConfiguration(abstract: "The binding cache (RFC 5213 section 5.1).")
      @OptionGroup var client: ClientOptions
      func run() throws { try show("show bindings", text: \BindingsDocument.text) }
    }

    struct Tunnels: ShowCommand {
      static let configuration = CommandConfiguration(abstract: "Tunnels to gateways, with their marks.")
      @OptionGroup var client: ClientOptions
      func run() throws { try show("show tunnels", text: \TunnelsDocument.text) }
    }

    struct Nodes: ShowCommand {
      static let configuration = CommandConfiguration(abstract: "Flow-mob lists: the bindings that belong to each node.")
      @OptionGroup var client: ClientOptions
      func run() throws { try show("show nodes", text: \NodesDocument.text) }
    }

    struct Gateways: ShowCommand {
      static let configuration = CommandConfiguration(abstract: "Gateways that may register nodes.")
      @OptionGroup var client: ClientOptions
      func run() throws { try show("show gateways", text: \GatewaysDocument.text) }
    }

    struct Counters: ShowCommand {
      static let configuration = CommandConfiguration(abstract: "Counters, one for each reason.")
      @OptionGroup var client: ClientOptions
      func run() throws { try show("show counters", text: \CountersDocument.text) }
    }
  }
}

protocol ShowCommand: ParsableCommand {
  var client: ClientOptions { get }
}

extension ShowCommand {
  func show<Document: Codable>(_ command: String, text: (Document) -> String) throws {
    let connection = try client.connect(
      defaultSocket: LMADaemonConfiguration.defaultSocket, start: AnchorProgram.startCommand)
    try client.print(try connection.call(command, NoArguments()) as Document, text: text)
  }
}
