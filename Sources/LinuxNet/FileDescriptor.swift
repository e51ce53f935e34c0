import CLinuxNet
import Glibc

/// Owner of a file descriptor; closes it when it goes away.
public struct FileDescriptor: ~Copyable, Sendable {
  public let rawValue: Int32

  /// Takes over `rawValue`, which nobody else may close.
  public init(owning rawValue: Int32) { self.rawValue = rawValue }

  deinit { close(rawValue) }

  /// Gives the descriptor up; the caller closes it.
  public consuming func release() -> Int32 {
    let value = rawValue
    discard self
    return value
  }
}

extension FileDescriptor {
  /// The socket, with SOCK_CLOEXEC.
  public static func socket(
    _ family: Int32, _ type: Int32, _ protocolNumber: Int32, operation: String, object: String
  ) throws(LinuxError) -> FileDescriptor {
    let descriptor = Glibc.socket(family, type | Int32(SOCK_CLOEXEC.rawValue), protocolNumber)
    guard descriptor >= 0 else { throw LinuxError(operation, object) }
    return FileDescriptor(owning: descriptor)
  }

  /// setsockopt(2) of an integer option.
  public func setOption(
    level: Int32, name: Int32, value: Int32, operation: String, object: String
  ) throws(LinuxError) {
    var value = value
    guard setsockopt(rawValue, level, name, &value, socklen_t(MemoryLayout<Int32>.size)) == 0 else {
      throw LinuxError(operation, object)
    }
  }

  /// Asks for socket buffers of these sizes, in octets. With CAP_NET_ADMIN they may exceed net.core.{r,w}mem_max,
  /// without it the kernel caps them silently.
  public func setBufferSizes(receive: Int32? = nil, send: Int32? = nil) {
    let sizes = [(receive, SO_RCVBUFFORCE, SO_RCVBUF), (send, SO_SNDBUFFORCE, SO_SNDBUF)]
    for case (var size?, let forced, let ordinary) in sizes {
      let length = socklen_t(MemoryLayout<Int32>.size)
      if setsockopt(rawValue, SOL_SOCKET, forced, &size, length) != 0 {
        setsockopt(rawValue, SOL_SOCKET, ordinary, &size, length)
      }
    }
  }

  /// Lets the disk begin with what was written to a file since `offset`, so that a later fsync(2) finds little to do.
  public func startWriteback(from offset: Int) { cnet_start_writeback(rawValue, Int64(offset)) }
}
