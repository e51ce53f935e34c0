import Foundation
import LinuxNet
import Testing

@testable import DaemonKit

@Suite("State file")
struct StateFileTests {
  private struct Item: Codable, Hashable {
    var name: String
    var count: Int
  }

  private final class Place {
    let directory = FileManager.default.temporaryDirectory.appendingPathComponent("flowmob-\(UUID().uuidString)")
    var snapshot: URL { directory.appendingPathComponent("items.state") }
    var journal: URL { directory.appendingPathComponent("items.journal") }
    deinit { try? FileManager.default.removeItem(at: directory) }

    func open(journalLength: Int = 1 << 20, durability: StateFile<Item>.Durability = .processCrash) throws
      -> StateFile<Item>
    {
      try StateFile(directory: directory.path, name: "items", durability: durability, journalLength: journalLength)
    }

    func lines(_ url: URL) throws -> Int { try String(contentsOf: url, encoding: .utf8).count { $0 == "\n" } }

    func append(_ text: String, to url: URL) throws {
      let handle = try FileHandle(forWritingTo: url)
      try handle.seekToEnd()
      try handle.write(contentsOf: Data(text.utf8))
      try handle.close()
    }
  }

  private let a = Item(name: "a", count: 1)
  private let b = Item(name: "b", count: 2)

  @Test("Stored, changed and removed records come back as they were", arguments: [false, true])
  func roundTrip(durable: Bool) throws {
    let place = Place()
    let file = try place.open(durability: durable ? .powerLoss : .processCrash)
    #expect(file.takeRecords().isEmpty)
    try file.store(a, key: "1")
    try file.store(b, key: "2")
    try file.store(a, key: "3")
    try file.remove(key: "3")
    try file.remove(key: "4")
    try file.store(Item(name: "a", count: 9), key: "1")
    try file.flush()
    let again = try place.open()
    #expect(again.count == 2)
    #expect(again.takeRecords() == [Item(name: "a", count: 9), b])
    #expect(again.takeRecords().isEmpty)
  }

  @Test("Without a flush nothing is written; with one, all changes are one write")
  func batched() throws {
    let place = Place()
    let file = try place.open()
    try file.store(a, key: "1")
    try file.store(b, key: "2")
    #expect(try place.lines(place.journal) == 1)
    try file.flush()
    #expect(try place.lines(place.journal) == 3)
    try file.flush()
    #expect(try place.lines(place.journal) == 3)
  }

  @Test("A torn last line is counted and dropped, whatever octet the crash cut at")
  func tornTail() throws {
    let place = Place()
    let file = try place.open()
    try file.store(a, key: "1")
    try file.flush()
    let whole = try Data(contentsOf: place.journal)
    try file.store(b, key: "2")
    try file.flush()
    let more = try Data(contentsOf: place.journal)
    for length in (whole.count + 1)..<more.count {
      let other = Place()
      _ = try other.open()
      try more.prefix(length).write(to: other.journal)
      let again = try other.open()
      #expect(again.counters.tornLines == 1)
      #expect(again.counters.unreadableLines == 0)
      #expect(again.takeRecords() == [a])
      // The torn line is gone for good: what is stored next is not glued to it.
      try again.store(b, key: "2")
      try again.flush()
      #expect(try other.open().takeRecords() == [a, b])
    }
  }

  @Test("A line that is no record is counted; the others are kept")
  func unreadableLine() throws {
    let place = Place()
    let file = try place.open()
    try file.store(a, key: "1")
    try file.flush()
    try place.append("garbage\n" + #"{"key":"2","record":{"name":"b","count":2}}"# + "\n", to: place.journal)
    let again = try place.open()
    #expect(again.counters.unreadableLines == 1)
    #expect(again.takeRecords() == [a, b])
  }

  @Test("After a crash between snapshot and journal the old journal is not applied again")
  func crashBetweenSnapshotAndJournal() throws {
    let place = Place()
    let file = try place.open()
    try file.store(a, key: "1")
    try file.store(b, key: "2")
    try file.flush()
    let oldJournal = try Data(contentsOf: place.journal)
    // The next start compacts; then record 2 goes away and that is compacted, too.
    let second = try place.open()
    try second.remove(key: "2")
    try second.flush()
    _ = try place.open()
    try oldJournal.write(to: place.journal)
    let third = try place.open()
    #expect(third.counters.staleJournals == 1)
    #expect(third.takeRecords() == [a])
  }

  @Test("A crash while a snapshot is written leaves the old one in force")
  func crashInSnapshot() throws {
    let place = Place()
    let file = try place.open()
    try file.store(a, key: "1")
    try file.flush()
    try Data(#"{"format":1,"generation":99}"#.utf8).write(to: place.directory.appendingPathComponent("items.state.new"))
    #expect(try place.open().takeRecords() == [a])
  }

  @Test("The journal is compacted when it has outgrown its bound and the snapshot")
  func compaction() throws {
    let place = Place()
    let file = try place.open(journalLength: 1_000)
    #expect(file.counters.compactions == 1)
    for count in 0..<200 {
      try file.store(Item(name: "a", count: count), key: "1")
      try file.flush()
      #expect(try Data(contentsOf: place.journal).count <= 1_100)
    }
    #expect((5...20).contains(file.counters.compactions))
    #expect(try place.lines(place.snapshot) == 2)
    #expect(try place.open().takeRecords() == [Item(name: "a", count: 199)])
  }

  @Test("After a refused write the next flush writes everything")
  func refusedWrite() throws {
    let place = Place()
    let file = try place.open(journalLength: 0)
    try file.store(a, key: "1")
    // The directory goes away under the daemon: the compaction that is due cannot create its file.
    let aside = place.directory.appendingPathExtension("aside")
    try FileManager.default.moveItem(at: place.directory, to: aside)
    #expect(throws: LinuxError.self) { try file.flush() }
    #expect(file.counters.failedWrites == 1)
    try file.store(b, key: "2")
    try FileManager.default.moveItem(at: aside, to: place.directory)
    try file.flush()
    #expect(try place.open().takeRecords() == [a, b])
  }

  @Test("A file of another format is not overwritten")
  func otherFormat() throws {
    let place = Place()
    _ = try place.open()
    try Data("{\"format\":2,\"generation\":1}\n".utf8).write(to: place.snapshot)
    #expect {
      _ = try place.open()
    } throws: { ($0 as? LinuxError)?.object == place.snapshot.path }
    #expect(try String(contentsOf: place.snapshot, encoding: .utf8) == "{\"format\":2,\"generation\":1}\n")
  }
}
