import DaemonKit
import FlowCore
import Glibc
import LinuxNet
import NetTypes

/// The keys of all flows, written when we stop in good order and read at the next start. The kernel's map remains the one
/// place that says which flows there are: a dump of it takes time with the square of its size, asking it for known keys
/// does not. Without the file, or when it does not name as many flows as the map has, the map is dumped.
struct FlowKeyFile {
  let path: String

  private static let head = Array("flowmob flow keys 1\n".utf8)
  static let octetsOfKey = 44
  /// Read or written at once.
  private static let chunk = 4_096

  init(directory: String) { path = "\(directory)/flow-manager.flows" }

  func write(_ table: FlowTable) throws(LinuxError) {
    let unfinished = path + ".new"
    var file = try AppendedFile.create(unfinished, Self.head)
    var position: Int? = 0
    while let from = position {
      let (tuples, next) = table.tuples(from: from, limit: Self.chunk)
      try file.append(tuples.flatMap(Self.octets))
      position = next
    }
    try AppendedFile.rename(unfinished, to: path)
  }

  /// Hands over the keys in parts; nothing when there is no such file. What it says is old then: it is removed first.
  func take(_ body: ([FlowSixTuple]) throws(LinuxError) -> Void) throws(LinuxError) {
    let number = open(path, O_RDONLY | O_CLOEXEC)
    guard number >= 0 else {
      if errno == ENOENT { return }
      throw LinuxError("read", path)
    }
    let file = FileDescriptor(owning: number)
    unlink(path)
    guard try get(Self.head.count, from: file) == Self.head else { return }
    while true {
      let octets = try get(Self.chunk * Self.octetsOfKey, from: file)
      guard octets.count >= Self.octetsOfKey else { return }
      try body(
        octets.withUnsafeBytes { octets in
          (0..<octets.count / Self.octetsOfKey).map { index in
            Self.tuple(UnsafeRawBufferPointer(rebasing: octets[(index * Self.octetsOfKey)...]))
          }
        })
    }
  }

  /// At most `limit` octets; fewer at the end of the file only.
  private func get(_ limit: Int, from file: borrowing FileDescriptor) throws(LinuxError) -> [UInt8] {
    var octets = [UInt8](repeating: 0, count: limit)
    var length = 0
    while length < limit {
      let count = octets.withUnsafeMutableBytes {
        Glibc.read(file.rawValue, $0.baseAddress.map { $0 + length }, limit - length)
      }
      guard count >= 0 || errno == EINTR else { throw LinuxError("read", path) }
      if count == 0 { break }
      length += max(0, count)
    }
    octets.removeLast(limit - length)
    return octets
  }

  private static func octets(_ tuple: FlowSixTuple) -> [UInt8] {
    withUnsafeTemporaryAllocation(byteCount: octetsOfKey, alignment: 8) { memory in
      memory.storeBytes(of: tuple.source.high.bigEndian, toByteOffset: 0, as: UInt64.self)
      memory.storeBytes(of: tuple.source.low.bigEndian, toByteOffset: 8, as: UInt64.self)
      memory.storeBytes(of: tuple.destination.high.bigEndian, toByteOffset: 16, as: UInt64.self)
      memory.storeBytes(of: tuple.destination.low.bigEndian, toByteOffset: 24, as: UInt64.self)
      memory.storeBytes(of: tuple.flowLabel.bigEndian, toByteOffset: 32, as: UInt32.self)
      memory.storeBytes(of: tuple.sourcePort.bigEndian, toByteOffset: 36, as: UInt16.self)
      memory.storeBytes(of: tuple.destinationPort.bigEndian, toByteOffset: 38, as: UInt16.self)
      memory.storeBytes(of: UInt32(tuple.transport.rawValue).bigEndian, toByteOffset: 40, as: UInt32.self)
      return Array(memory)
    }
  }

  private static func tuple(_ octets: UnsafeRawBufferPointer) -> FlowSixTuple {
    func half(_ offset: Int) -> UInt64 {
      UInt64(bigEndian: octets.loadUnaligned(fromByteOffset: offset, as: UInt64.self))
    }
    func word(_ offset: Int) -> UInt32 {
      UInt32(bigEndian: octets.loadUnaligned(fromByteOffset: offset, as: UInt32.self))
    }
    return FlowSixTuple(
      source: IPv6Address(high: half(0), low: half(8)), destination: IPv6Address(high: half(16), low: half(24)),
      flowLabel: word(32), transport: TransportProtocol(rawValue: UInt8(truncatingIfNeeded: word(40))),
      sourcePort: UInt16(truncatingIfNeeded: word(36) >> 16), destinationPort: UInt16(truncatingIfNeeded: word(36)))
  }
}
