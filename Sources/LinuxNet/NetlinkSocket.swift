import CLinuxNet
import Glibc

/// A netlink socket of one kernel family (NETLINK_ROUTE, NETLINK_GENERIC, NETLINK_NETFILTER).
///
/// Requests are synchronous: these families answer before `send` returns, so the answer is in the receive queue and
/// reading it does not wait. A socket that asks (`request`, `query`, `dump`, `batch`, `transaction`) should not join
/// multicast groups, and one that listens (`join`, `receiveEvents`) should not ask: events would stand between
/// question and answer. Answers are matched by sequence number; what belongs to an earlier, failed exchange is skipped.
///
/// The kernel's extended acknowledgements are on (the text ends up in `LinuxError.kernelMessage`), and error messages do
/// not repeat the request (NETLINK_CAP_ACK), so the errors of a large batch fit the receive buffer.
public final class NetlinkSocket {
  public let descriptor: FileDescriptor
  private var buffer: [UInt8]
  private var sequence: UInt32 = 0

  /// Octets; the kernel fills dump datagrams up to 32 KiB.
  public static let receiveChunk = 65_536
  /// Octets of messages in one `send` of `batch`.
  public static let batchChunk = 16_384
  /// Messages in one `send` of `batch`.
  public static let batchCount = 64
  /// An answer that takes longer is a kernel bug; the bound keeps a daemon from hanging in it.
  public static let replyTimeoutSeconds = 10
  /// A dump that the kernel interrupted, because the table changed below it, is repeated this often.
  public static let dumpAttempts = 8
  /// Datagrams read by one call of `receiveEvents`, so that a flood of events does not starve other handlers.
  public static let eventBurst = 64

  /// Opens a socket in the network namespace of the calling thread.
  ///
  /// - Parameter protocolNumber: NETLINK_ROUTE, ...
  public init(protocolNumber: Int32) throws(LinuxError) {
    let name = "family \(protocolNumber)"
    descriptor = try FileDescriptor.socket(
      AF_NETLINK, Int32(SOCK_RAW.rawValue), protocolNumber, operation: "open netlink socket", object: name)
    buffer = [UInt8](repeating: 0, count: Self.receiveChunk)
    for option in [NETLINK_EXT_ACK, NETLINK_CAP_ACK] {
      try descriptor.setOption(
        level: Int32(SOL_NETLINK), name: Int32(option), value: 1, operation: "configure netlink socket", object: name)
    }
    var timeout = timeval(tv_sec: Self.replyTimeoutSeconds, tv_usec: 0)
    setsockopt(
      descriptor.rawValue, SOL_SOCKET, SO_RCVTIMEO, &timeout, socklen_t(MemoryLayout<timeval>.size))
    var address = sockaddr_nl()
    address.nl_family = sa_family_t(AF_NETLINK)
    let bound = withUnsafePointer(to: &address) {
      $0.withMemoryRebound(to: sockaddr.self, capacity: 1) {
        bind(descriptor.rawValue, $0, socklen_t(MemoryLayout<sockaddr_nl>.size))
      }
    }
    guard bound == 0 else { throw LinuxError("bind netlink socket", name) }
  }

  // MARK: Asking

  /// Sends one message and waits for its acknowledgement.
  public func request(_ message: NetlinkMessage, _ operation: String, _ object: String) throws(LinuxError) {
    _ = try query(message, operation, object) { _ in }
  }

  /// Sends one message, hands every answer to `body` and waits for the acknowledgement.
  public func query(
    _ message: NetlinkMessage, _ operation: String, _ object: String, _ body: (ReceivedNetlinkMessage) -> Void
  ) throws(LinuxError) {
    var message = message
    message.flags.insert(.acknowledge)
    let number = nextSequence()
    message.sequence = number
    try send(message.bytes, operation, object)
    var finished = false
    while !finished {
      var failure: LinuxError?
      try receive(operation, object) { answer in
        guard answer.sequence == number, !finished else { return }
        if answer.type == UInt16(NLMSG_ERROR) {
          failure = answer.error(operation, object)
          finished = true
        } else if answer.type != UInt16(NLMSG_NOOP) {
          body(answer)
        }
      }
      if let failure { throw failure }
    }
  }

  /// Reads a kernel table. `transform` gets each entry as it arrives and gives what to keep. Repeats the whole dump
  /// when the kernel says that the table changed meanwhile.
  public func dump<Entry>(
    _ message: NetlinkMessage, _ operation: String, _ object: String,
    _ transform: (ReceivedNetlinkMessage) -> Entry?
  ) throws(LinuxError) -> [Entry] {
    var message = message
    message.flags.insert(.dump)
    for _ in 0..<Self.dumpAttempts {
      let number = nextSequence()
      message.sequence = number
      try send(message.bytes, operation, object)
      var entries: [Entry] = []
      var finished = false
      var interrupted = false
      while !finished {
        var failure: LinuxError?
        try receive(operation, object) { answer in
          guard answer.sequence == number, !finished else { return }
          if answer.flags.contains(.dumpInterrupted) { interrupted = true }
          switch answer.type {
          case UInt16(NLMSG_ERROR), UInt16(NLMSG_DONE):
            failure = answer.error(operation, object)
            finished = true
          case UInt16(NLMSG_NOOP): break
          default: if let entry = transform(answer) { entries.append(entry) }
          }
        }
        if let failure { throw failure }
      }
      if !interrupted { return entries }
    }
    throw LinuxError(operation, object, code: EBUSY, advice: "the table kept changing while it was read; try again")
  }

  /// Asks for many answers without keeping any: hands over what follows the header of each, valid during the call only.
  /// With `.dump`, entries that come and go meanwhile may be missing or come twice.
  ///
  /// - Parameter flags: `.dump` for a whole table, `.acknowledge` for a question whose end is acknowledged.
  /// - Returns: false when the kernel says that the table changed below the dump.
  @discardableResult
  func scan(
    _ message: NetlinkMessage, _ flags: NetlinkFlags, _ operation: String, _ object: String,
    _ body: (UnsafeRawBufferPointer) -> Void
  ) throws(LinuxError) -> Bool {
    var answers = try ask(message, flags, operation, object)
    while !answers.isFinished {
      let count = try receiveDatagram(operation, object)
      buffer.withUnsafeBytes { answers.take(UnsafeRawBufferPointer(rebasing: $0[..<count]), body) }
      if let code = answers.failure { throw LinuxError(operation, object, code: code) }
    }
    return !answers.isInterrupted
  }

  /// The same for a question, acknowledged at its end, whose answers are short and come one by one: up to
  /// `ShortAnswers.count` are read by one system call.
  func scan(
    _ message: NetlinkMessage, into batch: ShortAnswers, _ operation: String, _ object: String,
    _ body: (UnsafeRawBufferPointer) -> Void
  ) throws(LinuxError) {
    var answers = try ask(message, .acknowledge, operation, object)
    while !answers.isFinished {
      try batch.receive(from: descriptor.rawValue, operation, object) { answers.take($0, body) }
      if let code = answers.failure { throw LinuxError(operation, object, code: code) }
    }
  }

  private func ask(
    _ message: NetlinkMessage, _ flags: NetlinkFlags, _ operation: String, _ object: String
  ) throws(LinuxError) -> ExpectedAnswers {
    var message = message
    message.flags.formUnion(flags)
    let number = nextSequence()
    message.sequence = number
    try send(message.bytes, operation, object)
    return ExpectedAnswers(sequence: number)
  }

  /// Sends many messages with as few system calls as possible and gives the failures, by index. A failed message does
  /// not stop the later ones. Throws only when the dialogue itself breaks.
  public func batch(_ messages: [NetlinkMessage], _ operation: String) throws(LinuxError) -> [NetlinkBatchFailure] {
    var failures: [NetlinkBatchFailure] = []
    var start = 0
    while start < messages.count {
      var end = start
      var size = 0
      while end < messages.count, end - start < Self.batchCount,
        end == start || size + messages[end].bytes.count <= Self.batchChunk
      {
        size += messages[end].bytes.count
        end += 1
      }
      let chunk = Array(messages[start..<end])
      // Errors arrive for every message, so it is enough to have the last one acknowledged.
      let refused = try exchange(chunk, acknowledged: chunk.count - 1, firstRefusalEnds: false, operation)
      for failure in refused {
        failures.append(NetlinkBatchFailure(index: start + failure.index, error: failure.error))
      }
      start = end
    }
    return failures
  }

  /// An nfnetlink batch: sends `messages` (NFNL_MSG_BATCH_BEGIN ... NFNL_MSG_BATCH_END) in one datagram, with NLM_F_ACK
  /// on the one at index `acknowledged`, and reads until its answer, or until an error of the first message, which is
  /// how nfnetlink refuses a whole batch. Gives the failures, by index.
  public func transaction(
    _ messages: [NetlinkMessage], acknowledged: Int, _ operation: String
  ) throws(LinuxError) -> [NetlinkBatchFailure] {
    try exchange(messages, acknowledged: acknowledged, firstRefusalEnds: true, operation)
  }

  private func exchange(
    _ messages: [NetlinkMessage], acknowledged: Int, firstRefusalEnds: Bool, _ operation: String
  ) throws(LinuxError) -> [NetlinkBatchFailure] {
    precondition(messages.indices.contains(acknowledged))
    let first = sequence &+ 1
    var datagram: [UInt8] = []
    datagram.reserveCapacity(messages.reduce(0) { $0 + $1.bytes.count })
    for (index, message) in messages.enumerated() {
      message.append(to: &datagram, sequence: nextSequence(), acknowledged: index == acknowledged)
    }
    let object = messages.count == 1 ? "1 message" : "\(messages.count) messages"
    try send(datagram, operation, object)
    var failures: [NetlinkBatchFailure] = []
    var finished = false
    while !finished {
      try receive(operation, object) { answer in
        let index = Int(answer.sequence &- first)
        guard index < messages.count, answer.type == UInt16(NLMSG_ERROR) else { return }
        let error = answer.error(operation, "message \(index + 1) of \(messages.count)")
        if let error { failures.append(NetlinkBatchFailure(index: index, error: error)) }
        if index == acknowledged || (firstRefusalEnds && index == 0 && error != nil) { finished = true }
      }
    }
    return failures
  }

  // MARK: Listening

  /// Joins a multicast group by its number (RTNLGRP_*).
  public func join(group: UInt32) throws(LinuxError) {
    try descriptor.setOption(
      level: Int32(SOL_NETLINK), name: Int32(NETLINK_ADD_MEMBERSHIP), value: Int32(bitPattern: group),
      operation: "join netlink group", object: String(group))
  }

  /// What `receiveEvents` found.
  public enum EventResult: Hashable, Sendable {
    /// Everything, or a full burst, has been handed over.
    case received
    /// The receive queue overflowed: events are lost and the tables must be read again.
    case overrun
  }

  /// Hands over the queued messages without waiting. Level-triggered polling calls again when more are left.
  public func receiveEvents(_ body: (ReceivedNetlinkMessage) -> Void) throws(LinuxError) -> EventResult {
    for _ in 0..<Self.eventBurst {
      do {
        try receive("receive", "netlink events", flags: Int32(MSG_DONTWAIT), body)
      } catch {
        switch error.code {
        case EAGAIN: return .received
        case ENOBUFS: return .overrun
        default: throw error
        }
      }
    }
    return .received
  }

  // MARK: Transport

  private func nextSequence() -> UInt32 {
    sequence &+= 1
    return sequence
  }

  /// Sends octets as they are, in one datagram to the kernel.
  func send(_ bytes: [UInt8], _ operation: String, _ object: String) throws(LinuxError) {
    while true {
      let sent = Glibc.send(descriptor.rawValue, bytes, bytes.count, 0)
      if sent == bytes.count { return }
      if sent < 0, errno == EINTR { continue }
      throw LinuxError(operation, object)
    }
  }

  private func receive(
    _ operation: String, _ object: String, flags: Int32 = 0, _ body: (ReceivedNetlinkMessage) -> Void
  ) throws(LinuxError) {
    let count = try receiveDatagram(operation, object, flags: flags)
    for message in ReceivedNetlinkMessage.messages(in: buffer[..<count]) { body(message) }
  }

  /// Reads one datagram into `buffer`; its octets.
  private func receiveDatagram(
    _ operation: String, _ object: String, flags: Int32 = 0
  ) throws(LinuxError) -> Int {
    var count: Int
    repeat {
      count = recv(descriptor.rawValue, &buffer, buffer.count, flags | Int32(MSG_TRUNC))
    } while count < 0 && errno == EINTR
    guard count >= 0 else {
      if errno == EAGAIN, flags == 0 {
        throw LinuxError(operation, object, code: ETIMEDOUT, advice: "the kernel did not answer on netlink")
      }
      throw LinuxError(operation, object)
    }
    guard count <= buffer.count else {
      throw LinuxError(operation, object, code: EMSGSIZE, advice: "the kernel sent a datagram of \(count) octets")
    }
    return count
  }
}

/// A message of a batch that the kernel refused.
public struct NetlinkBatchFailure: Error, Hashable, Sendable {
  /// Position in the batch.
  public var index: Int
  public var error: LinuxError

  public init(index: Int, error: LinuxError) {
    self.index = index
    self.error = error
  }
}

extension ReceivedNetlinkMessage {
  /// The error of an NLMSG_ERROR or NLMSG_DONE message; nil for success.
  func error(_ operation: String, _ object: String) -> LinuxError? {
    guard let status = header(as: Int32.self) else { return nil }
    guard status < 0 else { return nil }
    // NLMSGERR: status, the request's header (the whole request is capped off), attributes. NLMSG_DONE: status, attributes.
    let fixed = type == UInt16(NLMSG_ERROR) ? MemoryLayout<nlmsgerr>.size : MemoryLayout<Int32>.size
    let extended = flags.rawValue & UInt16(NLM_F_ACK_TLVS) != 0
    let attributes = extended ? NetlinkAttributes(payload.dropFirst(fixed)) : nil
    let text = attributes?[UInt16(NLMSGERR_ATTR_MSG.rawValue)]?.string
    return LinuxError(operation, object, code: -status, kernelMessage: text)
  }
}
