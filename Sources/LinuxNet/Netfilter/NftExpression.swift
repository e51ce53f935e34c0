/// One instruction of a rule. The kernel runs a rule's expressions in order; one that does not match ends the rule.
///
/// Loads put a value into registers (`NftRegister`), comparisons and lookups read them. Values in registers are in
/// network byte order, except `meta` and `ct` values, which the kernel keeps in the byte order of the host: `mark`
/// helpers (`compareMark`, `setMark`) hide that. Longer idioms (load a key, merge a mark) are in `NftIdioms.swift`.
public enum NftExpression: Hashable, Sendable {
  public enum MetaKey: Hashable, Sendable {
    /// skb mark, 4 octets, host order.
    case mark
    /// Transport protocol behind the IPv6 extension headers, 1 octet.
    case transportProtocol
    /// Name of the input interface, 16 octets padded with zeros.
    case inputInterfaceName
    /// Name of the output interface, 16 octets padded with zeros.
    case outputInterfaceName
    /// Length of the packet in octets, 4 octets, host order.
    case packetLength
    /// EtherType of the packet, 2 octets.
    case etherType
  }

  public enum PayloadBase: Hashable, Sendable {
    case link, network
    /// The transport header. In a fragment other than the first there is none, and the load ends the rule.
    case transport
  }

  public enum Comparison: Hashable, Sendable {
    case equal, notEqual, less, lessOrEqual, greater, greaterOrEqual
  }

  public enum DynamicSetOperation: Hashable, Sendable {
    case add
    /// Adds the element or restarts its timeout.
    case update
    case delete
  }

  public enum ConntrackKey: Hashable, Sendable {
    /// Connection mark, 4 octets, host order.
    case mark
    /// State bits, 4 octets, host order (`NF_CT_STATE_*`).
    case state
    /// Direction of the packet in its connection, 1 octet: 0 original, 1 reply.
    case direction
  }

  case metaLoad(MetaKey, into: NftRegister)
  case metaSet(MetaKey, from: NftRegister)
  case payloadLoad(base: PayloadBase, offset: Int, length: Int, into: NftRegister)
  /// Loads from the first IPv6 extension header of this type; ends the rule when the packet has none.
  case extensionHeaderLoad(type: UInt8, offset: Int, length: Int, into: NftRegister)
  /// 1 in one octet when the packet has an IPv6 extension header of this type, else 0.
  case extensionHeaderPresence(type: UInt8, into: NftRegister)
  /// `(source & mask) ^ xor`; `mask` and `xor` have the same number of octets.
  case bitwise(NftRegister, into: NftRegister, mask: [UInt8], xor: [UInt8])
  case compare(NftRegister, Comparison, [UInt8])
  /// Matches `from...through`, both of the same number of octets; with `inverted`, everything else.
  case range(NftRegister, from: [UInt8], through: [UInt8], inverted: Bool)
  /// Matches when the key is in the set (with `inverted`: when it is not). With `into`, the set is a map and its value
  /// goes there; `.verdict` for a verdict map.
  case lookup(set: String, key: NftRegister, into: NftRegister?, inverted: Bool)
  /// Changes a dynamic set or map from the packet path. `data` is given exactly for maps; `timeout` nil takes the set's.
  case dynamicSet(DynamicSetOperation, set: String, key: NftRegister, data: NftRegister?, timeout: Duration?)
  case immediate([UInt8], into: NftRegister)
  case verdict(NftVerdict)
  case counter
  case conntrackLoad(ConntrackKey, into: NftRegister)
  case conntrackSetMark(from: NftRegister)
  /// The native `queue` statement (module nft_queue). Build it with `NetfilterSocket.queueExpression(number:bypass:)`.
  case queue(number: UInt16, bypass: Bool)
  /// The xtables target NFQUEUE through nft_compat, for kernels without nft_queue.
  case xtablesQueue(number: UInt16, bypass: Bool)
  /// In family netdev: sends the packet out of the interface whose index is in the register, in the byte order of the
  /// host. The packet is gone after it; an index that no interface has drops it.
  case forward(toInterface: NftRegister)
  /// In family netdev: sends a copy out of the interface whose index is in the register; the rule goes on.
  case duplicate(toInterface: NftRegister)
}
