import Glibc
import LinuxNet

/// Records that survive a restart of a daemon: a snapshot and a journal of changes since, both JSON lines.
///
/// ```
/// NAME.state     {"format":1,"generation":7}          NAME.journal   {"format":1,"generation":7}
///                {"key":"1","record":{…}}                            {"key":"2","record":{…}}     stored
///                {"key":"2","record":{…}}                            {"key":"1"}                  removed
/// ```
///
/// `store` and `remove` only remember; `flush` appends what has gathered in one write, so a daemon calls it after the
/// messages of an event are out. A crash in the middle of a write leaves a torn last line, which is counted and dropped.
///
/// When the journal has outgrown both `journalLength` and the snapshot, it is compacted, so that its cost per change
/// stays constant. No flush does more than one step of that:
///
/// ```
/// Generation of                                      NAME.state  NAME.journal  NAME.journal.next
/// 1. The next journal is begun; changes go there.             7             7                  8
/// 2. All records are written to NAME.state.new, a part
///    in each step.                                            7             7                  8
/// 3. It is renamed over the snapshot.                         8             7                  8
/// 4. The next journal is renamed over the old one.            8             8                  -
/// ```
///
/// A crash leaves one of these rows. A journal older than the snapshot is in it already and is ignored; the others are
/// applied in order. A change made during step 2 stands in the next journal, and perhaps in the snapshot as well: what
/// is applied last is what was last.
///
/// At start, and after a refused write, all of it is done at once. The encoded records are kept in memory for it.
public final class StateFile<Record: Codable> {
  /// What a journal entry survives. Snapshots are always synchronised before they replace the old one.
  public enum Durability: Hashable, Sendable {
    /// The death of the daemon, not of the machine: entries are with the kernel after `flush`.
    case processCrash
    /// The death of the machine: `flush` waits for the disk.
    case powerLoss
  }

  public struct Counters: Hashable, Sendable {
    /// Last lines that a crash had cut off.
    public var tornLines: UInt64 = 0
    /// Other lines that could not be read; their records are lost.
    public var unreadableLines: UInt64 = 0
    /// Journals that the snapshot had overtaken.
    public var staleJournals: UInt64 = 0
    public var compactions: UInt64 = 0
    public var failedWrites: UInt64 = 0

    /// For `show counters`.
    public var named: [String: UInt64] {
      [
        "state-torn-lines": tornLines, "state-unreadable-lines": unreadableLines, "state-stale-journals": staleJournals,
        "state-compactions": compactions, "state-failed-writes": failedWrites,
      ]
    }
  }

  public static var defaultJournalLength: Int { 16 << 20 }

  public private(set) var counters = Counters()
  /// Keys with a record.
  public private(set) var count = 0

  private let directory: String
  private var loaded: [String: Record] = [:]
  private let snapshotPath: String
  private let journalPath: String
  private var newSnapshotPath: String { "\(snapshotPath).new" }
  private var nextJournalPath: String { "\(journalPath).next" }
  private let durability: Durability
  private let journalBound: Int
  private let stepLength: Int
  /// Of the journal.
  private var generation: UInt64 = 0
  /// The encoded line of each record, as it stands in the snapshot. A key always has the same shard, so shards are
  /// written and grow one by one: a dictionary of a million keys would stop everything when it grows.
  private var shards = [[String: [UInt8]]](repeating: [:], count: shardCount)
  private var pending: [UInt8] = []
  /// Of records that write themselves.
  var writer = JSONWriter()
  /// What a step of a compaction writes; kept, because memory of that size comes from the kernel each time.
  private var part: [UInt8] = []
  /// nil after a failed write: the next flush starts over with a snapshot.
  private var journal: AppendedFile?
  private var snapshotLength = 0
  private var compaction = Compaction.none
  /// The snapshot of a compaction; the shards before `nextShard` are in it.
  private var newSnapshot: AppendedFile?
  private var nextShard = 0

  private enum Compaction {
    case none
    /// The journal is of the next generation and has the name of the next one.
    case writing
    /// The snapshot is of the next generation, too.
    case renamed
  }

  private static var newline: UInt8 { UInt8(ascii: "\n") }

  private struct Header: Codable {
    var format = 1
    var generation: UInt64
  }

  /// Without a record: removed.
  private struct Entry<Value: Codable>: Codable {
    var key: String
    var record: Value?
  }

  /// Opens or creates `NAME.state` and `NAME.journal` in `directory` and compacts them.
  ///
  /// - Parameters:
  ///   - journalLength: octets that a journal may have before it is compacted, however small the snapshot.
  ///   - stepLength: octets that one step of a compaction writes, and at most one shard more.
  public init(
    directory: String, name: String, durability: Durability = .processCrash,
    journalLength: Int = StateFile.defaultJournalLength, stepLength: Int = 256 << 10
  ) throws(LinuxError) {
    self.directory = directory
    self.durability = durability
    journalBound = journalLength
    self.stepLength = stepLength
    snapshotPath = "\(directory)/\(name).state"
    journalPath = "\(directory)/\(name).journal"
    try Directory.make(directory)
    try load()
    try compactAtOnce()
  }

  /// What had been stored when the file was opened, sorted by key. Gives the memory up: a second call returns nothing.
  public func takeRecords() -> [Record] {
    defer { loaded = [:] }
    return loaded.sorted { $0.key < $1.key }.map(\.value)
  }

  // MARK: Changes

  /// Remembers a new or changed record.
  ///
  /// - Throws: when the record cannot be encoded.
  public func store(_ record: Record, key: String) throws {
    store(line: try ControlProtocol.encode(Entry(key: key, record: record)) + [Self.newline], key: key)
  }

  /// The entry as it stands in the files.
  private func store(line: [UInt8], key: String) {
    setLine(line, key: key)
    pending += line
  }

  /// The same with the line that `writer` holds. It takes the place of the record's old one, whose memory is used again.
  func storeWritten(key: String) {
    func write(_ line: inout [UInt8]) {
      if line.isEmpty { count += 1 }
      line.removeAll(keepingCapacity: true)
      writer.append(to: &line)
    }
    write(&shards[Self.shard(of: key)][key, default: []])
    writer.append(to: &pending)
  }

  /// Forgets a record; one that is not there is fine.
  public func remove(key: String) throws {
    guard shards[Self.shard(of: key)][key] != nil else { return }
    let line = try ControlProtocol.encode(Entry<Record>(key: key, record: nil)) + [Self.newline]
    setLine(nil, key: key)
    pending += line
  }

  /// Writes what has gathered since the last call, and does one step of a compaction that is due.
  ///
  /// - Throws: when the file system refuses. Nothing is lost as long as the daemon lives: the next flush writes a
  ///   complete snapshot instead, or tries that step again.
  public func flush() throws(LinuxError) {
    guard !pending.isEmpty else { return }
    do throws(LinuxError) {
      if journal == nil {
        try compactAtOnce()
      } else {
        try append(pending)
        pending.removeAll(keepingCapacity: true)
        try compactFurther()
      }
    } catch {
      counters.failedWrites += 1
      throw error
    }
  }

  private func append(_ change: [UInt8]) throws(LinuxError) {
    do throws(LinuxError) {
      try journal?.append(change)
      if durability == .powerLoss { try journal?.synchronizeData() }
    } catch {
      // The changes are kept by `shards`; that `pending` is not empty makes the next flush write.
      journal = nil
      compaction = .none
      throw error
    }
  }

  private func setLine(_ line: [UInt8]?, key: String) {
    let shard = Self.shard(of: key)
    let old: [UInt8]?
    if let line {
      old = shards[shard].updateValue(line, forKey: key)
    } else {
      old = shards[shard].removeValue(forKey: key)
    }
    count += (line == nil ? 0 : 1) - (old == nil ? 0 : 1)
  }

  private static var shardCount: Int { 1_024 }
  private static func shard(of key: String) -> Int { key.hashValue & (shardCount - 1) }

  // MARK: Compaction

  private func compactFurther() throws(LinuxError) {
    switch compaction {
    case .none:
      if let length = journal?.length, length > max(journalBound, snapshotLength) { try beginNextJournal() }
    case .writing:
      do throws(LinuxError) {
        try writeSnapshotFurther()
      } catch {
        // Nothing is lost, the journals have it; the next step starts a new file.
        newSnapshot = nil
        throw error
      }
    case .renamed:
      try AppendedFile.rename(nextJournalPath, to: journalPath)
      compaction = .none
      counters.compactions += 1
    }
  }

  private func beginNextJournal() throws(LinuxError) {
    let next = try AppendedFile.create(nextJournalPath, Self.header(generation + 1, nextJournalPath))
    if durability == .powerLoss {
      try next.synchronize()
      try synchronizeDirectory()
    }
    journal = consume next
    generation += 1
    compaction = .writing
  }

  private func writeSnapshotFurther() throws(LinuxError) {
    if newSnapshot == nil {
      newSnapshot = try AppendedFile.create(newSnapshotPath, Self.header(generation, newSnapshotPath))
      nextShard = 0
    }
    guard nextShard == Self.shardCount else {
      part.removeAll(keepingCapacity: true)
      repeat {
        for line in shards[nextShard].values { part += line }
        nextShard += 1
      } while part.count < stepLength && nextShard < Self.shardCount
      return try newSnapshot?.appendForDisk(part) ?? ()
    }
    try newSnapshot?.synchronize()
    try AppendedFile.rename(newSnapshotPath, to: snapshotPath)
    try synchronizeDirectory()
    snapshotLength = newSnapshot?.length ?? 0
    newSnapshot = nil
    compaction = .renamed
  }

  private func compactAtOnce() throws(LinuxError) {
    compaction = .none
    newSnapshot = nil
    let header = try Self.header(generation + 1, snapshotPath)
    var snapshot = try AppendedFile.create(newSnapshotPath, header)
    for shard in shards { try snapshot.append(Array(shard.values.joined())) }
    try snapshot.synchronize()
    try AppendedFile.rename(newSnapshotPath, to: snapshotPath)
    generation += 1
    let newJournalPath = "\(journalPath).new"
    let new = try AppendedFile.create(newJournalPath, header)
    if durability == .powerLoss { try new.synchronize() }
    try AppendedFile.rename(newJournalPath, to: journalPath)
    // Older than the snapshot, like what stood under the journal's name.
    unlink(nextJournalPath)
    try synchronizeDirectory()
    journal = consume new
    snapshotLength = snapshot.length
    pending.removeAll(keepingCapacity: true)
    counters.compactions += 1
  }

  private static func header(_ generation: UInt64, _ path: String) throws(LinuxError) -> [UInt8] {
    do {
      return try ControlProtocol.encode(Header(generation: generation)) + [newline]
    } catch {
      throw LinuxError("encode header of", path, code: EINVAL)
    }
  }

  private func synchronizeDirectory() throws(LinuxError) {
    let number = open(directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC)
    guard number >= 0 else { throw LinuxError("open", directory) }
    let descriptor = FileDescriptor(owning: number)
    guard fsync(descriptor.rawValue) == 0 else { throw LinuxError("synchronise", directory) }
  }

  // MARK: Loading

  private func load() throws(LinuxError) {
    let snapshot = try entries(of: snapshotPath)
    if let snapshot {
      generation = snapshot.generation
      apply(snapshot.lines)
    }
    for path in [journalPath, nextJournalPath] {
      guard let journal = try entries(of: path) else { continue }
      guard journal.generation >= generation else {
        counters.staleJournals += 1
        continue
      }
      generation = journal.generation
      apply(journal.lines)
    }
  }

  private func apply(_ entryLines: [ArraySlice<UInt8>]) {
    for line in entryLines {
      guard let entry = try? ControlProtocol.decode(Entry<Record>.self, from: Array(line)) else {
        counters.unreadableLines += 1
        continue
      }
      setLine(entry.record == nil ? nil : Array(line) + [Self.newline], key: entry.key)
      loaded[entry.key] = entry.record
    }
  }

  /// nil when there is no such file, or nothing but a torn header.
  private func entries(of path: String) throws(LinuxError) -> (generation: UInt64, lines: [ArraySlice<UInt8>])? {
    guard access(path, F_OK) == 0 else {
      if errno == ENOENT { return nil }
      throw LinuxError("read", path)
    }
    var parts = try FileContent.read(path).split(separator: Self.newline, omittingEmptySubsequences: false)
    // Behind the last newline stands nothing, or what a crash left of a line.
    if parts.popLast()?.isEmpty == false { counters.tornLines += 1 }
    guard let first = parts.first else { return nil }
    guard let header = try? ControlProtocol.decode(Header.self, from: Array(first)), header.format == 1 else {
      throw LinuxError(
        "read", path, code: EINVAL, advice: "it is not a state file of this version; move it away to start without")
    }
    return (header.generation, Array(parts.dropFirst()))
  }
}
