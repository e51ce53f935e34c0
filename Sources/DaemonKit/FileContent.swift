import Glibc
import LinuxNet

enum FileContent {
  /// All octets of a file.
  ///
  /// - Throws: EFBIG when there are more than `maximumLength`.
  static func read(_ path: String, maximumLength: Int = .max) throws(LinuxError) -> [UInt8] {
    let number = open(path, O_RDONLY | O_CLOEXEC)
    guard number >= 0 else { throw LinuxError("read", path) }
    let descriptor = FileDescriptor(owning: number)
    var status = stat()
    guard fstat(descriptor.rawValue, &status) == 0 else { throw LinuxError("read", path) }
    var content: [UInt8] = []
    // One octet more than the file has shows its end.
    var chunkSize = max(4_096, Int(status.st_size) + 1)
    while true {
      var code: Int32 = 0
      let chunk = [UInt8](unsafeUninitializedCapacity: chunkSize) { buffer, count in
        let received = Glibc.read(descriptor.rawValue, buffer.baseAddress, buffer.count)
        if received < 0 { code = errno }
        count = max(0, received)
      }
      if code != 0, code != EINTR { throw LinuxError("read", path, code: code) }
      if chunk.isEmpty, code == 0 { return content }
      content += chunk
      guard content.count <= maximumLength else { throw LinuxError("read", path, code: EFBIG) }
      chunkSize = 64 << 10
    }
  }
}
