import DaemonKit

// The documents as tables for people.

extension AttachmentsDocument {
  var text: String {
    var table = TextTable(
      ["NODE", "LINK", "MAC", "UPLINK", "STATE", "PREFIXES", "OFF-LINK", "STATUS", "LEFT", "TRIGGER"],
      right: ["UPLINK", "STATUS", "LEFT"])
    for attachment in attachments {
      table.add([
        attachment.node, attachment.link, "\(attachment.linkLayerAddress)", "\(attachment.uplink)", attachment.state,
        attachment.prefixes.map(\.description).joined(separator: ","),
        attachment.offLinkPrefixes.map(\.description).joined(separator: ","),
        attachment.lastStatus.map(String.init), attachment.remainingSeconds.map { "\($0)s" }, attachment.trigger,
      ])
    }
    return table.text
  }
}

extension LinksDocument {
  var text: String {
    var table = TextTable(
      ["LINK", "ATT", "UP", "MTU", "ADVERTISED-MTU", "ATTACHMENTS"],
      right: ["ATT", "MTU", "ADVERTISED-MTU", "ATTACHMENTS"])
    for link in links {
      table.add([
        link.link, "\(link.accessTechnology)", link.isUp ? "yes" : "no", link.mtu.map(String.init),
        link.advertisedMTU.map(String.init), "\(link.attachments)",
      ])
    }
    return table.text
  }
}

extension AnchorsDocument {
  var text: String {
    var table = TextTable(["ADDRESS", "BINDINGS", "PATH", "MISSED"], right: ["BINDINGS", "MISSED"])
    for anchor in anchors {
      table.add(["\(anchor.address)", "\(anchor.bindings)", anchor.path, "\(anchor.missedHeartbeats)"])
    }
    return table.text
  }
}
