import CLinuxNet
import Glibc
import NetTypes

/// A tracked connection, in the direction of its first packet.
public struct ConntrackEntry: Hashable, Sendable {
  public var source: IPv6Address
  public var destination: IPv6Address
  /// Next-header value of the transport.
  public var transport: UInt8
  /// For TCP, UDP, SCTP and the like; nil for others.
  public var ports: Ports?
  public var mark: UInt32
  /// Until the entry is forgotten, when no packet comes.
  public var timeout: Duration

  public struct Ports: Hashable, Sendable {
    public var source: UInt16
    public var destination: UInt16

    public init(source: UInt16, destination: UInt16) {
      self.source = source
      self.destination = destination
    }
  }

  /// The tuple as the kernel sent it: it names the entry in `ConntrackSocket.setMark`.
  fileprivate var rawTuple: [UInt8]
}

/// Reads and marks tracked IPv6 connections (ctnetlink). Needs CAP_NET_ADMIN.
public final class ConntrackSocket {
  private let socket: NetlinkSocket

  public init() throws(LinuxError) { socket = try NetlinkSocket(protocolNumber: NETLINK_NETFILTER) }

  /// The connections with `mark & mask != 0`.
  public func entries(markedUnder mask: UInt32) throws(LinuxError) -> [ConntrackEntry] {
    let message = NetlinkMessage(
      netfilter: NFNL_SUBSYS_CTNETLINK, type: IPCTNL_MSG_CT_GET.rawValue, family: UInt8(AF_INET6))
    return try socket.dump(message, "read", "tracked connections") { answer in
      ConntrackEntry(answer.attributes(after: nfgenmsg.self)).flatMap { $0.mark & mask == 0 ? nil : $0 }
    }
  }

  /// Changes the bits of the mark under `mask`. Gives false when the connection has ended meanwhile.
  public func setMark(_ value: UInt32, mask: UInt32, of entry: ConntrackEntry) throws(LinuxError) -> Bool {
    var message = NetlinkMessage(
      netfilter: NFNL_SUBSYS_CTNETLINK, type: IPCTNL_MSG_CT_NEW.rawValue, family: UInt8(AF_INET6))
    message.attribute(UInt16(CTA_TUPLE_ORIG.rawValue) | UInt16(NLA_F_NESTED), bytes: entry.rawTuple)
    message.put(CTA_MARK, networkOrder: value & mask)
    message.put(CTA_MARK_MASK, networkOrder: mask)
    do {
      try socket.request(message, "mark", "connection \(entry.source) > \(entry.destination)")
      return true
    } catch  where error.code == ENOENT {
      return false
    }
  }
}

extension ConntrackEntry {
  fileprivate init?(_ attributes: NetlinkAttributes) {
    guard let tuple = attributes[CTA_TUPLE_ORIG], let network = tuple.nested[CTA_TUPLE_IP]?.nested,
      let source = network[CTA_IP_V6_SRC]?.ipv6Address, let destination = network[CTA_IP_V6_DST]?.ipv6Address,
      let transport = tuple.nested[CTA_TUPLE_PROTO]?.nested, let number = transport[CTA_PROTO_NUM]?.uint8
    else { return nil }
    var ports: Ports?
    if let from = transport[CTA_PROTO_SRC_PORT]?.uint16BigEndian,
      let to = transport[CTA_PROTO_DST_PORT]?.uint16BigEndian
    {
      ports = Ports(source: from, destination: to)
    }
    self.init(
      source: source, destination: destination, transport: number, ports: ports,
      mark: attributes[CTA_MARK]?.uint32BigEndian ?? 0,
      timeout: .seconds(attributes[CTA_TIMEOUT]?.uint32BigEndian ?? 0), rawTuple: Array(tuple.payload))
  }
}
