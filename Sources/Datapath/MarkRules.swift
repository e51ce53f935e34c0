import DatapathModel
import LinuxNet

/// The rules that lead marked packets to the table of their tunnel. Pure.
///
/// The kernel walks rules one by one, so one rule for each tunnel costs every packet as many tests as there are tunnels.
/// Here a packet without a mark of ours passes all of them after one test, and a marked one finds its tunnel's rule
/// through a binary tree: `goto` rules, each of which takes the marks of one block of numbers to that block's priority.
/// Blocks are aligned powers of two; the smallest hold `1 << groupBits` tunnels, whose rules share a priority.
///
///     5219: fwmark 0/0xfff0000 goto 5251         nothing of ours
///     5220: fwmark 0x200000/0xfe00000 goto 5236  tunnels 32...63; the others go on to the next rule
///     …
///     5224: fwmark 0x10000/0xfff0000 lookup 52131
///     …
///     5251: nop
///
/// Block and priority stand in a fixed relation, and a `goto` rule matches only marks of the block it leads to. So
/// whichever of these rules are there, in whichever order they came, no packet is led past its tunnel's rule: where a
/// `goto` is missing, or has no target (the kernel then ignores it), the packet takes more steps. For the same reason the
/// kernel, which compares rules without their targets, never takes two of ours for one.
struct MarkRules: Sendable {
  private let layout: MarkLayout
  private let tableBase: UInt32
  private let protocolNumber: UInt8
  /// What all our rules are behind, or have.
  private let basePriority: UInt32
  /// Bits of the largest block: the whole mark.
  private let markBits: Int
  /// Bits of the smallest one.
  private let groupBits: Int
  /// Ascending.
  private(set) var numbers: [UInt32] = []

  /// Fewer make more `goto` rules, and no fewer tests.
  private static let smallestGroupBits = 2
  /// Of the last rule before the main table's.
  static let lastPriority: UInt32 = 32_765

  /// What the kernel must be told when a tunnel has come or gone, in this order.
  struct Change: Hashable {
    var additions: [RoutingRule] = []
    var removals: [RoutingRule] = []
  }

  init(layout: MarkLayout, tableBase: UInt32, basePriority: UInt32, protocolNumber: UInt8) {
    self.layout = layout
    self.tableBase = tableBase
    self.basePriority = basePriority
    self.protocolNumber = protocolNumber
    let width = layout.mask.nonzeroBitCount
    var group = Self.smallestGroupBits
    // A wide mask with small groups would not fit before the main table.
    while group < width, UInt64(basePriority) + (2 << UInt64(width - group)) > Self.lastPriority { group += 1 }
    groupBits = group
    markBits = max(width, group)
  }

  /// All that the rules of any number of tunnels may have.
  var priorities: ClosedRange<UInt32> { basePriority...(basePriority + 1 + extent(markBits)) }

  // MARK: Tunnels come and go

  /// Adding what is there gives all its rules once more.
  mutating func insert(_ tunnel: TunnelIdentifier) -> Change {
    let number = tunnel.rawValue
    let index = firstIndex(from: number)
    let before = rules(leadingTo: number)
    let isNew = index == numbers.count || numbers[index] != number
    if isNew { numbers.insert(number, at: index) }
    let after = rules(leadingTo: number)
    guard isNew else { return Change(additions: after.reversed()) }
    return Self.change(from: before, to: after)
  }

  mutating func remove(_ tunnel: TunnelIdentifier) -> Change {
    let number = tunnel.rawValue
    let index = firstIndex(from: number)
    guard index < numbers.count, numbers[index] == number else { return Change() }
    let before = rules(leadingTo: number)
    numbers.remove(at: index)
    return Self.change(from: before, to: rules(leadingTo: number))
  }

  /// Targets come before the rules that lead to them, and go after them.
  private static func change(from before: [RoutingRule], to after: [RoutingRule]) -> Change {
    Change(
      additions: after.filter { !before.contains($0) }.reversed(),
      removals: before.filter { !after.contains($0) })
  }

  // MARK: The tree

  /// Numbers of one length that begin with the same bits.
  private struct Block {
    var start: UInt32
    var bits: Int

    func contains(_ number: UInt32) -> Bool { (number ^ start) >> UInt32(bits) == 0 }
    /// Where its upper half begins.
    var middle: UInt32 { start | 1 << UInt32(bits - 1) }
    var halves: (Block, Block) { (Block(start: start, bits: bits - 1), Block(start: middle, bits: bits - 1)) }
  }

  /// By priority.
  var rules: [RoutingRule] { rules(leadingTo: nil) }

  /// Those that a packet of the tunnel with this number may match, and those of all; by priority. No other rules change
  /// when this tunnel comes or goes.
  private func rules(leadingTo number: UInt32?) -> [RoutingRule] {
    guard let last = numbers.last else { return [] }
    let top = Block(start: 0, bits: max(groupBits, UInt32.bitWidth - last.leadingZeroBitCount))
    let end = priority(of: top) + extent(top.bits)
    var rules = [rule(priority(of: top) - 1, .goTo(priority: end), marks: nil)]
    collect(Block(start: 0, bits: markBits), numbers[...], leadingTo: number, into: &rules)
    rules.append(RoutingRule(priority: end, .nop, protocolNumber: protocolNumber))
    return rules
  }

  /// - Parameter present: the tunnels in the block.
  private func collect(
    _ block: Block, _ present: ArraySlice<UInt32>, leadingTo number: UInt32?, into rules: inout [RoutingRule]
  ) {
    if present.isEmpty { return }
    if let number, !block.contains(number) { return }
    if block.bits == groupBits {
      for tunnel in present where number == nil || number == tunnel {
        rules.append(
          rule(priority(of: block), .lookup(table: tableBase + tunnel), marks: Block(start: tunnel, bits: 0)))
      }
      return
    }
    let middle = firstIndex(from: block.middle, in: present)
    let (lower, upper) = (present[..<middle], present[middle...])
    if !lower.isEmpty, let first = upper.first, let last = upper.last {
      // The smallest block with all of them: its first rule tells something apart.
      let bits = max(groupBits, UInt32.bitWidth - (first ^ last).leadingZeroBitCount)
      let target = Block(start: first & (.max << UInt32(bits)), bits: bits)
      rules.append(rule(priority(of: block), .goTo(priority: priority(of: target)), marks: target))
    }
    collect(block.halves.0, lower, leadingTo: number, into: &rules)
    collect(block.halves.1, upper, leadingTo: number, into: &rules)
  }

  /// The block's first rule has this priority, then come the rules of its lower half, then those of the upper.
  private func priority(of block: Block) -> UInt32 {
    var priority = basePriority + 1
    for bit in block.bits..<markBits {
      priority += 1
      if block.start >> UInt32(bit) & 1 == 1 { priority += extent(bit) }
    }
    return priority
  }

  /// The number of priorities of a block.
  private func extent(_ bits: Int) -> UInt32 { 2 << UInt32(bits - groupBits) - 1 }

  /// - Parameter marks: of these numbers; nil: no mark of ours.
  private func rule(_ priority: UInt32, _ action: RoutingRule.Action, marks: Block?) -> RoutingRule {
    let mark =
      if let marks {
        RoutingRule.Mark(
          value: marks.start << layout.shift, mask: layout.mask & (.max << (UInt32(marks.bits) + layout.shift)))
      } else { RoutingRule.Mark(value: 0, mask: layout.mask) }
    return RoutingRule(priority: priority, action, mark: mark, protocolNumber: protocolNumber)
  }

  /// The index of the first number that is not smaller.
  private func firstIndex(from number: UInt32) -> Int { firstIndex(from: number, in: numbers[...]) }

  private func firstIndex(from number: UInt32, in range: ArraySlice<UInt32>) -> Int {
    var (low, high) = (range.startIndex, range.endIndex)
    while low < high {
      let middle = (low + high) / 2
      if range[middle] < number { low = middle + 1 } else { high = middle }
    }
    return low
  }
}
