import Foundation
import Glibc
import LinuxNet
import Logging
import Testing

@testable import DaemonKit

/// A core that adds up.
private struct Adder: RecordableCore, Equatable {
  struct Start: Codable { var total: Int }
  enum Event: Codable { case add(Int), subtract(Int), note(String) }
  enum Effect: Codable { case total(Int), negative }

  var total: Int

  init(start: Start) throws(RecordingError) {
    guard start.total >= 0 else { throw .unusable("the total is negative") }
    total = start.total
  }

  mutating func handle(_ event: Event, at now: Int) -> [Effect] {
    switch event {
    case .add(let number): total += number
    case .subtract(let number): total -= number
    case .note: break
    }
    return total < 0 ? [.total(total), .negative] : [.total(total)]
  }
}

private final class Place {
  let directory = FileManager.default.temporaryDirectory.appendingPathComponent("flowmob-\(UUID().uuidString)")
  var file: String { directory.appendingPathComponent("adder.recording").path }
  init() throws { try FileManager.default.createDirectory(at: directory, withIntermediateDirectories: true) }
  deinit { try? FileManager.default.removeItem(at: directory) }

  func recorder(limit: Int = 1 << 20, file: String? = nil) -> EventRecorder<Adder> {
    var settings = RecordingSettings()
    settings.file = file ?? self.file
    settings.limit = limit
    return EventRecorder(
      settings, program: "adder", start: Adder.Start(total: 10),
      log: Logger(label: "test") { _ in SwiftLogNoOpLogHandler() })
  }

  /// What a daemon does: handle, add, answer; flush at the end of each pair.
  func record(_ events: [Adder.Event], with recorder: EventRecorder<Adder>) throws {
    var core = try Adder(start: Adder.Start(total: 10))
    for (index, event) in events.enumerated() {
      recorder.add(event, at: index, effects: core.handle(event, at: index))
      if index % 2 == 1 { recorder.flush() }
    }
    recorder.flush()
  }

  func text(_ path: String? = nil) throws -> String { try String(contentsOfFile: path ?? file, encoding: .utf8) }
}

private func replay(_ text: String) throws -> Replay<Adder> { try Replay(Array(text.utf8), program: "adder") }

private func failure(_ text: String) throws -> RecordingError {
  try #require(throws: RecordingError.self) { try replay(text) }
}

@Suite("Recording and replay")
struct RecordingTests {
  private let events: [Adder.Event] = [.add(5), .subtract(20), .add(7)]

  @Test("A recording replays with the same effects")
  func sameEffects() throws {
    let place = try Place()
    let recorder = place.recorder()
    try place.record(events, with: recorder)
    let text = try place.text()
    #expect(
      text == """
        {"format":1,"program":"adder","start":{"total":10},"version":"\(Program.version)"}
        {"at":0,"effects":[{"total":{"_0":15}}],"event":{"add":{"_0":5}},"number":1}
        {"at":1,"effects":[{"total":{"_0":-5}},{"negative":{}}],"event":{"subtract":{"_0":20}},"number":2}
        {"at":2,"effects":[{"total":{"_0":2}}],"event":{"add":{"_0":7}},"number":3}

        """)
    let replayed = try replay(text)
    #expect(replayed.events == 3)
    #expect(!replayed.isTorn)
    #expect(recorder.status.state == .recording)
    #expect(recorder.status.events == 3)
    #expect(recorder.status.octets == text.utf8.count)
  }

  @Test("The first effect that differs is named, with its event")
  func differs() throws {
    let place = try Place()
    try place.record(events, with: place.recorder())
    let text = try place.text()
    #expect(
      try failure(text.replacingOccurrences(of: #""_0":-5}}"#, with: #""_0":-6}}"#))
        == .differs(
          .init(event: 2, effect: 1, recorded: #"{"total":{"_0":-6}}"#, replayed: #"{"total":{"_0":-5}}"#)))
    #expect(
      try failure(text.replacingOccurrences(of: #",{"negative":{}}"#, with: ""))
        == .differs(.init(event: 2, effect: 2, recorded: nil, replayed: #"{"negative":{}}"#)))
  }

  @Test("A file cut anywhere is replayed up to its last whole line")
  func truncated() throws {
    let place = try Place()
    try place.record(events, with: place.recorder())
    let octets = Array(try place.text().utf8)
    let ends = octets.indices.filter { octets[$0] == UInt8(ascii: "\n") }
    for length in (ends[0] + 1)...octets.count {
      let replayed = try Replay<Adder>(Array(octets[..<length]), program: "adder")
      #expect(replayed.events == UInt64(ends.count { $0 < length } - 1))
      #expect(replayed.isTorn == !ends.contains(length - 1))
    }
    for length in 0...ends[0] {
      #expect(throws: RecordingError.self) { try Replay<Adder>(Array(octets[..<length]), program: "adder") }
    }
  }

  @Test(
    "What this version does not understand to the last octet is refused",
    arguments: [
      (#""format":1"#, #""format":2"#, "has format 2; use adder 9.9"),
      (#""program":"adder""#, #""program":"magd""#, "use `magd replay`"),
      (#""total":10}"#, #""total":10,"unit":"m"}"#, "line 1 has keys or values"),
      (#""number":2"#, #""number":2,"who":1"#, "line 3 has keys or values"),
      (#"{"add":{"_0":7}}"#, #"{"double":{"_0":7}}"#, "line 4: "),
      (#""number":3"#, #""number":4"#, "3 is missing"),
      (#"{"total":10}"#, #"{"total":-1}"#, "the total is negative"),
    ])
  func foreign(old: String, new: String, message: String) throws {
    let place = try Place()
    try place.record(events, with: place.recorder())
    let text = try place.text().replacingOccurrences(of: Program.version, with: "9.9")
      .replacingOccurrences(of: old, with: new)
    let description = try failure(text).description
    #expect(description.contains(message), "\(description)")
  }

  @Test("The recording of an earlier run is kept")
  func earlier() throws {
    let place = try Place()
    try place.record(events, with: place.recorder())
    let first = try place.text()
    _ = place.recorder()
    #expect(try place.text(place.file + ".1") == first)
    #expect(try replay(try place.text()).events == 0)
  }

  @Test("At its limit a recording ends, whole")
  func limit() throws {
    let place = try Place()
    let recorder = place.recorder(limit: 300)
    try place.record(events + events, with: recorder)
    let text = try place.text()
    #expect(text.utf8.count <= 300)
    let replayed = try replay(text)
    #expect(replayed.events > 0 && !replayed.isTorn)
    #expect(recorder.status.state == .stopped)
    #expect(recorder.status.events == replayed.events)
    #expect(recorder.status.reason?.contains("recording.limit") == true)
  }

  @Test("Where nothing can be written the daemon goes on without", arguments: ["/dev/full", "/nonexistent/file"])
  func noRoom(file: String) throws {
    let place = try Place()
    let recorder = place.recorder(file: file)
    try place.record(events, with: recorder)
    #expect(recorder.status.state == .stopped)
    #expect(recorder.counters == ["recorded-events": 0, "recording-failures": 1])
  }

  @Test("A full disk ends the recording behind the last line that had room", .enabled(if: geteuid() == 0))
  func diskFull() throws {
    let place = try Place()
    try #require(mount("none", place.directory.path, "tmpfs", 0, "size=4k") == 0)
    defer { umount2(place.directory.path, Int32(MNT_DETACH)) }
    let recorder = place.recorder()
    var core = try Adder(start: Adder.Start(total: 10))
    recorder.add(.add(1), at: 0, effects: core.handle(.add(1), at: 0))
    recorder.flush()
    let whole = try place.text()
    let long = Adder.Event.note(String(repeating: "x", count: 5_000))
    recorder.add(long, at: 1, effects: core.handle(long, at: 1))
    recorder.flush()
    #expect(try place.text() == whole)
    #expect(recorder.status.state == .stopped)
    #expect(recorder.status.events == 1)
    #expect(recorder.counters["recording-failures"] == 1)
  }

  @Test("Without a file nothing is recorded")
  func off() {
    let recorder = EventRecorder<Adder>(
      RecordingSettings(), program: "adder", start: Adder.Start(total: 0), log: Logger(label: "test"))
    recorder.add(.add(1), at: 0, effects: [])
    recorder.flush()
    #expect(recorder.status.state == .off)
    #expect(recorder.status.events == 0)
    #expect(!recorder.stop("by hand"))
  }
}
