import Glibc
import LinuxNet

enum Directory {
  /// Makes a directory and those above it, mode 0755; one that is there already is fine.
  static func make(_ path: String) throws(LinuxError) {
    var status = stat()
    if stat(path, &status) == 0 {
      guard status.st_mode & S_IFMT == S_IFDIR else { throw LinuxError("create directory", path, code: ENOTDIR) }
      return
    }
    if let slash = path.lastIndex(of: "/"), slash != path.startIndex { try make(String(path[..<slash])) }
    guard mkdir(path, 0o755) == 0 || errno == EEXIST else {
      throw LinuxError("create directory", path, advice: "create it, or run as a user that may")
    }
  }
}
