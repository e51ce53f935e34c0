import CLinuxNet

/// What a rule of anybody's does to packets that leave by another interface than their flow used before, and to marks.
/// Read from the kernel's form of the rule, so rules of `nft` and of the nftables variant of `ip6tables` are seen; those
/// of the old `ip6tables` are not.
public struct NftRuleTraits: Hashable, Sendable {
  /// As `nft` writes it, `inet firewalld`.
  public var table: String
  public var chain: String
  public var handle: UInt64
  /// Asks whether the way back to the source leads over the input interface (reverse path filter).
  public var checksReversePath = false
  /// Asks whether the destination is an address of the input interface itself (strong host model).
  public var checksInputAddress = false
  /// Bits of the packet's mark that it writes.
  public var writtenPacketMarks: UInt32 = 0
  /// Bits of the connection's mark that it writes.
  public var writtenConnectionMarks: UInt32 = 0
  /// Takes packets out of connection tracking.
  public var stopsTracking = false

  public init(table: String, chain: String, handle: UInt64) {
    self.table = table
    self.chain = chain
    self.handle = handle
  }

  public var isHarmless: Bool { self == NftRuleTraits(table: table, chain: chain, handle: handle) }
}

extension NftRuleTraits: CustomStringConvertible {
  /// What `nft delete rule` takes.
  public var description: String { "\(table) \(chain) handle \(handle)" }
}

extension NetfilterSocket {
  /// The rules for IPv6 packets that are not harmless, but for those of tables with these names.
  public func notableRules(except own: Set<String>) throws(LinuxError) -> [NftRuleTraits] {
    let message = NetlinkMessage(
      netfilter: NFNL_SUBSYS_NFTABLES, type: NFT_MSG_GETRULE.rawValue, family: UInt8(NFPROTO_UNSPEC))
    return try socket.dump(message, "read", "nftables rules") { answer in
      guard let family = answer.header(as: nfgenmsg.self).flatMap({ NftFamily(rawValue: $0.nfgen_family) }),
        let traits = NftRuleTraits(family, answer.attributes(after: nfgenmsg.self)), !traits.isHarmless,
        !own.contains(where: { traits.table.hasSuffix(" \($0)") })
      else { return nil }
      return traits
    }
  }
}

extension NftRuleTraits {
  init?(_ family: NftFamily, _ attributes: NetlinkAttributes) {
    guard let table = attributes[NFTA_RULE_TABLE]?.string, let chain = attributes[NFTA_RULE_CHAIN]?.string,
      let handle = attributes[NFTA_RULE_HANDLE]?.uint64BigEndian
    else { return nil }
    self.init(table: "\(family.name) \(table)", chain: chain, handle: handle)
    // Bits that the latest operation on a register has kept.
    var kept: UInt32 = 0
    for expression in attributes[NFTA_RULE_EXPRESSIONS]?.nested ?? NetlinkAttributes([]) {
      guard let name = expression.nested[NFTA_EXPR_NAME]?.string else { continue }
      let data = expression.nested[NFTA_EXPR_DATA]?.nested ?? NetlinkAttributes([])
      switch name {
      case "fib": note(fib: data)
      case "bitwise": kept = data[NFTA_BITWISE_MASK]?.nested[NFTA_DATA_VALUE]?.uint32 ?? 0
      case "immediate": kept = 0
      case "meta":
        if data[NFTA_META_KEY]?.uint32BigEndian == NFT_META_MARK.rawValue, data[NFTA_META_SREG] != nil {
          writtenPacketMarks |= ~kept
        }
      case "ct":
        if data[NFTA_CT_KEY]?.uint32BigEndian == NFT_CT_MARK.rawValue {
          if data[NFTA_CT_SREG] != nil { writtenConnectionMarks |= ~kept } else { kept = 0 }
        }
      case "notrack": stopsTracking = true
      // Of the nftables variant of ip6tables; what a target does is not to be seen.
      case "match": checksReversePath = checksReversePath || data[NFTA_MATCH_NAME]?.string == "rpfilter"
      case "target": note(target: data[NFTA_TARGET_NAME]?.string)
      default: break
      }
    }
  }

  private mutating func note(fib data: NetlinkAttributes) {
    guard let flags = data[NFTA_FIB_FLAGS]?.uint32BigEndian, flags & NFTA_FIB_F_IIF.rawValue != 0 else { return }
    if flags & NFTA_FIB_F_SADDR.rawValue != 0 { checksReversePath = true }
    if flags & NFTA_FIB_F_DADDR.rawValue != 0,
      data[NFTA_FIB_RESULT]?.uint32BigEndian == NFT_FIB_RESULT_ADDRTYPE.rawValue
    {
      checksInputAddress = true
    }
  }

  private mutating func note(target: String?) {
    switch target {
    case "MARK": writtenPacketMarks = .max
    case "CONNMARK": writtenConnectionMarks = .max
    case "CT": stopsTracking = true
    default: break
    }
  }
}
