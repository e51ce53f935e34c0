import Glibc
import LinuxNet

/// A file that is written from its beginning to its end.
public struct AppendedFile: ~Copyable {
  let path: String
  private let descriptor: FileDescriptor
  /// In octets.
  private(set) var length = 0

  private init(path: String, descriptor: consuming FileDescriptor) {
    self.path = path
    self.descriptor = descriptor
  }

  /// Makes the file anew with that content, for its owner alone.
  public static func create(_ path: String, _ content: [UInt8]) throws(LinuxError) -> AppendedFile {
    let number = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_APPEND | O_CLOEXEC, 0o600)
    guard number >= 0 else { throw LinuxError("create", path, advice: "check state-directory and its owner") }
    var file = AppendedFile(path: path, descriptor: FileDescriptor(owning: number))
    try file.append(content)
    return file
  }

  public mutating func append(_ content: [UInt8]) throws(LinuxError) {
    var rest = content[...]
    while !rest.isEmpty {
      let written = rest.withUnsafeBytes { Glibc.write(descriptor.rawValue, $0.baseAddress, $0.count) }
      if written >= 0 {
        rest = rest.dropFirst(written)
      } else if errno != EINTR {
        throw LinuxError("write", path)
      }
    }
    length += content.count
  }

  /// The same, and the disk begins to write it.
  mutating func appendForDisk(_ content: [UInt8]) throws(LinuxError) {
    let start = length
    try append(content)
    descriptor.startWriteback(from: start)
  }

  /// Waits for the disk.
  func synchronize() throws(LinuxError) {
    guard fsync(descriptor.rawValue) == 0 else { throw LinuxError("synchronise", path) }
  }

  /// Waits for the disk, but not for what reading does not need.
  func synchronizeData() throws(LinuxError) {
    guard fdatasync(descriptor.rawValue) == 0 else { throw LinuxError("synchronise", path) }
  }

  public static func rename(_ path: String, to new: String) throws(LinuxError) {
    guard Glibc.rename(path, new) == 0 else { throw LinuxError("rename to", new) }
  }
}
