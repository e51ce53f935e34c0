import CLinuxNet
import Glibc
import NetTypes

/// The two settings of the kernel's segment routing that are needed here, over generic netlink: the source address of
/// all segment routing encapsulation in this network namespace (`ip sr tunsrc`).
public final class SegmentRoutingNetlink {
  private let socket: NetlinkSocket
  private let family: UInt16

  /// Throws ENOENT when the kernel has no segment routing (CONFIG_IPV6_SEG6_LWTUNNEL).
  public init() throws(LinuxError) {
    socket = try NetlinkSocket(protocolNumber: NETLINK_GENERIC)
    family = try GenericNetlinkFamily(named: SEG6_GENL_NAME, socket).number
  }

  /// `::`: the kernel chooses by output interface.
  public func encapsulationSource() throws(LinuxError) -> IPv6Address {
    var address: IPv6Address?
    try socket.query(message(SEG6_CMD_GET_TUNSRC), "read", "segment routing source") {
      address = $0.attributes(after: genlmsghdr.self)[UInt16(SEG6_ATTR_DST)]?.ipv6Address
    }
    return address ?? .unspecified
  }

  public func setEncapsulationSource(_ address: IPv6Address) throws(LinuxError) {
    var message = message(SEG6_CMD_SET_TUNSRC)
    message.attribute(UInt16(SEG6_ATTR_DST), address)
    try socket.request(message, "set segment routing source to", address.description)
  }

  private func message(_ command: Int) -> NetlinkMessage {
    NetlinkMessage(
      type: family, header: genlmsghdr(cmd: UInt8(command), version: UInt8(SEG6_GENL_VERSION), reserved: 0))
  }
}
