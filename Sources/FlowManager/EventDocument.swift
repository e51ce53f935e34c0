import DatapathModel
import FlowCore

/// Data of the events of `subscribe`: flow-added, flow-moved, flow-removed, flow-pinned, flow-unpinned (with `flow`),
/// access-attached and access-detached (with `binding`).
struct EventDocument: Codable {
  /// Seconds since 1970.
  var at: UInt32
  var node: String?
  var flow: FlowDocument?
  /// Of a moved flow: the tunnel it was on.
  var from: TunnelIdentifier?
  var binding: AnchorBinding?
  /// Why a flow was moved or removed, or an access detached.
  var cause: String?
}

extension EventDocument {
  /// One line of `events`.
  func text(_ name: String) -> String {
    var text = ClockText.time(at) + " " + name
    if let flow {
      text +=
        " \(flow.id): \(flow.protocol) \(flow.from) > \(flow.to), "
        + (from.map { "tunnel \($0) to " } ?? "") + "\(flow.gateway ?? "unknown gateway") (tunnel \(flow.tunnel))"
    }
    if let binding {
      text +=
        ": \(binding.node) at \(binding.gateway) (tunnel \(binding.tunnel)), "
        + AccessText.name(binding.accessTechnology)
    }
    return text + (cause.map { ", \($0)" } ?? "")
  }
}
