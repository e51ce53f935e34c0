import Foundation
import SeededRandom

extension SplitMix64 {
  public mutating func octets(_ count: Int) -> [UInt8] {
    (0..<count).map { _ in UInt8.random(in: 0...255, using: &self) }
  }

  /// A new seed every run, or that of FLOWMOB_SEED; printed, so that a failure can be run again.
  public static func announced(_ test: String = #function) -> SplitMix64 {
    let seed = ProcessInfo.processInfo.environment["FLOWMOB_SEED"].flatMap { UInt64($0) } ?? .random(in: 0...UInt64.max)
    print("\(test): FLOWMOB_SEED=\(seed)")
    return SplitMix64(seed: seed)
  }
}
