import CLinuxNet

/// Changes to one table that the kernel takes as a whole or not at all: packets see the state before or the state after,
/// never one in between. Moving a flow to another tunnel is `delete` and `add` of its element in one transaction.
///
/// Build it with the methods below, in an order in which every object exists before it is named, and hand it to
/// `NetfilterSocket.commit`. Adding what exists already succeeds (for elements: when the value is the same), so a
/// daemon may state its whole structure again at start.
public struct NftTransaction: Sendable {
  public let table: NftTable
  private(set) var steps: [Step] = []

  /// One message and the words for an error about it.
  struct Step: Sendable {
    var message: NetlinkMessage
    var operation: String
    var object: String
  }

  /// Octets of elements in one message; an attribute holds at most 64 KiB.
  static let elementChunk = 32_768

  public init(table: NftTable) { self.table = table }

  public var isEmpty: Bool { steps.isEmpty }

  // MARK: Table

  public mutating func addTable() {
    append(NFT_MSG_NEWTABLE, [.create], "add", table.description) { [table] in
      $0.put(NFTA_TABLE_NAME, string: table.name)
    }
  }

  /// With everything in it. ENOENT when there is none: `addTable` before makes it safe.
  public mutating func deleteTable() {
    append(NFT_MSG_DELTABLE, [], "delete", table.description) { [table] in
      $0.put(NFTA_TABLE_NAME, string: table.name)
    }
  }

  // MARK: Chains

  /// A regular chain, or with `base` one that hangs on a hook, with policy accept.
  public mutating func addChain(_ name: String, base: NftBaseChain? = nil) {
    append(NFT_MSG_NEWCHAIN, [.create], "add", "chain \(name)") { [table] message in
      message.put(NFTA_CHAIN_TABLE, string: table.name)
      message.put(NFTA_CHAIN_NAME, string: name)
      guard let base else { return }
      message.nest(NFTA_CHAIN_HOOK) { message in
        message.put(NFTA_HOOK_HOOKNUM, networkOrder: base.hook.rawValue)
        message.put(NFTA_HOOK_PRIORITY, networkOrder: UInt32(bitPattern: base.priority))
      }
      message.put(NFTA_CHAIN_TYPE, string: base.kind.rawValue)
      message.put(NFTA_CHAIN_POLICY, networkOrder: UInt32(1))  // NF_ACCEPT
    }
  }

  /// Removes the chain and its rules. EBUSY while rules or elements of others refer to it.
  public mutating func deleteChain(_ name: String) {
    flushChain(name)
    append(NFT_MSG_DELCHAIN, [], "delete", "chain \(name)") { [table] message in
      message.put(NFTA_CHAIN_TABLE, string: table.name)
      message.put(NFTA_CHAIN_NAME, string: name)
    }
  }

  /// Removes the rules of the chain.
  public mutating func flushChain(_ name: String) {
    append(NFT_MSG_DELRULE, [], "flush", "chain \(name)") { [table] message in
      message.put(NFTA_RULE_TABLE, string: table.name)
      message.put(NFTA_RULE_CHAIN, string: name)
    }
  }

  // MARK: Rules

  /// Appends a rule. `comment` is shown by `nft list` and by `NetfilterSocket.rules`; at most 128 octets are kept.
  public mutating func addRule(chain: String, _ expressions: [NftExpression], comment: String? = nil) {
    append(NFT_MSG_NEWRULE, [.create, .append], "add", "rule \(comment ?? "") of chain \(chain)") { [table] message in
      message.put(NFTA_RULE_TABLE, string: table.name)
      message.put(NFTA_RULE_CHAIN, string: chain)
      message.putExpressions(NFTA_RULE_EXPRESSIONS, expressions)
      if let comment { message.put(NFTA_RULE_USERDATA, bytes: NftComment.encode(comment)) }
    }
  }

  public mutating func deleteRule(chain: String, handle: UInt64) {
    append(NFT_MSG_DELRULE, [], "delete", "rule \(handle) of chain \(chain)") { [table] message in
      message.put(NFTA_RULE_TABLE, string: table.name)
      message.put(NFTA_RULE_CHAIN, string: chain)
      message.put(NFTA_RULE_HANDLE, networkOrder: handle)
    }
  }

  // MARK: Sets and maps

  public mutating func addSet(_ set: NftSet) {
    // Refers to the set within the transaction, before the kernel has given it a handle.
    let identifier = UInt32(steps.count + 1)
    append(NFT_MSG_NEWSET, [.create], "add", "set \(set.name)") { [table] message in
      message.put(NFTA_SET_TABLE, string: table.name)
      message.put(NFTA_SET_NAME, string: set.name)
      message.put(NFTA_SET_ID, networkOrder: identifier)
      message.put(NFTA_SET_FLAGS, networkOrder: set.kernelFlags)
      message.put(NFTA_SET_KEY_TYPE, networkOrder: set.kernelKeyType)
      message.put(NFTA_SET_KEY_LEN, networkOrder: UInt32(set.keyOctets))
      switch set.value {
      case .none: break
      case .verdict: message.put(NFTA_SET_DATA_TYPE, networkOrder: UInt32(NFT_DATA_VERDICT.rawValue))
      case .data(let field):
        message.put(NFTA_SET_DATA_TYPE, networkOrder: field.dataType)
        message.put(NFTA_SET_DATA_LEN, networkOrder: UInt32(field.octets))
      }
      if let timeout = set.defaultTimeout { message.put(NFTA_SET_TIMEOUT, milliseconds: timeout) }
      if let interval = set.sweepInterval {
        message.put(NFTA_SET_GC_INTERVAL, networkOrder: UInt32(clamping: interval.wholeMilliseconds))
      }
      if let maximum = set.maximumElements {
        message.nest(NFTA_SET_DESC) { $0.put(NFTA_SET_DESC_SIZE, networkOrder: maximum) }
      }
      if set.countsHits { message.nest(NFTA_SET_EXPR) { $0.putCounter(NftCounter()) } }
    }
  }

  public mutating func deleteSet(_ name: String) {
    append(NFT_MSG_DELSET, [], "delete", "set \(name)") { [table] message in
      message.put(NFTA_SET_TABLE, string: table.name)
      message.put(NFTA_SET_NAME, string: name)
    }
  }

  // MARK: Elements

  /// Adds elements; as many as needed go into one message. EEXIST when an element is there with another value.
  public mutating func addElements(_ elements: some Collection<NftElement>, to set: String) {
    appendElements(NFT_MSG_NEWSETELEM, [.create], "add", elements, set)
  }

  /// Only the keys of `elements` matter. ENOENT when one is not there.
  public mutating func deleteElements(_ elements: some Collection<NftElement>, from set: String) {
    appendElements(NFT_MSG_DELSETELEM, [], "delete", elements.map { NftElement(key: $0.key) }, set)
  }

  /// Gives present elements another value, at once for packets. Counters and timeouts start from what `elements` say.
  public mutating func replaceElements(_ elements: some Collection<NftElement>, in set: String) {
    deleteElements(elements, from: set)
    addElements(elements, to: set)
  }

  /// Removes every element.
  public mutating func flushSet(_ name: String) {
    append(NFT_MSG_DELSETELEM, [], "flush", "set \(name)") { [table] message in
      message.put(NFTA_SET_ELEM_LIST_TABLE, string: table.name)
      message.put(NFTA_SET_ELEM_LIST_SET, string: name)
    }
  }

  // MARK: Messages

  mutating func append(
    _ type: nf_tables_msg_types, _ flags: NetlinkFlags, _ operation: String, _ object: String,
    _ body: (inout NetlinkMessage) -> Void
  ) {
    var message = NetlinkMessage(nftables: type, flags: flags, family: table.family)
    body(&message)
    steps.append(Step(message: message, operation: operation, object: "\(object) in \(table)"))
  }

  private mutating func appendElements(
    _ type: nf_tables_msg_types, _ flags: NetlinkFlags, _ operation: String, _ elements: some Collection<NftElement>,
    _ set: String
  ) {
    var iterator = elements.makeIterator()
    var next = iterator.next()
    while next != nil {
      var count = 0
      append(type, flags, operation, "elements of \(set)") { [table] message in
        message.put(NFTA_SET_ELEM_LIST_TABLE, string: table.name)
        message.put(NFTA_SET_ELEM_LIST_SET, string: set)
        message.nest(NFTA_SET_ELEM_LIST_ELEMENTS) { message in
          let start = message.bytes.count
          while let element = next, message.bytes.count - start < Self.elementChunk {
            message.putElement(element)
            count += 1
            next = iterator.next()
          }
        }
      }
      steps[steps.count - 1].object = "\(count) element\(count == 1 ? "" : "s") of \(set) in \(table)"
    }
  }
}

extension NetlinkMessage {
  init(nftables type: nf_tables_msg_types, flags: NetlinkFlags = [], family: NftFamily) {
    self.init(netfilter: NFNL_SUBSYS_NFTABLES, type: type.rawValue, flags: flags, family: family.rawValue)
  }

  /// A message of an nfnetlink subsystem. `resource` is the queue number of NFQUEUE, the subsystem of a batch frame.
  init(
    netfilter subsystem: Int32, type: UInt32, flags: NetlinkFlags = [], family: UInt8 = 0, resource: UInt16 = 0
  ) {
    self.init(
      type: UInt16(subsystem) << 8 | UInt16(type), flags: flags,
      header: nfgenmsg(nfgen_family: family, version: UInt8(NFNETLINK_V0), res_id: resource.bigEndian))
  }
}

extension NftSet {
  fileprivate var kernelFlags: UInt32 {
    var flags: UInt32 = 0
    if value != .none { flags |= NFT_SET_MAP.rawValue }
    if hasTimeout || defaultTimeout != nil { flags |= NFT_SET_TIMEOUT.rawValue }
    if isDynamic { flags |= NFT_SET_EVAL.rawValue }
    return flags
  }

  /// The `nft` tool packs the types of concatenated fields into 6 bits each.
  fileprivate var kernelKeyType: UInt32 { key.reduce(0) { $0 << 6 | $1.dataType } }
}
