import ArgumentParser
import DaemonKit
import Datapath
import LinuxNet
import Logging
import NetTypes
import PMIPCore
import SignallingKit

@main
struct AnchorProgram: ParsableCommand {
  static let daemon = DaemonDescription(name: "lmad", socket: LMADaemonConfiguration.table.initial.control.socket)
  static let configuration = CommandConfiguration(
    commandName: daemon.name, abstract: "Local Mobility Anchor of Proxy Mobile IPv6 with flow mobility.",
    discussion: "Exit status: 0 done, 1 refused or failed, 2 wrong configuration or usage, 3 daemon not reachable.",
    version: Program.version,
    subcommands: [
      RunCommand<Self>.self, CheckCommand<Self>.self, Show.self, Delete.self, Revoke.self, Notify.self, Decode.self,
      RecordCommand<Self>.self, ReplayCommand<Self>.self, Cleanup.self,
    ])

  static func main() { Program.main(AnchorProgram.self, name: daemon.name) }
}

extension AnchorProgram: SignallingProgram {
  typealias Core = LocalMobilityAnchor

  static func serve(_ configuration: LMADaemonConfiguration, file: String, log: Logger) throws {
    try Daemon(configuration, file: file, log: log).run()
  }
}

extension AnchorProgram {
  struct Cleanup: ParsableCommand {
    static let configuration = CommandConfiguration(
      abstract: "Remove the tunnels, routes and rules that a stopped lmad has left in the kernel.",
      discussion: "A stopped daemon leaves them on purpose: traffic goes on. The state file is kept.")
    @OptionGroup var file: ConfigurationFileOptions
    @Flag(help: "Print JSON.")
    var json = false

    func run() throws {
      let loaded = try LMADaemonConfiguration.load(path: file.path(default: daemon.configurationFile))
      try daemon.requireStopped(socket: loaded.value.control.socket)
      let failures = try KernelDatapath(loaded.value.datapathConfiguration).teardown()
      guard failures.isEmpty else {
        throw ProgramFailure(failures.map(\.description).joined(separator: "\n"))
      }
      if json { print(try JSONText.format(CleanupDocument())) }
    }
  }

  struct Delete: ParsableCommand {
    static let configuration = CommandConfiguration(
      abstract: "Delete a binding by hand.",
      discussion:
        "Its flows move to another access of the node or end; the gateway registers again if the node is there.")
    @OptionGroup var client: ClientOptions
    @Argument(help: "Number of the binding, see `show bindings`.")
    var binding: UInt32

    func run() throws {
      try client.show("delete", DeleteArguments(binding: binding), of: daemon, text: \BindingsDocument.text)
    }
  }

  struct Revoke: ParsableCommand {
    static let configuration = CommandConfiguration(
      abstract: "End all bindings of a node, or of a gateway, and tell the gateways (RFC 5846).",
      discussion:
        "Prints the bindings; they end when their gateways have answered, or do not answer. A node registers again when "
        + "it attaches anew; to keep it out, forbid it in `nodes`.")
    @OptionGroup var client: ClientOptions
    @Argument(help: "Identifier of the node, see `show nodes`.")
    var node: String?
    @Option(help: "Name of the gateway, instead of a node.")
    var gateway: String?

    func validate() throws {
      guard (node == nil) != (gateway == nil) else { throw ValidationError("name a node, or a gateway with --gateway") }
    }

    func run() throws {
      let arguments = RevokeArguments(node: node, gateway: gateway)
      try client.show("revoke", arguments, of: daemon, text: \BindingsDocument.text)
    }
  }

  struct Notify: ParsableCommand {
    static let configuration = CommandConfiguration(
      abstract: "Send an Update Notification (RFC 7077) about a node, or about all nodes of a gateway.",
      discussion: """
        What became of it is in the log and the counters: a Proxy Binding Update follows a re-registration, an \
        acknowledgement the others.
        """)
    @OptionGroup var client: ClientOptions
    @Argument(help: "MN-ID of the node, see `show nodes`: every gateway that has it is notified.")
    var node: String?
    @Option(help: ArgumentHelp("Instead of a node: all nodes of this gateway, one after the other.", valueName: "name"))
    var gateway: String?
    @Flag(help: "The gateways register the node again now.")
    var reregister = false
    @Flag(
      help: "With --reregister: the gateways also acknowledge the notification, which is repeated without an answer.")
    var acknowledge = false
    @Flag(help: "The gateways take over the prefixes of the node's sessions as they stand in the binding cache.")
    var sessionParameters = false

    func validate() throws {
      if (node == nil) == (gateway == nil) { throw ValidationError("name a node or, with --gateway, a gateway") }
      if gateway != nil, sessionParameters { throw ValidationError("--session-parameters goes with a node") }
      if reregister == sessionParameters {
        throw ValidationError("say what to notify: either --reregister or --session-parameters")
      }
      if acknowledge, !reregister { throw ValidationError("--acknowledge goes with --reregister") }
    }

    func run() throws {
      let notification: NotifyArguments.Notification =
        sessionParameters ? .sessionParameters : acknowledge ? .reregisterAcknowledged : .reregister
      try client.show(
        "notify", NotifyArguments(node: node, gateway: gateway, notification: notification), of: daemon,
        text: \NotifiedDocument.text)
    }
  }

  struct Show: ParsableCommand {
    static let configuration = CommandConfiguration(
      abstract: "Show what the running daemon knows.",
      subcommands: [Bindings.self, Tunnels.self, Nodes.self, Gateways.self, Counters.self])

    struct Bindings: ParsableCommand {
      static let configuration = CommandConfiguration(abstract: "The binding cache (RFC 5213 section 5.1).")
      @OptionGroup var client: ClientOptions
      func run() throws { try client.show("show bindings", of: daemon, text: \BindingsDocument.text) }
    }

    struct Tunnels: ParsableCommand {
      static let configuration = CommandConfiguration(abstract: "Tunnels to gateways, with their marks.")
      @OptionGroup var client: ClientOptions
      func run() throws { try client.show("show tunnels", of: daemon, text: \TunnelsDocument.text) }
    }

    struct Nodes: ParsableCommand {
      static let configuration = CommandConfiguration(
        abstract: "Flow-mob lists: the bindings that belong to each node.")
      @OptionGroup var client: ClientOptions
      func run() throws { try client.show("show nodes", of: daemon, text: \NodesDocument.text) }
    }

    struct Gateways: ParsableCommand {
      static let configuration = CommandConfiguration(abstract: "Gateways that may register nodes.")
      @OptionGroup var client: ClientOptions
      func run() throws { try client.show("show gateways", of: daemon, text: \GatewaysDocument.text) }
    }

    struct Counters: ParsableCommand {
      static let configuration = CommandConfiguration(abstract: "Counters, one for each reason.")
      @OptionGroup var client: ClientOptions
      func run() throws { try client.show("show counters", of: daemon, text: \CountersDocument.text) }
    }
  }
}
