/// Groups of sessions to which the same happens: a few members at a time, so that messages about other sessions do not
/// wait for thousands of them. `Group` says what happens, `Members` to whom; some of them may be gone by their turn.
struct PacedGroups<Group: Sendable, Members: Collection & Sendable>: Sendable where Members.SubSequence == Members {
  /// Members at a time, and the time between.
  static var slice: Int { 128 }
  static var pause: Duration { .milliseconds(10) }

  private var unfinished: [UInt64: (group: Group, members: Members)] = [:]
  private var lastNumber: UInt64 = 0

  /// The number of a new group, whose first members have their turn with `next(of:)`.
  mutating func begin(_ group: Group, _ members: Members) -> UInt64 {
    lastNumber += 1
    unfinished[lastNumber] = (group, members)
    return lastNumber
  }

  /// Whose turn it is; `continues` if the rest of the group has its turn after `pause`.
  mutating func next(of number: UInt64) -> (group: Group, members: Members, continues: Bool)? {
    guard let (group, members) = unfinished.removeValue(forKey: number) else { return nil }
    let rest = members.dropFirst(Self.slice)
    if !rest.isEmpty { unfinished[number] = (group, rest) }
    return (group, members.prefix(Self.slice), !rest.isEmpty)
  }
}
