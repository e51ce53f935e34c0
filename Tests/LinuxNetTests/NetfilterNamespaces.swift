import Foundation
import LinuxNet

/// Two network namespaces joined by a veth pair, `peer` fd01::1 and `host` fd01::2, with an end named `veth0` in each.
final class NamespacePair {
  let peer: NetworkNamespace
  let host: NetworkNamespace

  static let peerAddress = "fd01::1"
  static let hostAddress = "fd01::2"

  init() throws {
    peer = try NetworkNamespace()
    host = try NetworkNamespace()
    try runIP(in: peer, "link add veth0 type veth peer name veth0 netns \(host.path)")
    try Self.configure(peer, Self.peerAddress)
    try Self.configure(host, Self.hostAddress)
  }

  private static func configure(_ namespace: borrowing NetworkNamespace, _ address: String) throws {
    try runIP(in: namespace, "link set lo up")
    try runIP(in: namespace, "address add \(address)/64 dev veth0 nodad")
    try runIP(in: namespace, "link set veth0 up")
  }
}

extension NetworkNamespace {
  /// For tools; valid as long as this process has the namespace open.
  var path: String { "/proc/\(getpid())/fd/\(descriptor.rawValue)" }
}

func runIP(in namespace: borrowing NetworkNamespace, _ line: String) throws {
  try run("nsenter", ["--net=\(namespace.path)", "ip"] + line.split(separator: " ").map(String.init))
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
