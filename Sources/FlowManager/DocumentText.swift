import DaemonKit
import FlowCore
import NetTypes

// The documents as text for people.

private func staleNote(_ anchorConnected: Bool) -> String {
  anchorConnected ? "" : "\nthe anchor is away: bindings and tunnels are as it last told"
}

extension FlowDocument {
  var from: String { `protocol` == .icmpv6 && sourcePort == 0 ? "\(source)" : "[\(source)]:\(sourcePort)" }
  var to: String { destinationPort == 0 ? "\(destination)" : "[\(destination)]:\(destinationPort)" }
  var label: String { "0x" + String(flowLabel, radix: 16) }

  /// All fields, one a line.
  var text: String {
    let fields: [(String, String)] = [
      ("flow", "\(id)"), ("protocol", "\(`protocol`)"), ("source", from), ("destination", to), ("flow label", label),
      ("node", node ?? "-"), ("gateway", gateway ?? "-"), ("tunnel", "\(tunnel)"), ("packets", "\(packets)"),
      ("octets", "\(octets)"), ("octets/s", "\(rate)"), ("idle", "\(idleSeconds) s"),
      ("pinned", isPinned ? "yes" : "no"),
    ]
    return fields.map { name, value in name + String(repeating: " ", count: 13 - name.count) + value }
      .joined(separator: "\n")
  }
}

extension FlowsDocument {
  var text: String {
    var table = TextTable(
      [
        "FLOW", "PROTO", "SOURCE", "DESTINATION", "LABEL", "NODE", "GATEWAY", "TUNNEL", "PACKETS", "OCTETS",
        "OCTETS/S", "IDLE", "PIN",
      ],
      right: ["FLOW", "TUNNEL", "PACKETS", "OCTETS", "OCTETS/S", "IDLE"])
    for flow in flows {
      table.add([
        "\(flow.id)", "\(flow.protocol)", flow.from, flow.to, flow.label, flow.node, flow.gateway, "\(flow.tunnel)",
        "\(flow.packets)", "\(flow.octets)", "\(flow.rate)", "\(flow.idleSeconds)s",
        flow.isPinned ? "yes" : nil,
      ])
    }
    var text = flows.isEmpty ? "no flows" : table.text
    if more > 0, let last = flows.last { text += "\n\(more) more; in the order of numbers --after \(last.id) goes on" }
    return text + staleNote(anchorConnected)
  }
}

extension TunnelsDocument {
  var text: String {
    var table = TextTable(
      [
        "TUNNEL", "GATEWAY", "LOCAL", "REMOTE", "MARK", "INTERFACE", "FLOWS", "PACKETS", "OCTETS", "RATE", "CAPACITY",
        "USE", "DROPPED", "BACKLOG", "STATE",
      ],
      right: ["TUNNEL", "FLOWS", "PACKETS", "OCTETS", "RATE", "CAPACITY", "USE", "DROPPED", "BACKLOG"])
    for tunnel in tunnels {
      table.add(
        [
          "\(tunnel.id)", tunnel.gateway, "\(tunnel.local)", "\(tunnel.remote)", tunnel.mark, tunnel.interface,
          "\(tunnel.flows)", "\(tunnel.packets)", "\(tunnel.octets)",
        ] + (tunnel.load?.columns ?? []))
    }
    return (tunnels.isEmpty ? "no tunnels" : table.text) + staleNote(anchorConnected)
  }
}

extension NodesDocument {
  var text: String {
    var table = TextTable(
      ["NODE", "KIND", "BINDING", "ACCESS", "GATEWAY", "TUNNEL", "STATE", "PREFIXES", "OFF-LINK", "FLOWS"],
      right: ["BINDING", "TUNNEL", "FLOWS"])
    for node in nodes {
      for (index, binding) in node.bindings.enumerated() {
        func text(_ prefixes: [IPv6Prefix]) -> String { prefixes.map(\.description).joined(separator: ",") }
        table.add([
          node.node, node.kind, "\(binding.id)", AccessText.name(binding.accessTechnology), binding.gateway,
          "\(binding.tunnel)",
          binding.state + (binding.isDefault ? ", default" : ""), text(binding.prefixes), text(binding.offLinkPrefixes),
          index == 0 ? "\(node.flows)" : nil,
        ])
      }
    }
    var text = nodes.isEmpty ? "no nodes" : table.text
    if more > 0, let last = nodes.last { text += "\n\(more) more; --after '\(last.node)' goes on" }
    return text + staleNote(anchorConnected)
  }
}

extension SelectorsDocument {
  var text: String {
    var table = TextTable(["SELECTOR", "TO", "FLOWS WITH"], right: ["SELECTOR"])
    for entry in selectors { table.add(["\(entry.id)", entry.to, entry.selector.description]) }
    return selectors.isEmpty ? "no selectors" : table.text
  }
}

extension ChangeDocument {
  /// `done` is the past participle of what was ordered.
  func text(_ done: String) -> String {
    if let flow {
      return "flow \(flow.id) \(done): \(flow.protocol) \(flow.from) > \(flow.to), "
        + "\(flow.gateway ?? "unknown gateway") (tunnel \(flow.tunnel))"
    }
    if let flows { return flows.text(done) }
    if let selector { return "selector \(selector.id) \(done): \(selector.selector) to \(selector.to)" }
    return done
  }
}
