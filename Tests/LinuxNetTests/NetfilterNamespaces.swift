import CLinuxNet
import Foundation
import LinuxNet

/// Two network namespaces joined by a veth pair, `peer` fd01::1 and `host` fd01::2, with an end named `veth0` in each.
/// Deleted, with everything in them, when the value goes away.
struct NamespacePair: ~Copyable {
  let peer: String
  let host: String

  static let peerAddress = "fd01::1"
  static let hostAddress = "fd01::2"

  /// Namespaces need root.
  static var isPermitted: Bool { geteuid() == 0 }

  private static let counter = Counter()

  init() throws {
    let name = "fmnft-\(getpid())-\(Self.counter.next())"
    peer = "\(name)-p"
    host = "\(name)-h"
    for namespace in [peer, host] { try runIP("netns add \(namespace)") }
    try runIP("link add veth0 netns \(peer) type veth peer name veth0 netns \(host)")
    for (namespace, address) in [(peer, Self.peerAddress), (host, Self.hostAddress)] {
      try runIP("-n \(namespace) link set lo up")
      try runIP("-n \(namespace) address add \(address)/64 dev veth0 nodad")
      try runIP("-n \(namespace) link set veth0 up")
    }
  }

  deinit {
    for namespace in [peer, host] { _ = try? runIP("netns delete \(namespace)") }
  }
}

final class Counter: @unchecked Sendable {
  // Guarded by the lock.
  private var value = 0
  private let lock = NSLock()
  func next() -> Int {
    lock.withLock {
      value += 1
      return value
    }
  }
}

struct CommandFailed: Error, CustomStringConvertible {
  var description: String
}

@discardableResult
func run(_ tool: String, _ arguments: [String]) throws -> String {
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

@discardableResult
func runIP(_ line: String) throws -> String {
  try run("ip", line.split(separator: " ").map(String.init))
}

/// Runs `body` on a thread of its own that has entered the namespace. Sockets opened there stay in it.
func inNamespace<Value>(_ name: String, _ body: @escaping () throws -> Value) throws -> Value {
  // The thread ends before this function goes on, so nothing is shared.
  nonisolated(unsafe) var result: Result<Value, any Error>?
  nonisolated(unsafe) let body = body
  let done = DispatchSemaphore(value: 0)
  Thread.detachNewThread {
    result = Result {
      let descriptor = open("/run/netns/\(name)", O_RDONLY | O_CLOEXEC)
      guard descriptor >= 0 else { throw LinuxError("open namespace", name) }
      defer { close(descriptor) }
      guard cnet_setns(descriptor, cnet_clone_newnet) == 0 else { throw LinuxError("enter namespace", name) }
      return try body()
    }
    done.signal()
  }
  done.wait()
  guard let result else { throw CommandFailed(description: "thread of \(name) gave no result") }
  return try result.get()
}

/// A UDP socket for tests.
final class UDPSocket {
  let descriptor: FileDescriptor

  init(boundTo address: String, port: UInt16) throws {
    descriptor = try FileDescriptor.socket(
      AF_INET6, Int32(SOCK_DGRAM.rawValue), 0, operation: "open", object: "UDP socket")
    // Flow labels come from the destination address given to sendto(2).
    try descriptor.setOption(level: 41, name: 33, value: 1, operation: "set", object: "IPV6_FLOWINFO_SEND")
    var local = try Self.address(address, port)
    let bound = withUnsafePointer(to: &local) {
      $0.withMemoryRebound(to: sockaddr.self, capacity: 1) {
        bind(descriptor.rawValue, $0, socklen_t(MemoryLayout<sockaddr_in6>.size))
      }
    }
    guard bound == 0 else { throw LinuxError("bind", "\(address) \(port)") }
    var timeout = timeval(tv_sec: 2, tv_usec: 0)
    setsockopt(descriptor.rawValue, SOL_SOCKET, SO_RCVTIMEO, &timeout, socklen_t(MemoryLayout<timeval>.size))
  }

  func send(_ data: [UInt8], to address: String, port: UInt16, label: UInt32 = 0) throws {
    var destination = try Self.address(address, port)
    destination.sin6_flowinfo = label.bigEndian
    let sent = withUnsafePointer(to: &destination) {
      $0.withMemoryRebound(to: sockaddr.self, capacity: 1) {
        sendto(descriptor.rawValue, data, data.count, 0, $0, socklen_t(MemoryLayout<sockaddr_in6>.size))
      }
    }
    guard sent == data.count else { throw LinuxError("send to", "\(address) \(port)") }
  }

  /// The next datagram; throws after two seconds without one.
  func receive() throws -> [UInt8] {
    var buffer = [UInt8](repeating: 0, count: 65_536)
    let count = recv(descriptor.rawValue, &buffer, buffer.count, 0)
    guard count >= 0 else { throw LinuxError("receive", "datagram") }
    return Array(buffer[..<count])
  }

  private static func address(_ text: String, _ port: UInt16) throws -> sockaddr_in6 {
    var address = sockaddr_in6()
    address.sin6_family = sa_family_t(AF_INET6)
    address.sin6_port = port.bigEndian
    guard inet_pton(AF_INET6, text, &address.sin6_addr) == 1 else {
      throw CommandFailed(description: "\(text) is not an address")
    }
    return address
  }
}
