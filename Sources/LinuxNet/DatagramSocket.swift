import CLinuxNet
import Glibc
import NetTypes

/// A UDP socket that answers questions. Bound to `::` it takes IPv4 as well; IPv4 addresses are in their mapped form.
public final class DatagramSocket {
  public struct Datagram: Hashable, Sendable {
    public var payload: [UInt8]
    public var source: IPv6Address
    public var sourcePort: UInt16
  }

  public let descriptor: FileDescriptor
  private let name: String
  private var batch: DatagramBatch

  static let batchSize = 32

  /// - Parameter maximumLength: longer datagrams are dropped.
  public init(address: IPv6Address, port: UInt16, maximumLength: Int) throws(LinuxError) {
    name = "UDP [\(address)]:\(port)"
    descriptor = try FileDescriptor.socket(
      AF_INET6, Int32(SOCK_DGRAM.rawValue) | Int32(SOCK_NONBLOCK.rawValue), 0, operation: "open", object: name)
    batch = try DatagramBatch(capacity: Self.batchSize, datagramSize: maximumLength)
    try descriptor.setOption(
      level: Int32(IPPROTO_IPV6), name: IPV6_V6ONLY, value: 0, operation: "configure", object: name)
    guard cnet_receive_packet_info(descriptor.rawValue) == 0 else { throw LinuxError("configure", name) }
    var local = address.socketAddress()
    local.sin6_port = port.bigEndian
    let bound = withUnsafePointer(to: &local) {
      $0.withMemoryRebound(to: sockaddr.self, capacity: 1) {
        bind(descriptor.rawValue, $0, socklen_t(MemoryLayout<sockaddr_in6>.size))
      }
    }
    guard bound == 0 else {
      throw LinuxError("listen on", name, advice: "another program may use the port; `ss -lup` lists them")
    }
  }

  /// Hands over what is waiting, at most one batch, and sends what `body` answers from the address that was asked.
  /// An answer that cannot be sent is given up: whoever asked asks again.
  public func receive(_ body: (Datagram) -> [UInt8]?) throws(LinuxError) {
    let count = try batch.receive(descriptor.rawValue, object: name)
    for index in 0..<count where !batch.isTruncated(index) {
      var peer = batch.peer(index)
      let datagram = Datagram(
        payload: batch.bytes(index), source: IPv6Address(peer.sin6_addr), sourcePort: UInt16(bigEndian: peer.sin6_port))
      guard let answer = body(datagram) else { continue }
      let asked = batch.packetInformation(index)
      var source = (asked?.destination ?? .unspecified).kernelForm
      // Of a multicast question the kernel chooses the source.
      if asked?.destination.isMulticast ?? false { source = IPv6Address.unspecified.kernelForm }
      let interface = datagram.source.isLinkLocal ? asked?.interface ?? 0 : 0
      _ = cnet_send_from(
        descriptor.rawValue, answer, answer.count, &peer, &source, interface, Int32(MSG_DONTWAIT))
    }
  }
}
