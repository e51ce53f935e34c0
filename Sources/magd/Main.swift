import ArgumentParser
import DaemonKit
import Datapath
import LinuxNet
import Logging
import NetTypes
import PMIPCore
import SignallingKit

@main
struct GatewayProgram: ParsableCommand {
  static let daemon = DaemonDescription(name: "magd", socket: MAGDaemonConfiguration.table.initial.control.socket)
  static let configuration = CommandConfiguration(
    commandName: daemon.name, abstract: "Mobile Access Gateway of Proxy Mobile IPv6 with flow mobility.",
    discussion: "Exit status: 0 done, 1 refused or failed, 2 wrong configuration or usage, 3 daemon not reachable.",
    version: Program.version,
    subcommands: [
      RunCommand<Self>.self, CheckCommand<Self>.self, Show.self, Attach.self, Detach.self, Revoke.self,
      RecordCommand<Self>.self, ReplayCommand<Self>.self, Cleanup.self,
    ])

  static func main() { Program.main(GatewayProgram.self, name: daemon.name) }
}

extension GatewayProgram: SignallingProgram {
  typealias Core = MobileAccessGateway

  static func serve(_ configuration: MAGDaemonConfiguration, file: String, log: Logger) throws {
    try Daemon(configuration, file: file, log: log).run()
  }
}

extension GatewayProgram {
  struct Cleanup: ParsableCommand {
    static let configuration = CommandConfiguration(
      abstract: "Remove the tunnels, routes and rules that a stopped magd has left in the kernel.",
      discussion: """
        A stopped daemon leaves them on purpose: traffic goes on. The fixed link-local address is taken off the access \
        links; their link-layer address stays. The state file is kept.
        """)
    @OptionGroup var file: ConfigurationFileOptions
    @Flag(help: "Print JSON.")
    var json = false

    func run() throws {
      let loaded = try MAGDaemonConfiguration.load(path: file.path(default: daemon.configurationFile))
      try daemon.requireStopped(socket: loaded.value.control.socket)
      let failures = try KernelDatapath(loaded.value.datapathConfiguration).teardown()
      try AccessLinkPort.removeAddresses(
        fixedLinkLocal: loaded.value.core.fixedLinkLocalAddress, from: loaded.value.core.accessLinks.map(\.name))
      guard failures.isEmpty else {
        throw ProgramFailure(failures.map(\.description).joined(separator: "\n"))
      }
      if json { print(try JSONText.format(CleanupDocument())) }
    }
  }

  struct Attach: ParsableCommand {
    static let configuration = CommandConfiguration(abstract: "Register a node that no trigger has shown.")
    @OptionGroup var client: ClientOptions
    @Option(help: "Access link that the node is on.")
    var link: String
    @Option(help: "Link-layer address of the node.", transform: linkLayerAddress)
    var mac: LinkLayerAddress
    @Option(help: ArgumentHelp("MN-ID; looked up in the node map when left out.", valueName: "nai"))
    var id: String?

    func run() throws {
      try client.show(
        "attach", AttachArguments(link: link, linkLayerAddress: mac, node: id), of: daemon,
        text: \AttachmentsDocument.text)
    }
  }

  struct Revoke: ParsableCommand {
    static let configuration = CommandConfiguration(
      abstract: "End all sessions of this gateway and tell the anchors in one message (RFC 5846).",
      discussion: """
        Prints the attachments; they end when the anchor has answered, or does not answer. The anchor must allow it \
        (`may-revoke-all`). A node registers again when it attaches anew.
        """)
    @OptionGroup var client: ClientOptions
    @Flag(help: "Required: all of them.")
    var all = false

    func validate() throws {
      guard all else { throw ValidationError("say --all; a single node is ended with `magd detach`") }
    }

    func run() throws { try client.show("revoke", NoArguments(), of: daemon, text: \AttachmentsDocument.text) }
  }

  struct Detach: ParsableCommand {
    static let configuration = CommandConfiguration(
      abstract: "De-register a node; it stays away until it solicits or is attached again.")
    @OptionGroup var client: ClientOptions
    @Option(help: "Access link that the node is on.")
    var link: String
    @Option(help: "Link-layer address of the node.", transform: linkLayerAddress)
    var mac: LinkLayerAddress

    func run() throws {
      try client.show(
        "detach", DetachArguments(link: link, linkLayerAddress: mac), of: daemon, text: \AttachmentsDocument.text)
    }
  }

  struct Show: ParsableCommand {
    static let configuration = CommandConfiguration(
      abstract: "Show what the running daemon knows.",
      subcommands: [Attachments.self, Links.self, Anchors.self, Triggers.self, Counters.self])

    struct Attachments: ParsableCommand {
      static let configuration = CommandConfiguration(abstract: "The binding update list (RFC 5213 section 6.1).")
      @OptionGroup var client: ClientOptions
      func run() throws { try client.show("show attachments", of: daemon, text: \AttachmentsDocument.text) }
    }

    struct Links: ParsableCommand {
      static let configuration = CommandConfiguration(abstract: "Access links, with the MTU they advertise.")
      @OptionGroup var client: ClientOptions
      func run() throws { try client.show("show links", of: daemon, text: \LinksDocument.text) }
    }

    struct Anchors: ParsableCommand {
      static let configuration = CommandConfiguration(abstract: "Anchors, and whether they answer.")
      @OptionGroup var client: ClientOptions
      func run() throws { try client.show("show anchors", of: daemon, text: \AnchorsDocument.text) }
    }

    struct Triggers: ParsableCommand {
      static let configuration = CommandConfiguration(
        abstract: "Sources that tell who is on the access links, and how fast they led to a registration.")
      @OptionGroup var client: ClientOptions
      func run() throws { try client.show("show triggers", of: daemon, text: \TriggersDocument.text) }
    }

    struct Counters: ParsableCommand {
      static let configuration = CommandConfiguration(abstract: "Counters, one for each reason.")
      @OptionGroup var client: ClientOptions
      func run() throws { try client.show("show counters", of: daemon, text: \CountersDocument.text) }
    }
  }

  private static func linkLayerAddress(_ text: String) throws -> LinkLayerAddress {
    guard let address = LinkLayerAddress(text) else {
      throw ValidationError("'\(text)' is not a link-layer address; expected six octets such as 02:00:00:00:01:01")
    }
    return address
  }
}
