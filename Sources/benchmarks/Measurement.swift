import ArgumentParser
import Glibc

/// CPU time of this thread and memory of this process.
enum Measurement {
  static var threadTime: Duration {
    var time = timespec()
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time)
    return .seconds(time.tv_sec) + .nanoseconds(time.tv_nsec)
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

/// The longest of many short pieces of work, and how many passed the bound.
struct Pauses {
  static let bound = Duration.milliseconds(10)

  private(set) var longest = Duration.zero
  private(set) var aboveBound = 0
  private(set) var count = 0

  mutating func add(_ duration: Duration) {
    count += 1
    longest = max(longest, duration)
    if duration > Self.bound { aboveBound += 1 }
  }
}

/// A figure with the bound that it must keep.
struct Verdict {
  var missed: [String] = []

  mutating func require(_ holds: Bool, _ what: String) {
    if !holds { missed.append(what) }
  }

  func finish() throws {
    for what in missed { print("missed: \(what)") }
    if !missed.isEmpty { throw ExitCode.failure }
  }
}

extension Double {
  /// With `digits` behind the point.
  func text(_ digits: Int) -> String {
    let scale = pow(10.0, Double(digits))
    let rounded = (self * scale).rounded() / scale
    guard digits > 0, rounded.isFinite, abs(rounded) < 1e12 else { return String(rounded) }
    let whole = Int(rounded.magnitude)
    let fraction = String(Int(((rounded.magnitude - Double(whole)) * scale).rounded()))
    return (rounded < 0 ? "-" : "") + "\(whole)." + String(repeating: "0", count: digits - fraction.count) + fraction
  }
}

extension Duration {
  var inNanoseconds: Double { Double(components.seconds) * 1e9 + Double(components.attoseconds) / 1e9 }
  var inMilliseconds: Double { inNanoseconds / 1e6 }
}
