import CLinuxNet
import Glibc

/// The answers to one question, as they arrive: whose they are, when they end, and how.
struct ExpectedAnswers {
  let sequence: UInt32
  private(set) var isFinished = false
  /// The table changed below a dump.
  private(set) var isInterrupted = false
  /// errno of the kernel's refusal.
  private(set) var failure: Int32?

  init(sequence: UInt32) { self.sequence = sequence }

  /// Hands over what follows the header of each answer in a datagram.
  mutating func take(_ datagram: UnsafeRawBufferPointer, _ body: (UnsafeRawBufferPointer) -> Void) {
    RawNetlink.each(in: datagram) { header, payload in
      guard header.nlmsg_seq == sequence, !isFinished else { return }
      if header.nlmsg_flags & UInt16(NLM_F_DUMP_INTR) != 0 { isInterrupted = true }
      switch Int32(header.nlmsg_type) {
      case NLMSG_ERROR, NLMSG_DONE:
        // The first word is the status in both.
        let status = payload.count >= 4 ? payload.loadUnaligned(as: Int32.self) : 0
        if status < 0 { failure = -status }
        isFinished = true
      case NLMSG_NOOP: break
      default: body(payload)
      }
    }
  }
}

/// Room for many short datagrams, read by one recvmmsg(2).
final class ShortAnswers {
  /// Datagrams in one system call.
  static let count = 65
  private static let octets = 1_024
  private let batch: OpaquePointer

  init() throws(LinuxError) {
    guard let batch = cnet_batch_create(UInt32(Self.count), Self.octets) else {
      throw LinuxError("allocate buffers for", "netlink answers")
    }
    self.batch = batch
  }

  deinit { cnet_batch_free(batch) }

  /// Waits for the first and takes what else is there.
  func receive(
    from descriptor: Int32, _ operation: String, _ object: String, _ body: (UnsafeRawBufferPointer) -> Void
  ) throws(LinuxError) {
    var count: Int32
    repeat {
      count = cnet_batch_receive(batch, descriptor, Int32(MSG_WAITFORONE))
    } while count < 0 && errno == EINTR
    guard count >= 0 else {
      guard errno == EAGAIN else { throw LinuxError(operation, object) }
      throw LinuxError(operation, object, code: ETIMEDOUT, advice: "the kernel did not answer on netlink")
    }
    for index in 0..<UInt32(count) {
      guard cnet_batch_truncated(batch, index) == 0 else {
        throw LinuxError(operation, object, code: EMSGSIZE, advice: "the kernel sent an answer of unusual length")
      }
      body(UnsafeRawBufferPointer(start: cnet_batch_data(batch, index), count: cnet_batch_length(batch, index)))
    }
  }
}
