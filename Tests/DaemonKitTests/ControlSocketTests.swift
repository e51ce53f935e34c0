import Foundation
import Glibc
import LinuxNet
import Testing

@testable import DaemonKit

/// A control server on a thread of its own, with a few commands. Stopped by the command `stop`.
private final class TestServer: Sendable {
  struct Echo: Codable { var text: String }
  struct Flood: Codable {
    var events: Int
    var size: Int
  }
  struct Value: Codable { var value: Int? }
  struct Counts: Codable {
    var slow: UInt64
    var refusedClients: UInt64
    var hasSubscribers: Bool
  }

  let path: String
  private let finished = DispatchSemaphore(value: 0)

  /// Returns when the socket is served.
  init(path: String, limits: ControlLimits = ControlLimits()) throws {
    self.path = path
    let started = DispatchSemaphore(value: 0)
    let finished = finished
    Thread.detachNewThread {
      defer { finished.signal() }
      do {
        let loop = try EventLoop()
        let server = try ControlServer(loop: loop, path: path, group: "\(getegid())", limits: limits)
        Self.addCommands(to: server, loop)
        started.signal()
        try loop.run()
      } catch {
        Issue.record(error)
        started.signal()
      }
    }
    started.wait()
  }

  private static func addCommands(to server: ControlServer, _ loop: EventLoop) {
    server.handle("echo", Echo.self) { arguments, _ in arguments }
    server.handle("optional", Value.self) { arguments, _ in arguments }
    server.handle("refuse", NoArguments.self) { (_, _) throws(ControlError) -> NoResult in
      throw ControlError(code: "no-such-flow", message: "no flow 7", hint: "see `list`")
    }
    server.handle("peer", NoArguments.self) { _, client in
      ["pid": client.credentials?.processID ?? -1]
    }
    server.handleSubscription("subscribe", topic: "numbers", NoArguments.self) { _, _ in ["snapshot": 1] }
    server.handle("publish", Value.self) { [unowned server] arguments, _ in
      server.publish("number", topic: "numbers", arguments)
      return NoResult()
    }
    server.handle("flood", Flood.self) { [unowned server] arguments, _ in
      for _ in 0..<arguments.events {
        server.publish("text", topic: "numbers", Echo(text: String(repeating: "x", count: arguments.size)))
      }
      return NoResult()
    }
    server.handle("counts", NoArguments.self) { [unowned server] _, _ in
      Counts(
        slow: server.counters.slowClientsDisconnected, refusedClients: server.counters.clientsRefused,
        hasSubscribers: server.hasSubscribers(topic: "numbers"))
    }
    server.handle("stop", NoArguments.self) { _, _ in
      loop.stop()
      return NoResult()
    }
  }

  func stop() throws {
    _ = try ControlClient(path: path).call("stop", as: NoResult.self)
    finished.wait()
  }
}

/// A client that says what it likes.
private final class RawClient {
  let descriptor: FileDescriptor

  init(_ path: String) throws { descriptor = try UnixSocket.connect(path: path, blocking: true) }

  func send(_ text: String) {
    let bytes = Array(text.utf8)
    #expect(Glibc.send(descriptor.rawValue, bytes, bytes.count, Int32(MSG_NOSIGNAL)) == bytes.count)
  }

  /// nil at the end of the stream.
  func readLine() -> String? {
    var line: [UInt8] = []
    var octet: UInt8 = 0
    while recv(descriptor.rawValue, &octet, 1, 0) == 1 {
      if octet == UInt8(ascii: "\n") { return String(decoding: line, as: UTF8.self) }
      line.append(octet)
    }
    return nil
  }
}

private func temporaryDirectory() throws -> URL {
  let url = FileManager.default.temporaryDirectory.appendingPathComponent("flowmob-\(UUID().uuidString.prefix(8))")
  try FileManager.default.createDirectory(at: url, withIntermediateDirectories: true)
  return url
}

private func withServer(limits: ControlLimits = ControlLimits(), _ body: (String) throws -> Void) throws {
  let directory = try temporaryDirectory()
  defer { try? FileManager.default.removeItem(at: directory) }
  let server = try TestServer(path: directory.appendingPathComponent("a.sock").path, limits: limits)
  do {
    try body(server.path)
  } catch {
    Issue.record(error)
  }
  try server.stop()
}

@Suite("Control socket", .timeLimit(.minutes(1)))
struct ControlSocketTests {
  @Test("A request is answered on one line with sorted keys")
  func answer() throws {
    try withServer { path in
      let client = try RawClient(path)
      client.send(#"{"version":1,"id":7,"command":"echo","arguments":{"text":"a/b"}}"# + "\n")
      #expect(client.readLine() == #"{"id":7,"result":{"text":"a/b"},"version":1}"#)
    }
  }

  @Test("A request may come in any pieces, and several in one")
  func fragments() throws {
    try withServer { path in
      let client = try RawClient(path)
      let request = #"{"version":1,"id":1,"command":"echo","arguments":{"text":"é"}}"# + "\n"
      for octet in request.utf8 {
        #expect(withUnsafeBytes(of: octet) { Glibc.send(client.descriptor.rawValue, $0.baseAddress, 1, 0) } == 1)
      }
      #expect(client.readLine() == #"{"id":1,"result":{"text":"é"},"version":1}"#)
      client.send(request + request.dropLast(10))
      #expect(client.readLine() == #"{"id":1,"result":{"text":"é"},"version":1}"#)
      client.send(String(request.suffix(10)))
      #expect(client.readLine() == #"{"id":1,"result":{"text":"é"},"version":1}"#)
    }
  }

  @Test(
    "An error is answered and the connection kept",
    arguments: [
      (
        #"{"version":2,"id":3,"command":"echo"}"#,
        #"{"error":{"code":"unsupported-version","hint":"use version 1","message":"version 2 is not spoken here"},"id":3,"version":1}"#
      ),
      (
        #"{"version":1,"id":4,"command":"ecko"}"#,
        #"{"error":{"code":"unknown-command","hint":"did you mean 'echo'?","message":"unknown command 'ecko'"},"id":4,"version":1}"#
      ),
      (
        #"{"version":1,"id":5,"command":"echo","arguments":{"text":1}}"#,
        #"{"error":{"code":"invalid-arguments","message":"arguments.text: is not of the type String"},"id":5,"version":1}"#
      ),
      (
        #"{"version":1,"id":6,"command":"echo"}"#,
        #"{"error":{"code":"invalid-arguments","message":"arguments.text: is missing"},"id":6,"version":1}"#
      ),
      (
        #"{"version":1,"id":8,"command":"refuse"}"#,
        #"{"error":{"code":"no-such-flow","hint":"see `list`","message":"no flow 7"},"id":8,"version":1}"#
      ),
    ])
  func refusals(request: String, expected: String) throws {
    try withServer { path in
      let client = try RawClient(path)
      client.send(request + "\n")
      #expect(client.readLine() == expected)
      client.send(#"{"version":1,"id":9,"command":"optional"}"# + "\n")
      #expect(client.readLine() == #"{"id":9,"result":{},"version":1}"#)
    }
  }

  @Test("What is no JSON is answered without an id", arguments: ["hello", "{", "[]", "", "\u{0}"])
  func malformed(text: String) throws {
    try withServer { path in
      let client = try RawClient(path)
      client.send(text + "\n")
      let answer = try #require(client.readLine())
      #expect(answer.hasPrefix(#"{"error":{"code":"malformed-request","#))
      #expect(answer.hasSuffix(#""id":null,"version":1}"#))
      client.send(#"{"version":1,"id":9,"command":"optional"}"# + "\n")
      #expect(client.readLine() == #"{"id":9,"result":{},"version":1}"#)
    }
  }

  @Test("An oversize line is answered once and skipped")
  func oversize() throws {
    var limits = ControlLimits()
    limits.requestLength = 100
    try withServer(limits: limits) { path in
      let client = try RawClient(path)
      client.send(String(repeating: "x", count: 50_000))
      #expect(
        client.readLine()
          == #"{"error":{"code":"line-too-long","message":"a request may have 100 octets"},"id":null,"version":1}"#)
      client.send("xxx\n" + #"{"version":1,"id":9,"command":"optional"}"# + "\n")
      #expect(client.readLine() == #"{"id":9,"result":{},"version":1}"#)
    }
  }

  @Test("Two clients, one subscribed: both are answered, one gets events with the id of its subscription")
  func twoClients() throws {
    try withServer { path in
      let subscriber = try ControlClient(path: path)
      let commander = try ControlClient(path: path)
      #expect(try subscriber.call("subscribe", as: [String: Int].self) == ["snapshot": 1])
      for value in 1...3 { _ = try commander.call("publish", TestServer.Value(value: value), as: NoResult.self) }
      for value in 1...3 {
        let event = try #require(try subscriber.nextEvent(timeout: .seconds(10)))
        #expect(event.name == "number")
        #expect(try event.data(as: TestServer.Value.self).value == value)
      }
      #expect(try commander.nextEvent(timeout: .milliseconds(1)) == nil)
      #expect(try commander.call("peer", as: [String: Int32].self) == ["pid": getpid()])
    }
  }

  @Test("A refusal reaches the client with code and hint")
  func clientRefused() throws {
    try withServer { path in
      let client = try ControlClient(path: path)
      #expect(
        throws: ControlClientError.refused(ControlError(code: "no-such-flow", message: "no flow 7", hint: "see `list`"))
      ) {
        try client.call("refuse", as: NoResult.self)
      }
    }
  }

  @Test("A subscriber that does not read is disconnected and counted; others never wait for it")
  func slowReader() throws {
    var limits = ControlLimits()
    limits.pendingOutput = 1 << 20
    try withServer(limits: limits) { path in
      let slow = try RawClient(path)
      slow.send(#"{"version":1,"id":1,"command":"subscribe"}"# + "\n")
      #expect(slow.readLine() != nil)
      let commander = try ControlClient(path: path)
      #expect(try commander.call("counts", as: TestServer.Counts.self).hasSubscribers)
      _ = try commander.call("flood", TestServer.Flood(events: 40, size: 100_000), as: NoResult.self)
      let counts = try commander.call("counts", as: TestServer.Counts.self)
      #expect(counts.slow == 1)
      #expect(!counts.hasSubscribers)
      var lines = 0
      while slow.readLine() != nil { lines += 1 }
      #expect(lines < 40)
    }
  }

  @Test("100,000 events while a subscriber does not read: it is gone, a command is answered as ever")
  func slowReaderOfManyEvents() throws {
    try withServer { path in
      let slow = try RawClient(path)
      slow.send(#"{"version":1,"id":1,"command":"subscribe"}"# + "\n")
      #expect(slow.readLine() != nil)
      let commander = try ControlClient(path: path)
      _ = try commander.call("flood", TestServer.Flood(events: 100_000, size: 100), as: NoResult.self)
      let counts = try commander.call("counts", as: TestServer.Counts.self)
      #expect(counts.slow == 1 && !counts.hasSubscribers)
    }
  }

  @Test("An answer larger than the bound for events is delivered whole")
  func largeAnswer() throws {
    var limits = ControlLimits()
    limits.pendingOutput = 1_000
    limits.requestLength = 4 << 20
    try withServer(limits: limits) { path in
      let text = String(repeating: "y", count: 3 << 20)
      let client = try ControlClient(path: path)
      #expect(try client.call("echo", TestServer.Echo(text: text), as: TestServer.Echo.self).text == text)
    }
  }

  @Test("One client more than the bound is told so")
  func tooManyClients() throws {
    var limits = ControlLimits()
    limits.clients = 2
    try withServer(limits: limits) { path in
      let first = try ControlClient(path: path)
      #expect(try first.call("counts", as: TestServer.Counts.self).refusedClients == 0)
      do {
        let second = try ControlClient(path: path)
        #expect(try second.call("counts", as: TestServer.Counts.self).refusedClients == 0)
        let third = try RawClient(path)
        #expect(third.readLine()?.contains(#""code":"too-many-clients""#) == true)
        #expect(third.readLine() == nil)
        #expect(try first.call("counts", as: TestServer.Counts.self).refusedClients == 1)
      }
    }
  }

  @Test("The socket has mode 0660; a served one is not taken over, a stale one is, a file never")
  func socketFile() throws {
    let directory = try temporaryDirectory()
    defer { try? FileManager.default.removeItem(at: directory) }
    let path = directory.appendingPathComponent("sub/a.sock").path
    let server = try TestServer(path: path)
    var status = stat()
    #expect(lstat(path, &status) == 0)
    #expect(status.st_mode & 0o7777 == 0o660)
    #expect {
      _ = try ControlServer(loop: try EventLoop(), path: path, group: "\(getegid())")
    } throws: { ($0 as? LinuxError)?.code == EADDRINUSE }
    try server.stop()
    #expect(lstat(path, &status) != 0)

    do {
      // A listener that dies without cleaning up.
      let stale = try UnixSocket.listen(path: path, group: "\(getegid())")
      _ = consume stale
    }
    #expect(lstat(path, &status) == 0)
    try TestServer(path: path).stop()

    #expect(FileManager.default.createFile(atPath: path, contents: Data()))
    #expect {
      _ = try ControlServer(loop: try EventLoop(), path: path, group: "\(getegid())")
    } throws: { ($0 as? LinuxError)?.code == EEXIST }
    #expect(throws: ControlClientError.notReachable(socket: path, reason: "Connection refused")) {
      _ = try ControlClient(path: path)
    }
  }

  @Test("An unknown group is named")
  func unknownGroup() throws {
    #expect {
      _ = try ControlServer(loop: try EventLoop(), path: "/tmp/x.sock", group: "no-such-group")
    } throws: { error in
      (error as? LinuxError)?.operation == "find group" && (error as? LinuxError)?.object == "no-such-group"
    }
  }

  @Test("A subscriber on a loop gets snapshot and events, and a fresh snapshot after the server's restart")
  func subscriber() throws {
    let directory = try temporaryDirectory()
    defer { try? FileManager.default.removeItem(at: directory) }
    let path = directory.appendingPathComponent("a.sock").path
    let loop = try EventLoop()
    let subscriber = try ControlSubscriber<[String: Int]>(
      loop: loop, path: path, command: "subscribe",
      backOff: BackOff(first: .milliseconds(5), maximum: .milliseconds(20)))
    var log: [String] = []
    var failures: [any Error] = []
    func attempt(_ body: () throws -> Void) {
      do { try body() } catch {
        failures.append(error)
        loop.stop()
      }
    }
    var server: TestServer?
    subscriber.onChange = { attempt { try loop.setDeadline(subscriber.nextDeadline) } }
    loop.onDeadline = {
      // The first attempts find nobody.
      if subscriber.failures == 3, server == nil { attempt { server = try TestServer(path: path) } }
      subscriber.deadlineReached()
      attempt { try loop.setDeadline(subscriber.nextDeadline) }
    }
    subscriber.onSnapshot = { snapshot in
      log.append("snapshot \(snapshot)")
      attempt {
        _ = try ControlClient(path: path).call("publish", TestServer.Value(value: log.count), as: NoResult.self)
      }
    }
    subscriber.onEvent = { event in
      attempt { log.append("\(event.name) \(try event.data(as: TestServer.Value.self).value ?? -1)") }
      if log.count == 4 { return loop.stop() }
      attempt {
        try server?.stop()
        server = try TestServer(path: path)
      }
    }
    subscriber.start()
    #expect(subscriber.failures == 1)
    try loop.run()
    #expect(failures.isEmpty)
    #expect(log == [#"snapshot ["snapshot": 1]"#, "number 1", #"snapshot ["snapshot": 1]"#, "number 3"])
    subscriber.stop()
    try server?.stop()
  }

  @Test("Back-off doubles to its maximum and starts over")
  func backOff() {
    var backOff = BackOff(first: .milliseconds(50), maximum: .milliseconds(150))
    #expect(
      (0..<4).map { _ in backOff.delay() } == [
        .milliseconds(50), .milliseconds(100), .milliseconds(150), .milliseconds(150),
      ])
    backOff.reset()
    #expect(backOff.delay() == .milliseconds(50))
  }
}

@Suite("Lines")
struct LineBufferTests {
  @Test("Every way to cut a stream gives the same lines", arguments: 1...12)
  func pieces(size: Int) {
    var buffer = LineBuffer(maximumLength: 4)
    let stream = Array("ab\n\nabcde\nabcd\nabcdefghij\nx\n".utf8)
    var lines: [LineBuffer.Line] = []
    for start in stride(from: 0, to: stream.count, by: size) {
      buffer.append(stream[start..<min(start + size, stream.count)])
      while let line = buffer.next() { lines.append(line) }
    }
    let expected: [LineBuffer.Line] = [
      .line(Array("ab".utf8)), .line([]), .tooLong, .line(Array("abcd".utf8)), .tooLong, .line(Array("x".utf8)),
    ]
    #expect(lines == expected)
  }
}
