import DaemonKit
import FlowCore
import Foundation
import Testing

@testable import FlowManager

/// The examples of docs/control-protocol.md, as lines that begin with an arrow.
private struct DocumentedMessages {
  struct Request {
    var command: String
    var arguments: String?
    var result: String?
    var events: [(name: String, data: String)] = []
  }

  private(set) var requests: [Request] = []

  init() throws {
    let file = URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
      .deletingLastPathComponent().appendingPathComponent("docs/control-protocol.md")
    let text = try String(contentsOf: file, encoding: .utf8)
    let section = try #require(text.components(separatedBy: "\n## ").first { $0.hasPrefix("Messages of flow-manager") })
    for line in section.split(separator: "\n") {
      if line.hasPrefix("→ ") {
        let object = try Self.object(line)
        requests.append(
          Request(
            command: try #require(object["command"] as? String), arguments: try object["arguments"].map(Self.text)))
      } else if line.hasPrefix("← ") {
        let object = try Self.object(line)
        if let result = object["result"] {
          requests[requests.count - 1].result = try Self.text(result)
        } else {
          let name = try #require(object["event"] as? String)
          requests[requests.count - 1].events.append((name, try Self.text(try #require(object["data"]))))
        }
      }
    }
  }

  private static func object(_ line: Substring) throws -> [String: Any] {
    let object = try JSONSerialization.jsonObject(with: Data(line.dropFirst(2).utf8))
    return try #require(object as? [String: Any])
  }

  private static func text(_ object: Any) throws -> String {
    let options: JSONSerialization.WritingOptions = [.sortedKeys, .withoutEscapingSlashes]
    return String(decoding: try JSONSerialization.data(withJSONObject: object, options: options), as: UTF8.self)
  }

  /// `text`, read as the type and written again; equal to it when the type has all its keys and no other.
  static func again<Document: Codable>(_ text: String, as type: Document.Type) throws -> String {
    let document = try JSONDecoder().decode(type, from: Data(text.utf8))
    return try self.text(try JSONSerialization.jsonObject(with: try JSONEncoder().encode(document)))
  }
}

@Suite("Documented control messages of flow-manager") struct ControlMessageTests {
  private typealias Form = (String) throws -> String

  private static func form(_ type: (some Codable).Type) -> Form { { try DocumentedMessages.again($0, as: type) } }

  private static var types: [String: (arguments: Form, result: Form)] {
    [
      "list": (form(ListArguments.self), form(FlowsDocument.self)),
      "subscribe": (form(ListArguments.self), form(FlowsDocument.self)),
      "show flow": (form(FlowArguments.self), form(FlowDocument.self)),
      "show tunnels": (form(NoArguments.self), form(TunnelsDocument.self)),
      "show nodes": (form(NodesArguments.self), form(NodesDocument.self)),
      "show selectors": (form(NoArguments.self), form(SelectorsDocument.self)),
      "show counters": (form(NoArguments.self), form(CountersDocument.self)),
      "add": (form(AddArguments.self), form(ChangeDocument.self)),
      "move": (form(MoveArguments.self), form(ChangeDocument.self)),
      "del": (form(DelArguments.self), form(ChangeDocument.self)),
      "del selector": (form(SelectorArguments.self), form(ChangeDocument.self)),
      "pin": (form(FlowArguments.self), form(ChangeDocument.self)),
      "unpin": (form(FlowArguments.self), form(ChangeDocument.self)),
      "history": (form(NodeArguments.self), form(HistoryDocument.self)),
      "explain": (form(FlowArguments.self), form(ExplanationDocument.self)),
      "policy show": (form(NoArguments.self), form(PolicyDocument.self)),
      "policy reload": (form(NoArguments.self), form(PolicyDocument.self)),
      "trigger": (form(TriggerArguments.self), form(DegradationsDocument.self)),
      "show degraded": (form(NoArguments.self), form(DegradationsDocument.self)),
      "subscribe tunnels": (form(NoArguments.self), form(TunnelsDocument.self)),
    ]
  }

  private static func eventForm(_ command: String) -> Form {
    command == "subscribe tunnels" ? form(TunnelEventDocument.self) : form(EventDocument.self)
  }

  @Test("Every example has exactly the keys of the types that the daemon reads and writes") func examples() throws {
    let messages = try DocumentedMessages()
    #expect(Set(messages.requests.map(\.command)) == Set(Self.types.keys))
    for message in messages.requests {
      let types = try #require(Self.types[message.command])
      if let arguments = message.arguments {
        #expect(try types.arguments(arguments) == arguments, "\(message.command)")
      }
      let result = try #require(message.result)
      #expect(try types.result(result) == result, "\(message.command)")
      for event in message.events {
        #expect(try Self.eventForm(message.command)(event.data) == event.data, "\(event.name)")
      }
    }
  }

  @Test("Every reason of a refusal is documented") func reasons() throws {
    let file = URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
      .deletingLastPathComponent().appendingPathComponent("docs/control-protocol.md")
    let text = try String(contentsOf: file, encoding: .utf8)
    for reason in FlowRefusal.Reason.allCases { #expect(text.contains("`\(reason.rawValue)`"), "\(reason.rawValue)") }
  }

  @Test("Which flows: one by number or fields, or all that fit; nothing at all is refused") func references() throws {
    func reference(_ json: String) throws -> FlowReference {
      try JSONDecoder().decode(FlowArguments.self, from: Data(json.utf8)).reference()
    }
    let selector = FlowSelector(sourcePort: 80)
    #expect(try reference(#"{"flow":7}"#) == .identifier(FlowIdentifier(rawValue: 7)))
    #expect(try reference(#"{"selector":{"sourcePort":80}}"#) == .selector(selector))
    #expect(
      try reference(#"{"selector":{"sourcePort":80},"all":true}"#) == .all(FlowFilter(selector: selector)))
    #expect(try reference(#"{"node":"mn1"}"#) == .all(FlowFilter(node: "mn1")))
    #expect(try reference(#"{"pinned":false}"#) == .all(FlowFilter(isPinned: false)))
    #expect(try reference(#"{"all":true}"#) == .all(FlowFilter()))
    for json in ["{}", #"{"selector":{}}"#, #"{"flow":7,"node":"mn1"}"#, #"{"flow":7,"all":true}"#] {
      #expect(throws: ControlError.self) { try reference(json) }
    }
  }

  @Test("Pages: limits out of range, and a page of another order than by number, are refused") func pages() {
    let flows = FlowArguments()
    for arguments in [
      ListArguments(flows: flows, limit: -1), ListArguments(flows: flows, limit: FlowQuery.maximumLimit + 1),
      ListArguments(flows: flows, sort: .rate, after: FlowIdentifier(rawValue: 1)),
    ] {
      #expect(throws: ControlError.self) { try arguments.query() }
    }
  }
}

@Suite("Command line of flow-manager") struct FlowManagerCommandLineTests {
  private func parse<Command>(_ text: String, as type: Command.Type) throws -> Command {
    try #require(try FlowManager.parseAsRoot(text.split(separator: " ").map(String.init)) as? Command)
  }

  @Test("move: one flow, all of a node, of a gateway, of a tunnel, of a selector") func move() throws {
    func arguments(_ text: String) throws -> FlowArguments {
      try parse("move \(text) --to mag2", as: Move.self).choice.arguments
    }
    #expect(try arguments("7") == FlowArguments(flow: FlowIdentifier(rawValue: 7)))
    #expect(try arguments("--node mn1").node == "mn1")
    #expect(try arguments("--from mag1").gateway == "mag1")
    #expect(try arguments("--gateway mag1").gateway == "mag1")
    #expect(try arguments("--tunnel 3").tunnel?.rawValue == 3)
    #expect(try arguments("--protocol tcp").all == nil)
    #expect(try arguments("--protocol tcp --all") == FlowArguments(selector: FlowSelector(transport: .tcp), all: true))
    #expect(try arguments("--no-pinned").isPinned == false)
    #expect(try parse("move 7 --to mag2 --dry-run", as: Move.self).dryRun)
  }

  @Test(
    "What is not clear is refused on the command line",
    arguments: [
      "move --to mag2", "move 7 --node mn1 --to mag2", "move 7 --all --to mag2", "move 7", "del", "del 7 --selector 1",
      "pin", "list --limit 0", "list --limit 10001", "nodes --limit 0", "nodes --node mn1 --after mn0",
      "list --sort rate --after 7", "list --sort size",
      "list --source 2001:db8::/999", "watch --interval 0", "history",
    ])
  func refused(_ text: String) {
    #expect(throws: (any Error).self) { try FlowManager.parseAsRoot(text.split(separator: " ").map(String.init)) }
  }

  @Test("The old and the new name of a command are the same", arguments: ["tunnels", "nodes"])
  func names(_ name: String) throws {
    let plain = try FlowManager.parseAsRoot([name])
    let shown = try FlowManager.parseAsRoot(["show", name])
    #expect(type(of: plain) == type(of: shown))
  }
}
