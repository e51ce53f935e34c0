import Glibc
import SeededRandom

/// CPU time of this thread and memory of this process.
enum Measurement {
  static var threadTime: Duration {
    var time = timespec()
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time)
    return .seconds(time.tv_sec) + .nanoseconds(time.tv_nsec)
  }

  static func time(_ body: () throws -> Void) rethrows -> Duration {
    let before = threadTime
    try body()
    return threadTime - before
  }

  /// Octets that are in memory now.
  static var residentMemory: Int {
    guard let file = fopen("/proc/self/statm", "r") else { return 0 }
    defer { fclose(file) }
    var line = [CChar](repeating: 0, count: 256)
    guard fgets(&line, Int32(line.count), file) != nil else { return 0 }
    let fields = String(decoding: line.map { UInt8(bitPattern: $0) }, as: UTF8.self).split(separator: " ")
    return (fields.count > 1 ? Int(fields[1]) ?? 0 : 0) * sysconf(Int32(_SC_PAGESIZE))
  }

  static func median(_ values: [Double]) -> Double {
    let sorted = values.sorted()
    return sorted.isEmpty ? .nan : (sorted[(sorted.count - 1) / 2] + sorted[sorted.count / 2]) / 2
  }
}

/// The longest of many short pieces of work.
///
/// The same work is done in several runs, and each piece counts with its shortest time: what the work itself takes comes
/// again in every run, what the machine did meanwhile does not.
struct Pauses {
  static let bound = Duration.milliseconds(10)

  /// Nanoseconds of each piece.
  private var shortest: [UInt32] = []
  private var next = 0

  /// `pieces`: reserved now, so that it does not look like memory of the work.
  init(pieces: Int) { shortest = [UInt32](repeating: .max, count: pieces) }

  mutating func startRun() { next = 0 }

  mutating func add(_ duration: Duration) {
    let time = UInt32(min(duration.inNanoseconds, Double(UInt32.max)))
    if next == shortest.count { shortest.append(.max) }
    shortest[next] = min(shortest[next], time)
    next += 1
  }

  var count: Int { shortest.count }
  var mean: Duration { .nanoseconds(shortest.reduce(0) { $0 + Int64($1) } / Int64(max(1, count))) }
  var longest: Duration { .nanoseconds(Int64(shortest.max() ?? 0)) }

  func longest(_ name: String) -> Figure {
    Figure(
      name: name, value: longest.inMilliseconds, unit: .milliseconds, bound: Self.bound.inMilliseconds)
  }
}

extension Duration {
  var inNanoseconds: Double { Double(components.seconds) * 1e9 + Double(components.attoseconds) / 1e9 }
  var inMilliseconds: Double { inNanoseconds / 1e6 }
}

extension SplitMix64 {
  mutating func node(below count: Int) -> Int { Int(next() % UInt64(count)) }
}
