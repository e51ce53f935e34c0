import CLinuxNet
import Glibc
import NetTypes

/// The raw socket of the Mobility Header (next header 135; RFC 6275 section 6.1, API of RFC 4584).
///
/// The kernel computes and verifies the checksum; a wrong one never gets here. It checks nothing else, so the reader
/// must do all of RFC 6275 section 9.2. The source address of what is sent is always given: left to itself the kernel
/// may take another address of the host, and the peer would look up the wrong gateway.
public final class MobilityHeaderSocket {
  /// A received message.
  public struct Datagram: Hashable, Sendable {
    public var source: IPv6Address
    public var destination: IPv6Address
    /// Index of the interface it arrived on.
    public var interface: UInt32
    /// From Payload Proto on.
    public var payload: [UInt8]
  }

  /// Datagrams read by one system call.
  public static let batchSize = 64
  /// Octets of the largest Mobility Header: (255 + 1) * 8.
  public static let maximumLength = 2_048
  /// Octets. A restart of a gateway or of the anchor brings the PBUs of all its nodes at once.
  public static let bufferSize: Int32 = 8 << 20
  /// IPPROTO_MH.
  static let protocolNumber: Int32 = 135

  public let descriptor: FileDescriptor
  private var batch: DatagramBatch
  private var outbox: DatagramOutbox
  /// Messages dropped because they were longer than a Mobility Header can be.
  public private(set) var oversized: UInt64 = 0

  public init() throws(LinuxError) {
    let name = "Mobility Header socket"
    descriptor = try FileDescriptor.socket(
      AF_INET6, Int32(SOCK_RAW.rawValue) | Int32(SOCK_NONBLOCK.rawValue), Self.protocolNumber, operation: "open",
      object: name)
    batch = try DatagramBatch(capacity: Self.batchSize, datagramSize: Self.maximumLength)
    outbox = try DatagramOutbox(capacity: Self.batchSize, datagramSize: Self.maximumLength)
    guard cnet_receive_packet_info(descriptor.rawValue) == 0 else { throw LinuxError("configure", name) }
    descriptor.setBufferSizes(receive: Self.bufferSize, send: Self.bufferSize)
  }

  /// Hands over what is waiting, at most `batchSize` messages, and gives their number. What `admits` does not let in
  /// is dropped.
  @discardableResult
  public func receive(
    from admits: (_ source: IPv6Address) -> Bool = { _ in true }, _ body: (Datagram) -> Void
  ) throws(LinuxError) -> Int {
    let count = try batch.receive(descriptor.rawValue, object: "Mobility Header socket")
    // One for all, whose memory serves for each payload, unless somebody keeps it.
    var datagram = Datagram(source: .unspecified, destination: .unspecified, interface: 0, payload: [])
    for index in 0..<count {
      let source = batch.source(index)
      guard admits(source) else { continue }
      guard !batch.isTruncated(index), let information = batch.packetInformation(index) else {
        oversized += 1
        continue
      }
      datagram.source = source
      datagram.destination = information.destination
      datagram.interface = information.interface
      batch.read(index, into: &datagram.payload)
      body(datagram)
    }
    return count
  }

  /// Queues a whole Mobility Header, of at most `maximumLength` octets; its checksum field is filled in. `flush` sends
  /// what is queued; a full queue must be flushed first.
  public func queue(_ payload: [UInt8], source: IPv6Address, destination: IPv6Address) {
    outbox.append(payload, source: source, destination: destination)
  }

  public var queueIsFull: Bool { outbox.isFull }

  /// Sends what is queued in as few system calls as possible. What the kernel refuses is told to `failed`, with its
  /// position in the queue, and lost.
  public func flush(failed: (Int, LinuxError) -> Void) {
    outbox.flush(descriptor.rawValue) { index, code in
      let advice = code == EINVAL ? "is the source address configured on this host?" : nil
      failed(index, LinuxError("send", "Mobility Header", code: code, advice: advice))
    }
  }

  /// Sends one message at once. `interface` is needed for link-local destinations.
  public func send(
    _ payload: [UInt8], source: IPv6Address, destination: IPv6Address, interface: UInt32 = 0
  ) throws(LinuxError) {
    try descriptor.send(payload, source: source, destination: destination, interface: interface, "Mobility Header")
  }

  /// Messages that the kernel has dropped since the start: the receive buffer was full, or the checksum was wrong.
  public var droppedByKernel: UInt64 { UInt64(max(0, cnet_receive_drops(descriptor.rawValue))) }
}

extension FileDescriptor {
  /// Sends one datagram of a raw IPv6 socket from `source`.
  func send(
    _ payload: [UInt8], source: IPv6Address, destination: IPv6Address, interface: UInt32, _ what: String
  ) throws(LinuxError) {
    var address = destination.socketAddress(interface: interface)
    var from = source.kernelForm
    var sent: Int
    repeat {
      sent = cnet_send_from(rawValue, payload, payload.count, &address, &from, interface, 0)
    } while sent < 0 && errno == EINTR
    guard sent == payload.count else {
      let advice = errno == EINVAL ? "is the source address configured on this host?" : nil
      throw LinuxError("send \(what)", "\(source) -> \(destination)", advice: advice)
    }
  }
}
