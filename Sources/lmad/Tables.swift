import DaemonKit

// The documents as tables for people.

extension BindingsDocument {
  var text: String {
    var table = TextTable(
      ["ID", "NODE", "GATEWAY", "TUNNEL", "ATT", "PREFIXES", "OFF-LINK", "DEFAULT", "STATE", "LEFT"],
      right: ["ID", "TUNNEL", "ATT", "LEFT"])
    for binding in bindings {
      table.add([
        "\(binding.id)", binding.node, binding.gateway, "\(binding.tunnel)", "\(binding.accessTechnology)",
        binding.prefixes.map(\.description).joined(separator: ","),
        binding.offLinkPrefixes.map(\.description).joined(separator: ","), binding.isDefault ? "yes" : "no",
        binding.state, "\(binding.remainingSeconds)s",
      ])
    }
    return table.text
  }
}

extension TunnelsDocument {
  var text: String {
    var table = TextTable(
      ["ID", "GATEWAY", "LOCAL", "REMOTE", "MARK", "ENCAPSULATION", "MTU", "BINDINGS"],
      right: ["ID", "MARK", "MTU", "BINDINGS"])
    for tunnel in tunnels {
      table.add([
        "\(tunnel.id)", tunnel.gateway, "\(tunnel.local)", "\(tunnel.remote)", tunnel.mark, tunnel.encapsulation,
        tunnel.mtu.map(String.init), "\(tunnel.bindings)",
      ])
    }
    return table.text
  }
}

extension NodesDocument {
  var text: String {
    var table = TextTable(["NODE", "KIND", "BINDINGS", "GATEWAYS", "PREFIXES"])
    for node in nodes {
      table.add([
        node.node, node.kind, node.bindings.map(String.init).joined(separator: ","),
        node.gateways.joined(separator: ","), node.prefixes.map(\.description).joined(separator: ","),
      ])
    }
    return table.text
  }
}

extension GatewaysDocument {
  var text: String {
    var table = TextTable(
      ["NAME", "ADDRESS", "ORDERING", "TUNNEL", "BINDINGS", "PATH", "MISSED"], right: ["TUNNEL", "BINDINGS", "MISSED"])
    for gateway in gateways {
      table.add([
        gateway.name, "\(gateway.address)", gateway.ordering, gateway.tunnel?.description, "\(gateway.bindings)",
        gateway.path, "\(gateway.missedHeartbeats)",
      ])
    }
    return table.text
  }
}

extension NotifiedDocument {
  var text: String { "\(node ?? "all nodes"): notified \(gateways.joined(separator: ", "))" }
}
