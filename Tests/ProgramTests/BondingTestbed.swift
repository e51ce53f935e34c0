import DaemonKit
import Foundation
import LinuxNet
import MobilityWire
import NetTypes

@testable import BondingPolicy

/// A terminal with one logical interface, a gateway on each of its accesses, and the network behind them.
///
///           ┌── if1 ── acc  r1  core ── c1 ──┐
///     lif0 mn                                anchor  cn0 ── cn  2001:db8:c::2
///           └── if2 ── acc  r2  core ── c2 ──┘
///
/// Both gateways have the fixed addresses of the domain on their access links, advertise one prefix and route it on-link.
/// The anchor sends downlink by r1, and that of moved flows by r2. The gateways count the uplink of each flow.
final class BondingTestbed {
  struct Flow: Hashable {
    /// Next-header number.
    var transport: UInt8
    /// At the terminal.
    var port: UInt16

    static let udp = Flow(transport: 17, port: 7001)
    static let control = Flow(transport: 17, port: 7002)
    static let tcp = Flow(transport: 6, port: 7003)
    static let all = [udp, control, tcp]
  }

  let terminal: TestNamespace
  let gateways: [TestNamespace]
  let anchor: TestNamespace
  let correspondent: TestNamespace
  /// Of the program: configuration, socket and state, which a later run finds again.
  let directory = FileManager.default.temporaryDirectory.appendingPathComponent("fmbp-\(UUID().uuidString.prefix(8))")
  private let counters: [NetfilterSocket]
  private var accessLinks: [AccessLinkSocket]

  static let linkLayerAddress = "02:00:00:00:00:10"
  static let terminalAddress = "2001:db8:a::ff:fe00:10"
  static let correspondentAddress = "2001:db8:c::2"
  private static let prefix = "2001:db8:a::/64"
  private static let table = NftTable(name: "observe")

  init() throws {
    terminal = try TestNamespace()
    gateways = [try TestNamespace(), try TestNamespace()]
    anchor = try TestNamespace()
    correspondent = try TestNamespace()
    for (index, gateway) in gateways.enumerated() {
      let (access, core) = ("if\(index + 1)", "c\(index + 1)")
      try gateway.ip("link add acc type veth peer name \(access) netns \(terminal.path)")
      try gateway.ip("link add core type veth peer name \(core) netns \(anchor.path)")
      try terminal.ip("link set \(access) up")
      try gateway.ip("link set acc address \(LinkLayerAddress.fixedGateway)")
      try gateway.configure("acc", ["\(LinkLayerAddress.fixedGateway.linkLocalAddress)/64"])
      try gateway.configure("core", ["fe80::1/64"])
      try anchor.configure(core, ["fe80::a/64"])
      try gateway.run { try KernelParameter.ipv6Forwarding.write("1") }
      try gateway.ip("-6 route add \(Self.prefix) dev acc")
      try gateway.ip("-6 route add 2001:db8:c::/64 via fe80::a dev core")
      try anchor.ip("-6 route add \(Self.prefix) via fe80::1 dev \(core) table \(101 + index)")
    }
    try anchor.ip("link add cn0 type veth peer name eth0 netns \(correspondent.path)")
    try anchor.configure("cn0", ["2001:db8:c::1/64"])
    try anchor.run { try KernelParameter.ipv6Forwarding.write("1") }
    try anchor.ip("-6 rule add pref 200 to \(Self.prefix) lookup 101")
    try correspondent.configure("eth0", ["\(Self.correspondentAddress)/64"])
    try correspondent.ip("-6 route add default via 2001:db8:c::1")
    counters = try gateways.map { gateway in try gateway.run { try NetfilterSocket() } }
    for socket in counters { try socket.commit(Self.observation) }
    accessLinks = []
    accessLinks = try gateways.map { gateway in try gateway.run { try Self.openAccessLink() } }
  }

  deinit { try? FileManager.default.removeItem(at: directory) }

  private static func openAccessLink() throws -> AccessLinkSocket {
    try AccessLinkSocket(interface: if_nametoindex("acc"), name: "acc")
  }

  /// Counts the forwarded uplink packets of each flow.
  private static var observation: NftTransaction {
    var transaction = NftTransaction(table: table)
    transaction.addTable()
    transaction.addChain("forward", base: NftBaseChain(hook: .forward, priority: 0))
    for flow in Flow.all {
      transaction.addRule(
        chain: "forward",
        NftExpression.matchInputInterface("acc") + NftExpression.matchTransportProtocol(flow.transport) + [
          .payloadLoad(base: .transport, offset: 0, length: 2, into: .word(0)),
          .compare(.word(0), .equal, NftExpression.networkOrder(flow.port)), .counter,
        ], comment: "\(flow)")
    }
    return transaction
  }

  /// Uplink packets of a flow that each gateway has forwarded.
  func uplink(_ flow: Flow) throws -> [UInt64] {
    try counters.map { socket in
      try socket.rules(of: Self.table).first { $0.comment == "\(flow)" }?.counter?.packets ?? 0
    }
  }

  /// The downlink of the flow takes this gateway from now on.
  func moveDownlink(of flow: Flow, to gateway: Int) throws {
    let rule = "pref 100 ipproto \(flow.transport) dport \(flow.port) lookup 102"
    try anchor.ip("-6 rule \(gateway == 1 ? "add" : "delete") \(rule)")
  }

  /// What a gateway does for an attached node: a default router, and one prefix for addresses (RFC 5213 section 6.7).
  func advertise(_ gateway: Int) throws {
    guard let prefix = IPv6Prefix(Self.prefix) else { throw CommandFailed(description: "\(Self.prefix) is no prefix") }
    let advertisement = RouterAdvertisement(
      routerLifetime: 1800,
      options: [
        .sourceLinkLayerAddress(.fixedGateway),
        .prefixInformation(PrefixInformation(prefix: prefix, validLifetime: 3600, preferredLifetime: 3600)),
      ])
    guard let allNodes = IPv6Address("ff02::1"), let group = LinkLayerAddress("33:33:00:00:00:01") else {
      throw CommandFailed(description: "no group addresses")
    }
    try accessLinks[gateway].send(
      advertisement.packet(source: LinkLayerAddress.fixedGateway.linkLocalAddress, destination: allNodes), to: group)
  }

  /// How many Router Solicitations of the logical interface the gateway has received since the last call.
  func solicitations(_ gateway: Int) throws -> Int {
    var count = 0
    while try accessLinks[gateway].receive({ packet in
      // The IPv6 header comes first; nothing stands between it and Neighbor Discovery.
      if packet.source.description == Self.linkLayerAddress, packet.bytes[40] == 133 { count += 1 }
    }) > 0 {}
    return count
  }
}

/// A running bonding-policy; killed with the value.
final class BondingProgram {
  let process = Process()
  private let errors = Pipe()
  private let namespace: TestNamespace
  private let directory: URL

  static var binary: String {
    URL(fileURLWithPath: CommandLine.arguments[0]).deletingLastPathComponent().appendingPathComponent("bonding-policy")
      .path
  }
  var configuration: String { directory.appendingPathComponent("bonding-policy.yaml").path }
  private var socket: String { directory.appendingPathComponent("sock").path }

  init(on bed: BondingTestbed, _ backEnd: BackEnd = .veth) throws {
    namespace = bed.terminal
    directory = bed.directory
    try FileManager.default.createDirectory(at: directory, withIntermediateDirectories: true)
    try """
    slaves: [if1, if2]
    backend: \(backEnd.rawValue)
    link-layer-address: \(BondingTestbed.linkLayerAddress)
    control:
      socket: \(socket)
    state-directory: \(directory.path)
    """.write(toFile: configuration, atomically: true, encoding: .utf8)
    process.executableURL = URL(fileURLWithPath: "/usr/bin/env")
    process.arguments = ["nsenter", "--net=\(namespace.path)", Self.binary, "run", "-c", configuration]
    process.standardError = errors
    try process.run()
    try wait("the program answers") { try ask("show", as: ProgramAnswer.self).slaves.count == 2 }
  }

  private struct ProgramAnswer: Decodable {
    struct Slave: Decodable {}
    var slaves: [Slave]
  }

  deinit { if process.isRunning { process.terminate() } }

  func ask<Document: Decodable>(_ arguments: String..., as type: Document.Type = Document.self) throws -> Document {
    try ask(arguments, as: type)
  }

  func ask<Document: Decodable>(_ arguments: [String], as type: Document.Type = Document.self) throws -> Document {
    let text = try FlowmobTests.command(Self.binary, arguments + ["--json", "--socket", socket])
    return try JSONDecoder().decode(Document.self, from: Data(text.utf8))
  }

  /// A command that reads the configuration.
  func work<Document: Decodable>(_ command: String, as type: Document.Type = Document.self) throws -> Document {
    let text = try namespace.command(Self.binary, [command, "-c", configuration, "--json"])
    return try JSONDecoder().decode(Document.self, from: Data(text.utf8))
  }

  /// Waits for a state, at most ten seconds: duplicate address detection takes two of them.
  func wait(_ state: String, _ condition: () throws -> Bool) throws {
    let deadline = SystemClock.monotonic + .seconds(10)
    while SystemClock.monotonic < deadline {
      if (try? condition()) == true { return }
      guard process.isRunning else {
        let text = String(decoding: errors.fileHandleForReading.readDataToEndOfFile(), as: UTF8.self)
        throw CommandFailed(description: "the program ended: \(text)")
      }
      usleep(10_000)
    }
    throw CommandFailed(description: "never came: \(state)")
  }

  /// `nsenter` becomes the program, so this is its process.
  func end(_ signal: Int32) -> Int32 {
    kill(process.processIdentifier, signal)
    process.waitUntilExit()
    return process.terminationStatus
  }
}
