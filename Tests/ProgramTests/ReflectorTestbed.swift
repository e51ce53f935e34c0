import Foundation
import LinuxNet
import NetTypes

/// The terminal's half of the domain: a terminal with two interfaces, a router on each, one correspondent.
///
///                   ┌── if1 ── acc  r1  core ── c1 ──┐
///     2001:db8:a1:: mn                               cn  2001:db8:c::2
///                   └── if2 ── acc  r2  core ── c2 ──┘
///
/// Both routers route all of the terminal's prefixes to it through its link-local address, and count what they forward.
final class ReflectorTestbed {
  let terminal: TestNamespace
  let routers: [TestNamespace]
  let correspondent: TestNamespace
  private let counters: [NetfilterSocket]

  static let terminalAddress = "2001:db8:a1::10"
  /// Of a flow that nobody moves.
  static let controlAddress = "2001:db8:a1::11"
  static let correspondentAddress = "2001:db8:c::2"
  private static let table = NftTable(name: "observe")

  init() throws {
    terminal = try TestNamespace()
    routers = [try TestNamespace(), try TestNamespace()]
    correspondent = try TestNamespace()
    for (index, router) in routers.enumerated() {
      let (access, core) = ("if\(index + 1)", "c\(index + 1)")
      try router.ip("link add acc type veth peer name \(access) netns \(terminal.path)")
      try router.ip("link add core type veth peer name \(core) netns \(correspondent.path)")
      try terminal.configure(access, ["fe80::10/64", "2001:db8:a\(index + 1)::10/64"])
      try router.configure("acc", ["fe80::1/64"])
      try router.configure("core", ["fe80::1/64"])
      try correspondent.configure(core, ["fe80::c/64"])
      try router.run { try KernelParameter.ipv6Forwarding.write("1") }
      for prefix in ["2001:db8:a1::/64", "2001:db8:a2::/64"] {
        try router.ip("-6 route add \(prefix) via fe80::10 dev acc")
      }
      try router.ip("-6 route add 2001:db8:c::/64 via fe80::c dev core")
    }
    try terminal.ip("address add \(Self.controlAddress)/64 dev if1 nodad")
    try correspondent.ip("address add \(Self.correspondentAddress)/128 dev lo nodad")
    try correspondent.ip("-6 route add 2001:db8:a1::/64 via fe80::1 dev c1")
    counters = try routers.map { router in try router.run { try NetfilterSocket() } }
    for socket in counters { try socket.commit(Self.observation()) }
  }

  /// Counts forwarded uplink packets by terminal address and transport.
  private static func observation() throws -> NftTransaction {
    var transaction = NftTransaction(table: table)
    transaction.addTable()
    transaction.addChain("forward", base: NftBaseChain(hook: .forward, priority: 0))
    for text in [terminalAddress, controlAddress] {
      guard let address = IPv6Address(text) else { throw CommandFailed(description: "\(text) is no address") }
      for transport: UInt8 in [6, 17] {
        transaction.addRule(
          chain: "forward",
          NftExpression.matchPrefix(.host(address), in: .sourceAddress)
            + NftExpression.matchTransportProtocol(transport) + [.counter], comment: "\(text) \(transport)")
      }
    }
    return transaction
  }

  /// Uplink packets of a terminal address that each router has forwarded.
  func uplink(_ address: String = terminalAddress, _ transport: UInt8 = 17) throws -> [UInt64] {
    try counters.map { socket in
      try socket.rules(of: Self.table).first { $0.comment == "\(address) \(transport)" }?.counter?.packets ?? 0
    }
  }

  /// The downlink of everything to `terminalAddress` takes this router from now on.
  func moveDownlink(to router: Int) throws {
    try correspondent.ip("-6 route replace \(Self.terminalAddress)/128 via fe80::1 dev c\(router + 1)")
  }

  /// A Router Advertisement without prefixes (RFC 4861 section 4.2): the router is a default router for `lifetime`.
  func advertise(_ router: Int, lifetimeSeconds lifetime: UInt16) throws {
    try routers[router].run {
      let socket = try FileDescriptor.socket(
        AF_INET6, Int32(SOCK_RAW.rawValue), Int32(IPPROTO_ICMPV6), operation: "open", object: "ICMPv6 socket")
      try socket.setOption(
        level: Int32(IPPROTO_IPV6), name: IPV6_MULTICAST_HOPS, value: 255, operation: "set", object: "hop limit")
      try socket.setOption(
        level: Int32(IPPROTO_IPV6), name: IPV6_MULTICAST_IF, value: Int32(if_nametoindex("acc")), operation: "set",
        object: "output interface")
      let message: [UInt8] =
        [134, 0, 0, 0, 64, 0, UInt8(lifetime >> 8), UInt8(truncatingIfNeeded: lifetime)]
        + [UInt8](repeating: 0, count: 8)
      var destination = try socketAddress("ff02::1", 0)
      let sent = withUnsafePointer(to: &destination) {
        $0.withMemoryRebound(to: sockaddr.self, capacity: 1) {
          sendto(socket.rawValue, message, message.count, 0, $0, socklen_t(MemoryLayout<sockaddr_in6>.size))
        }
      }
      guard sent == message.count else { throw LinuxError("send", "Router Advertisement") }
    }
  }
}

/// A namespace in which programs can be started.
final class TestNamespace {
  private let namespace: NetworkNamespace

  init() throws {
    namespace = try NetworkNamespace()
    try ip("link set lo up")
  }

  /// For tools; valid as long as this process has the namespace open.
  var path: String { "/proc/\(getpid())/fd/\(namespace.descriptor.rawValue)" }

  /// Runs `body` inside; sockets opened there stay there.
  func run<Value>(_ body: () throws -> Value) throws -> Value { try namespace.run(body) }

  @discardableResult
  func command(_ tool: String, _ arguments: [String]) throws -> String {
    try FlowmobTests.command("nsenter", ["--net=\(path)", tool] + arguments)
  }

  @discardableResult
  func ip(_ line: String) throws -> String { try command("ip", line.split(separator: " ").map(String.init)) }

  func configure(_ interface: String, _ addresses: [String]) throws {
    try ip("link set \(interface) addrgenmode none")
    for address in addresses { try ip("address add \(address) dev \(interface) nodad") }
    try ip("link set \(interface) up")
  }
}

struct CommandFailed: Error, CustomStringConvertible {
  var description: String
}

enum FlowmobTests {
  /// Runs a tool to its end and gives its output.
  @discardableResult
  static func command(_ tool: String, _ arguments: [String]) throws -> String {
    let process = Process()
    process.executableURL = URL(fileURLWithPath: "/usr/bin/env")
    process.arguments = [tool] + arguments
    let output = Pipe()
    process.standardOutput = output
    process.standardError = output
    try process.run()
    let text = String(decoding: output.fileHandleForReading.readDataToEndOfFile(), as: UTF8.self)
    process.waitUntilExit()
    guard process.terminationStatus == 0 else {
      throw CommandFailed(description: "\(tool) \(arguments.joined(separator: " ")): \(text)")
    }
    return text
  }
}

func socketAddress(_ text: String, _ port: UInt16) throws -> sockaddr_in6 {
  var address = sockaddr_in6()
  address.sin6_family = sa_family_t(AF_INET6)
  address.sin6_port = port.bigEndian
  guard inet_pton(AF_INET6, text, &address.sin6_addr) == 1 else {
    throw CommandFailed(description: "\(text) is not an address")
  }
  return address
}

/// A connected UDP or TCP socket; calls give up after two seconds.
final class TestSocket: Sendable {
  let descriptor: Int32

  private init(_ descriptor: Int32) { self.descriptor = descriptor }
  deinit { close(descriptor) }

  static func udp(local: (String, UInt16), remote: (String, UInt16)) throws -> TestSocket {
    let socket = try open(Int32(SOCK_DGRAM.rawValue), local)
    try socket.connect(remote)
    return socket
  }

  static func tcp(local: (String, UInt16), remote: (String, UInt16)) throws -> TestSocket {
    let socket = try open(Int32(SOCK_STREAM.rawValue), local)
    try socket.connect(remote)
    return socket
  }

  static func listener(_ local: (String, UInt16)) throws -> TestSocket {
    let socket = try open(Int32(SOCK_STREAM.rawValue), local)
    guard listen(socket.descriptor, 1) == 0 else { throw LinuxError("listen on", "\(local)") }
    return socket
  }

  func accepted() throws -> TestSocket {
    let descriptor = accept(descriptor, nil, nil)
    guard descriptor >= 0 else { throw LinuxError("accept", "connection") }
    let socket = TestSocket(descriptor)
    socket.limitWaiting()
    return socket
  }

  private static func open(_ type: Int32, _ local: (String, UInt16)) throws -> TestSocket {
    let socket = TestSocket(Foundation.socket(AF_INET6, type | Int32(SOCK_CLOEXEC.rawValue), 0))
    guard socket.descriptor >= 0 else { throw LinuxError("open", "socket") }
    socket.limitWaiting()
    let bound = try socket.with(local) { bind(socket.descriptor, $0, $1) }
    guard bound == 0 else { throw LinuxError("bind", "\(local)") }
    return socket
  }

  private func connect(_ remote: (String, UInt16)) throws {
    guard try with(remote, { Foundation.connect(descriptor, $0, $1) }) == 0 else {
      throw LinuxError("connect to", "\(remote)")
    }
  }

  private func with(
    _ end: (String, UInt16), _ body: (UnsafePointer<sockaddr>, socklen_t) -> Int32
  ) throws -> Int32 {
    let address = try socketAddress(end.0, end.1)
    return withUnsafePointer(to: address) { pointer in
      pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
        body($0, socklen_t(MemoryLayout<sockaddr_in6>.size))
      }
    }
  }

  private func limitWaiting() {
    var timeout = timeval(tv_sec: 2, tv_usec: 0)
    for option in [SO_RCVTIMEO, SO_SNDTIMEO] {
      setsockopt(descriptor, SOL_SOCKET, option, &timeout, socklen_t(MemoryLayout<timeval>.size))
    }
  }

  func send(_ data: [UInt8]) throws {
    guard Foundation.send(descriptor, data, data.count, Int32(MSG_NOSIGNAL)) == data.count else {
      throw LinuxError("send", "\(data.count) octets")
    }
  }

  func receive() throws -> [UInt8] {
    var buffer = [UInt8](repeating: 0, count: 2048)
    let count = recv(descriptor, &buffer, buffer.count, 0)
    guard count > 0 else { throw LinuxError("receive", "answer") }
    return Array(buffer[..<count])
  }

  /// Sends to `peer`, which sends the same back, `count` times, each after the answer to the one before.
  func exchange(with peer: TestSocket, count: Int) throws {
    for number in 0..<count {
      let data = [UInt8](repeating: UInt8(truncatingIfNeeded: number), count: 100)
      try send(data)
      try peer.send(try peer.receive())
      guard try receive() == data else { throw CommandFailed(description: "another answer than expected") }
    }
  }
}
