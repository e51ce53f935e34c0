import CLinuxNet
import Glibc
import NetTypes

/// What a filter of traffic control does with a packet that an interface sends.
public enum TrafficAction: Hashable, Sendable {
  /// Gives it a queue number.
  case queue(UInt16)
  /// Puts an Ethernet header in front of an IPv6 packet that has none. Linux 5.11.
  case pushEthernet(destination: LinkLayerAddress, source: LinkLayerAddress)
  /// Takes the Ethernet header off, so that the packet begins with its IPv6 header. Linux 5.11.
  case popEthernet

  /// The kernel module that does it.
  public var module: String {
    switch self {
    case .queue: "act_skbedit"
    case .pushEthernet, .popEthernet: "act_vlan"
    }
  }

  fileprivate func append(to message: inout NetlinkMessage) {
    switch self {
    case .queue(let number):
      message.attribute(UInt16(TCA_ACT_KIND), "skbedit")
      message.nested(UInt16(TCA_ACT_OPTIONS)) {
        var parameters = tc_skbedit()
        parameters.action = Int32(TC_ACT_PIPE)
        $0.attribute(UInt16(TCA_SKBEDIT_PARMS), structure: parameters)
        $0.attribute(UInt16(TCA_SKBEDIT_QUEUE_MAPPING), number)
      }
    case .pushEthernet(let destination, let source):
      message.attribute(UInt16(TCA_ACT_KIND), "vlan")
      message.nested(UInt16(TCA_ACT_OPTIONS)) {
        $0.attribute(UInt16(TCA_VLAN_PARMS), structure: Self.parameters(TCA_VLAN_ACT_PUSH_ETH))
        $0.attribute(UInt16(TCA_VLAN_PUSH_ETH_DST), bytes: destination.bytes)
        $0.attribute(UInt16(TCA_VLAN_PUSH_ETH_SRC), bytes: source.bytes)
      }
    case .popEthernet:
      message.attribute(UInt16(TCA_ACT_KIND), "vlan")
      message.nested(UInt16(TCA_ACT_OPTIONS)) {
        $0.attribute(UInt16(TCA_VLAN_PARMS), structure: Self.parameters(TCA_VLAN_ACT_POP_ETH))
      }
    }
  }

  private static func parameters(_ operation: Int32) -> tc_vlan {
    var parameters = tc_vlan()
    parameters.action = Int32(TC_ACT_PIPE)
    parameters.v_action = operation
    return parameters
  }
}

/// Filters of traffic control on what an interface sends (`tc filter … egress`): those of one interface match IPv6 packets
/// by their mark under one mask, and the kernel finds the one for a packet by hash.
extension KernelRequest {
  /// The queueing discipline `clsact`, at which filters hang; one that is there already stays.
  public static func addFilterPoint(interface: UInt32, name: String) -> KernelRequest {
    var message = filterPoint(RTM_NEWQDISC, [.create, .exclusive], interface)
    message.attribute(UInt16(TCA_KIND), TrafficControlRecord.filterPoint)
    return KernelRequest(message, "add clsact to", name, tolerated: [EEXIST])
  }

  /// Takes all filters along.
  public static func removeFilterPoint(interface: UInt32, name: String) -> KernelRequest {
    KernelRequest(
      filterPoint(RTM_DELQDISC, [], interface), "remove clsact from", name, tolerated: [EINVAL, ENOENT, ENODEV])
  }

  /// Adds or replaces the filter for this mark.
  public static func setFilter(
    interface: UInt32, name: String, mark: UInt32, mask: UInt32, _ action: TrafficAction
  ) -> KernelRequest {
    var message = filter(RTM_NEWTFILTER, [.create, .replace], interface, mark: mark)
    message.nested(UInt16(TCA_OPTIONS)) {
      $0.attribute(UInt16(TCA_FW_MASK), mask)
      $0.nested(UInt16(TCA_FW_ACT)) {
        $0.nested(1) { action.append(to: &$0) }
      }
    }
    return KernelRequest(message, "set filter of", "\(name), mark 0x\(String(mark, radix: 16))")
  }

  /// Removes the filter for this mark, or all of them. None there, and no point at which they hang, are no errors.
  public static func removeFilter(interface: UInt32, name: String, mark: UInt32? = nil) -> KernelRequest {
    KernelRequest(
      filter(RTM_DELTFILTER, [], interface, mark: mark ?? 0), "remove filter of", name,
      tolerated: [ENOENT, EINVAL, EOPNOTSUPP, ENODEV])
  }

  private static let filterPointHandle: UInt32 = 0xffff_0000

  private static func filterPoint(_ type: Int, _ flags: NetlinkFlags, _ interface: UInt32) -> NetlinkMessage {
    var header = tcmsg()
    header.tcm_ifindex = Int32(bitPattern: interface)
    header.tcm_parent = filterPointHandle | 0xfff1  // TC_H_CLSACT
    header.tcm_handle = filterPointHandle
    return NetlinkMessage(type: UInt16(type), flags: flags, header: header)
  }

  private static func filter(
    _ type: Int, _ flags: NetlinkFlags, _ interface: UInt32, mark: UInt32
  ) -> NetlinkMessage {
    var header = tcmsg()
    header.tcm_ifindex = Int32(bitPattern: interface)
    header.tcm_parent = filterPointHandle | 0xfff3  // TC_H_MIN_EGRESS
    header.tcm_handle = mark
    let priority: UInt32 = 1
    header.tcm_info = priority << 16 | UInt32(UInt16(ETH_P_IPV6).bigEndian)
    var message = NetlinkMessage(type: UInt16(type), flags: flags, header: header)
    message.attribute(UInt16(TCA_KIND), "fw")
    return message
  }
}

extension TrafficAction {
  /// What this kernel lacks for filters with these actions, tried on the loopback interface of a namespace for it alone,
  /// so that nothing changes on the host but that modules are loaded. nil when it has everything, or when the process may
  /// not make a namespace.
  public static func missing(for actions: [TrafficAction]) -> LinuxError? {
    guard let scratch = try? NetworkNamespace() else { return nil }
    do {
      try scratch.run {
        let tables = try RouteNetlink()
        let loopback = try tables.link(named: "lo")
        try tables.run(.addFilterPoint(interface: loopback.index, name: loopback.name))
        for (number, action) in actions.enumerated() {
          let mark = UInt32(number + 1)
          try tables.run(
            .setFilter(interface: loopback.index, name: loopback.name, mark: mark, mask: .max, action))
        }
      }
      return nil
    } catch {
      return error as? LinuxError
    }
  }
}
