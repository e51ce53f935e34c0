import CLinuxNet

/// How expressions, verdicts and elements look as netlink attributes (`linux/netfilter/nf_tables.h`). All integers of
/// nf_tables attributes are in network order.
extension NetlinkMessage {
  mutating func put(_ attribute: some RawRepresentable<UInt32>, bytes: some Collection<UInt8>) {
    self.attribute(UInt16(attribute.rawValue), bytes: bytes)
  }

  mutating func put(_ attribute: some RawRepresentable<UInt32>, string: String) {
    self.attribute(UInt16(attribute.rawValue), string)
  }

  mutating func put<Value: FixedWidthInteger & BitwiseCopyable>(
    _ attribute: some RawRepresentable<UInt32>, networkOrder value: Value
  ) {
    self.attribute(UInt16(attribute.rawValue), bigEndian: value)
  }

  mutating func nest(_ attribute: some RawRepresentable<UInt32>, _ body: (inout NetlinkMessage) -> Void) {
    nested(UInt16(attribute.rawValue), body)
  }

  /// A 64-bit timeout.
  mutating func put(_ attribute: some RawRepresentable<UInt32>, milliseconds duration: Duration) {
    put(attribute, networkOrder: duration.wholeMilliseconds)
  }

  mutating func putData(_ attribute: some RawRepresentable<UInt32>, _ bytes: [UInt8]) {
    nest(attribute) { $0.put(NFTA_DATA_VALUE, bytes: bytes) }
  }

  mutating func putData(_ attribute: some RawRepresentable<UInt32>, _ verdict: NftVerdict) {
    nest(attribute) { message in
      message.nest(NFTA_DATA_VERDICT) { message in
        message.put(NFTA_VERDICT_CODE, networkOrder: UInt32(bitPattern: verdict.code))
        if let chain = verdict.chain { message.put(NFTA_VERDICT_CHAIN, string: chain) }
      }
    }
  }

  /// A list of expressions as rules and sets carry it.
  mutating func putExpressions(_ attribute: some RawRepresentable<UInt32>, _ expressions: [NftExpression]) {
    nest(attribute) { message in
      for expression in expressions {
        message.nest(NFTA_LIST_ELEM) { expression.encode(into: &$0) }
      }
    }
  }

  mutating func putCounter(_ counter: NftCounter) {
    put(NFTA_EXPR_NAME, string: "counter")
    nest(NFTA_EXPR_DATA) { message in
      message.put(NFTA_COUNTER_BYTES, networkOrder: counter.octets)
      message.put(NFTA_COUNTER_PACKETS, networkOrder: counter.packets)
    }
  }

  mutating func putElement(_ element: NftElement) {
    nest(NFTA_LIST_ELEM) { message in
      message.putData(NFTA_SET_ELEM_KEY, element.key)
      switch element.value {
      case .verdict(let verdict): message.putData(NFTA_SET_ELEM_DATA, verdict)
      case .data(let bytes): message.putData(NFTA_SET_ELEM_DATA, bytes)
      case nil: break
      }
      if let timeout = element.timeout { message.put(NFTA_SET_ELEM_TIMEOUT, milliseconds: timeout) }
      if let expiration = element.expiration { message.put(NFTA_SET_ELEM_EXPIRATION, milliseconds: expiration) }
      if !element.userData.isEmpty { message.put(NFTA_SET_ELEM_USERDATA, bytes: element.userData) }
      if let counter = element.counter { message.nest(NFTA_SET_ELEM_EXPR) { $0.putCounter(counter) } }
    }
  }
}

extension NftVerdict {
  var code: Int32 {
    switch self {
    case .drop: 0  // NF_DROP
    case .accept: 1  // NF_ACCEPT
    case .jump: NFT_JUMP.rawValue
    case .goTo: NFT_GOTO.rawValue
    case .return: NFT_RETURN.rawValue
    }
  }

  var chain: String? {
    switch self {
    case .jump(let chain), .goTo(let chain): chain
    case .accept, .drop, .return: nil
    }
  }

  /// nil for a verdict that this project does not use.
  init?(code: Int32, chain: String?) {
    switch (code, chain) {
    case (0, _): self = .drop
    case (1, _): self = .accept
    case (NFT_RETURN.rawValue, _): self = .return
    case (NFT_JUMP.rawValue, let chain?): self = .jump(chain)
    case (NFT_GOTO.rawValue, let chain?): self = .goTo(chain)
    default: return nil
    }
  }
}

extension NftExpression {
  func encode(into message: inout NetlinkMessage) {
    message.put(NFTA_EXPR_NAME, string: kernelName)
    message.nest(NFTA_EXPR_DATA) { encodeData(into: &$0) }
  }

  private var kernelName: String {
    switch self {
    case .metaLoad, .metaSet: "meta"
    case .payloadLoad: "payload"
    case .extensionHeaderLoad, .extensionHeaderPresence: "exthdr"
    case .bitwise: "bitwise"
    case .compare: "cmp"
    case .range: "range"
    case .lookup: "lookup"
    case .dynamicSet: "dynset"
    case .immediate, .verdict: "immediate"
    case .counter: "counter"
    case .conntrackLoad, .conntrackSetMark: "ct"
    case .queue: "queue"
    case .xtablesQueue: "target"
    case .forward: "fwd"
    case .duplicate: "dup"
    }
  }

  private func encodeData(into message: inout NetlinkMessage) {
    switch self {
    case .metaLoad(let key, let register):
      message.put(NFTA_META_KEY, networkOrder: key.number)
      message.put(NFTA_META_DREG, networkOrder: register.rawValue)
    case .metaSet(let key, let register):
      message.put(NFTA_META_KEY, networkOrder: key.number)
      message.put(NFTA_META_SREG, networkOrder: register.rawValue)
    case .payloadLoad(let base, let offset, let length, let register):
      message.put(NFTA_PAYLOAD_DREG, networkOrder: register.rawValue)
      message.put(NFTA_PAYLOAD_BASE, networkOrder: base.number)
      message.put(NFTA_PAYLOAD_OFFSET, networkOrder: UInt32(offset))
      message.put(NFTA_PAYLOAD_LEN, networkOrder: UInt32(length))
    case .extensionHeaderLoad(let type, let offset, let length, let register):
      message.put(NFTA_EXTHDR_DREG, networkOrder: register.rawValue)
      message.putHeaderField(NFT_EXTHDR_OP_IPV6, type: type, offset: offset, length: length)
    case .extensionHeaderPresence(let type, let register):
      message.put(NFTA_EXTHDR_DREG, networkOrder: register.rawValue)
      message.putHeaderField(NFT_EXTHDR_OP_IPV6, type: type, offset: 0, length: 1)
      message.put(NFTA_EXTHDR_FLAGS, networkOrder: NFT_EXTHDR_F_PRESENT.rawValue)
    case .bitwise(let source, let destination, let mask, let xor):
      message.put(NFTA_BITWISE_SREG, networkOrder: source.rawValue)
      message.put(NFTA_BITWISE_DREG, networkOrder: destination.rawValue)
      message.put(NFTA_BITWISE_LEN, networkOrder: UInt32(mask.count))
      message.putData(NFTA_BITWISE_MASK, mask)
      message.putData(NFTA_BITWISE_XOR, xor)
    case .compare(let register, let comparison, let value):
      message.put(NFTA_CMP_SREG, networkOrder: register.rawValue)
      message.put(NFTA_CMP_OP, networkOrder: comparison.number)
      message.putData(NFTA_CMP_DATA, value)
    case .range(let register, let from, let through, let inverted):
      message.put(NFTA_RANGE_SREG, networkOrder: register.rawValue)
      message.put(NFTA_RANGE_OP, networkOrder: (inverted ? NFT_RANGE_NEQ : NFT_RANGE_EQ).rawValue)
      message.putData(NFTA_RANGE_FROM_DATA, from)
      message.putData(NFTA_RANGE_TO_DATA, through)
    case .lookup(let set, let key, let destination, let inverted):
      message.put(NFTA_LOOKUP_SET, string: set)
      message.put(NFTA_LOOKUP_SREG, networkOrder: key.rawValue)
      if let destination { message.put(NFTA_LOOKUP_DREG, networkOrder: destination.rawValue) }
      if inverted { message.put(NFTA_LOOKUP_FLAGS, networkOrder: UInt32(NFT_LOOKUP_F_INV.rawValue)) }
    case .dynamicSet(let operation, let set, let key, let data, let timeout):
      message.put(NFTA_DYNSET_SET_NAME, string: set)
      message.put(NFTA_DYNSET_OP, networkOrder: operation.number)
      message.put(NFTA_DYNSET_SREG_KEY, networkOrder: key.rawValue)
      if let data { message.put(NFTA_DYNSET_SREG_DATA, networkOrder: data.rawValue) }
      if let timeout { message.put(NFTA_DYNSET_TIMEOUT, milliseconds: timeout) }
    case .immediate(let value, let register):
      message.put(NFTA_IMMEDIATE_DREG, networkOrder: register.rawValue)
      message.putData(NFTA_IMMEDIATE_DATA, value)
    case .verdict(let verdict):
      message.put(NFTA_IMMEDIATE_DREG, networkOrder: NftRegister.verdict.rawValue)
      message.putData(NFTA_IMMEDIATE_DATA, verdict)
    case .counter:
      message.put(NFTA_COUNTER_BYTES, networkOrder: UInt64(0))
      message.put(NFTA_COUNTER_PACKETS, networkOrder: UInt64(0))
    case .conntrackLoad(let key, let register):
      message.put(NFTA_CT_KEY, networkOrder: key.number)
      message.put(NFTA_CT_DREG, networkOrder: register.rawValue)
    case .conntrackSetMark(let register):
      message.put(NFTA_CT_KEY, networkOrder: NFT_CT_MARK.rawValue)
      message.put(NFTA_CT_SREG, networkOrder: register.rawValue)
    case .queue(let number, let bypass):
      message.put(NFTA_QUEUE_NUM, networkOrder: number)
      message.put(NFTA_QUEUE_TOTAL, networkOrder: UInt16(1))
      message.put(NFTA_QUEUE_FLAGS, networkOrder: UInt16(bypass ? NFT_QUEUE_FLAG_BYPASS : 0))
    case .xtablesQueue(let number, let bypass):
      // struct xt_NFQ_info_v3: queue number, number of queues, flags; host order, padded to XT_ALIGN.
      let fields: [UInt16] = [number, 1, UInt16(bypass ? NFQ_FLAG_BYPASS : 0), 0]
      message.put(NFTA_TARGET_NAME, string: "NFQUEUE")
      message.put(NFTA_TARGET_REV, networkOrder: UInt32(3))
      message.put(NFTA_TARGET_INFO, bytes: fields.withUnsafeBytes { Array($0) })
    case .forward(let register):
      message.put(NFTA_FWD_SREG_DEV, networkOrder: register.rawValue)
    case .duplicate(let register):
      message.put(NFTA_DUP_SREG_DEV, networkOrder: register.rawValue)
    }
  }
}

extension NetlinkMessage {
  fileprivate mutating func putHeaderField(_ operation: nft_exthdr_op, type: UInt8, offset: Int, length: Int) {
    put(NFTA_EXTHDR_TYPE, bytes: [type])
    put(NFTA_EXTHDR_OFFSET, networkOrder: UInt32(offset))
    put(NFTA_EXTHDR_LEN, networkOrder: UInt32(length))
    put(NFTA_EXTHDR_OP, networkOrder: operation.rawValue)
  }
}

extension NftExpression.MetaKey {
  fileprivate var number: UInt32 {
    switch self {
    case .mark: NFT_META_MARK.rawValue
    case .transportProtocol: NFT_META_L4PROTO.rawValue
    case .inputInterfaceName: NFT_META_IIFNAME.rawValue
    case .outputInterfaceName: NFT_META_OIFNAME.rawValue
    case .packetLength: NFT_META_LEN.rawValue
    case .etherType: NFT_META_PROTOCOL.rawValue
    }
  }
}

extension NftExpression.PayloadBase {
  fileprivate var number: UInt32 {
    switch self {
    case .link: NFT_PAYLOAD_LL_HEADER.rawValue
    case .network: NFT_PAYLOAD_NETWORK_HEADER.rawValue
    case .transport: NFT_PAYLOAD_TRANSPORT_HEADER.rawValue
    }
  }
}

extension NftExpression.Comparison {
  fileprivate var number: UInt32 {
    switch self {
    case .equal: NFT_CMP_EQ.rawValue
    case .notEqual: NFT_CMP_NEQ.rawValue
    case .less: NFT_CMP_LT.rawValue
    case .lessOrEqual: NFT_CMP_LTE.rawValue
    case .greater: NFT_CMP_GT.rawValue
    case .greaterOrEqual: NFT_CMP_GTE.rawValue
    }
  }
}

extension NftExpression.DynamicSetOperation {
  fileprivate var number: UInt32 {
    switch self {
    case .add: NFT_DYNSET_OP_ADD.rawValue
    case .update: NFT_DYNSET_OP_UPDATE.rawValue
    case .delete: NFT_DYNSET_OP_DELETE.rawValue
    }
  }
}

extension NftExpression.ConntrackKey {
  fileprivate var number: UInt32 {
    switch self {
    case .mark: NFT_CT_MARK.rawValue
    case .state: NFT_CT_STATE.rawValue
    case .direction: NFT_CT_DIRECTION.rawValue
    }
  }
}

extension Duration {
  /// Rounded up, so that a short timeout does not become "none"; 0 for negative ones.
  var wholeMilliseconds: UInt64 {
    let (seconds, attoseconds) = components
    return UInt64(max(0, seconds * 1000 + (attoseconds + 999_999_999_999_999) / 1_000_000_000_000_000))
  }
}
