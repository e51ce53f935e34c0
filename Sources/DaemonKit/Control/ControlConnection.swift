import Glibc
import LinuxNet

/// One client of a `ControlServer`.
final class ControlConnection {
  let client: ControlServer.Client
  /// Topics by the id of the request that subscribed.
  var subscriptions: [UInt64: String] = [:]

  /// Octets read at once.
  private static let readSize = 16 << 10

  private let descriptor: FileDescriptor
  private let loop: EventLoop
  private unowned let server: ControlServer
  private var input: LineBuffer
  private var output = OutputBuffer()
  /// Octets of answers among the output since it was last empty: they do not count as slowness.
  private var answerAllowance = 0
  /// Requests whose answer comes later.
  private var deferredAnswers = 0
  private var isAnswering = false
  private var isOpen = true
  private var inputEnded = false

  init(_ descriptor: consuming FileDescriptor, client: ControlServer.Client, loop: EventLoop, server: ControlServer) {
    self.descriptor = descriptor
    self.client = client
    self.loop = loop
    self.server = server
    input = LineBuffer(maximumLength: server.limits.requestLength)
  }

  /// false when the loop cannot watch the connection.
  func start() -> Bool {
    do throws(LinuxError) {
      // The handler keeps the connection alive until it is closed.
      try loop.add(descriptor.rawValue) { readiness in self.ready(readiness) }
      return true
    } catch {
      return false
    }
  }

  /// Stops serving; the descriptor is closed with the last reference.
  func close() {
    guard isOpen else { return }
    isOpen = false
    loop.remove(descriptor.rawValue)
  }

  func sendEvent(_ line: [UInt8]) {
    guard isOpen else { return }
    output.append(line)
    flush()
    if isOpen, output.count > server.limits.pendingOutput + answerAllowance { disconnect(slow: true) }
  }

  func expectDeferredAnswer() { deferredAnswers += 1 }

  func sendDeferred(_ answer: [UInt8]) {
    guard isOpen else { return }
    deferredAnswers -= 1
    append(answer)
    // Requests that had to wait because there were too many.
    answerLines()
  }

  private func disconnect(slow: Bool = false) {
    guard isOpen else { return }
    close()
    server.closed(self, slow: slow)
  }

  private func ready(_ readiness: EventLoop.Readiness) {
    if readiness.contains(.writable) { flush() }
    if readiness.contains(.readable), isOpen { read() }
    if isOpen { answerLines() }
    if isOpen, readiness.contains(.error) || (readiness.contains(.hangUp) && output.isEmpty) { disconnect() }
  }

  private func read() {
    var failure: Int32?
    let chunk = [UInt8](unsafeUninitializedCapacity: Self.readSize) { buffer, count in
      let received = recv(descriptor.rawValue, buffer.baseAddress, buffer.count, 0)
      if received < 0 { failure = errno }
      count = max(0, received)
    }
    if chunk.isEmpty, failure != EAGAIN, failure != EINTR { inputEnded = true }
    input.append(chunk)
  }

  private func answerLines() {
    guard !isAnswering else { return }
    isAnswering = true
    while isOpen, output.isEmpty, mayReadOn, let line = input.next() {
      guard let answer = server.answer(line, from: self), isOpen else { continue }
      append(answer)
    }
    isAnswering = false
    guard isOpen else { return }
    if inputEnded, output.isEmpty, deferredAnswers == 0 { disconnect() } else { watch() }
  }

  private var mayReadOn: Bool { deferredAnswers < server.limits.deferredAnswersPerClient }

  private func append(_ answer: [UInt8]) {
    output.append(answer)
    answerAllowance += answer.count
    flush()
  }

  private func flush() {
    while !output.isEmpty {
      let sent = output.withPending { pending in
        send(descriptor.rawValue, pending.baseAddress, pending.count, Int32(MSG_NOSIGNAL))
      }
      if sent > 0 {
        output.removeFirst(sent)
        continue
      }
      if errno == EINTR { continue }
      if errno != EAGAIN { return disconnect() }
      break
    }
    if output.isEmpty { answerAllowance = 0 }
    watch()
  }

  private var watched = EventLoop.Readiness.readable
  /// With output waiting, or too many answers under way, requests are left in the socket.
  private func watch() {
    let interest: EventLoop.Readiness = !output.isEmpty ? .writable : mayReadOn && !inputEnded ? .readable : []
    guard interest != watched else { return }
    do throws(LinuxError) {
      try loop.modify(descriptor.rawValue, interest)
      watched = interest
    } catch {
      disconnect()
    }
  }
}
