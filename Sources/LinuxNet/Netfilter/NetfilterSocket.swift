import CLinuxNet
import Glibc

/// The dialogue with nf_tables: commits transactions and reads what is in the kernel.
///
/// One NETLINK_NETFILTER socket, in the network namespace of the thread that made it. The kernel answers before `send`
/// returns, so a call takes microseconds and may be made from the event loop. Needs CAP_NET_ADMIN.
public final class NetfilterSocket {
  let socket: NetlinkSocket
  let shortAnswers: ShortAnswers

  /// Octets of the send buffer. A transaction goes out as one datagram: 400,000 elements of flows fit.
  public static let sendBufferOctets: Int32 = 64 << 20

  public init() throws(LinuxError) {
    socket = try NetlinkSocket(protocolNumber: NETLINK_NETFILTER)
    shortAnswers = try ShortAnswers()
    socket.descriptor.setBufferSizes(receive: 4 << 20, send: Self.sendBufferOctets)
  }

  // MARK: Changing

  /// Applies all of the transaction or nothing. The error names the first step that was refused.
  public func commit(_ transaction: NftTransaction) throws(LinuxError) {
    guard !transaction.isEmpty else { return }
    try exchange(transaction, isTrial: false)
  }

  /// Whether the kernel would take the transaction. Nothing is changed: a batch without end is rolled back.
  public func check(_ transaction: NftTransaction) throws(LinuxError) {
    guard !transaction.isEmpty else { return }
    try exchange(transaction, isTrial: true)
  }

  private func exchange(_ transaction: NftTransaction, isTrial: Bool) throws(LinuxError) {
    let frame = { (type: UInt32) in
      NetlinkMessage(netfilter: 0, type: type, resource: UInt16(NFNL_SUBSYS_NFTABLES))
    }
    var messages = [frame(UInt32(NFNL_MSG_BATCH_BEGIN))]
    messages.append(contentsOf: transaction.steps.map(\.message))
    if !isTrial { messages.append(frame(UInt32(NFNL_MSG_BATCH_END))) }
    // Refused steps report themselves; the answer to the last one tells that the kernel is through.
    let failures = try socket.transaction(messages, acknowledged: transaction.steps.count, "commit to nftables")
    guard var failure = failures.first else { return }
    if failure.index > 0, failure.index <= transaction.steps.count {
      let step = transaction.steps[failure.index - 1]
      failure.error.operation = step.operation
      failure.error.object = step.object
    } else {
      failure.error.operation = "change"
      failure.error.object = "\(transaction.table)"
    }
    throw failure.error
  }

  // MARK: The queue statement

  /// The expression that hands a packet to NFQUEUE `number`: the native statement where the kernel has it, else the
  /// xtables target. With `bypass`, packets go on when nobody reads the queue.
  public func queueExpression(number: UInt16, bypass: Bool = true) throws(LinuxError) -> NftExpression {
    var refusal: LinuxError?
    for candidate in [
      NftExpression.queue(number: number, bypass: bypass), .xtablesQueue(number: number, bypass: bypass),
    ] {
      var trial = NftTransaction(table: NftTable(name: "flowmob_probe_\(getpid())"))
      trial.addTable()
      trial.addChain("probe", base: NftBaseChain(hook: .prerouting, priority: NftBaseChain.manglePriority))
      trial.addRule(chain: "probe", [candidate])
      do {
        try check(trial)
        return candidate
      } catch {
        refusal = error
      }
    }
    throw LinuxError(
      "use", "NFQUEUE \(number) from nftables", code: refusal?.code ?? EOPNOTSUPP,
      kernelMessage: refusal?.kernelMessage,
      advice: "the kernel needs nft_queue, or nft_compat with xt_NFQUEUE; load one with modprobe")
  }

  // MARK: Reading

  public func tableExists(_ table: NftTable) throws(LinuxError) -> Bool {
    var message = NetlinkMessage(nftables: NFT_MSG_GETTABLE, family: table.family)
    message.put(NFTA_TABLE_NAME, string: table.name)
    do {
      try socket.request(message, "read", table.description)
      return true
    } catch  where error.code == ENOENT {
      return false
    }
  }

  /// The chains of the table; empty when there is no such table.
  public func chains(of table: NftTable) throws(LinuxError) -> [NftChainRecord] {
    let message = NetlinkMessage(nftables: NFT_MSG_GETCHAIN, family: table.family)
    return try socket.dump(message, "read chains of", table.description) { answer in
      let attributes = answer.attributes(after: nfgenmsg.self)
      guard attributes[NFTA_CHAIN_TABLE]?.string == table.name else { return nil }
      return NftChainRecord(attributes)
    }
  }

  /// The rules of the table, chain by chain in their order; empty when there is no such table.
  public func rules(of table: NftTable) throws(LinuxError) -> [NftRuleRecord] {
    var message = NetlinkMessage(nftables: NFT_MSG_GETRULE, family: table.family)
    message.put(NFTA_RULE_TABLE, string: table.name)
    return try socket.dump(message, "read rules of", table.description) { answer in
      let attributes = answer.attributes(after: nfgenmsg.self)
      guard attributes[NFTA_RULE_TABLE]?.string == table.name else { return nil }
      return NftRuleRecord(attributes)
    }
  }

  /// Hands over the counters in the rules of the table with the names of their chains, in the order of the rules, without
  /// building anything from the rest.
  public func forEachRuleCounter(of table: NftTable, _ body: (String, NftCounter) -> Void) throws(LinuxError) {
    var message = NetlinkMessage(nftables: NFT_MSG_GETRULE, family: table.family)
    message.put(NFTA_RULE_TABLE, string: table.name)
    var found: [(String, NftCounter)] = []
    for _ in 0..<NetlinkSocket.dumpAttempts {
      found.removeAll(keepingCapacity: true)
      let isWhole = try socket.scan(message, .dump, "read rules of", table.description) { payload in
        let attributes = UnsafeRawBufferPointer(rebasing: payload[min(payload.count, MemoryLayout<nfgenmsg>.size)...])
        guard let chain = RawAttributes.first(NFTA_RULE_CHAIN, in: attributes),
          RawAttributes.first(NFTA_RULE_TABLE, in: attributes).map({ Self.string($0) }) == table.name,
          let expressions = RawAttributes.first(NFTA_RULE_EXPRESSIONS, in: attributes)
        else { return }
        RawAttributes.each(in: expressions) { _, expression in
          guard let name = RawAttributes.first(NFTA_EXPR_NAME, in: expression), Self.string(name) == "counter",
            let data = RawAttributes.first(NFTA_EXPR_DATA, in: expression)
          else { return }
          found.append((Self.string(chain), NftCounter(data)))
        }
      }
      if isWhole { return found.forEach(body) }
    }
    throw LinuxError(
      "read rules of", table.description, code: EBUSY, advice: "they kept changing while they were read; try again")
  }

  /// Text that ends with a zero octet.
  private static func string(_ bytes: UnsafeRawBufferPointer) -> String {
    String(decoding: bytes.prefix { $0 != 0 }, as: UTF8.self)
  }

  /// The elements of a set or map, in no order. ENOENT when the set does not exist.
  public func elements(of set: String, in table: NftTable) throws(LinuxError) -> [NftElement] {
    var message = NetlinkMessage(nftables: NFT_MSG_GETSETELEM, family: table.family)
    message.put(NFTA_SET_ELEM_LIST_TABLE, string: table.name)
    message.put(NFTA_SET_ELEM_LIST_SET, string: set)
    let parts = try socket.dump(message, "read elements of", "\(set) in \(table)") { answer in
      answer.attributes(after: nfgenmsg.self)[NFTA_SET_ELEM_LIST_ELEMENTS].map { list in
        list.nested.compactMap { NftElement($0.nested) }
      }
    }
    return Array(parts.joined())
  }
}
