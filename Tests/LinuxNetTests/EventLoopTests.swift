import Glibc
import LinuxNet
import Testing

@Suite("Event loop")
struct EventLoopTests {
  /// Both ends of a pipe, closed at the end of the test.
  final class Pipe {
    let reader: Int32
    let writer: Int32

    init() throws {
      var ends: [Int32] = [0, 0]
      try #require(pipe(&ends) == 0)
      (reader, writer) = (ends[0], ends[1])
    }

    deinit {
      close(reader)
      close(writer)
    }

    func put() { write(writer, [1], 1) }
    func take() {
      var byte: UInt8 = 0
      read(reader, &byte, 1)
    }
  }

  @Test("A readable descriptor is reported until it is read")
  func levelTriggered() throws {
    let loop = try EventLoop()
    let pipe = try Pipe()
    var calls = 0
    try loop.add(pipe.reader) { readiness in
      #expect(readiness == .readable)
      calls += 1
      if calls == 3 { pipe.take() }
      if calls == 3 { loop.stop() }
    }
    pipe.put()
    try loop.run()
    #expect(calls == 3)
  }

  @Test("A descriptor removed by another handler is not reported, even when its number is in use again")
  func removalInsideHandler() throws {
    let loop = try EventLoop()
    let first = try Pipe()
    let second = try Pipe()
    var calls: [String] = []
    // Both are ready in the same wait; whoever is first removes the other and registers its number anew.
    func handler(_ name: String, _ own: Pipe, _ other: Pipe) -> EventLoop.Handler {
      { _ in
        calls.append(name)
        own.take()
        loop.remove(other.reader)
        do {
          try loop.add(other.reader) { _ in
            calls.append("new")
            loop.stop()
          }
        } catch { Issue.record(error) }
      }
    }
    try loop.add(first.reader, handler: handler("first", first, second))
    try loop.add(second.reader, handler: handler("second", second, first))
    first.put()
    second.put()
    try loop.run()
    #expect(calls.count == 2)
    #expect(calls.last == "new")
  }

  @Test("The deadline is met, not before its time, and only once")
  func deadline() throws {
    let loop = try EventLoop()
    var moments: [Duration] = []
    let start = SystemClock.monotonic
    loop.onDeadline = {
      moments.append(SystemClock.monotonic)
      do {
        // The second one is in the past: due at once.
        if moments.count == 1 { try loop.setDeadline(.zero) } else { loop.stop() }
      } catch { Issue.record(error) }
    }
    try loop.setDeadline(start + .seconds(3_600))
    try loop.setDeadline(start + .milliseconds(20))
    try loop.run()
    #expect(moments.count == 2)
    #expect(moments[0] >= start + .milliseconds(20))
  }

  @Test("A cancelled deadline does not fire")
  func cancelledDeadline() throws {
    let loop = try EventLoop()
    let pipe = try Pipe()
    loop.onDeadline = { Issue.record("fired") }
    try loop.setDeadline(.zero)
    try loop.setDeadline(nil)
    try loop.add(pipe.reader) { _ in loop.stop() }
    pipe.put()
    try loop.run()
  }

  @Test("Background work takes turns with what is ready, is called again while there is some, and ends")
  func background() throws {
    let loop = try EventLoop()
    let pipe = try Pipe()
    var calls: [String] = []
    try loop.add(pipe.reader) { _ in
      pipe.take()
      calls.append("ready")
    }
    loop.onDeadline = { loop.stop() }
    var rest = 3
    loop.background = {
      calls.append("background")
      rest -= 1
      return rest > 0
    }
    pipe.put()
    pipe.put()
    try loop.setDeadline(SystemClock.monotonic + .milliseconds(20))
    try loop.run()
    #expect(calls == ["ready", "background", "ready", "background", "background"])
    #expect(loop.background == nil)
  }

  @Test("Signals are handled inside the loop")
  func signals() throws {
    let loop = try EventLoop()
    var seen: [Int32] = []
    try loop.handleSignals([SIGHUP, SIGUSR1]) { number in
      seen.append(number)
      if seen.count == 2 { loop.stop() }
    }
    // Blocked for this thread, and sent to this thread only.
    pthread_kill(pthread_self(), SIGHUP)
    pthread_kill(pthread_self(), SIGUSR1)
    try loop.run()
    #expect(Set(seen) == [SIGHUP, SIGUSR1])
  }

  @Test("Writability is reported when asked for, and hang-up always")
  func writableAndHangUp() throws {
    let loop = try EventLoop()
    var ends: [Int32] = [0, 0]
    try #require(socketpair(AF_UNIX, Int32(SOCK_STREAM.rawValue), 0, &ends) == 0)
    let (near, far) = (ends[0], ends[1])
    defer { close(near) }
    var seen: [EventLoop.Readiness] = []
    try loop.add(near, .writable) { readiness in
      seen.append(readiness)
      do {
        if seen.count == 1 {
          try loop.modify(near, [])
          close(far)
        } else {
          loop.stop()
        }
      } catch { Issue.record(error) }
    }
    try loop.run()
    #expect(seen.first == .writable)
    #expect(seen.last?.contains(.hangUp) == true)
  }
}
