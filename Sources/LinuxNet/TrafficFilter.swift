import CLinuxNet
import Glibc

/// Filters of traffic control on what an interface sends (`tc filter … egress`).
extension KernelRequest {
  /// The queueing discipline `clsact`, at which filters hang; one that is there already stays.
  public static func addFilterPoint(interface: UInt32, name: String) -> KernelRequest {
    var header = tcmsg()
    header.tcm_ifindex = Int32(bitPattern: interface)
    header.tcm_parent = filterPoint | 0xfff1  // TC_H_CLSACT
    header.tcm_handle = filterPoint
    var message = NetlinkMessage(type: UInt16(RTM_NEWQDISC), flags: [.create, .exclusive], header: header)
    message.attribute(UInt16(TCA_KIND), "clsact")
    return KernelRequest(message, "add clsact to", name, tolerated: [EEXIST])
  }

  /// IPv6 packets with `mark` under `mask` get this queue number. All of an interface have the same mask, and the kernel
  /// finds the one for a packet by hash. One for this mark that is there already stays.
  public static func addQueueFilter(
    interface: UInt32, name: String, mark: UInt32, mask: UInt32, queue: UInt16
  ) -> KernelRequest {
    var header = tcmsg()
    header.tcm_ifindex = Int32(bitPattern: interface)
    header.tcm_parent = filterPoint | 0xfff3  // TC_H_MIN_EGRESS
    header.tcm_handle = mark
    let priority: UInt32 = 1
    header.tcm_info = priority << 16 | UInt32(UInt16(ETH_P_IPV6).bigEndian)
    var message = NetlinkMessage(type: UInt16(RTM_NEWTFILTER), flags: [.create, .exclusive], header: header)
    message.attribute(UInt16(TCA_KIND), "fw")
    message.nested(UInt16(TCA_OPTIONS)) {
      $0.attribute(UInt16(TCA_FW_MASK), mask)
      $0.nested(UInt16(TCA_FW_ACT)) {
        $0.nested(1) {
          $0.attribute(UInt16(TCA_ACT_KIND), "skbedit")
          $0.nested(UInt16(TCA_ACT_OPTIONS)) {
            var parameters = tc_skbedit()
            parameters.action = Int32(TC_ACT_PIPE)
            $0.attribute(UInt16(TCA_SKBEDIT_PARMS), structure: parameters)
            $0.attribute(UInt16(TCA_SKBEDIT_QUEUE_MAPPING), queue)
          }
        }
      }
    }
    return KernelRequest(message, "add filter to", "\(name), queue \(queue)", tolerated: [EEXIST])
  }

  private static let filterPoint: UInt32 = 0xffff_0000
}
