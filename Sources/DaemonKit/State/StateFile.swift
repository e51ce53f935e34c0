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
/// Compaction writes all records to a new file and renames it over the snapshot, then starts a journal of the next
/// generation. A crash between the two leaves a journal of an older generation: it is in the snapshot already and is
/// ignored. Compaction happens at start and when the journal has outgrown both `journalLength` and the snapshot, so
/// its cost per change stays constant. The encoded records are kept in memory for it.
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

  /// Octets that a journal may have before it is compacted, however small the snapshot.
  public static var defaultJournalLength: Int { 16 << 20 }

  public private(set) var counters = Counters()
  /// Keys with a record.
  public var count: Int { lines.count }

  private let directory: String
  private var loaded: [String: Record] = [:]
  private let snapshotPath: String
  private let journalPath: String
  private let durability: Durability
  private let journalBound: Int
  private var generation: UInt64 = 0
  /// The encoded line of each record, as it stands in the snapshot.
  private var lines: [String: [UInt8]] = [:]
  private var pending: [UInt8] = []
  /// nil after a failed write: the next flush starts over with a snapshot.
  private var journal: FileDescriptor?
  private var journalLength = 0
  private var snapshotLength = 0

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
  public init(
    directory: String, name: String, durability: Durability = .processCrash,
    journalLength: Int = StateFile.defaultJournalLength
  ) throws(LinuxError) {
    self.directory = directory
    self.durability = durability
    journalBound = journalLength
    snapshotPath = "\(directory)/\(name).state"
    journalPath = "\(directory)/\(name).journal"
    try Directory.make(directory)
    try load()
    try compact()
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
  func store(line: [UInt8], key: String) {
    lines[key] = line
    pending += line
  }

  /// Forgets a record; one that is not there is fine.
  public func remove(key: String) throws {
    guard lines.removeValue(forKey: key) != nil else { return }
    pending += try ControlProtocol.encode(Entry<Record>(key: key, record: nil)) + [Self.newline]
  }

  /// Writes what has gathered since the last call.
  ///
  /// - Throws: when the file system refuses. Nothing is lost as long as the daemon lives: the next flush writes a
  ///   complete snapshot instead.
  public func flush() throws(LinuxError) {
    guard !pending.isEmpty else { return }
    let change = pending
    do throws(LinuxError) {
      guard try append(change), journalLength <= max(journalBound, snapshotLength) else { return try compact() }
      pending.removeAll(keepingCapacity: true)
    } catch {
      counters.failedWrites += 1
      journal = nil
      // Kept by `lines`; one octet of it would be enough to make the next flush write.
      pending = [Self.newline]
      throw error
    }
  }

  /// false when there is no journal to append to.
  private func append(_ change: [UInt8]) throws(LinuxError) -> Bool {
    guard let descriptor = journal?.rawValue else { return false }
    try Self.write(change, to: descriptor, journalPath)
    if durability == .powerLoss, fdatasync(descriptor) != 0 { throw LinuxError("synchronise", journalPath) }
    journalLength += change.count
    return true
  }

  // MARK: Compaction

  private func compact() throws(LinuxError) {
    let next = generation + 1
    let header = try Self.header(next, snapshotPath)
    var snapshot = header
    snapshot.reserveCapacity(lines.values.reduce(header.count) { $0 + $1.count })
    for line in lines.values { snapshot += line }
    _ = try Self.replace(snapshotPath, with: snapshot, synchronised: true)
    generation = next
    journal = try Self.replace(journalPath, with: header, synchronised: durability == .powerLoss)
    try synchroniseDirectory()
    snapshotLength = snapshot.count
    journalLength = header.count
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

  /// Writes a new file and renames it over `path`. The descriptor appends to it.
  private static func replace(_ path: String, with content: [UInt8], synchronised: Bool) throws(LinuxError)
    -> FileDescriptor
  {
    let new = "\(path).new"
    let number = open(new, O_WRONLY | O_CREAT | O_TRUNC | O_APPEND | O_CLOEXEC, 0o600)
    guard number >= 0 else { throw LinuxError("create", new, advice: "check state-directory and its owner") }
    let descriptor = FileDescriptor(owning: number)
    try write(content, to: number, new)
    if synchronised, fsync(number) != 0 { throw LinuxError("synchronise", new) }
    guard rename(new, path) == 0 else { throw LinuxError("rename to", path) }
    return descriptor
  }

  private static func write(_ content: [UInt8], to descriptor: Int32, _ path: String) throws(LinuxError) {
    var rest = content[...]
    while !rest.isEmpty {
      let written = rest.withUnsafeBytes { Glibc.write(descriptor, $0.baseAddress, $0.count) }
      if written >= 0 {
        rest = rest.dropFirst(written)
      } else if errno != EINTR {
        throw LinuxError("write", path)
      }
    }
  }

  private func synchroniseDirectory() throws(LinuxError) {
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
    guard let journal = try entries(of: journalPath) else { return }
    guard journal.generation >= generation else {
      counters.staleJournals += 1
      return
    }
    generation = journal.generation
    apply(journal.lines)
  }

  private func apply(_ entryLines: [ArraySlice<UInt8>]) {
    for line in entryLines {
      guard let entry = try? ControlProtocol.decode(Entry<Record>.self, from: Array(line)) else {
        counters.unreadableLines += 1
        continue
      }
      lines[entry.key] = entry.record == nil ? nil : Array(line) + [Self.newline]
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
