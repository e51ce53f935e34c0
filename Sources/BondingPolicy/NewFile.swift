import Foundation
import Glibc
import LinuxNet

/// A file that was not there before.
enum NewFile {
  /// Makes the file, and its directory when that is missing. EEXIST when there is a file already, unless it says the
  /// same.
  static func write(_ text: String, to path: String) throws(LinuxError) {
    if (try? String(contentsOfFile: path, encoding: .utf8)) == text { return }
    let directory = (path as NSString).deletingLastPathComponent
    if !directory.isEmpty {
      try? FileManager.default.createDirectory(atPath: directory, withIntermediateDirectories: true)
    }
    let descriptor = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0o644)
    guard descriptor >= 0 else {
      throw LinuxError(
        "write", path,
        advice: errno == EEXIST ? "move it away, or name another file with --config" : nil)
    }
    let file = FileDescriptor(owning: descriptor)
    let octets = Array(text.utf8)
    guard Glibc.write(file.rawValue, octets, octets.count) == octets.count else { throw LinuxError("write", path) }
  }
}
