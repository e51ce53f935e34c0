import CLinuxNet
import Glibc

/// Reports changes of interfaces, IPv6 addresses and neighbours of the namespace in which it was created.
///
/// It joins the multicast groups first and reads the tables afterwards, so nothing falls between. When events come
/// faster than they are read and the kernel drops some, the tables are read again and the differences reported.
public final class InterfaceMonitor {
  private let events: NetlinkSocket
  private let tables: RouteNetlink
  private var known = InterfaceTable()
  /// How often events were lost.
  public private(set) var overruns: UInt64 = 0

  /// Octets.
  static let bufferSize: Int32 = 4 << 20

  /// To be watched for reading; call `receive` then.
  public var descriptor: Int32 { events.descriptor.rawValue }

  public init() throws(LinuxError) {
    events = try NetlinkSocket(protocolNumber: NETLINK_ROUTE)
    events.descriptor.setBufferSizes(receive: Self.bufferSize)
    for group in [RTNLGRP_LINK, RTNLGRP_IPV6_IFADDR, RTNLGRP_NEIGH] { try events.join(group: group.rawValue) }
    tables = try RouteNetlink()
  }

  /// The smallest buffer that the kernel allows, so that a test can overrun it.
  func shrinkBuffer() { events.descriptor.setBufferSizes(receive: 1) }

  /// Reads the tables and reports how they differ from what is known; at first: everything there is.
  public func resynchronize() throws(LinuxError) -> [InterfaceEvent] {
    known.resynchronize(
      links: try tables.links(), addresses: try tables.addresses(), neighbours: try tables.neighbours())
  }

  /// Reports what has happened, without waiting.
  public func receive(_ body: (InterfaceEvent) -> Void) throws(LinuxError) {
    let result = try events.receiveEvents { message in
      if let event = note(message) { body(event) }
    }
    if result == .overrun {
      overruns += 1
      for event in try resynchronize() { body(event) }
    }
  }

  private func note(_ message: ReceivedNetlinkMessage) -> InterfaceEvent? {
    switch Int(message.type) {
    case RTM_NEWLINK: Link(message).flatMap { known.update($0) }
    case RTM_DELLINK: Link(message).flatMap { known.remove($0) }
    case RTM_NEWADDR: InterfaceAddress(message).flatMap { known.update($0) }
    case RTM_DELADDR: InterfaceAddress(message).flatMap { known.remove($0) }
    case RTM_NEWNEIGH: Neighbour(message).flatMap { known.update($0) }
    case RTM_DELNEIGH: Neighbour(message).flatMap { known.remove($0) }
    default: nil
    }
  }
}
