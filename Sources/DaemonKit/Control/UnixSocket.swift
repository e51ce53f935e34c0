import Glibc
import LinuxNet

/// Who is at the other end of a UNIX socket, as the kernel knows it (SO_PEERCRED).
public struct PeerCredentials: Hashable, Sendable {
  public var processID: Int32
  public var userID: UInt32
  public var groupID: UInt32
}

/// UNIX stream sockets: listening on a path with the right owner, and connecting to one.
enum UnixSocket {
  /// sun_path without its terminating zero.
  static let maximumPathLength = 107
  private static let backlog: Int32 = 64

  /// Identity of the socket file, so that a daemon removes only its own.
  struct FileIdentity: Equatable {
    var device: UInt
    var inode: UInt
  }

  /// Listens on `path`, mode 0660, group `group`. A socket file that nobody serves is replaced; a served one, or
  /// anything that is no socket, is left alone and reported.
  static func listen(path: String, group: String) throws(LinuxError) -> FileDescriptor {
    let groupID = try self.groupID(group)
    try makeDirectory(of: path)
    try removeStale(path)
    let descriptor = try open(path)
    // The mode counts from the first moment: bind(2) takes it from the socket, less the umask.
    guard fchmod(descriptor.rawValue, 0o660) == 0 else { throw LinuxError("set mode of", path) }
    try withAddress(path) { address, length throws(LinuxError) in
      guard bind(descriptor.rawValue, address, length) == 0 else { throw LinuxError("listen on", path) }
    }
    guard chmod(path, 0o660) == 0 else { throw LinuxError("set mode of", path) }
    guard lchown(path, uid_t.max, groupID) == 0 else {
      throw LinuxError("give to group \(group)", path, advice: "run as root or as a member of the group")
    }
    guard Glibc.listen(descriptor.rawValue, backlog) == 0 else { throw LinuxError("listen on", path) }
    return descriptor
  }

  /// Connects; with `blocking` false the descriptor does not block afterwards.
  static func connect(path: String, blocking: Bool) throws(LinuxError) -> FileDescriptor {
    let descriptor = try open(path)
    try withAddress(path) { address, length throws(LinuxError) in
      guard Glibc.connect(descriptor.rawValue, address, length) == 0 else { throw LinuxError("connect to", path) }
    }
    if blocking, fcntl(descriptor.rawValue, F_SETFL, 0) != 0 { throw LinuxError("set blocking", path) }
    return descriptor
  }

  static func credentials(of descriptor: Int32) -> PeerCredentials? {
    // struct ucred, which Glibc hides: three 32-bit numbers.
    var numbers: (Int32, UInt32, UInt32) = (0, 0, 0)
    var length = socklen_t(MemoryLayout.size(ofValue: numbers))
    guard getsockopt(descriptor, SOL_SOCKET, SO_PEERCRED, &numbers, &length) == 0 else { return nil }
    return PeerCredentials(processID: numbers.0, userID: numbers.1, groupID: numbers.2)
  }

  /// Removes the socket file unless somebody else's stands there by now.
  static func remove(_ path: String, ifStill identity: FileIdentity?) {
    if identity != nil, self.identity(path) == identity { unlink(path) }
  }

  // MARK: Details

  private static func open(_ path: String) throws(LinuxError) -> FileDescriptor {
    let type = Int32(SOCK_STREAM.rawValue | SOCK_CLOEXEC.rawValue | SOCK_NONBLOCK.rawValue)
    let descriptor = socket(AF_UNIX, type, 0)
    guard descriptor >= 0 else { throw LinuxError("create socket for", path) }
    return FileDescriptor(owning: descriptor)
  }

  private static func withAddress<Result>(
    _ path: String, _ body: (UnsafePointer<sockaddr>, socklen_t) throws(LinuxError) -> Result
  ) throws(LinuxError) -> Result {
    guard path.utf8.count <= maximumPathLength else { throw LinuxError("use", path, code: ENAMETOOLONG) }
    var address = sockaddr_un()
    address.sun_family = sa_family_t(AF_UNIX)
    withUnsafeMutableBytes(of: &address.sun_path) { $0.copyBytes(from: path.utf8) }
    return try withUnsafePointer(to: address) { pointer throws(LinuxError) in
      try pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) { rebound throws(LinuxError) in
        try body(rebound, socklen_t(MemoryLayout<sockaddr_un>.size))
      }
    }
  }

  private static func removeStale(_ path: String) throws(LinuxError) {
    var status = stat()
    guard lstat(path, &status) == 0 else { return }
    guard status.st_mode & S_IFMT == S_IFSOCK else {
      throw LinuxError("listen on", path, code: EEXIST, advice: "it is not a socket; remove it or choose another path")
    }
    do throws(LinuxError) {
      _ = try connect(path: path, blocking: false)
    } catch {
      guard error.code == ECONNREFUSED else { throw error }
      guard unlink(path) == 0 || errno == ENOENT else { throw LinuxError("remove stale socket", path) }
      return
    }
    throw LinuxError("listen on", path, code: EADDRINUSE, advice: "another process serves it; stop that one first")
  }

  static func identity(_ path: String) -> FileIdentity? {
    var status = stat()
    guard lstat(path, &status) == 0 else { return nil }
    return FileIdentity(device: UInt(status.st_dev), inode: UInt(status.st_ino))
  }

  private static func makeDirectory(of path: String) throws(LinuxError) {
    guard let slash = path.lastIndex(of: "/"), slash != path.startIndex else { return }
    try Directory.make(String(path[..<slash]))
  }

  private static func groupID(_ name: String) throws(LinuxError) -> gid_t {
    if let number = gid_t(name) { return number }
    var entry = group()
    var found: UnsafeMutablePointer<group>?
    var buffer = [CChar](repeating: 0, count: 65_536)
    let code = getgrnam_r(name, &entry, &buffer, buffer.count, &found)
    guard code == 0, found != nil else {
      throw LinuxError(
        "find group", name, code: code == 0 ? ENOENT : code, advice: "create it (groupadd) or set control.group")
    }
    return entry.gr_gid
  }
}
