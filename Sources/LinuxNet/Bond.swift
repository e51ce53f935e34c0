import CLinuxNet
import Glibc
import NetTypes

/// The kernel's bonding driver, as far as flow mobility uses it: mode active-backup, in which the queue number of a packet
/// may override the active slave, and in which all slaves receive.
public enum Bond {
  public static let kind = "bond"
  /// Queue numbers of slaves are 1 to this; a bond has one transmission queue more.
  public static let maximumQueue: UInt16 = 15

  fileprivate static let activeBackup: UInt8 = 1  // BOND_MODE_ACTIVEBACKUP
  /// How often the driver looks at the carrier of its slaves, in milliseconds.
  fileprivate static let monitorInterval: UInt32 = 50
}

extension RouteNetlink {
  /// Whether the kernel has the bonding driver, which it loads for this. Asks for a bond with a link-layer address that
  /// no interface can have: the driver refuses that before there is anything.
  public func hasBondingDriver() throws(LinuxError) -> Bool {
    do {
      try run(.createBond(name: "flowmob-probe", LinkLayerAddress(rawValue: 0x0100_0000_0000)))
    } catch {
      switch error.code {
      case EADDRNOTAVAIL: return true
      case EOPNOTSUPP: return false
      default: throw error
      }
    }
    return true
  }
}

extension KernelRequest {
  /// Creates a bond, down and without slaves, in mode active-backup with `all_slaves_active`.
  public static func createBond(name: String, _ address: LinkLayerAddress) -> KernelRequest {
    var message = NetlinkMessage(type: UInt16(RTM_NEWLINK), flags: [.create, .exclusive], header: ifinfomsg())
    message.attribute(UInt16(IFLA_IFNAME), name)
    message.attribute(UInt16(IFLA_ADDRESS), bytes: address.bytes)
    message.nested(UInt16(IFLA_LINKINFO)) {
      $0.attribute(UInt16(IFLA_INFO_KIND), Bond.kind)
      $0.nested(UInt16(IFLA_INFO_DATA)) {
        $0.attribute(UInt16(IFLA_BOND_MODE), Bond.activeBackup)
        $0.attribute(UInt16(IFLA_BOND_MIIMON), Bond.monitorInterval)
        $0.attribute(UInt16(IFLA_BOND_ALL_SLAVES_ACTIVE), UInt8(1))
      }
    }
    return KernelRequest(message, "create bond", name)
  }

  /// The slave that is the active one while it has carrier.
  public static func setPrimarySlave(ofBond bond: UInt32, name: String, _ slave: UInt32) -> KernelRequest {
    changeInformation(bond, "set primary slave of", name) {
      $0.attribute(UInt16(IFLA_INFO_KIND), Bond.kind)
      $0.nested(UInt16(IFLA_INFO_DATA)) { $0.attribute(UInt16(IFLA_BOND_PRIMARY), slave) }
    }
  }

  /// The queue number that chooses this slave, 1...`Bond.maximumQueue`; no two slaves have the same.
  public static func setQueue(ofSlave index: UInt32, name: String, _ queue: UInt16) -> KernelRequest {
    changeInformation(index, "set queue number of", name) {
      $0.attribute(UInt16(IFLA_INFO_SLAVE_KIND), Bond.kind)
      $0.nested(UInt16(IFLA_INFO_SLAVE_DATA)) { $0.attribute(UInt16(IFLA_BOND_SLAVE_QUEUE_ID), queue) }
    }
  }

  private static func changeInformation(
    _ index: UInt32, _ operation: String, _ name: String, _ body: (inout NetlinkMessage) -> Void
  ) -> KernelRequest {
    var header = ifinfomsg()
    header.ifi_index = Int32(bitPattern: index)
    var message = NetlinkMessage(type: UInt16(RTM_NEWLINK), header: header)
    message.nested(UInt16(IFLA_LINKINFO), body)
    return KernelRequest(message, operation, name)
  }
}
