import CLinuxNet

extension NetlinkAttributes {
  subscript(type: some RawRepresentable<UInt32>) -> NetlinkAttribute? { self[UInt16(type.rawValue)] }
}

extension NftCounter {
  /// From the attributes of an expression; nil when it is not a counter.
  init?(expression: NetlinkAttributes) {
    guard expression[NFTA_EXPR_NAME]?.string == "counter", let data = expression[NFTA_EXPR_DATA]?.nested,
      let packets = data[NFTA_COUNTER_PACKETS]?.uint64BigEndian, let octets = data[NFTA_COUNTER_BYTES]?.uint64BigEndian
    else { return nil }
    self.init(packets: packets, octets: octets)
  }
}

extension NftElement {
  /// nil for the catch-all element, which has no key.
  init?(_ attributes: NetlinkAttributes) {
    guard let key = attributes[NFTA_SET_ELEM_KEY]?.nested[NFTA_DATA_VALUE]?.payload else { return nil }
    self.init(key: Array(key))
    if let data = attributes[NFTA_SET_ELEM_DATA]?.nested {
      if let bytes = data[NFTA_DATA_VALUE]?.payload {
        value = .data(Array(bytes))
      } else if let verdict = data[NFTA_DATA_VERDICT]?.nested, let code = verdict[NFTA_VERDICT_CODE]?.uint32BigEndian {
        value = NftVerdict(code: Int32(bitPattern: code), chain: verdict[NFTA_VERDICT_CHAIN]?.string)
          .map(NftElement.Value.verdict)
      }
    }
    timeout = attributes[NFTA_SET_ELEM_TIMEOUT]?.uint64BigEndian.map { .milliseconds(Int64(clamping: $0)) }
    expiration = attributes[NFTA_SET_ELEM_EXPIRATION]?.uint64BigEndian.map { .milliseconds(Int64(clamping: $0)) }
    userData = attributes[NFTA_SET_ELEM_USERDATA].map { Array($0.payload) } ?? []
    // A single expression comes alone, several come as a list.
    let expressions =
      (attributes[NFTA_SET_ELEM_EXPR].map { [$0] } ?? [])
      + (attributes[NFTA_SET_ELEM_EXPRESSIONS].map { Array($0.nested) } ?? [])
    counter = expressions.lazy.compactMap { NftCounter(expression: $0.nested) }.first
  }
}

extension NftRuleRecord {
  init?(_ attributes: NetlinkAttributes) {
    guard let chain = attributes[NFTA_RULE_CHAIN]?.string, let handle = attributes[NFTA_RULE_HANDLE]?.uint64BigEndian
    else { return nil }
    let counters = (attributes[NFTA_RULE_EXPRESSIONS].map { Array($0.nested) } ?? [])
      .compactMap { NftCounter(expression: $0.nested) }
    self.init(
      chain: chain, handle: handle, comment: attributes[NFTA_RULE_USERDATA].flatMap { NftComment.decode($0.payload) },
      counter: counters.isEmpty
        ? nil
        : counters.reduce(into: NftCounter()) {
          $0.packets += $1.packets
          $0.octets += $1.octets
        })
  }
}

extension NftChainRecord {
  init?(_ attributes: NetlinkAttributes) {
    guard let name = attributes[NFTA_CHAIN_NAME]?.string, let handle = attributes[NFTA_CHAIN_HANDLE]?.uint64BigEndian
    else { return nil }
    var base: NftBaseChain?
    if let hook = attributes[NFTA_CHAIN_HOOK]?.nested, hook[NFTA_HOOK_DEV] == nil, hook[NFTA_HOOK_DEVS] == nil,
      let number = hook[NFTA_HOOK_HOOKNUM]?.uint32BigEndian.flatMap(NftBaseChain.Hook.init(rawValue:)),
      let priority = hook[NFTA_HOOK_PRIORITY]?.uint32BigEndian,
      let kind = attributes[NFTA_CHAIN_TYPE].flatMap({ NftBaseChain.Kind(rawValue: $0.string) })
    {
      base = NftBaseChain(kind: kind, hook: number, priority: Int32(bitPattern: priority))
    }
    self.init(name: name, handle: handle, base: base, uses: attributes[NFTA_CHAIN_USE]?.uint32BigEndian ?? 0)
  }
}
