import ArgumentParser
import DaemonKit
import Foundation
import LinuxNet

/// A table that is drawn again and again on a terminal; elsewhere, and with `--json`, a line for each event.
struct Watch: ParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "Watch flows come, move and go.",
    discussion: """
      On a terminal the table is drawn anew every interval and after each event. With --json, the first line is the \
      list and each further one an event: {"event": "flow-added|flow-moved|flow-removed", "data": {...}}.
      """)
  @OptionGroup var client: ClientOptions
  @Option(
    help: ArgumentHelp("Seconds between drawings of the table, 1 to 3600.", valueName: "seconds")) var interval = 1

  private static let shortestInterval = Duration.milliseconds(200)

  func validate() throws {
    guard (1...3_600).contains(interval) else { throw ValidationError("--interval takes 1 to 3600 seconds") }
  }

  struct EventLine: Encodable {
    var event: String
    var data: FlowEventDocument
  }

  func run() throws {
    let events = try client.connect()
    let first = try events.call("subscribe", as: FlowsDocument.self)
    if client.json || isatty(STDOUT_FILENO) == 0 {
      try printLine(first, text: first.text)
      try stream(events)
    } else {
      try draw(events)
    }
  }

  private func stream(_ events: ControlClient) throws {
    while let event = try events.nextEvent() {
      let data = try event.data(as: FlowEventDocument.self)
      try printLine(EventLine(event: event.name, data: data), text: data.text(event.name))
    }
  }

  private func printLine(_ document: some Encodable, text: String) throws {
    let encoder = JSONEncoder()
    encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
    print(client.json ? String(decoding: try encoder.encode(document), as: UTF8.self) : text)
    // A pipe would keep lines back until a block is full.
    fflush(nil)
  }

  private func draw(_ events: ControlClient) throws {
    // Commands go over a connection of their own, so that answers and events do not meet.
    let daemon = try client.connect()
    while true {
      let flows = try daemon.call("list", as: FlowsDocument.self)
      // Cursor home, clear to the end of the screen: no flicker, and what was above stays in the scrollback.
      print("\u{1b}[H\u{1b}[J\(flows.flows.count) flows, every \(interval) s; stop with Ctrl-C\n\n\(flows.text)")
      fflush(nil)
      guard try events.nextEvent(timeout: .seconds(interval)) != nil else { continue }
      // Draw at once, but not more often than people can read.
      let next = SystemClock.monotonic + Self.shortestInterval
      while SystemClock.monotonic < next,
        try events.nextEvent(timeout: next - SystemClock.monotonic) != nil
      {}
    }
  }
}
