import DaemonKit
import DatapathModel
import FlowCore
import Foundation
import LinuxNet
import NetTypes
import Synchronization

/// Correspondent, anchor and node, each a network namespace, with the real flow-manager at the anchor and a stand-in
/// for lmad. A plain link stands for each of the two tunnels:
///
///     cn  c0 ─── l0  lma  t1 ─── m1  mn        mark 1 → table 101 → t1 (also the default)
///                         t2 ─── m2            mark 2 → table 102 → t2
final class FlowManagerDomain {
  static let node = "2001:db8:100:1::10"
  static let correspondent = "2001:db8:c::2"

  /// Needs root, and a kernel that lets us make namespaces.
  static var isPossible: Bool { geteuid() == 0 && (try? NetworkNamespace()) != nil }

  private let cn: NetworkNamespace
  private let lma: NetworkNamespace
  private let mn: NetworkNamespace
  let directory: String
  private(set) var anchor: StandInAnchor
  private var daemon: Process?
  private var sockets: [Int32] = []

  init() throws {
    cn = try NetworkNamespace()
    lma = try NetworkNamespace()
    mn = try NetworkNamespace()
    directory = "/tmp/flowmob-\(getpid())-\(UInt32.random(in: 0...UInt32.max))"
    try FileManager.default.createDirectory(atPath: directory, withIntermediateDirectories: false)
    anchor = try StandInAnchor(path: "\(directory)/lmad.sock")
    let node = Self.node
    try sh(
      in: lma,
      """
      ip link add l0 type veth peer name c0 netns \(Self.path(cn))
      for n in 1 2; do
        ip link add t$n type veth peer name m$n netns \(Self.path(mn))
        ip address add fe80::1/64 dev t$n nodad
        ip link set t$n up
        ip -6 rule add fwmark 0x${n}0000/0x0fff0000 lookup 10$n pref 10$n
      done
      ip address add 2001:db8:c::1/64 dev l0 nodad
      ip link set l0 up
      ip link set lo up
      sysctl -qw net.ipv6.conf.all.forwarding=1
      """)
    try sh(
      in: cn,
      """
      ip address add \(Self.correspondent)/64 dev c0 nodad
      ip link set c0 up
      ip -6 route add default via 2001:db8:c::1
      """)
    try sh(
      in: mn,
      """
      ip link set lo up
      ip address add \(node)/128 dev lo nodad
      for n in 1 2; do ip address add fe80::2/64 dev m$n nodad; ip link set m$n up; done
      ip -6 route add default via fe80::1 dev m1
      """)
    try sh(
      in: lma,
      """
      ip -6 route add 2001:db8:100::/48 via fe80::2 dev t1
      for n in 1 2; do ip -6 route add 2001:db8:100::/48 via fe80::2 dev t$n table 10$n; done
      """)
    try Data(
      """
      anchor-socket: \(directory)/lmad.sock
      queue: { number: 77, length: 1024 }
      flows: { maximum: 1000, idle-timeout: 5m }
      nft-table: flowmob_test
      state-directory: \(directory)/state
      control: { socket: \(directory)/fm.sock, group: "0" }
      log-level: debug
      """.utf8
    ).write(to: URL(fileURLWithPath: "\(directory)/fm.yaml"))
  }

  deinit {
    stopDaemon(SIGKILL)
    anchor.stop()
    sockets.forEach { close($0) }
    try? FileManager.default.removeItem(atPath: directory)
  }

  // MARK: Programs

  private static func path(_ namespace: borrowing NetworkNamespace) -> String {
    "/proc/\(getpid())/fd/\(namespace.descriptor.rawValue)"
  }

  /// A shell script in a namespace; its output.
  @discardableResult
  private func sh(in namespace: borrowing NetworkNamespace, _ script: String) throws -> String {
    let process = Process()
    process.executableURL = URL(fileURLWithPath: "/usr/bin/nsenter")
    process.arguments = ["--net=\(Self.path(namespace))", "sh", "-e", "-c", script]
    let output = Pipe()
    process.standardOutput = output
    process.standardError = output
    try process.run()
    let text = String(decoding: output.fileHandleForReading.readDataToEndOfFile(), as: UTF8.self)
    process.waitUntilExit()
    guard process.terminationStatus == 0 else { throw Failure("\(script): \(text)") }
    return text
  }

  func atAnchor(_ script: String) throws -> String { try sh(in: lma, script) }
  func atCorrespondent(_ script: String) throws -> String { try sh(in: cn, script) }
  func atNode(_ script: String) throws -> String { try sh(in: mn, script) }

  /// Beside the test bundle.
  static var program: String {
    let bundle = CommandLine.arguments.first { $0.hasSuffix(".xctest") } ?? CommandLine.arguments[0]
    return URL(fileURLWithPath: bundle).deletingLastPathComponent().appendingPathComponent("flow-manager").path
  }

  func startDaemon() throws {
    let process = Process()
    process.executableURL = URL(fileURLWithPath: "/usr/bin/nsenter")
    process.arguments = ["--net=\(Self.path(lma))", Self.program, "run", "-c", "\(directory)/fm.yaml"]
    try Data().write(to: URL(fileURLWithPath: "\(directory)/log"))
    process.standardError = FileHandle(forWritingAtPath: "\(directory)/log")
    try process.run()
    daemon = process
    try wait("the daemon mirrors the anchor") {
      (try? call("show tunnels", as: TunnelsReply.self))?.anchorConnected ?? false
    }
  }

  func stopDaemon(_ signal: Int32) {
    guard let daemon else { return }
    kill(daemon.processIdentifier, signal)
    daemon.waitUntilExit()
    self.daemon = nil
  }

  func restartAnchor() throws {
    func isConnected() throws -> Bool { try call("list", as: FlowsReply.self).anchorConnected }
    anchor.stop()
    let noticed = Result { try wait("the daemon notices that the anchor is away") { try !isConnected() } }
    anchor = try StandInAnchor(path: "\(directory)/lmad.sock")
    try noticed.get()
    try wait("the daemon is back at the anchor") { try isConnected() }
  }

  var log: String { (try? String(contentsOfFile: "\(directory)/log", encoding: .utf8)) ?? "" }

  func call<Result: Decodable>(
    _ command: String, _ arguments: some Encodable = NoArguments(), as type: Result.Type = Result.self
  ) throws(ControlClientError) -> Result {
    try ControlClient(path: "\(directory)/fm.sock").call(command, arguments)
  }

  // MARK: Traffic

  /// A connected UDP socket of the correspondent towards the node's port 5000.
  func flow(port: UInt16) throws -> Int32 {
    let socket = try cn.run { try Self.socket(address: Self.correspondent, port: port) }
    sockets.append(socket)
    var address = try Self.address(Self.node, 5_000)
    let connected = withUnsafePointer(to: &address) {
      $0.withMemoryRebound(to: sockaddr.self, capacity: 1) {
        connect(socket, $0, socklen_t(MemoryLayout<sockaddr_in6>.size))
      }
    }
    guard connected == 0 else { throw Failure("connect: \(errno)") }
    return socket
  }

  /// A socket of the node that gets what arrives by one of its interfaces on port 5000.
  func receiver(interface: String) throws -> Int32 {
    let socket = try mn.run { try Self.socket(address: Self.node, port: 5_000, interface: interface) }
    sockets.append(socket)
    return socket
  }

  func send(_ socket: Int32, _ count: Int, octets: Int = 100) throws {
    let payload = [UInt8](repeating: 0x55, count: octets)
    for _ in 0..<count {
      guard Glibc.send(socket, payload, payload.count, 0) == octets else { throw Failure("send: \(errno)") }
    }
  }

  /// Datagrams by source port, once `count` have come or a second has passed without one.
  func receive(_ socket: Int32, _ count: Int) -> [UInt16: Int] {
    var result: [UInt16: Int] = [:]
    var buffer = [UInt8](repeating: 0, count: 65_536)
    var received = 0
    var poll = pollfd(fd: socket, events: Int16(POLLIN), revents: 0)
    while received < count, Glibc.poll(&poll, 1, 1_000) == 1 {
      var address = sockaddr_in6()
      var length = socklen_t(MemoryLayout<sockaddr_in6>.size)
      let size = withUnsafeMutablePointer(to: &address) {
        $0.withMemoryRebound(to: sockaddr.self, capacity: 1) {
          recvfrom(socket, &buffer, buffer.count, Int32(MSG_DONTWAIT), $0, &length)
        }
      }
      guard size >= 0 else { continue }
      result[UInt16(bigEndian: address.sin6_port), default: 0] += 1
      received += 1
    }
    return result
  }

  private static func address(_ text: String, _ port: UInt16) throws -> sockaddr_in6 {
    var address = sockaddr_in6()
    address.sin6_family = sa_family_t(AF_INET6)
    address.sin6_port = port.bigEndian
    guard inet_pton(AF_INET6, text, &address.sin6_addr) == 1 else { throw Failure(text) }
    return address
  }

  private static func socket(address text: String, port: UInt16, interface: String? = nil) throws -> Int32 {
    let socket = Glibc.socket(AF_INET6, Int32(SOCK_DGRAM.rawValue), 0)
    guard socket >= 0 else { throw Failure("socket: \(errno)") }
    if let interface {
      guard setsockopt(socket, SOL_SOCKET, SO_BINDTODEVICE, interface, socklen_t(interface.utf8.count)) == 0 else {
        throw Failure("bind to \(interface): \(errno)")
      }
    }
    var address = try address(text, port)
    let bound = withUnsafePointer(to: &address) {
      $0.withMemoryRebound(to: sockaddr.self, capacity: 1) {
        bind(socket, $0, socklen_t(MemoryLayout<sockaddr_in6>.size))
      }
    }
    guard bound == 0 else { throw Failure("bind \(text): \(errno)") }
    return socket
  }

  // MARK: Waiting

  /// Until `condition` holds, at most five seconds.
  func wait(_ what: String, _ condition: () throws -> Bool) throws {
    let deadline = SystemClock.monotonic + .seconds(5)
    while try !condition() {
      guard SystemClock.monotonic < deadline else { throw Failure("waited for: \(what)\n\(log)") }
      usleep(5_000)
    }
  }

  struct Failure: Error, CustomStringConvertible {
    var description: String
    init(_ description: String) { self.description = description }
  }
}

// What tests read of the daemon's answers.

struct TunnelsReply: Decodable {
  struct Tunnel: Decodable {
    var id: UInt32
    var flows: Int
    var packets: UInt64
  }
  var tunnels: [Tunnel]
  var anchorConnected: Bool
}

struct FlowsReply: Decodable {
  struct Flow: Decodable, Equatable {
    var id: UInt32
    var `protocol`: String
    var sourcePort: UInt16
    var flowLabel: UInt32
    var tunnel: UInt32
    var gateway: String?
    var node: String?
    var packets: UInt64
    var createdAt: UInt32
  }
  var flows: [Flow]
  var anchorConnected: Bool
}

struct CountersReply: Decodable {
  var counters: [String: UInt64]
}

struct MoveCommand: Encodable {
  var flow: UInt32
  var to: String
}

/// Serves lmad's feed on a thread of its own.
final class StandInAnchor: Sendable {
  static let prefix = IPv6Prefix("2001:db8:100:1::/64")

  static func binding(_ number: UInt32, state: String = "active") -> AnchorBinding {
    AnchorBinding(
      id: number, node: "mn1@example.net", kind: "logical", gateway: "mag\(number)",
      tunnel: TunnelIdentifier(rawValue: number), accessTechnology: 4, prefixes: [prefix].compactMap { $0 },
      offLinkPrefixes: [], isDefault: number == 1, state: state)
  }

  static let snapshot = AnchorSnapshot(
    markMask: 0x0fff_0000, homePrefixes: [IPv6Prefix("2001:db8:100::/48")].compactMap { $0 },
    tunnels: [1, 2].map {
      AnchorTunnel(
        id: TunnelIdentifier(rawValue: $0), gateway: "mag\($0)", local: .unspecified, remote: .unspecified,
        mark: $0 << 16, interface: "t\($0)")
    }, bindings: [binding(1), binding(2)])

  /// A removed binding to publish, or nil to stop.
  private let orders = Mutex<[AnchorBinding?]>([])
  private let bell: Int32
  private let done = DispatchSemaphore(value: 0)

  init(path: String) throws {
    var ends: [Int32] = [0, 0]
    guard pipe(&ends) == 0 else { throw FlowManagerDomain.Failure("pipe: \(errno)") }
    bell = ends[1]
    let ear = ends[0]
    let listening = DispatchSemaphore(value: 0)
    Thread.detachNewThread { [self] in
      defer { done.signal() }
      do {
        let loop = try EventLoop()
        let server = try ControlServer(loop: loop, path: path, group: "0")
        server.handleSubscription("subscribe", topic: "bindings", NoArguments.self) { _, _ in Self.snapshot }
        // The loop keeps the handler: without `unowned` neither it nor the server would ever go.
        try loop.add(ear) { [unowned loop, unowned server] _ in
          var octet: UInt8 = 0
          guard read(ear, &octet, 1) == 1 else { return }
          guard let binding = self.orders.withLock({ $0.removeFirst() }) else { return loop.stop() }
          server.publish(
            AnchorEvent.Name.bindingRemoved.rawValue, topic: "bindings",
            AnchorBindingChange(binding: binding, cause: "deregistered"))
        }
        listening.signal()
        try loop.run()
        withExtendedLifetime(server) {}
      } catch {
        print("stand-in anchor: \(error)")
        listening.signal()
      }
      close(ear)
    }
    listening.wait()
  }

  private func order(_ binding: AnchorBinding?) {
    orders.withLock { $0.append(binding) }
    var octet: UInt8 = 1
    _ = write(bell, &octet, 1)
  }

  func remove(_ binding: AnchorBinding) { order(binding) }

  /// Once.
  func stop() {
    order(nil)
    done.wait()
    close(bell)
  }
}
