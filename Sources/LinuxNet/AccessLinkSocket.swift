import CLinuxNet
import Glibc
import NetTypes

/// A packet socket on one interface, most often an access link. There it sees the neighbour discovery of nodes, with their
/// link-layer addresses, before they have any address that the host could talk to, and it sends packets to one link-layer
/// address whatever their IPv6 destination: Router Advertisements of RFC 5213 are unicast on the link even to `ff02::1`.
///
/// A filter in the kernel passes received packets of the wanted types of neighbour discovery only: by default Router
/// Solicitations, Neighbour Solicitations and Neighbour Advertisements. The interface receives all multicast while the
/// socket is open, because Neighbour Solicitations go to groups that a gateway has not joined.
public final class AccessLinkSocket {
  /// A received neighbour discovery packet.
  public struct Packet: Hashable, Sendable {
    /// Unspecified, all zero, on a point-to-point link.
    public var source: LinkLayerAddress
    /// From the IPv6 header on.
    public var bytes: [UInt8]
  }

  public let interface: UInt32
  public let name: String
  public let descriptor: FileDescriptor
  private var batch: DatagramBatch

  public static let batchSize = 64
  /// Octets; neighbour discovery never needs more than a minimum MTU packet.
  public static let maximumLength = 1_500

  /// ICMPv6 types.
  public static let nodeTypes = [ND_ROUTER_SOLICIT, ND_NEIGHBOR_SOLICIT, ND_NEIGHBOR_ADVERT].map { UInt8($0) }
  public static let routerTypes = [UInt8(ND_ROUTER_ADVERT)]

  /// Opens the socket on the interface of index `interface` in the namespace of the calling thread.
  public init(interface: UInt32, name: String, receiving types: [UInt8] = nodeTypes) throws(LinuxError) {
    self.interface = interface
    self.name = name
    // Protocol 0: nothing is received before the filter stands and the socket is bound.
    descriptor = try FileDescriptor.socket(
      AF_PACKET, Int32(SOCK_DGRAM.rawValue) | Int32(SOCK_NONBLOCK.rawValue), 0, operation: "open packet socket on",
      object: name)
    batch = try DatagramBatch(capacity: Self.batchSize, datagramSize: Self.maximumLength)
    try attachFilter(types)
    try bindToInterface()
    try receiveAllMulticast()
  }

  /// Hands over what is waiting, at most `batchSize` packets. A link that is down is no error: the socket works again
  /// when it comes up.
  @discardableResult
  public func receive(_ body: (Packet) -> Void) throws(LinuxError) -> Int {
    let count: Int
    do {
      count = try batch.receive(descriptor.rawValue, object: "packet socket on \(name)")
    } catch {
      guard error.code == ENETDOWN else { throw error }
      return 0
    }
    for index in 0..<count {
      guard !batch.isTruncated(index), let source = batch.linkSource(index) else { continue }
      body(Packet(source: source, bytes: batch.bytes(index)))
    }
    return count
  }

  /// Sends a whole IPv6 packet to one station; its link-layer source is the interface's address.
  public func send(_ packet: [UInt8], to station: LinkLayerAddress) throws(LinuxError) {
    var address = linkAddress()
    address.sll_halen = 6
    withUnsafeMutableBytes(of: &address.sll_addr) { $0.copyBytes(from: station.bytes) }
    let sent = withUnsafePointer(to: &address) {
      $0.withMemoryRebound(to: sockaddr.self, capacity: 1) {
        sendto(descriptor.rawValue, packet, packet.count, 0, $0, socklen_t(MemoryLayout<sockaddr_ll>.size))
      }
    }
    guard sent == packet.count else { throw LinuxError("send packet to", "\(station) on \(name)") }
  }

  private func linkAddress() -> sockaddr_ll {
    var address = sockaddr_ll()
    address.sll_family = UInt16(AF_PACKET)
    address.sll_protocol = UInt16(ETH_P_IPV6).bigEndian
    address.sll_ifindex = Int32(bitPattern: interface)
    return address
  }

  private func bindToInterface() throws(LinuxError) {
    var address = linkAddress()
    let result = withUnsafePointer(to: &address) {
      $0.withMemoryRebound(to: sockaddr.self, capacity: 1) {
        bind(descriptor.rawValue, $0, socklen_t(MemoryLayout<sockaddr_ll>.size))
      }
    }
    guard result == 0 else { throw LinuxError("bind packet socket to", name) }
  }

  private func receiveAllMulticast() throws(LinuxError) {
    var membership = packet_mreq()
    membership.mr_ifindex = Int32(bitPattern: interface)
    membership.mr_type = UInt16(PACKET_MR_ALLMULTI)
    let result = setsockopt(
      descriptor.rawValue, SOL_PACKET, PACKET_ADD_MEMBERSHIP, &membership, socklen_t(MemoryLayout<packet_mreq>.size))
    guard result == 0 else { throw LinuxError("receive all multicast on", name) }
  }

  private func attachFilter(_ types: [UInt8]) throws(LinuxError) {
    var program = Self.filter(types)
    let result = program.withUnsafeMutableBufferPointer { instructions in
      var filter = sock_fprog(len: UInt16(instructions.count), filter: instructions.baseAddress)
      return setsockopt(
        descriptor.rawValue, SOL_SOCKET, SO_ATTACH_FILTER, &filter, socklen_t(MemoryLayout<sock_fprog>.size))
    }
    guard result == 0 else { throw LinuxError("attach filter to packet socket on", name) }
  }

  /// Classic BPF over a cooked packet, which starts at the IPv6 header. Neighbour discovery has no extension headers.
  static func filter(_ types: [UInt8]) -> [sock_filter] {
    let load = UInt16(BPF_LD | BPF_B | BPF_ABS)
    let equal = UInt16(BPF_JMP | BPF_JEQ | BPF_K)
    let give = UInt16(BPF_RET | BPF_K)
    let packetType = UInt32(bitPattern: SKF_AD_OFF + SKF_AD_PKTTYPE)
    let count = UInt8(types.count)
    return [
      sock_filter(code: load, jt: 0, jf: 0, k: packetType),
      sock_filter(code: equal, jt: count + 3, jf: 0, k: UInt32(PACKET_OUTGOING)),
      sock_filter(code: load, jt: 0, jf: 0, k: 6),  // next header
      sock_filter(code: equal, jt: 0, jf: count + 1, k: UInt32(IPPROTO_ICMPV6)),
      sock_filter(code: load, jt: 0, jf: 0, k: 40),  // ICMPv6 type
    ]
      + types.enumerated().map { index, type in
        sock_filter(code: equal, jt: count - UInt8(index), jf: 0, k: UInt32(type))
      } + [
        sock_filter(code: give, jt: 0, jf: 0, k: 0),
        sock_filter(code: give, jt: 0, jf: 0, k: UInt32(maximumLength)),
      ]
  }
}
