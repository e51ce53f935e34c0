import CLinuxNet
import Glibc
import NetTypes

/// Receive buffers for recvmmsg(2): one system call for up to `capacity` datagrams.
public struct DatagramBatch: ~Copyable {
  private let handle: OpaquePointer
  public let capacity: Int

  public init(capacity: Int, datagramSize: Int) throws(LinuxError) {
    guard let handle = cnet_batch_create(UInt32(capacity), datagramSize) else {
      throw LinuxError("allocate", "receive buffers of \(capacity) x \(datagramSize) octets")
    }
    self.handle = handle
    self.capacity = capacity
  }

  deinit { cnet_batch_free(handle) }

  /// Number of datagrams received; 0 when none is waiting. Does not wait. The datagrams stay until the next call.
  public mutating func receive(_ descriptor: Int32, object: String) throws(LinuxError) -> Int {
    while true {
      let count = cnet_batch_receive(handle, descriptor, Int32(MSG_DONTWAIT))
      if count >= 0 { return Int(count) }
      switch errno {
      case EINTR: continue
      case EAGAIN: return 0
      default: throw LinuxError("receive from", object)
      }
    }
  }

  /// A copy of the octets.
  public func bytes(_ index: Int) -> [UInt8] { Array(octets(index)) }

  /// The same, in the place of what `bytes` holds, whose memory is used again.
  public func read(_ index: Int, into bytes: inout [UInt8]) {
    bytes.removeAll(keepingCapacity: true)
    bytes.append(contentsOf: octets(index))
  }

  private func octets(_ index: Int) -> UnsafeBufferPointer<UInt8> {
    let index = UInt32(index)
    return UnsafeBufferPointer(start: cnet_batch_data(handle, index), count: cnet_batch_length(handle, index))
  }

  /// Whether the datagram did not fit and has lost its end.
  public func isTruncated(_ index: Int) -> Bool { cnet_batch_truncated(handle, UInt32(index)) != 0 }

  /// The peer of an IPv6 socket.
  public func source(_ index: Int) -> IPv6Address {
    IPv6Address(cnet_batch_source(handle, UInt32(index)).sin6_addr)
  }

  /// The peer of an IPv6 socket, with its port.
  func peer(_ index: Int) -> sockaddr_in6 { cnet_batch_source(handle, UInt32(index)) }

  /// Destination address and interface index (IPV6_PKTINFO); nil when the kernel did not tell.
  public func packetInformation(_ index: Int) -> (destination: IPv6Address, interface: UInt32)? {
    var destination = in6_addr()
    var interface: UInt32 = 0
    guard cnet_batch_packet_info(handle, UInt32(index), &destination, &interface) == 0 else { return nil }
    return (IPv6Address(destination), interface)
  }

  /// The sender of a packet socket; all zero on a link without addresses, nil if it is no EUI-48.
  public func linkSource(_ index: Int) -> LinkLayerAddress? {
    let address = cnet_batch_link_source(handle, UInt32(index))
    if address.sll_halen == 0 { return LinkLayerAddress(rawValue: 0) }
    guard address.sll_halen == 6 else { return nil }
    return withUnsafeBytes(of: address.sll_addr) { LinkLayerAddress(bytes: $0.prefix(6)) }
  }
}

/// Send buffers for sendmmsg(2): one system call for up to `capacity` datagrams of an IPv6 socket.
public struct DatagramOutbox: ~Copyable {
  private let handle: OpaquePointer
  public let capacity: Int
  private let datagramSize: Int
  /// Datagrams that wait for `flush`.
  public private(set) var count = 0

  public init(capacity: Int, datagramSize: Int) throws(LinuxError) {
    guard let handle = cnet_outbox_create(UInt32(capacity), datagramSize) else {
      throw LinuxError("allocate", "send buffers of \(capacity) x \(datagramSize) octets")
    }
    self.handle = handle
    self.capacity = capacity
    self.datagramSize = datagramSize
  }

  deinit { cnet_outbox_free(handle) }

  public var isFull: Bool { count == capacity }

  /// Adds a datagram of at most `datagramSize` octets; the outbox must not be full. `interface` is needed for
  /// link-local destinations.
  public mutating func append(
    _ payload: [UInt8], source: IPv6Address, destination: IPv6Address, interface: UInt32 = 0
  ) {
    precondition(count < capacity && payload.count <= datagramSize)
    var address = destination.socketAddress(interface: interface)
    var from = source.kernelForm
    cnet_outbox_put(handle, UInt32(count), payload, payload.count, &address, &from, interface)
    count += 1
  }

  /// Sends everything. A datagram that the kernel refuses is told to `failed`, with its position and errno, and does
  /// not stop the later ones.
  public mutating func flush(_ descriptor: Int32, failed: (Int, Int32) -> Void) {
    var next = 0
    while next < count {
      let sent = cnet_outbox_send(handle, descriptor, UInt32(next), UInt32(count - next), 0)
      if sent > 0 {
        next += Int(sent)
      } else if errno != EINTR {
        failed(next, errno)
        next += 1
      }
    }
    count = 0
  }
}
