import CLinuxNet
import Glibc

/// A family of generic netlink, by the numbers that the running kernel has given it.
public struct GenericNetlinkFamily: Hashable, Sendable {
  public var number: UInt16
  /// Multicast groups by name.
  public var groups: [String: UInt32]

  /// Throws ENOENT when the kernel has no such family.
  init(named name: String, _ socket: NetlinkSocket) throws(LinuxError) {
    var message = NetlinkMessage(
      type: UInt16(GENL_ID_CTRL), header: genlmsghdr(cmd: UInt8(CTRL_CMD_GETFAMILY), version: 1, reserved: 0))
    message.attribute(UInt16(CTRL_ATTR_FAMILY_NAME), name)
    var number: UInt16?
    var groups: [String: UInt32] = [:]
    try socket.query(message, "find netlink family", name) { answer in
      let attributes = answer.attributes(after: genlmsghdr.self)
      number = attributes[UInt16(CTRL_ATTR_FAMILY_ID)]?.uint16
      guard let list = attributes[UInt16(CTRL_ATTR_MCAST_GROUPS)]?.nested else { return }
      for group in list {
        guard let name = group.nested[UInt16(CTRL_ATTR_MCAST_GRP_NAME)]?.string,
          let number = group.nested[UInt16(CTRL_ATTR_MCAST_GRP_ID)]?.uint32
        else { continue }
        groups[name] = number
      }
    }
    guard let number else { throw LinuxError("find netlink family", name, code: ENOENT) }
    self.number = number
    self.groups = groups
  }
}
