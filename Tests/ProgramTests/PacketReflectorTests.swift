import DaemonKit
import Foundation
import LinuxNet
import NetTypes
import Synchronization
import Testing

@testable import PacketReflector

@Suite("packet-reflector: plan and configuration")
struct ReflectorPlanTests {
  private func configuration(_ names: [String]) -> ReflectorConfiguration {
    var configuration = ReflectorConfiguration()
    configuration.interfaces = names
    return configuration
  }

  private func route(
    _ prefix: String, via gateway: String? = nil, dev interface: UInt32, metric: UInt32 = 1024, table: UInt32 = 254
  ) throws -> Route {
    Route(
      to: try #require(IPv6Prefix(prefix)), table: table, protocolNumber: 9, metric: metric, interface: interface,
      gateway: try gateway.map { try #require(IPv6Address($0)) })
  }

  @Test("The shipped example is read")
  func example() throws {
    let file = URL(fileURLWithPath: #filePath).deletingLastPathComponent().appendingPathComponent(
      "../../examples/packet-reflector.yaml")
    let loaded = try ReflectorConfiguration.load(path: file.path)
    #expect(loaded.value == configuration(["if1", "if2"]))
  }

  @Test("Problems of meaning are found with their line")
  func problems() throws {
    var wrong = configuration(["if1", "if2", "if1"])
    wrong.markMask = 0x0010_0000
    #expect(wrong.problems.map(\.keyPath) == ["interfaces[2]", "mark-mask"])
  }

  @Test("Every interface has a mark, a table and a rule")
  func numbering() {
    let plan = ReflectorPlan(configuration(["if1", "if2"]))
    #expect(plan.interfaces.map(\.mark) == [0x0010_0000, 0x0020_0000])
    #expect(plan.interfaces.map(\.routingTable) == [52_201, 52_202])
    #expect(plan.rules.map(\.priority) == [5_220, 5_221])
    #expect(plan.interface(ofMark: 0xf020_00ff)?.name == "if2")
    #expect(plan.interface(ofMark: 0xf000_00ff) == nil)
  }

  @Test("Unicast routes of our interfaces are copied; a second router of equal metric comes after the first")
  func copies() throws {
    let plan = ReflectorPlan(configuration(["if1", "if2"]))
    let main = [
      try route("::/0", via: "fe80::1", dev: 5), try route("::/0", via: "fe80::2", dev: 5),
      try route("::/0", via: "fe80::1", dev: 6, metric: 512), try route("2001:db8:a1::/64", dev: 5),
      try route("fe80::/64", dev: 5), try route("ff00::/8", dev: 6), try route("::/0", via: "fe80::9", dev: 7),
    ]
    let copies = plan.routes(copying: main, indices: ["if1": 5, "if2": 6, "if3": 7])
    #expect(copies.omitted == 0)
    #expect(
      copies.routes.map(\.description) == [
        "default via fe80::1 dev 5 table 52201 metric 1024 proto 114",
        "default via fe80::2 dev 5 table 52201 metric 1025 proto 114",
        "2001:db8:a1::/64 dev 5 table 52201 metric 1024 proto 114",
        "default via fe80::1 dev 6 table 52202 metric 512 proto 114",
      ])
    #expect(plan.routes(copying: main, indices: ["if2": 6]).routes.map(\.table) == [52_202])
  }

  @Test("Routes beyond the bound are left out and counted, each interface by itself")
  func bound() throws {
    let plan = ReflectorPlan(configuration(["if1", "if2"]))
    let many = try (0..<ReflectorPlan.maximumRoutes + 3).map { number in
      try route("2001:db8:\(String(number, radix: 16))::/48", dev: 5)
    }
    let copies = plan.routes(copying: many + [try route("::/0", dev: 6)], indices: ["if1": 5, "if2": 6])
    #expect(copies.omitted == 3)
    #expect(copies.routes.count == ReflectorPlan.maximumRoutes + 1)
    #expect(copies.routes.last?.table == 52_202)
  }

  @Test("Only differences are sent to the kernel, additions first")
  func differences() throws {
    let kept = try route("2001:db8:a1::/64", dev: 5, table: 52_201)
    let old = try route("::/0", via: "fe80::1", dev: 5, table: 52_201)
    let new = try route("::/0", via: "fe80::2", dev: 5, table: 52_201)
    let gone = try route("2001:db8:a9::/64", dev: 5, table: 52_201)
    #expect(ReflectorPlan.changes(from: [kept, old], to: [kept, old]).isEmpty)
    let changes = ReflectorPlan.changes(from: [gone, kept, old], to: [kept, new])
    #expect(changes.map(\.operation) == ["set route", "remove route"])
    #expect(changes.map(\.object) == [new.description, gone.description])
  }
}

@Suite("packet-reflector in private namespaces", .enabled(if: geteuid() == 0))
struct PacketReflectorSystemTests {
  /// A running program; killed with the value.
  private final class Reflector {
    let process = Process()
    private let errors = Pipe()
    let configuration: URL
    let socket: String

    private static var binary: URL {
      URL(fileURLWithPath: CommandLine.arguments[0]).deletingLastPathComponent().appendingPathComponent(
        "packet-reflector")
    }

    init(in namespace: TestNamespace) throws {
      let directory = FileManager.default.temporaryDirectory
      // The same for every reflector of a namespace, so that a later one finds what a killed one left.
      let name = "fmpr-\(getpid())-\(URL(fileURLWithPath: namespace.path).lastPathComponent)"
      socket = directory.appendingPathComponent("\(name).sock").path
      configuration = directory.appendingPathComponent("\(name).yaml")
      try "interfaces: [if1, if2]\ncontrol:\n  socket: \(socket)\n".write(
        to: configuration, atomically: true, encoding: .utf8)
      process.executableURL = URL(fileURLWithPath: "/usr/bin/env")
      process.arguments = [
        "nsenter", "--net=\(namespace.path)", Self.binary.path, "run", "-c", configuration.path,
      ]
      process.standardError = errors
      try process.run()
      try wait("the reflector answers") { try status().interfaces.count == 2 }
    }

    deinit {
      if process.isRunning { process.terminate() }
      try? FileManager.default.removeItem(at: configuration)
    }

    func ask<Document: Decodable>(_ command: String, _ type: Document.Type = Document.self) throws -> Document {
      let text = try FlowmobTests.command(Self.binary.path, [command, "--json", "--socket", socket])
      return try JSONDecoder().decode(Document.self, from: Data(text.utf8))
    }

    func status() throws -> ReflectorStatus { try ask("show") }

    /// Waits for a state of the reflector, at most five seconds.
    func wait(_ state: String, _ condition: () throws -> Bool) throws {
      let deadline = SystemClock.monotonic + .seconds(5)
      while SystemClock.monotonic < deadline {
        if (try? condition()) == true { return }
        guard process.isRunning else {
          let text = String(decoding: errors.fileHandleForReading.readDataToEndOfFile(), as: UTF8.self)
          throw CommandFailed(description: "the reflector ended: \(text)")
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

  /// Packets back and forth, one at a time, until it is ended.
  private final class Stream: Sendable {
    private let state = Mutex((isEnding: false, exchanged: UInt64(0), failure: (any Error)?.none))
    private let ended = DispatchSemaphore(value: 0)

    init(from sender: TestSocket, through peer: TestSocket) {
      Thread.detachNewThread { [self] in
        do {
          while !state.withLock({ $0.isEnding }) {
            try sender.exchange(with: peer, count: 1)
            state.withLock { $0.exchanged += 1 }
          }
        } catch {
          state.withLock { $0.failure = error }
        }
        ended.signal()
      }
    }

    /// Gives the number of packets; throws when one got lost.
    func end() throws -> UInt64 {
      state.withLock { $0.isEnding = true }
      ended.wait()
      return try state.withLock { state in
        if let failure = state.failure { throw failure }
        return state.exchanged
      }
    }
  }

  @Test("The uplink follows the downlink, across moves, a crash and an orderly end")
  func follow() throws {
    let bed = try ReflectorTestbed()
    let (mobile, fixed) = (ReflectorTestbed.terminalAddress, ReflectorTestbed.correspondentAddress)
    try bed.advertise(0, lifetimeSeconds: 1800)
    for _ in 0..<500 where try bed.terminal.ip("-6 route show default").isEmpty { usleep(10_000) }
    let mobileUDP = try bed.terminal.run { try TestSocket.udp(local: (mobile, 7001), remote: (fixed, 9001)) }
    let fixedUDP = try bed.correspondent.run { try TestSocket.udp(local: (fixed, 9001), remote: (mobile, 7001)) }

    // Without a reflector the uplink stays where it was.
    try bed.moveDownlink(to: 1)
    try fixedUDP.exchange(with: mobileUDP, count: 3)
    #expect(try bed.uplink() == [3, 0])
    try bed.moveDownlink(to: 0)

    var reflector = try Reflector(in: bed.terminal)
    try reflector.wait("default route of if1") { try reflector.status().interfaces[0].gateways.count == 1 }
    #expect(try reflector.status().interfaces[1].gateways.isEmpty)
    // The second router comes while the reflector is running.
    try bed.advertise(1, lifetimeSeconds: 1800)
    try reflector.wait("default route of if2") { try reflector.status().interfaces[1].gateways.count == 1 }
    #expect(try reflector.status().interfaces[1].routes == 2)  // default and the on-link prefix

    let control = ReflectorTestbed.controlAddress
    let mobileControl = try bed.terminal.run { try TestSocket.udp(local: (control, 7002), remote: (fixed, 9002)) }
    let fixedControl = try bed.correspondent.run { try TestSocket.udp(local: (fixed, 9002), remote: (control, 7002)) }
    let listener = try bed.correspondent.run { try TestSocket.listener((fixed, 9003)) }
    let mobileTCP = try bed.terminal.run { try TestSocket.tcp(local: (mobile, 7003), remote: (fixed, 9003)) }
    let fixedTCP = try listener.accepted()

    func exchangeAll(_ count: Int) throws {
      try fixedUDP.exchange(with: mobileUDP, count: count)
      try fixedControl.exchange(with: mobileControl, count: count)
      try fixedTCP.exchange(with: mobileTCP, count: count)
    }
    /// Exchanges packets and gives how many uplink packets each router has forwarded meanwhile.
    func uplinks(_ count: Int) throws -> (udp: [UInt64], control: [UInt64], tcp: [UInt64]) {
      let before = (try bed.uplink(), try bed.uplink(control), try bed.uplink(mobile, 6))
      try exchangeAll(count)
      func difference(_ now: [UInt64], _ then: [UInt64]) -> [UInt64] { zip(now, then).map { $0 - $1 } }
      return (
        difference(try bed.uplink(), before.0), difference(try bed.uplink(control), before.1),
        difference(try bed.uplink(mobile, 6), before.2)
      )
    }

    var seen = try uplinks(5)
    #expect(seen.udp == [5, 0])
    #expect(seen.control == [5, 0])
    #expect(seen.tcp[0] >= 5 && seen.tcp[1] == 0)

    // The downlink moves: with the very next packet, every uplink packet takes the new interface.
    try bed.moveDownlink(to: 1)
    seen = try uplinks(5)
    #expect(seen.udp == [0, 5])
    #expect(seen.control == [5, 0])
    #expect(seen.tcp[0] == 0 && seen.tcp[1] >= 5)

    let flows = try reflector.ask("list", ReflectedFlows.self).flows
    func interface(_ port: UInt16) -> String? {
      flows.first { $0.sourcePort == port || $0.destinationPort == port }?.interface
    }
    #expect(interface(7001) == "if2")
    #expect(interface(7002) == "if1")
    #expect(interface(7003) == "if2")
    #expect(try reflector.status().interfaces.map(\.flows) == [1, 2])

    // Killed: flows go on. Started again in the middle of a stream: nothing lost, nothing on the other interface.
    #expect(reflector.end(SIGKILL) == SIGKILL)
    seen = try uplinks(5)
    #expect(seen.udp == [0, 5])
    let before = try bed.uplink()
    let stream = Stream(from: fixedUDP, through: mobileUDP)
    reflector = try Reflector(in: bed.terminal)
    let exchanged = try stream.end()
    #expect(exchanged > 10)
    #expect(try bed.uplink() == [before[0], before[1] + exchanged])
    #expect(try reflector.status().interfaces.map { $0.gateways.count } == [1, 1])

    // A router that goes takes its default route along; the flow falls back to the main table.
    try bed.advertise(1, lifetimeSeconds: 0)
    try reflector.wait("no default route of if2") { try reflector.status().interfaces[1].gateways.isEmpty }
    seen = try uplinks(3)
    #expect(seen.udp == [3, 0])
    try bed.advertise(1, lifetimeSeconds: 1800)
    try reflector.wait("default route of if2") { try reflector.status().interfaces[1].gateways.count == 1 }
    seen = try uplinks(3)
    #expect(seen.udp == [0, 3])

    // The interface goes and comes back with another index.
    try bed.moveDownlink(to: 0)
    seen = try uplinks(3)
    #expect(seen.udp == [3, 0])
    #expect(seen.tcp[0] >= 3 && seen.tcp[1] == 0)
    try bed.terminal.ip("link delete if2")
    try reflector.wait("if2 absent") { try !reflector.status().interfaces[1].isPresent }
    #expect(try uplinks(3).udp == [3, 0])

    let released: FlushResult = try reflector.ask("flush")
    #expect(released.releasedFlows >= 3)

    // An orderly end leaves nothing behind.
    _ = try uplinks(1)
    #expect(reflector.end(SIGTERM) == 0)
    #expect(try bed.terminal.command("nft", ["list", "ruleset"]).isEmpty)
    let (rules, routes, marked) = try bed.terminal.run {
      let tables = try RouteNetlink()
      return (
        try tables.rules().filter { $0.protocolNumber == 114 }, try tables.routes(protocolNumber: 114),
        try ConntrackSocket().entries(markedUnder: .max)
      )
    }
    #expect(rules.isEmpty && routes.isEmpty && marked.isEmpty)
    #expect(try uplinks(3).udp == [3, 0])
  }
}
