/// Lines on their way into a socket.
struct OutputBuffer {
  private var bytes: [UInt8] = []
  private var start = 0
  /// Sent octets are dropped from memory in pieces of this size, so that each is moved once at most.
  private static let compactionSize = 64 << 10

  var count: Int { bytes.count - start }
  var isEmpty: Bool { count == 0 }

  /// Appends a line and its newline.
  mutating func append(_ line: [UInt8]) {
    bytes.append(contentsOf: line)
    bytes.append(UInt8(ascii: "\n"))
  }

  func withPending<Result>(_ body: (UnsafeRawBufferPointer) -> Result) -> Result {
    bytes.withUnsafeBytes { body(UnsafeRawBufferPointer(rebasing: $0[start...])) }
  }

  mutating func removeFirst(_ count: Int) {
    start += count
    if start == bytes.count {
      bytes.removeAll(keepingCapacity: bytes.count <= Self.compactionSize)
      start = 0
    } else if start > Self.compactionSize, start > bytes.count / 2 {
      bytes.removeFirst(start)
      start = 0
    }
  }
}
