import ArgumentParser
import DaemonKit
import FlowCore
import Foundation

/// The busiest flows, drawn again and again like `top`; elsewhere than on a terminal a document for each interval.
struct Watch: ParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "Watch the tunnels and the busiest flows.",
    discussion: """
      On a terminal the screen is drawn anew every interval; keys: r, o, p and i sort by rate, octets, packets and idle \
      time, q ends. With --json, one line for each interval: {"flows": [...], "tunnels": [...], ...}. For single events \
      see `events`.
      """)
  @OptionGroup var client: ClientOptions
  @OptionGroup(title: "Flows") var filter: FlowFilterOptions
  @Option(help: ArgumentHelp("Seconds between drawings, 1 to 3600.", valueName: "seconds")) var interval = 1
  @Option(help: ArgumentHelp("id, rate, octets, packets, idle or age.", valueName: "column"))
  var sort = FlowQuery.Order.rate

  /// Flows of a document that is not drawn.
  private static let documentLimit = 100

  func validate() throws {
    guard (1...3_600).contains(interval) else { throw ValidationError("--interval takes 1 to 3600 seconds") }
  }

  func run() throws {
    let daemon = try client.connect()
    if client.json || isatty(STDOUT_FILENO) == 0 || isatty(STDIN_FILENO) == 0 {
      try printDocuments(daemon)
    } else {
      try draw(daemon)
    }
  }

  private func read(_ daemon: ControlClient, _ sort: FlowQuery.Order, limit: Int) throws -> WatchDocument {
    let arguments = ListArguments(flows: filter.arguments, sort: sort, limit: min(limit, FlowQuery.maximumLimit))
    let flows = try daemon.call("list", arguments, as: FlowsDocument.self)
    return WatchDocument(flows, try daemon.call("show tunnels", as: TunnelsDocument.self))
  }

  private func printDocuments(_ daemon: ControlClient) throws {
    let encoder = JSONEncoder()
    encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
    while true {
      let document = try read(daemon, sort, limit: Self.documentLimit)
      print(
        client.json
          ? String(decoding: try encoder.encode(document), as: UTF8.self)
          : WatchScreen(columns: Int.max, rows: Int.max).lines(document, sort, [:]).joined(separator: "\n") + "\n")
      // A pipe would keep lines back until a block is full.
      fflush(nil)
      sleep(UInt32(interval))
    }
  }

  private func draw(_ daemon: ControlClient) throws {
    var sort = sort
    var meter = TunnelMeter()
    let terminal = try Terminal()
    defer { terminal.restore() }
    while true {
      let screen = WatchScreen(terminal.size)
      let document = try read(daemon, sort, limit: screen.rows)
      terminal.draw(screen.lines(document, sort, meter.rates(document.tunnels)))
      switch terminal.key(within: .seconds(interval)) {
      case "q", "\u{3}", "\u{4}": return
      case "r": sort = .rate
      case "o": sort = .octets
      case "p": sort = .packets
      case "i": sort = .idle
      default: break
      }
    }
  }
}

/// What `watch --json` prints for each interval.
struct WatchDocument: Codable {
  var flows: [FlowDocument]
  /// Flows beyond those.
  var more: Int
  var tunnels: [TunnelsDocument.Tunnel]
  var anchorConnected: Bool

  init(_ flows: FlowsDocument, _ tunnels: TunnelsDocument) {
    self.flows = flows.flows
    more = flows.more
    self.tunnels = tunnels.tunnels
    anchorConnected = tunnels.anchorConnected
  }
}
