import CLinuxNet
import Datapath
import DatapathModel
import Glibc
import LinuxNet
import NetTypes
import Testing

/// System tests make private network namespaces, which takes root.
let isRoot = geteuid() == 0
let needsRoot: Comment = "needs root: makes network namespaces"

/// Whether the kernel has `ip6tnl`; without, the tests of it need the testbed's guest, where `testbed/test` runs them.
let hasTunnelDevices: Bool =
  isRoot
  && (try? NetworkNamespace().run { try KernelDatapath(anchorConfiguration(.auto)).encapsulation == .ip6tnl }) == true
/// Set by `testbed/guest`.
let isInGuest = getenv("FLOWMOB_GUEST") != nil
let needsTunnelDevices: Comment = "needs ip6tnl devices, which this kernel lacks"

extension EncapsulationChoice {
  static let available: [EncapsulationChoice] = hasTunnelDevices ? [.srv6, .ip6tnl] : [.srv6]
}

func address(_ text: String) throws -> IPv6Address { try #require(IPv6Address(text)) }
func prefix(_ text: String) throws -> IPv6Prefix { try #require(IPv6Prefix(text)) }

/// Polls `condition` until it holds; false when it does not within `limit`.
func eventually(within limit: Duration = .seconds(5), _ condition: () throws -> Bool) rethrows -> Bool {
  let end = SystemClock.monotonic + limit
  while SystemClock.monotonic < end {
    if try condition() { return true }
    usleep(2_000)
  }
  return try condition()
}

/// The examples' numbers.
func anchorConfiguration(
  _ encapsulation: EncapsulationChoice = .srv6, local: String = "2001:db8:1::1"
) throws -> DatapathConfiguration {
  DatapathConfiguration(
    encapsulation: encapsulation, coreInterface: "core0", localAddress: try address(local), rulePriority: 5_213,
    routeProtocol: 113, owner: "lmad",
    role: .anchor(.init(tableBase: 52_130, aggregates: [try prefix("2001:db8:100::/48")])))
}

func gatewayConfiguration(
  _ encapsulation: EncapsulationChoice = .srv6, local: String
) throws -> DatapathConfiguration {
  DatapathConfiguration(
    encapsulation: encapsulation, coreInterface: "core0", localAddress: try address(local), rulePriority: 5_213,
    routeProtocol: 113, owner: "magd", role: .gateway(.init(uplinkTable: 52_130, accessLinks: ["acc0"])))
}

func tunnel(_ number: UInt32, _ local: String, _ remote: String) throws -> TunnelDescription {
  TunnelDescription(
    identifier: TunnelIdentifier(rawValue: number), local: try address(local), remote: try address(remote))
}

/// A host of a test network: a namespace with loopback up and without duplicate address detection.
final class Host {
  let namespace: NetworkNamespace

  init(forwarding: Bool = false) throws {
    namespace = try NetworkNamespace()
    try run { netlink in
      for part in ["all", "default"] {
        try KernelParameter.ipv6(interface: part, "accept_dad").write("0")
        try KernelParameter.ipv6(interface: part, "accept_ra").write("0")
      }
      if forwarding { try KernelParameter.ipv6Forwarding.write("1") }
      try setUp("lo", netlink)
    }
  }

  /// Runs `body` inside.
  func run<Value>(_ body: (RouteNetlink) throws -> Value) throws -> Value {
    try namespace.run { try body(RouteNetlink()) }
  }

  private func setUp(_ name: String, _ netlink: RouteNetlink) throws {
    let link = try netlink.link(named: name)
    try netlink.run(.changeLink(index: link.index, name: name, LinkChange(up: true)))
  }

  /// A cable: `name` here, `peerName` there, both up.
  func connect(_ name: String, to peer: Host, _ peerName: String) throws {
    let descriptor = peer.namespace.descriptor.rawValue
    try run { try $0.run(.createVirtualPair(name: name, peer: peerName, peerNamespace: descriptor)) }
    try run { try setUp(name, $0) }
    try peer.run { try setUp(peerName, $0) }
  }

  func add(_ text: String, to interface: String, prefixLength: UInt8 = 64) throws {
    try run { netlink in
      let link = try netlink.link(named: interface)
      let item = InterfaceAddress(
        interface: link.index, address: try address(text), prefixLength: prefixLength, withoutDetection: true)
      try netlink.run(item.addition)
    }
  }

  func route(_ destination: String, via gateway: String, dev interface: String) throws {
    try run { netlink in
      let link = try netlink.link(named: interface)
      let route = Route(
        to: try prefix(destination), protocolNumber: 4, interface: link.index, gateway: try address(gateway))
      try netlink.run(route.addition)
    }
  }

  func linkLocalAddress(_ interface: String) throws -> IPv6Address {
    try run { try #require(try $0.link(named: interface).linkLayerAddress).linkLocalAddress }
  }

  /// Runs a program inside; the test fails when it does.
  func execute(_ path: String, _ arguments: [String]) throws {
    let status: Int32 = try namespace.run {
      var process = pid_t()
      var argv = ([path] + arguments).map { strdup($0) } + [nil]
      defer { for argument in argv { free(argument) } }
      try #require(posix_spawn(&process, path, nil, nil, &argv, environ) == 0, "\(path) does not run")
      var status: Int32 = 0
      waitpid(process, &status, 0)
      return status
    }
    #expect(status == 0, "\(path) \(arguments)")
  }
}

/// A UDP socket in a host that tells on which interface a datagram came in.
final class UDPEndpoint {
  struct Datagram: Hashable {
    var text: String
    var source: IPv6Address
    var interface: UInt32
  }

  let descriptor: FileDescriptor
  private var batch: DatagramBatch
  static let port: UInt16 = 7_000

  init(in host: Host) throws {
    descriptor = FileDescriptor(
      owning: try host.namespace.run { socket(AF_INET6, Int32(SOCK_DGRAM.rawValue | SOCK_CLOEXEC.rawValue), 0) })
    descriptor.setBufferSizes(receive: 4 << 20)
    batch = try DatagramBatch(capacity: 16, datagramSize: 2_048)
    #expect(cnet_receive_packet_info(descriptor.rawValue) == 0)
    var local = Self.socketAddress(.unspecified)
    let bound = withUnsafePointer(to: &local) {
      $0.withMemoryRebound(to: sockaddr.self, capacity: 1) {
        bind(descriptor.rawValue, $0, socklen_t(MemoryLayout<sockaddr_in6>.size))
      }
    }
    try #require(bound == 0)
  }

  private static func socketAddress(_ address: IPv6Address) -> sockaddr_in6 {
    var result = sockaddr_in6()
    result.sin6_family = sa_family_t(AF_INET6)
    result.sin6_port = port.bigEndian
    withUnsafeMutableBytes(of: &result.sin6_addr) { $0.copyBytes(from: address.bytes) }
    return result
  }

  /// - Parameter interface: output interface; 0: the kernel's choice.
  func send(_ text: String, from source: IPv6Address, to destination: IPv6Address, interface: UInt32 = 0) {
    var peer = Self.socketAddress(destination)
    var own = Self.socketAddress(source).sin6_addr
    let bytes = Array(text.utf8)
    let sent = cnet_send_from(descriptor.rawValue, bytes, bytes.count, &peer, &own, interface, 0)
    #expect(sent == bytes.count, "send from \(source): errno \(errno)")
  }

  /// The next datagram; nil when none comes in time.
  func receive(within limit: Duration = .seconds(5)) throws -> Datagram? {
    var datagrams: [Datagram] = []
    _ = try eventually(within: limit) {
      guard queue.isEmpty else { return true }
      for index in 0..<(try batch.receive(descriptor.rawValue, object: "UDP socket")) {
        datagrams.append(
          Datagram(
            text: String(decoding: batch.bytes(index), as: UTF8.self), source: batch.source(index),
            interface: batch.packetInformation(index)?.interface ?? 0))
      }
      queue += datagrams
      return !datagrams.isEmpty
    }
    return queue.isEmpty ? nil : queue.removeFirst()
  }
  private var queue: [Datagram] = []
}
