import ArgumentParser
import DaemonKit
import Foundation

struct History: ParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "What has happened to a node: accesses that came and went, and moves of its flows.",
    discussion: "Since flow-manager was started, oldest first; the oldest entries go when there are too many.")
  @OptionGroup var client: ClientOptions
  @Argument(help: ArgumentHelp("Mobile node identifier, see `nodes`.", valueName: "node")) var node: String

  func run() throws {
    let arguments = NodeArguments(node: node)
    try client.print(try client.connect().call("history", arguments, as: HistoryDocument.self)) { $0.text }
  }
}

struct Events: ParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "Print a line for each thing that happens, until interrupted.",
    discussion: """
      With --json each line is one object: {"event": "flow-added|flow-moved|flow-removed|flow-pinned|flow-unpinned|\
      access-attached|access-detached", "data": {...}}, see docs/json.md.
      """)
  @OptionGroup var client: ClientOptions
  @Option(help: ArgumentHelp("Only what concerns this node.", valueName: "node")) var node: String?

  struct Line: Encodable {
    var event: String
    var data: EventDocument
  }

  func run() throws {
    let daemon = try client.connect()
    _ = try daemon.call("subscribe", ListArguments(flows: FlowArguments(node: node), limit: 0), as: FlowsDocument.self)
    let encoder = JSONEncoder()
    encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
    while let event = try daemon.nextEvent() {
      let data = try event.data(as: EventDocument.self)
      if let node, data.node != node { continue }
      let line =
        client.json
        ? String(decoding: try encoder.encode(Line(event: event.name, data: data)), as: UTF8.self)
        : data.text(event.name)
      print(line)
      // A pipe would keep lines back until a block is full.
      fflush(nil)
    }
  }
}
