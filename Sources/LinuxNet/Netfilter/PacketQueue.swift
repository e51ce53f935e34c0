import CLinuxNet
import Glibc

/// A packet that waits in the kernel for a verdict.
public struct QueuedPacket: Hashable, Sendable {
  /// Names the packet in its verdict.
  public var identifier: UInt32
  public var mark: UInt32
  /// Interface index; 0 when there is none.
  public var inputInterface: UInt32
  /// Octets of the whole packet.
  public var length: Int
}

/// What the kernel shall do with a queued packet.
public enum PacketVerdict: Hashable, Sendable {
  case drop
  /// Leaves the base chain that queued it; later base chains of the hook still see it.
  case accept
  /// Runs the hook again, the queueing chain included. With a changed mark that is how a packet gets from "unknown" to
  /// the rules for known ones; a rule has to make sure that it does not come back for ever.
  case `repeat`

  fileprivate var code: UInt32 {
    switch self {
    case .drop: 0  // NF_DROP
    case .accept: 1  // NF_ACCEPT
    case .repeat: 4  // NF_REPEAT
    }
  }
}

/// An NFQUEUE: packets come up from a `queue` rule and wait for their verdict.
///
/// Poll `descriptor` for reading, call `receive`, decide with `decide` for each packet, then `sendVerdicts`: a batch of
/// packets costs one recvmmsg(2) and one send(2), and what becomes of most of them is said once for all. Packets are copied only as far as headers reach (`copyRange`), and
/// segments that the card or TCP left together stay together (NFQA_CFG_F_GSO). When the queue is full the packet goes on
/// undecided (NFQA_CFG_F_FAIL_OPEN); so it does while nobody has the queue open, if the rule says `bypass`. The kernel
/// does not count these, so a rule in a later base chain should (a counter on packets without a mark). Closing the queue
/// makes the kernel drop what waits in it.
///
/// The messages are simple enough that libnetfilter_queue would not shorten them; this uses NetlinkSocket's.
public final class PacketQueue {
  public let number: UInt16
  private let socket: NetlinkSocket
  private let batch: OpaquePointer
  private let datagramOctets: Int
  private var decisions: [Decision] = []
  /// Packets handed over, less those decided since.
  private var undecided = 0
  private var message: [UInt8] = []

  /// Times that the socket buffer overflowed; every time at least one packet went on undecided. A full queue does not
  /// show here.
  public private(set) var overruns: UInt64 = 0
  /// Verdicts that the kernel did not take, because the packet was gone (its interface went down).
  public private(set) var refusedVerdicts: UInt64 = 0

  /// Enough for IPv6, a few extension headers and the ports.
  public static let defaultCopyRange = 128
  /// Packets read by one recvmmsg(2).
  public static let batchCount = 64
  /// Batches handed over by one `receive`, so that a flood does not starve other handlers of the loop.
  public static let batchesPerReceive = 4
  /// What a waiting packet takes of the socket's buffer, generously.
  private static let bufferOctetsPerPacket = 2_048
  private static let smallestBufferOctets = 8 << 20
  /// Octets of a verdict with a mark: two headers, the verdict, the mark.
  private static let verdictOctets = 40
  private static let markOctets = 8
  /// Octets of netlink framing and attributes around a payload.
  private static let framingOctets = 512

  /// Opens the queue in the network namespace of the calling thread. Needs CAP_NET_ADMIN.
  ///
  /// - Parameters:
  ///   - copyRange: octets of each packet that come up.
  ///   - maximumLength: packets that may wait at once; the socket's buffer has room for them.
  /// - Throws: EBUSY when another process has the queue.
  public init(
    number: UInt16, copyRange: Int = defaultCopyRange, maximumLength: UInt32 = 8192
  ) throws(LinuxError) {
    self.number = number
    socket = try NetlinkSocket(protocolNumber: NETLINK_NETFILTER)
    socket.descriptor.setBufferSizes(
      receive: Int32(clamping: max(Self.smallestBufferOctets, Int(maximumLength) * Self.bufferOctetsPerPacket)))
    datagramOctets = copyRange + Self.framingOctets
    guard let batch = cnet_batch_create(UInt32(Self.batchCount), datagramOctets) else {
      throw LinuxError("allocate buffers for", "NFQUEUE \(number)")
    }
    self.batch = batch
    try bind(copyRange: copyRange, maximumLength: maximumLength)
  }

  deinit { cnet_batch_free(batch) }

  public var descriptor: Int32 { socket.descriptor.rawValue }

  /// Everything in one message, so that no packet meets a half configured queue.
  private func bind(copyRange: Int, maximumLength: UInt32) throws(LinuxError) {
    let flags = UInt32(NFQA_CFG_F_FAIL_OPEN | NFQA_CFG_F_GSO)
    var message = NetlinkMessage(
      netfilter: NFNL_SUBSYS_QUEUE, type: NFQNL_MSG_CONFIG.rawValue, family: UInt8(AF_UNSPEC), resource: number)
    message.put(
      NFQA_CFG_CMD,
      bytes: [UInt8(NFQNL_CFG_CMD_BIND.rawValue), 0] + NftExpression.networkOrder(UInt16(AF_INET6)))
    message.put(
      NFQA_CFG_PARAMS,
      bytes: NftExpression.networkOrder(UInt32(copyRange)) + [UInt8(NFQNL_COPY_PACKET.rawValue)])
    message.put(NFQA_CFG_QUEUE_MAXLEN, networkOrder: maximumLength)
    message.put(NFQA_CFG_MASK, networkOrder: flags)
    message.put(NFQA_CFG_FLAGS, networkOrder: flags)
    try socket.send(message.bytes, "open", "NFQUEUE \(number)")
    // An acknowledgement could arrive behind the first packets. A refusal comes without being asked for, and then alone:
    // looking at the head of the receive queue is enough, and packets stay there.
    var head = [UInt8](repeating: 0, count: Self.framingOctets)
    let count = recv(socket.descriptor.rawValue, &head, head.count, Int32(MSG_PEEK) | Int32(MSG_DONTWAIT))
    guard count > 0 else { return }
    for message in ReceivedNetlinkMessage.messages(in: head[..<count]) where message.type == UInt16(NLMSG_ERROR) {
      guard var error = message.error("open", "NFQUEUE \(number)") else { continue }
      if error.code == EBUSY || error.code == EPERM, let owner = try statistics()?.owner, owner != 0 {
        error.advice = "another process (netlink port \(owner)) has this queue; stop it or configure another number"
      }
      throw error
    }
  }

  /// Hands over the packets that have arrived, without waiting, each with its octets from the network header on, at most
  /// the copy range of the queue. Level-triggered polling calls again when more are left.
  public func receive(_ body: (QueuedPacket, RawSpan) -> Void) throws(LinuxError) {
    for _ in 0..<Self.batchesPerReceive {
      let count = cnet_batch_receive(batch, descriptor, Int32(MSG_DONTWAIT))
      if count < 0 {
        switch errno {
        case EAGAIN: return
        case EINTR: continue
        case ENOBUFS:
          overruns += 1
          continue
        default: throw LinuxError("receive from", "NFQUEUE \(number)")
        }
      }
      for index in 0..<UInt32(count) {
        let length = min(cnet_batch_length(batch, index), datagramOctets)
        let datagram = UnsafeRawBufferPointer(start: cnet_batch_data(batch, index), count: length)
        let refused = Self.deliver(datagram) { packet, octets in
          undecided += 1
          body(packet, octets)
        }
        refusedVerdicts += UInt64(refused)
      }
      if count < Self.batchCount { return }
    }
  }

  /// Hands over the packets in a datagram; the number of refused verdicts among its messages.
  static func deliver(_ datagram: UnsafeRawBufferPointer, _ body: (QueuedPacket, RawSpan) -> Void) -> Int {
    var refused = 0
    RawNetlink.each(in: datagram) { header, attributes in
      if header.nlmsg_type == UInt16(NLMSG_ERROR) {
        refused += 1
      } else if header.nlmsg_type == UInt16(NFNL_SUBSYS_QUEUE) << 8 | UInt16(NFQNL_MSG_PACKET.rawValue) {
        handOver(attributes, body)
      }
    }
    return refused
  }

  /// `attributes`: what follows the header of an NFQNL_MSG_PACKET.
  private static func handOver(_ attributes: UnsafeRawBufferPointer, _ body: (QueuedPacket, RawSpan) -> Void) {
    func word(_ bytes: UnsafeRawBufferPointer) -> UInt32? {
      bytes.count >= 4 ? UInt32(bigEndian: bytes.loadUnaligned(as: UInt32.self)) : nil
    }
    var identifier: UInt32?
    var packet = QueuedPacket(identifier: 0, mark: 0, inputInterface: 0, length: 0)
    var payload = UnsafeRawBufferPointer(start: nil, count: 0)
    var length: UInt32?
    RawAttributes.each(in: attributes, from: MemoryLayout<nfgenmsg>.size) { type, bytes in
      switch UInt32(type) {
      // struct nfqnl_msg_packet_hdr starts with the identifier.
      case NFQA_PACKET_HDR.rawValue: identifier = word(bytes)
      case NFQA_MARK.rawValue: packet.mark = word(bytes) ?? 0
      case NFQA_IFINDEX_INDEV.rawValue: packet.inputInterface = word(bytes) ?? 0
      case NFQA_CAP_LEN.rawValue: length = word(bytes)
      case NFQA_PAYLOAD.rawValue: payload = bytes
      default: break
      }
    }
    guard let identifier else { return }
    packet.identifier = identifier
    packet.length = length.map { Int($0) } ?? payload.count
    body(packet, payload.bytes)
  }

  /// Notes the verdict on a packet; `sendVerdicts` tells the kernel. `mark` replaces the whole mark; nil leaves it.
  public func decide(_ identifier: UInt32, _ verdict: PacketVerdict, mark: UInt32? = nil) {
    decisions.append(Decision(identifier: identifier, fate: Fate(code: verdict.code, mark: mark)))
    undecided -= 1
  }

  /// Sends the noted verdicts in one system call.
  public func sendVerdicts() throws(LinuxError) {
    guard !decisions.isEmpty else { return }
    let count = decisions.count
    encodeVerdicts()
    decisions.removeAll(keepingCapacity: true)
    try socket.send(message, "decide \(count) packets of", "NFQUEUE \(number)")
  }

  /// A verdict for all packets up to a number costs as much as one for a single packet. It can be given last, when no
  /// packet below that number waits for another one.
  private func encodeVerdicts() {
    let common = undecided == 0 && decisions.count > 1 ? Decision.mostCommon(decisions) : nil
    message.removeAll(keepingCapacity: true)
    message.reserveCapacity(decisions.count * Self.verdictOctets)
    var last: UInt32?
    for decision in decisions {
      if let common, decision.fate == common {
        // Numbers go around.
        if last.map({ Int32(bitPattern: decision.identifier &- $0) > 0 }) ?? true { last = decision.identifier }
      } else {
        encode(decision, NFQNL_MSG_VERDICT)
      }
    }
    if let common, let last { encode(Decision(identifier: last, fate: common), NFQNL_MSG_VERDICT_BATCH) }
  }

  private func encode(_ decision: Decision, _ type: nfqnl_msg_types) {
    let length = Self.verdictOctets - (decision.fate.mark == nil ? Self.markOctets : 0)
    withUnsafeTemporaryAllocation(byteCount: Self.verdictOctets, alignment: 4) { memory in
      var writer = RawWriter(memory)
      writer.put(
        nlmsghdr(
          nlmsg_len: UInt32(length), nlmsg_type: UInt16(NFNL_SUBSYS_QUEUE) << 8 | UInt16(type.rawValue),
          nlmsg_flags: NetlinkFlags.request.rawValue, nlmsg_seq: 0, nlmsg_pid: 0))
      writer.put(nfgenmsg(nfgen_family: UInt8(AF_UNSPEC), version: UInt8(NFNETLINK_V0), res_id: number.bigEndian))
      writer.putHeader(NFQA_VERDICT_HDR, payload: 8)
      writer.put(decision.fate.code.bigEndian)
      writer.put(decision.identifier.bigEndian)
      if let mark = decision.fate.mark {
        writer.putHeader(NFQA_MARK, payload: 4)
        writer.put(mark.bigEndian)
      }
      message.append(contentsOf: UnsafeRawBufferPointer(rebasing: memory[..<writer.count]))
    }
  }

  /// What the kernel counts for this queue.
  public struct Statistics: Hashable, Sendable {
    /// Netlink port of the process that has the queue.
    public var owner: UInt32
    /// Packets that wait for a verdict.
    public var length: UInt32
    /// Packets lost to a full queue; stays 0 with fail-open, which this class always asks for.
    public var queueDropped: UInt64
    /// Packets lost to a full socket buffer; stays 0 alike.
    public var userDropped: UInt64
    /// Packets queued so far.
    public var queued: UInt64
  }

  /// From /proc, of the calling thread's network namespace; nil when nobody has the queue.
  public func statistics() throws(LinuxError) -> Statistics? {
    let path = "/proc/thread-self/net/netfilter/nfnetlink_queue"
    let opened = open(path, O_RDONLY | O_CLOEXEC)
    guard opened >= 0 else { throw LinuxError("read", path) }
    let file = FileDescriptor(owning: opened)
    // One line of about 60 octets for each queue in use.
    var buffer = [UInt8](repeating: 0, count: 65_536)
    let count = read(file.rawValue, &buffer, buffer.count)
    guard count >= 0 else { throw LinuxError("read", path) }
    return Statistics(number: number, text: String(decoding: buffer[..<count], as: UTF8.self))
  }
}

/// What shall become of a packet.
private struct Fate: Equatable {
  var code: UInt32
  var mark: UInt32?
}

private struct Decision {
  var identifier: UInt32
  var fate: Fate

  /// The fate of more than half of the packets, if there is one; else of any (Boyer and Moore's vote).
  static func mostCommon(_ decisions: [Decision]) -> Fate? {
    var winner: Fate?
    var votes = 0
    for decision in decisions {
      if votes == 0 { winner = decision.fate }
      votes += decision.fate == winner ? 1 : -1
    }
    return winner
  }
}

extension PacketQueue.Statistics {
  /// Lines of: number, owner, length, copy mode, copy range, queue dropped, user dropped, last identifier, 1.
  init?(number: UInt16, text: String) {
    for line in text.split(separator: "\n") {
      let fields = line.split(separator: " ").compactMap { UInt64($0) }
      guard fields.count >= 8, fields[0] == number else { continue }
      self.init(
        owner: UInt32(truncatingIfNeeded: fields[1]), length: UInt32(truncatingIfNeeded: fields[2]),
        queueDropped: fields[5], userDropped: fields[6], queued: fields[7])
      return
    }
    return nil
  }
}
