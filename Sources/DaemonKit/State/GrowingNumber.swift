import LinuxNet

/// A number that survives restarts and machine crashes, and only ever grows.
public final class GrowingNumber {
  /// 0 when none was stored.
  public private(set) var value: UInt32
  private let file: StateFile<UInt32>

  /// Opens or creates `NAME.state` in `directory`.
  public init(directory: String, name: String) throws(LinuxError) {
    file = try StateFile(directory: directory, name: name, durability: .powerLoss)
    value = file.takeRecords().max() ?? 0
  }

  /// Stores the next number: one more, or `floor` if that is higher. A floor that grows by itself, such as a time, lets
  /// the number grow even when the file was lost.
  public func grow(atLeast floor: UInt32) throws {
    value = max(value &+ 1, floor)
    try file.store(value, key: "value")
    try file.flush()
  }
}
