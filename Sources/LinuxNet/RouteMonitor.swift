import CLinuxNet

/// Tells that IPv6 routes, rules or interfaces of the namespace in which it was created have changed.
///
/// Not what has changed: whoever follows routes reads the table again and compares, which is also right after events
/// were lost. Create it before the first reading, so that nothing falls between.
public final class RouteMonitor {
  private let events: NetlinkSocket
  private let ownProtocol: UInt8

  /// - Parameter ownProtocol: RTPROT_* of routes and rules whose installation is no news, because the caller does it.
  public init(ignoringAdditionsOf ownProtocol: UInt8) throws(LinuxError) {
    self.ownProtocol = ownProtocol
    events = try NetlinkSocket(protocolNumber: NETLINK_ROUTE)
    events.descriptor.setBufferSizes(receive: InterfaceMonitor.bufferSize)
    for group in [RTNLGRP_LINK, RTNLGRP_IPV6_ROUTE, RTNLGRP_IPV6_RULE] { try events.join(group: group.rawValue) }
  }

  /// To be watched for reading; call `receive` then.
  public var descriptor: Int32 { events.descriptor.rawValue }

  /// Whether something has changed, or may have, since the last call. Does not wait.
  public func receive() throws(LinuxError) -> Bool {
    var changed = false
    let result = try events.receiveEvents { message in
      if Int(message.type) == RTM_NEWROUTE, Route(message)?.protocolNumber == ownProtocol { return }
      if Int(message.type) == RTM_NEWRULE, RoutingRule(message)?.protocolNumber == ownProtocol { return }
      changed = true
    }
    return changed || result == .overrun
  }
}
