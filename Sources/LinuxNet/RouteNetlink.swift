import CLinuxNet
import Glibc
import NetTypes

/// Links, IPv6 addresses, routes, rules and neighbours of the network namespace in which it was created (rtnetlink).
///
/// The kernel's objects are values (`Link`, `InterfaceAddress`, `Route`, `RoutingRule`, `Neighbour`), which give
/// `KernelRequest`s; `run` executes one and `batch` many of them.
public final class RouteNetlink {
  let socket: NetlinkSocket

  public init() throws(LinuxError) {
    socket = try NetlinkSocket(protocolNumber: NETLINK_ROUTE)
    // Strict checking makes the kernel honour the filters of dumps.
    try socket.descriptor.setOption(
      level: Int32(SOL_NETLINK), name: Int32(NETLINK_GET_STRICT_CHK), value: 1, operation: "configure",
      object: "route netlink socket")
  }

  // MARK: Changing

  public func run(_ request: KernelRequest) throws(LinuxError) {
    do {
      try socket.request(request.message, request.operation, request.object)
    } catch {
      guard request.tolerated.contains(error.code) else { throw error }
    }
  }

  /// Executes the requests in their order, in few system calls; one that fails does not stop the later ones. Gives the
  /// failures that are not tolerated, by index.
  public func batch(_ requests: [KernelRequest]) throws(LinuxError) -> [NetlinkBatchFailure] {
    let failures = try socket.batch(requests.map(\.message), "change kernel tables")
    return failures.compactMap { failure in
      let request = requests[failure.index]
      guard !request.tolerated.contains(failure.error.code) else { return nil }
      var named = failure
      named.error.operation = request.operation
      named.error.object = request.object
      return named
    }
  }

  // MARK: Reading

  public func links() throws(LinuxError) -> [Link] {
    let message = NetlinkMessage(type: UInt16(RTM_GETLINK), header: ifinfomsg())
    return try socket.dump(message, "read", "interfaces", Link.init)
  }

  /// Throws ENODEV when there is no such interface.
  public func link(named name: String) throws(LinuxError) -> Link {
    var message = NetlinkMessage(type: UInt16(RTM_GETLINK), header: ifinfomsg())
    message.attribute(UInt16(IFLA_IFNAME), name)
    return try link(message, name)
  }

  /// Throws ENODEV when there is no such interface.
  public func link(index: UInt32) throws(LinuxError) -> Link {
    var header = ifinfomsg()
    header.ifi_index = Int32(bitPattern: index)
    return try link(NetlinkMessage(type: UInt16(RTM_GETLINK), header: header), "with index \(index)")
  }

  /// The index alone, which costs much less than the link. Throws ENODEV when there is no such interface.
  public func index(ofLink name: String) throws(LinuxError) -> UInt32 {
    let index = cnet_interface_index(socket.descriptor.rawValue, name)
    guard index > 0 else { throw LinuxError("read interface", name) }
    return UInt32(index)
  }

  private func link(_ message: NetlinkMessage, _ name: String) throws(LinuxError) -> Link {
    var link: Link?
    try socket.query(message, "read interface", name) { link = Link($0) }
    guard let link else { throw LinuxError("read interface", name, code: ENODEV) }
    return link
  }

  /// All IPv6 addresses.
  public func addresses() throws(LinuxError) -> [InterfaceAddress] {
    var header = ifaddrmsg()
    header.ifa_family = UInt8(AF_INET6)
    let message = NetlinkMessage(type: UInt16(RTM_GETADDR), header: header)
    return try socket.dump(message, "read", "addresses", InterfaceAddress.init)
  }

  /// The IPv6 routes of one table (nil: all) and one protocol (nil: all).
  public func routes(table: UInt32? = nil, protocolNumber: UInt8? = nil) throws(LinuxError) -> [Route] {
    var header = rtmsg()
    header.rtm_family = UInt8(AF_INET6)
    header.rtm_protocol = protocolNumber ?? 0
    var message = NetlinkMessage(type: UInt16(RTM_GETROUTE), header: header)
    if let table { message.attribute(UInt16(RTA_TABLE.rawValue), table) }
    do {
      return try socket.dump(message, "read", "routes") { answer in
        guard let route = Route(answer), table == nil || route.table == table,
          protocolNumber == nil || route.protocolNumber == protocolNumber
        else { return nil }
        return route
      }
    } catch {
      // A table exists from its first route on.
      guard table != nil, error.code == ENOENT else { throw error }
      return []
    }
  }

  /// All IPv6 rules, in the order in which they are asked.
  public func rules() throws(LinuxError) -> [RoutingRule] {
    var header = fib_rule_hdr()
    header.family = UInt8(AF_INET6)
    let message = NetlinkMessage(type: UInt16(RTM_GETRULE), header: header)
    return try socket.dump(message, "read", "rules", RoutingRule.init)
  }

  /// The IPv6 neighbour cache of one interface (nil: all).
  public func neighbours(interface: UInt32? = nil) throws(LinuxError) -> [Neighbour] {
    var header = ndmsg()
    header.ndm_family = UInt8(AF_INET6)
    var message = NetlinkMessage(type: UInt16(RTM_GETNEIGH), header: header)
    if let interface { message.attribute(UInt16(NDA_IFINDEX), interface) }
    return try socket.dump(message, "read", "neighbours", Neighbour.init)
  }
}
