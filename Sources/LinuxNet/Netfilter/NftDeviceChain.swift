import CLinuxNet

/// A base chain of family netdev: it sees the packets of one interface. The kernel takes it away with the interface.
public struct NftDeviceChain: Hashable, Sendable {
  /// The numbers are those of `enum nf_dev_hooks`.
  public enum Hook: UInt32, Hashable, Sendable {
    /// Frames that have been received, before the network protocols.
    case ingress = 0
    /// Frames to be sent, before the queueing discipline. Linux 5.16.
    case egress
  }

  public var hook: Hook
  /// Name of the interface; ENOENT when there is none.
  public var device: String
  /// Lower runs earlier.
  public var priority: Int32

  public init(hook: Hook, device: String, priority: Int32) {
    self.hook = hook
    self.device = device
    self.priority = priority
  }
}

extension NftTransaction {
  /// A chain on an interface, with policy accept; the table's family is netdev.
  public mutating func addChain(_ name: String, on chain: NftDeviceChain) {
    append(NFT_MSG_NEWCHAIN, [.create], "add", "chain \(name) on \(chain.device)") { [table] message in
      message.put(NFTA_CHAIN_TABLE, string: table.name)
      message.put(NFTA_CHAIN_NAME, string: name)
      message.nest(NFTA_CHAIN_HOOK) { message in
        message.put(NFTA_HOOK_HOOKNUM, networkOrder: chain.hook.rawValue)
        message.put(NFTA_HOOK_PRIORITY, networkOrder: UInt32(bitPattern: chain.priority))
        message.put(NFTA_HOOK_DEV, string: chain.device)
      }
      message.put(NFTA_CHAIN_TYPE, string: NftBaseChain.Kind.filter.rawValue)
      message.put(NFTA_CHAIN_POLICY, networkOrder: UInt32(1))  // NF_ACCEPT
    }
  }
}

extension NftExpression {
  /// Matches IPv6 packets, or with `.notEqual` all others. In family netdev nothing else says so.
  public static func matchIPv6(_ comparison: Comparison = .equal) -> [NftExpression] {
    [.metaLoad(.etherType, into: .word(0)), .compare(.word(0), comparison, networkOrder(UInt16(ETH_P_IPV6)))]
  }

  /// Matches packets that leave by the interface of this name, also when it is created later.
  public static func matchOutputInterface(_ name: String) -> [NftExpression] {
    [.metaLoad(.outputInterfaceName, into: .word(0)), .compare(.word(0), .equal, interfaceName(name))]
  }

  /// Matches ICMPv6 messages whose type is in a set with the key `NftField.icmpv6Type`.
  public static func matchICMPv6Type(in set: String) -> [NftExpression] {
    matchTransportProtocol(58) + [
      .payloadLoad(base: .transport, offset: 0, length: 1, into: .word(0)),
      .lookup(set: set, key: .word(0), into: nil, inverted: false),
    ]
  }

  /// Sends the packet out of the interface with this index.
  public static func forward(toInterface index: UInt32) -> [NftExpression] {
    [.immediate(hostOrder(index), into: .word(0)), .forward(toInterface: .word(0))]
  }

  /// Sends a copy of the packet out of the interface with this index.
  public static func duplicate(toInterface index: UInt32) -> [NftExpression] {
    [.immediate(hostOrder(index), into: .word(0)), .duplicate(toInterface: .word(0))]
  }
}
