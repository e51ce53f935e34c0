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

    func open(
      journalLength: Int = 1 << 20, stepLength: Int = 1 << 20,
      durability: StateFile<Item>.Durability = .processCrash
    ) throws -> StateFile<Item> {
      try StateFile(
        directory: directory.path, name: "items", durability: durability, journalLength: journalLength,
        stepLength: stepLength)
    }

    var nextJournal: URL { directory.appendingPathComponent("items.journal.next") }
    var newSnapshot: URL { directory.appendingPathComponent("items.state.new") }

    func exists(_ url: URL) -> Bool { FileManager.default.fileExists(atPath: url.path) }

    /// What a crash now would leave.
    func copy() throws -> Place {
      let copy = Place()
      try FileManager.default.copyItem(at: directory, to: copy.directory)
      return copy
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
      #expect(try Data(contentsOf: place.journal).count <= 1_300)
    }
    #expect((5...20).contains(file.counters.compactions))
    #expect(try place.lines(place.snapshot) == 2)
    #expect(try place.open().takeRecords() == [Item(name: "a", count: 199)])
  }

  /// Changes one item after the other, with a flush after each, and looks at what a crash then would leave.
  private func change(
    _ file: StateFile<Item>, rounds: Int,
    _ afterFlush: (_ before: [String: Item], _ after: [String: Item]) throws -> Void
  ) throws {
    var items: [String: Item] = [:]
    for round in 0..<rounds {
      let before = items
      let key = String(round * 7 % 30)
      if round % 4 == 3, items[key] != nil {
        items[key] = nil
        try file.remove(key: key)
      } else {
        let item = Item(name: key, count: round)
        items[key] = item
        try file.store(item, key: key)
      }
      try file.flush()
      try afterFlush(before, items)
    }
  }

  private func sorted(_ items: [String: Item]) -> [Item] { items.sorted { $0.key < $1.key }.map(\.value) }

  @Test("A crash after any step of a compaction loses nothing, one in the middle of a flush only its change")
  func crashInCompaction() throws {
    let place = Place()
    let file = try place.open(journalLength: 800, stepLength: 1)
    var stages: [String: Int] = [:]
    try change(file, rounds: 300) { before, after in
      let crashed = try place.copy()
      let isRenamed = try generation(crashed.snapshot) > generation(crashed.journal)
      let stage =
        switch (crashed.exists(crashed.nextJournal), crashed.exists(crashed.newSnapshot), isRenamed) {
        case (false, false, false): "no compaction"
        case (true, false, false): "next journal begun"
        case (true, true, false): "snapshot in writing"
        case (true, false, true): "snapshot renamed"
        default: "impossible"
        }
      stages[stage, default: 0] += 1
      let torn = try place.copy()
      let youngest = torn.exists(torn.nextJournal) ? torn.nextJournal : torn.journal
      let content = try Data(contentsOf: youngest)
      try content.dropLast(1).write(to: youngest)
      #expect(try crashed.open().takeRecords() == sorted(after), "\(stage)")
      // A journal that has only its header holds no change to be torn.
      let isHeaderOnly = content.count { $0 == UInt8(ascii: "\n") } == 1
      #expect(try torn.open().takeRecords() == sorted(isHeaderOnly ? after : before), "\(stage), torn")
    }
    #expect(Set(stages.keys) == ["no compaction", "next journal begun", "snapshot in writing", "snapshot renamed"])
    #expect(file.counters.compactions >= 3)
  }

  private func generation(_ url: URL) throws -> Int {
    struct Header: Decodable { var generation: Int }
    let line = try Data(contentsOf: url).prefix { $0 != UInt8(ascii: "\n") }
    return try JSONDecoder().decode(Header.self, from: line).generation
  }

  @Test("What is written in a flush is bounded, compaction included")
  func smallSteps() throws {
    let place = Place()
    let file = try place.open(journalLength: 800, stepLength: 100)
    var length = 0
    try change(file, rounds: 300) { _, _ in
      let new = place.exists(place.newSnapshot) ? try Data(contentsOf: place.newSnapshot).count : 0
      // A record has less than 60 octets; the last shard of a step may pass the bound.
      #expect(new - length < 100 + 3 * 60)
      length = new
    }
  }

  @Test("A step of a compaction that is refused is done again; nothing is lost", arguments: 0..<4)
  func refusedStep(stepsBefore: Int) throws {
    let place = Place()
    let file = try place.open(journalLength: 0, stepLength: 1 << 20)
    var expected: [Item] = []
    func store(_ count: Int) throws {
      expected.append(Item(name: "n", count: count))
      try file.store(expected[count], key: String(count))
      try file.flush()
    }
    for count in 0..<stepsBefore { try store(count) }
    // The directory goes away under the daemon: journals that are open can be written, nothing can be made or renamed.
    let aside = place.directory.appendingPathExtension("aside")
    try FileManager.default.moveItem(at: place.directory, to: aside)
    #expect(throws: LinuxError.self) { for count in stepsBefore..<stepsBefore + 3 { try store(count) } }
    #expect(file.counters.failedWrites == 1)
    try FileManager.default.moveItem(at: aside, to: place.directory)
    #expect(try place.copy().open().takeRecords() == expected)
    for count in expected.count..<9 { try store(count) }
    #expect(try place.open().takeRecords() == expected)
    #expect(file.counters.compactions >= 2)
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
