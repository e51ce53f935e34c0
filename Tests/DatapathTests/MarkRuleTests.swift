import CLinuxNet
import DatapathModel
import Glibc
import NetTypes
import SeededRandom
import TestSupport
import Testing

@testable import Datapath
@testable import LinuxNet

/// The kernel's list of rules, as far as rules of marks go: how it tells them apart, and how a packet walks along them.
private struct RuleWalk {
  private(set) var rules: [RoutingRule] = []

  mutating func add(_ rule: RoutingRule) {
    // Targets are not compared.
    guard !rules.contains(where: { same($0, rule) && $0.mark == rule.mark }) else { return }
    rules.insert(rule, at: rules.firstIndex { $0.priority > rule.priority } ?? rules.endIndex)
  }

  mutating func remove(_ rule: RoutingRule) {
    for (index, present) in rules.enumerated() {
      guard same(present, rule), present.mark?.mask == rule.mark?.mask else { continue }
      if let mark = rule.mark, mark.value != 0, mark != present.mark { continue }
      rules.remove(at: index)
      return
    }
  }

  private func same(_ a: RoutingRule, _ b: RoutingRule) -> Bool {
    if a.isGoTo, b.isGoTo { return a.priority == b.priority }
    return a.priority == b.priority && a.action == b.action
  }

  /// What a packet met.
  struct Way {
    var tables: [UInt32] = []
    var steps = 0
    /// Up to the first table, or to the end.
    var stepsToTable = 0
  }

  func walk(_ mark: UInt32) -> Way {
    var way = Way()
    var index = 0
    while index < rules.count {
      let rule = rules[index]
      index += 1
      way.steps += 1
      if way.tables.isEmpty { way.stepsToTable = way.steps }
      if !matches(rule, mark) { continue }
      if case .lookup(let table) = rule.action { way.tables.append(table) }
      if case .goTo(let priority) = rule.action, let target = first(at: priority) { index = target }
    }
    return way
  }

  private func matches(_ rule: RoutingRule, _ mark: UInt32) -> Bool {
    guard let ours = rule.mark else { return true }
    return (ours.value ^ mark) & ours.mask == 0
  }

  private func first(at priority: UInt32) -> Int? { rules.firstIndex { $0.priority == priority } }
}

@Suite("Rules of marks")
struct MarkRuleTests {
  private let layout = MarkLayout.default
  private let base: UInt32 = 52_130

  private func empty(_ layout: MarkLayout = .default, base: UInt32 = 5_213) -> MarkRules {
    MarkRules(layout: layout, tableBase: 52_130, basePriority: base, protocolNumber: 113)
  }

  private func tunnel(_ number: UInt32) -> TunnelIdentifier { TunnelIdentifier(rawValue: number) }

  /// The bits of others are set, too.
  private func mark(_ number: UInt32) -> UInt32 { layout.mark(of: tunnel(number)) | 0x3000_0003 }

  @Test("Nothing without tunnels; with some, a tree that an operator can follow")
  func shape() {
    var rules = empty()
    #expect(rules.rules.isEmpty)
    for number in [1, 2, 3, 4, 17, 40] as [UInt32] { _ = rules.insert(tunnel(number)) }
    let wanted: [String] = [
      "5219: fwmark 0x0/0xfff0000 goto 5251 proto 113",
      "5220: fwmark 0x280000/0xffc0000 goto 5242 proto 113",
      "5221: fwmark 0x100000/0xffc0000 goto 5231 proto 113",
      "5223: fwmark 0x40000/0xffc0000 goto 5225 proto 113",
      "5224: fwmark 0x10000/0xfff0000 lookup 52131 proto 113",
      "5224: fwmark 0x20000/0xfff0000 lookup 52132 proto 113",
      "5224: fwmark 0x30000/0xfff0000 lookup 52133 proto 113",
      "5225: fwmark 0x40000/0xfff0000 lookup 52134 proto 113",
      "5231: fwmark 0x110000/0xfff0000 lookup 52147 proto 113",
      "5242: fwmark 0x280000/0xfff0000 lookup 52170 proto 113",
      "5251: nop proto 113",
    ]
    let found: [String] = rules.rules.map { $0.description }
    #expect(found == wanted)
  }

  @Test("While tunnels come and go in any order, every marked packet finds its tunnel after each single change")
  func random() {
    var generator = SplitMix64.announced()
    for count in [1, 2, 3, 5, 17, 64, 65, 300] as [UInt32] {
      var rules = empty()
      var kernel = RuleWalk()
      var present = Set<UInt32>()
      for _ in 0..<min(4 * count, 120) {
        let number = UInt32.random(in: 1...count, using: &generator)
        let before = present
        let isAddition = present.insert(number).inserted
        if !isAddition { present.remove(number) }
        let change = isAddition ? rules.insert(tunnel(number)) : rules.remove(tunnel(number))
        let lasting = before.intersection(present)
        for rule in change.additions {
          kernel.add(rule)
          #expect(misled(kernel, lasting) == [])
        }
        for rule in change.removals {
          kernel.remove(rule)
          #expect(misled(kernel, lasting) == [])
        }
        #expect(kernel.rules.sorted(by: byPriority) == rules.rules.sorted(by: byPriority))
        #expect(misled(kernel, present) == [])
        for other in Set(1...count).subtracting(present) { #expect(kernel.walk(mark(other)).tables.isEmpty) }
      }
    }
  }

  /// Tunnels whose packets do not find exactly their table; 0: packets without a mark of ours, which find any.
  private func misled(_ kernel: RuleWalk, _ numbers: Set<UInt32>) -> [UInt32] {
    var misled: [UInt32] = []
    for number in numbers.sorted() {
      let table: UInt32 = base + number
      if kernel.walk(mark(number)).tables != [table] { misled.append(number) }
    }
    if !kernel.walk(0x3000_0003).tables.isEmpty { misled.append(0) }
    return misled
  }

  private func byPriority(_ a: RoutingRule, _ b: RoutingRule) -> Bool {
    if a.priority != b.priority { return a.priority < b.priority }
    return (a.mark?.value ?? 0) < (b.mark?.value ?? 0)
  }

  @Test("The walk grows with the logarithm of the tunnels, and not at all without a mark")
  func steps() {
    for bits in 3...10 {
      var rules = empty()
      var kernel = RuleWalk()
      let end: UInt32 = 1 << UInt32(bits)
      for number in 1..<end { _ = rules.insert(tunnel(number)) }
      for rule in rules.rules { kernel.add(rule) }
      #expect(kernel.walk(0x3000_0003).steps == 2)
      var longest = 0
      for number in 1..<end { longest = max(longest, kernel.walk(mark(number)).stepsToTable) }
      // No mark, a step for each bit above those of a group of four, and the group.
      #expect(longest == bits + 3)
    }
  }

  @Test("Whatever is missing of the tree, in whatever order it was made: no packet misses its tunnel")
  func fragments() {
    var generator = SplitMix64.announced()
    for _ in 0..<200 {
      var rules = empty()
      var numbers = Set<UInt32>()
      for _ in 0..<40 { numbers.insert(.random(in: 1...200, using: &generator)) }
      for number in numbers { _ = rules.insert(tunnel(number)) }
      var kernel = RuleWalk()
      for rule in rules.rules.shuffled(using: &generator) {
        if case .lookup = rule.action { kernel.add(rule) } else if Bool.random(using: &generator) { kernel.add(rule) }
      }
      // What an earlier run with other tunnels has left.
      var others = empty()
      for _ in 0..<20 { _ = others.insert(tunnel(.random(in: 1...200, using: &generator))) }
      for rule in others.rules where rule.isGoTo { kernel.add(rule) }
      #expect(misled(kernel, numbers) == [])
    }
  }

  private static let masks: [UInt32] = [0x0fff_0000, 0xffff_0000, 0xffff_ffff, 0x1_0000, 0x0007_0000]
  private static let bases: [UInt32] = [1, 5_213, 32_000]

  @Test(
    "All priorities lie from the configured one to the main table's, however wide the mask",
    arguments: masks, bases)
  func priorities(mask: UInt32, base: UInt32) throws {
    let layout = try #require(MarkLayout(mask: mask))
    var rules = empty(layout, base: base)
    var kernel = RuleWalk()
    let last = layout.maximumTunnels
    let wanted: [UInt32] = [1, 2, 3, 50, last / 2 + 1, last]
    for number in wanted where number <= last && number < UInt32.max - self.base {
      for rule in rules.insert(tunnel(number)).additions { kernel.add(rule) }
    }
    #expect(rules.priorities.lowerBound == base && rules.priorities.upperBound <= MarkRules.lastPriority)
    for rule in kernel.rules { #expect(rules.priorities.contains(rule.priority)) }
    for number in rules.numbers {
      let table: UInt32 = self.base + number
      #expect(kernel.walk(layout.mark(of: tunnel(number))).tables == [table])
    }
  }
}

@Suite("Rules of marks in the kernel", .enabled(if: isRoot, needsRoot))
struct KernelMarkRuleTests {
  /// The table that the route of a packet with this mark is in.
  private func table(_ netlink: RouteNetlink, mark: UInt32) throws -> UInt32? {
    var header = rtmsg()
    header.rtm_family = UInt8(AF_INET6)
    header.rtm_dst_len = 128
    header.rtm_flags = UInt32(RTM_F_FIB_MATCH)
    var message = NetlinkMessage(type: UInt16(RTM_GETROUTE), header: header)
    message.attribute(UInt16(RTA_DST.rawValue), try address("2001:db8:100:1::5"))
    message.attribute(UInt16(RTA_MARK.rawValue), mark)
    var table: UInt32?
    do {
      try netlink.socket.query(message, "look up", "route") { table = Route($0)?.table }
    } catch {
      // The route of a pool without binding.
      guard error.code == EHOSTUNREACH else { throw error }
      table = Route.mainTable
    }
    return table
  }

  private func expectOwnTables(_ netlink: RouteNetlink, _ present: Set<UInt32>, of count: UInt32) throws {
    for number in 0...count {
      let mark: UInt32 = MarkLayout.default.mark(of: TunnelIdentifier(rawValue: number)) | 0x1000_0001
      let found = try table(netlink, mark: mark)
      let wanted: UInt32 = present.contains(number) ? 52_130 + number : Route.mainTable
      #expect(found == wanted, "mark of \(number)")
    }
  }

  @Test("Tunnels come and go in any order, and every mark finds its own")
  func random() throws {
    var generator = SplitMix64.announced()
    let host = try AnchorHost()
    try host.run { netlink in
      let foreign = RoutingRule(priority: 5_230, .lookup(table: 77), mark: .init(value: 1, mask: 1), protocolNumber: 4)
      try netlink.run(foreign.addition)
      let pristine = try netlink.rules()
      let datapath = try KernelDatapath(try anchorConfiguration())
      _ = try datapath.reconcile(to: DatapathSnapshot())
      let count: UInt32 = 70
      var snapshot = DatapathSnapshot()
      for round in 1...6 {
        for _ in 0..<40 {
          let number = UInt32.random(in: 1...count, using: &generator)
          let added = try tunnel(number, "2001:db8:1::1", "2001:db8:1::1:\(number)")
          let isThere = snapshot.tunnels[added.identifier] != nil
          let change = isThere ? DatapathChange.removeTunnel(added.identifier) : .addTunnel(added)
          #expect(datapath.apply([change, change]) == .applied)
          snapshot.apply(change)
        }
        try expectOwnTables(netlink, Set(snapshot.tunnels.keys.map(\.rawValue)), of: count)
        let report = try KernelDatapath(try anchorConfiguration()).reconcile(to: snapshot)
        #expect(report.set == 0 && report.removed == 0 && report.failures == [], "round \(round)")
        let ours = try netlink.rules().filter { $0.protocolNumber == 113 }
        let priorities = Set(ours.map(\.priority))
        for rule in ours {
          if case .goTo(let priority) = rule.action { #expect(priorities.contains(priority), "\(rule)") }
        }
      }
      #expect(try datapath.teardown() == [])
      #expect(try netlink.rules() == pristine)
    }
  }

  @Test("The rules of an earlier version, one after the other, give way without a gap")
  func linearRules() throws {
    let host = try AnchorHost()
    try host.run { netlink in
      let numbers = Set<UInt32>(1...20)
      var snapshot = DatapathSnapshot()
      for number in numbers {
        snapshot.apply(.addTunnel(try tunnel(number, "2001:db8:1::1", "2001:db8:1::1:\(number)")))
      }
      let datapath = try KernelDatapath(try anchorConfiguration())
      _ = try datapath.reconcile(to: snapshot)
      // As that version left it.
      for rule in try netlink.rules() where rule.protocolNumber == 113 && rule.priority > 0 {
        try netlink.run(rule.removal)
      }
      var old: [RoutingRule] = []
      for number in numbers.sorted() {
        let mark = RoutingRule.Mark(value: MarkLayout.default.mark(of: .init(rawValue: number)), mask: 0x0fff_0000)
        let table: UInt32 = 52_130 + number
        old.append(RoutingRule(priority: 5_213, .lookup(table: table), mark: mark, protocolNumber: 113))
      }
      #expect(try netlink.batch(old.map(\.addition)) == [])
      try expectOwnTables(netlink, numbers, of: 25)

      let watcher = try RuleWatcher()
      let report = try KernelDatapath(try anchorConfiguration()).reconcile(to: snapshot)
      #expect(report.failures == [] && report.removed == 20)
      try expectOwnTables(netlink, numbers, of: 25)
      let rules = try netlink.rules()
      #expect(!rules.contains { old.contains($0) })
      // In the order of events: for each tunnel, the new rule had come when the old one went.
      var added = Set<UInt32>()
      for rule in try watcher.changes() {
        guard case .lookup(let table) = rule.rule.action, rule.rule.mark != nil else { continue }
        if rule.isAddition { added.insert(table) } else { #expect(added.contains(table)) }
      }
      #expect(added.count == 20)
    }
  }

  /// The kernel's reports of rules that have come and gone.
  private struct RuleWatcher {
    let events: NetlinkSocket

    init() throws {
      events = try NetlinkSocket(protocolNumber: NETLINK_ROUTE)
      try events.join(group: RTNLGRP_IPV6_RULE.rawValue)
    }

    func changes() throws -> [(rule: RoutingRule, isAddition: Bool)] {
      var changes: [(rule: RoutingRule, isAddition: Bool)] = []
      _ = try events.receiveEvents { message in
        if let rule = RoutingRule(message) { changes.append((rule, message.type == RTM_NEWRULE)) }
      }
      return changes
    }
  }
}
