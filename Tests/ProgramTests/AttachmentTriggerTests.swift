import AccessTriggers
import DaemonKit
import Foundation
import NetTypes
import PMIPCore
import Testing

@testable import magd

@Suite("Sources of attachment in magd's configuration")
struct AttachmentTriggerConfigurationTests {
  private let base = """
    proxy-care-of-address: 2001:db8:1::11
    anchor: 2001:db8:1::1
    datapath: {core-interface: core0}
    access-links:
      - interface: wlan0
        access-technology: ieee-802.11

    """

  /// The configuration in a directory with a secret and a key, as `mode` says; errors without the directory's path.
  private func load(_ text: String, mode: Int = 0o600) throws -> Result<MAGDaemonConfiguration, ConfigurationErrors> {
    let directory = FileManager.default.temporaryDirectory.appendingPathComponent("flowmob-\(UUID().uuidString)")
    try FileManager.default.createDirectory(at: directory, withIntermediateDirectories: true)
    defer { try? FileManager.default.removeItem(at: directory) }
    for (name, content) in [
      ("ap.secret", "testing123\n"), ("ap.key", String(repeating: "0f", count: 32) + "\n"), ("short.key", "0f0f\n"),
    ] {
      let file = directory.appendingPathComponent(name)
      try Data(content.utf8).write(to: file)
      try FileManager.default.setAttributes([.posixPermissions: mode], ofItemAtPath: file.path)
    }
    let file = directory.appendingPathComponent("magd.yaml")
    try Data(text.utf8).write(to: file)
    do throws(ConfigurationErrors) {
      return .success(try MAGDaemonConfiguration.load(path: file.path).value)
    } catch {
      return .failure(
        ConfigurationErrors(
          error.errors.map { error in
            var error = error
            error.problem = error.problem.replacingOccurrences(of: directory.path + "/", with: "")
            return error
          }))
    }
  }

  private func problems(_ text: String, mode: Int = 0o600) throws -> [String] {
    guard case .failure(let errors) = try load(text, mode: mode) else { return [] }
    return errors.errors.map { "\($0.keyPath): \($0.problem)" }
  }

  private let sources = """
        triggers:
          router-solicitation: false
          hostapd: [/run/hostapd/wlan0]
          nl80211: [wlan0]
      - interface: ppp0
        access-technology: ppp
        triggers: {point-to-point-node: "02:00:00:00:03:01"}
    radius-accounting:
      clients:
        - {address: 192.0.2.1, secret-file: ap.secret, access-link: wlan0}
    remote-triggers:
      access-points:
        - {key-id: 7, key-file: ap.key, access-link: wlan0}
    """

  @Test("What is not said is neighbour discovery alone")
  func defaults() throws {
    let configuration = try load(base).get()
    #expect(configuration.triggers.links == ["wlan0": LinkTriggers()])
    #expect(LinkTriggers().enables(.routerSolicitation) && LinkTriggers().enables(.neighbour))
    #expect(configuration.triggers.radius.clients.isEmpty && configuration.triggers.remote.accessPoints.isEmpty)
  }

  @Test("Each source of each link, and all of it again from what `check --effective` prints")
  func everything() throws {
    let configuration = try load(base + sources).get()
    let wlan = try #require(configuration.triggers.links["wlan0"])
    #expect(!wlan.routerSolicitation && wlan.neighbour)
    #expect(wlan.hostapd == ["/run/hostapd/wlan0"] && wlan.nl80211 == ["wlan0"])
    #expect(
      configuration.triggers.links["ppp0"]?.pointToPointNode == LinkLayerAddress(rawValue: 0x0200_0000_0301))
    #expect(configuration.triggers.radius.clients.map(\.address) == [IPAddress("192.0.2.1")])
    #expect(configuration.triggers.remote.accessPoints.map(\.keyIdentifier) == [7])
    let effective = try MAGDaemonConfiguration.table.text(configuration)
    #expect(try MAGDaemonConfiguration.table.parse(effective, file: "effective").value == configuration)
  }

  @Test("A secret that others can read is refused, with the command that mends it")
  func readableSecret() throws {
    #expect(
      try problems(base + sources, mode: 0o640) == [
        "radius-accounting.clients[0].secret-file: ap.secret can be read or written by others; run `chmod 600 ap.secret`",
        "remote-triggers.access-points[0].key-file: ap.key can be read or written by others; run `chmod 600 ap.key`",
      ])
  }

  @Test("The stations of an interface are on one link")
  func sharedInterface() throws {
    let text =
      base + """
            triggers: {nl80211: [wlan0]}
          - {interface: wlan1, access-technology: ieee-802.11, triggers: {nl80211: [wlan1, wlan0]}}
        """
    #expect(
      try problems(text) == [
        "access-links[1].triggers.nl80211: the stations of wlan0 are on wlan0 already; an interface belongs to one link"
      ])
  }

  @Test("Files that are not there or hold no key, links that are none, and the same client twice")
  func mistakes() throws {
    let text =
      base + """
        radius-accounting:
          clients:
            - {address: 192.0.2.1, secret-file: none.secret, access-link: wlan1}
            - {address: 192.0.2.1, secret-file: ap.secret, access-link: wlan0}
        remote-triggers:
          access-points:
            - {key-id: 7, key-file: short.key, access-link: wlan0}
            - {key-id: 7, key-file: ap.secret, access-link: wlan0}
        """
    let key = "the first line is no key; expected 32 to 128 hexadecimal digits, as `openssl rand -hex 32` prints"
    #expect(
      try problems(text) == [
        "radius-accounting.clients[0].secret-file: none.secret cannot be read: No such file or directory",
        "radius-accounting.clients[0].access-link: 'wlan1' is not under access-links; expected one of wlan0",
        "radius-accounting.clients[1].address: 192.0.2.1 stands twice; remove one",
        "remote-triggers.access-points[0].key-file: short.key: \(key)",
        "remote-triggers.access-points[1].key-id: 7 stands twice; each key has its own",
        "remote-triggers.access-points[1].key-file: ap.secret: \(key)",
      ])
  }
}

@Suite("What `magd show triggers` prints")
struct TriggersDocumentTests {
  @Test("A source with its last event, and how fast it led to a registration")
  func table() {
    let origin = TriggerOrigin(source: .hostapd, link: "wlan0", name: "/run/hostapd/wlan0")
    let station = LinkLayerAddress(rawValue: 0x0200_0000_0101)
    var ledger = PresenceLedger(capacity: 1)
    _ = ledger.note(.station(AttachmentSignal(origin, station, .up, at: .seconds(5))))
    var delay = RegistrationDelay()
    for milliseconds in [2, 4] { delay.add(.milliseconds(milliseconds)) }
    let document = TriggersDocument(
      sources: [
        TriggersDocument.Source(
          TriggerStatus(origin: origin, state: "connected"), ledger.tallies[origin] ?? .init(), at: .seconds(8))
      ], registrationDelays: [TriggersDocument.Delay(.hostapd, delay)])
    #expect(
      document.text == """
        LINK   SOURCE   NAME                STATE      ARRIVALS  DEPARTURES  REFUSED  LAST-EVENT
        wlan0  hostapd  /run/hostapd/wlan0  connected         1           0        0  up 02:00:00:00:01:01 3s ago

        SOURCE   REGISTRATIONS  LAST-MS  MEAN-MS  P50-MS  P99-MS  MAX-MS
        hostapd              2      4.0      3.0     2.0     4.0     4.0
        """)
  }
}
