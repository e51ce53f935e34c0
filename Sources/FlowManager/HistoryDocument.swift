import DatapathModel
import FlowCore

/// Answer of `history`.
struct HistoryDocument: Codable {
  var node: String
  /// Oldest first.
  var entries: [Entry]

  struct Entry: Codable, Hashable {
    /// Seconds since 1970.
    var at: UInt32
    /// `access-attached`, `access-detached` or `flows-moved`.
    var event: String
    /// Of an access.
    var binding: UInt32?
    var gateway: String?
    var tunnel: TunnelIdentifier?
    /// RFC 5213 section 8.5.
    var accessTechnology: UInt8?
    /// It was there before flow-manager began to listen.
    var isFound: Bool?
    /// How long it was attached, in seconds; absent when that is not known.
    var lastedSeconds: Int64?
    /// Why it is gone, or why flows have moved.
    var cause: String?
    /// How many flows have moved together, and the first of them.
    var count: Int?
    var flows: [FlowIdentifier]?
    var from: TunnelIdentifier?
    var fromGateway: String?
    var to: TunnelIdentifier?
    var toGateway: String?
    /// How long the first of them had been where it was, in seconds.
    var stayedSeconds: UInt32?

    init(_ entry: FlowHistory.Entry) {
      at = entry.at.secondsSince1970
      switch entry.event {
      case .attached(let access, let isFound):
        event = "access-attached"
        self.isFound = isFound
        take(access)
      case .detached(let access, let cause, let lasted):
        event = "access-detached"
        self.cause = cause
        lastedSeconds = lasted?.components.seconds
        take(access)
      case .moved(let move):
        event = "flows-moved"
        cause = move.cause.rawValue
        count = move.count
        flows = move.flows
        from = move.from
        fromGateway = move.fromGateway
        to = move.to
        toGateway = move.toGateway
        stayedSeconds = move.stayedSeconds
      }
    }

    private mutating func take(_ access: FlowHistory.Access) {
      binding = access.binding
      gateway = access.gateway
      tunnel = access.tunnel
      accessTechnology = access.accessTechnology
    }
  }
}

extension HistoryDocument {
  var text: String {
    guard !entries.isEmpty else { return "nothing has happened to \(node) since flow-manager was started" }
    return entries.map { "\(ClockText.time($0.at))  \($0.text)" }.joined(separator: "\n")
  }
}

extension HistoryDocument.Entry {
  fileprivate var text: String {
    func place(_ gateway: String?, _ tunnel: TunnelIdentifier?) -> String {
      "\(gateway ?? "unknown gateway") (tunnel \(tunnel.map(\.description) ?? "-"))"
    }
    let why = cause.map { ", \($0)" } ?? ""
    guard let count, let flows else {
      let lasted = lastedSeconds.map { ", after \($0) s" } ?? ""
      return "\(event)  \(place(gateway, tunnel)), \(accessTechnology.map(AccessText.name) ?? "-")"
        + (isFound == true ? ", found at start" : "") + why + lasted
    }
    let names = flows.map(\.description).joined(separator: ", ") + (count > flows.count ? ", ..." : "")
    return "\(event)  \(count == 1 ? "flow" : "\(count) flows") \(names): \(place(fromGateway, from)) to "
      + "\(place(toGateway, to))\(why), after \(stayedSeconds ?? 0) s"
  }
}
