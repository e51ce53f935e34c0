import DaemonKit
import NetTypes
import PMIPCore

/// An access link of the configuration file: the core's part, and who may tell that a node is on it.
struct AccessLinkSettings: Hashable, Sendable {
  var link: AccessLink
  var triggers = LinkTriggers()
}

/// Sources of attachment of one access link.
struct LinkTriggers: Hashable, Sendable {
  var routerSolicitation = true
  var neighbour = true
  /// Control sockets of hostapd.
  var hostapd: [String] = []
  /// Wireless interfaces whose stations are on the link.
  var nl80211: [String] = []
  /// The node at the other end, by its line in the node map, of a link with one node.
  var pointToPointNode: LinkLayerAddress?

  static let maximumAccessPoints = 64

  /// Of the sources that need no access point. The operator is always believed.
  func enables(_ source: Attachment.Trigger) -> Bool {
    switch source {
    case .routerSolicitation: routerSolicitation
    case .neighbour: neighbour
    case .link, .operatorRequest, .hostapd, .nl80211, .radius, .remote, .pointToPoint: true
    }
  }
}

/// Accounting server for access points (RFC 2866).
struct RADIUSSettings: Hashable, Sendable {
  struct Client: Hashable, Sendable {
    var address: IPAddress = .v6(.unspecified)
    var secretFile = ""
    var accessLink = ""
  }

  var address: IPv6Address = .unspecified
  var port: UInt16 = 1_813
  var clients: [Client] = []
}

/// Receiver of the paper's AttachmentTrigger.
struct RemoteTriggerSettings: Hashable, Sendable {
  struct AccessPoint: Hashable, Sendable {
    var keyIdentifier: UInt32 = 0
    var keyFile = ""
    var accessLink = ""
  }

  var address: IPv6Address = .unspecified
  var port: UInt16 = 5_213
  var clockSkew: Duration = .seconds(30)
  var accessPoints: [AccessPoint] = []
}

/// What a restart is needed for.
struct TriggerSettings: Hashable, Sendable {
  var links: [String: LinkTriggers] = [:]
  var radius = RADIUSSettings()
  var remote = RemoteTriggerSettings()

  func problems(accessLinks: [String], file: String) -> [SemanticProblem] {
    var problems: [SemanticProblem] = []
    func check(_ keyPath: String, link: String, secret: String, key: String, kind: SecretFile.Kind) {
      if !accessLinks.contains(link) {
        problems.append(
          SemanticProblem(
            keyPath: "\(keyPath).access-link",
            message: "'\(link)' is not under access-links; expected one of \(accessLinks.joined(separator: ", "))"))
      }
      do throws(SecretFile.Problem) {
        _ = try SecretFile.read(secret, besides: file, kind)
      } catch {
        problems.append(SemanticProblem(keyPath: "\(keyPath).\(key)", message: error.message))
      }
    }
    var wireless: [String: String] = [:]
    for (index, link) in accessLinks.enumerated() {
      for interface in links[link]?.nl80211 ?? [] {
        guard let other = wireless.updateValue(link, forKey: interface), other != link else { continue }
        problems.append(
          SemanticProblem(
            keyPath: "access-links[\(index)].triggers.nl80211",
            message: "the stations of \(interface) are on \(other) already; an interface belongs to one link"))
      }
    }
    for (index, client) in radius.clients.enumerated() {
      let keyPath = "radius-accounting.clients[\(index)]"
      check(keyPath, link: client.accessLink, secret: client.secretFile, key: "secret-file", kind: .text)
      if radius.clients[..<index].contains(where: { $0.address == client.address }) {
        problems.append(
          SemanticProblem(keyPath: "\(keyPath).address", message: "\(client.address) stands twice; remove one"))
      }
    }
    for (index, accessPoint) in remote.accessPoints.enumerated() {
      let keyPath = "remote-triggers.access-points[\(index)]"
      check(keyPath, link: accessPoint.accessLink, secret: accessPoint.keyFile, key: "key-file", kind: .hexadecimal)
      if remote.accessPoints[..<index].contains(where: { $0.keyIdentifier == accessPoint.keyIdentifier }) {
        problems.append(
          SemanticProblem(
            keyPath: "\(keyPath).key-id", message: "\(accessPoint.keyIdentifier) stands twice; each key has its own"))
      }
    }
    return problems
  }
}

extension OptionTable where Root == LinkTriggers {
  static var linkTriggers: OptionTable {
    OptionTable(
      initial: LinkTriggers(),
      [
        .option(
          "router-solicitation", \.routerSolicitation, .boolean,
          help: "A Router Solicitation attaches its sender; false: it is only answered."),
        .option(
          "neighbour", \.neighbour, .boolean, help: "A neighbour that the kernel has verified is attached."),
        .option(
          "hostapd", \.hostapd, .list(of: .socketPath, count: 0...LinkTriggers.maximumAccessPoints),
          help: "Control sockets of the hostapd of this link, such as /run/hostapd/wlan0."),
        .option(
          "nl80211", \.nl80211, .list(of: .interfaceName, count: 0...LinkTriggers.maximumAccessPoints),
          help: "Wireless interfaces of this host whose stations are on this link."),
        .option(
          "point-to-point-node", \.pointToPointNode, .optional(.linkLayerAddress),
          help: "Address, in the node map, of the node at the other end of a PPP or TUN link: attached while it is up."),
      ])
  }
}

extension OptionTable where Root == RADIUSSettings.Client {
  static var client: OptionTable {
    OptionTable(
      initial: RADIUSSettings.Client(),
      [
        .option("address", \.address, .ipAddress, required: true, help: "Source of its requests, IPv6 or IPv4."),
        .option(
          "secret-file", \.secretFile, .path, required: true,
          help: "File with the shared secret in its first line, mode 0600. Relative to this file."),
        .option("access-link", \.accessLink, .interfaceName, required: true, help: "Where its stations are."),
      ])
  }
}

extension OptionTable where Root == RemoteTriggerSettings.AccessPoint {
  static var accessPoint: OptionTable {
    OptionTable(
      initial: RemoteTriggerSettings.AccessPoint(),
      [
        .option(
          "key-id", \.keyIdentifier, .integer(0...UInt32.max), required: true,
          help: "Number of the key in its messages."),
        .option(
          "key-file", \.keyFile, .path, required: true,
          help: "File with the key, 32 to 128 hexadecimal digits, mode 0600. Relative to this file."),
        .option("access-link", \.accessLink, .interfaceName, required: true, help: "Where its stations are."),
      ])
  }
}

extension ConfigurationOption where Root == MAGDaemonConfiguration {
  static var radiusAccounting: ConfigurationOption {
    .section(
      "radius-accounting", help: "Accounting of access points as attachment trigger (RFC 2866; docs/attachment.md).",
      [
        .option(
          "address", \.triggers.radius.address, .ipv6Address, help: "Where to listen; `::`: everywhere, IPv4 as well."),
        .option("port", \.triggers.radius.port, .integer(1...65_535), help: "UDP port."),
        .option(
          "clients", \.triggers.radius.clients, .list(of: .mapping(.client), count: 0...4_096),
          help: "Access points and controllers; without any nothing listens."),
      ])
  }

  static var remoteTriggers: ConfigurationOption {
    .section(
      "remote-triggers", help: "Messages of magd-trigger on access points (docs/attachment.md).",
      [
        .option(
          "address", \.triggers.remote.address, .ipv6Address, help: "Where to listen; `::`: everywhere, IPv4 as well."),
        .option("port", \.triggers.remote.port, .integer(1...65_535), help: "UDP port."),
        .option(
          "clock-skew", \.triggers.remote.clockSkew, .duration(in: .seconds(1) ... .seconds(3_600)),
          help: "Messages whose time differs more from ours are refused."),
        .option(
          "access-points", \.triggers.remote.accessPoints, .list(of: .mapping(.accessPoint), count: 0...4_096),
          help: "Their keys; without any nothing listens."),
      ])
  }
}
