import CLinuxNet
import Glibc

/// A connected UNIX datagram socket, as control sockets of daemons such as hostapd want it: they answer to the path that
/// a client has bound. Only the peer's datagrams are received.
public final class UnixDatagramSocket {
  public let descriptor: FileDescriptor
  private let path: String
  private let ownPath: String
  private var buffer = [UInt8](repeating: 0, count: maximumLength)

  /// Octets; hostapd's answers are shorter.
  static let maximumLength = 8_192
  /// Datagrams read by one call of `receive`.
  static let burst = 64

  /// Connects to `path`.
  ///
  /// - Parameter ownPath: what is there is replaced; removed when the socket closes.
  public init(connecting path: String, from ownPath: String) throws(LinuxError) {
    self.path = path
    self.ownPath = ownPath
    descriptor = try FileDescriptor.socket(
      AF_UNIX, Int32(SOCK_DGRAM.rawValue) | Int32(SOCK_NONBLOCK.rawValue), 0, operation: "open socket for", object: path
    )
    unlink(ownPath)
    let socket = descriptor.rawValue
    guard try Self.withAddress(ownPath, { bind(socket, $0, $1) }) == 0 else { throw LinuxError("bind", ownPath) }
    guard try Self.withAddress(path, { connect(socket, $0, $1) }) == 0 else {
      let code = errno
      unlink(ownPath)
      throw LinuxError("connect to", path, code: code)
    }
  }

  deinit { unlink(ownPath) }

  public func send(_ bytes: [UInt8]) throws(LinuxError) {
    guard Glibc.send(descriptor.rawValue, bytes, bytes.count, 0) == bytes.count else {
      throw LinuxError("send to", path)
    }
  }

  /// Hands over what is waiting, at most `burst` datagrams. Empty ones are datagrams too.
  public func receive(_ body: ([UInt8]) -> Void) throws(LinuxError) {
    for _ in 0..<Self.burst {
      let count = recv(descriptor.rawValue, &buffer, buffer.count, Int32(MSG_DONTWAIT))
      if count < 0 {
        if errno == EINTR { continue }
        if errno == EAGAIN { return }
        throw LinuxError("receive from", path)
      }
      body(Array(buffer[..<count]))
    }
  }

  private static func withAddress(
    _ path: String, _ body: (UnsafePointer<sockaddr>, socklen_t) -> Int32
  ) throws(LinuxError) -> Int32 {
    var address = sockaddr_un()
    // One octet stays zero.
    guard path.utf8.count < MemoryLayout.size(ofValue: address.sun_path) else {
      throw LinuxError("use", path, code: ENAMETOOLONG)
    }
    address.sun_family = sa_family_t(AF_UNIX)
    withUnsafeMutableBytes(of: &address.sun_path) { $0.copyBytes(from: path.utf8) }
    return withUnsafePointer(to: address) {
      $0.withMemoryRebound(to: sockaddr.self, capacity: 1) { body($0, socklen_t(MemoryLayout<sockaddr_un>.size)) }
    }
  }
}
