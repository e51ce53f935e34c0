import DatapathModel
import NetTypes
import SeededRandom
import Testing

@testable import FlowCore

@Suite("Policy: decisions") struct PolicyDecisionTests {
  typealias World = FlowWorld

  static let wlan = way(1, 4, isDefault: true)
  static let lte = way(2, 8)
  static let ethernet = way(3, 3)

  static func way(_ number: UInt32, _ access: UInt8, isDefault: Bool = false) -> PlacementCandidate {
    PlacementCandidate(
      binding: number, tunnel: TunnelIdentifier(rawValue: number), gateway: "mag\(number)", accessTechnology: access,
      servesPrefix: true, isAnswering: true, isDefault: isDefault)
  }

  static func with(_ way: PlacementCandidate, _ change: (inout PlacementCandidate) -> Void) -> PlacementCandidate {
    var copy = way
    change(&copy)
    return copy
  }

  static func facts(_ port: UInt16 = 443, node: String = "mn1@example.net", dscp: UInt8? = 0) -> FlowFacts {
    FlowFacts(tuple: World.tuple(port), node: node, dscp: dscp)
  }

  static func targets(_ names: String...) -> [SteeringTarget] { names.map { SteeringTarget($0) } }

  // MARK: Actions

  struct Case: CustomTestStringConvertible, Sendable {
    var name: String
    var action: SteeringAction
    var ways: [PlacementCandidate]
    var current: UInt32?
    var way: PolicyDecision.Way
    var reason: PolicyDecision.Reason
    var wish: UInt32?
    var testDescription: String { name }
  }

  static func tunnel(_ number: UInt32) -> PolicyDecision.Way { .tunnel(TunnelIdentifier(rawValue: number)) }

  static let cases: [Case] = [
    Case(
      name: "active-standby takes the first", action: .activeStandby(targets("lte", "wlan")), ways: [wlan, lte],
      way: tunnel(2), reason: .firstUsable),
    Case(
      name: "active-standby passes over an access that the node does not have",
      action: .activeStandby(targets("ethernet", "lte")), ways: [wlan, lte], way: tunnel(2), reason: .firstUsable),
    Case(
      name: "active-standby passes over a gateway that does not answer",
      action: .activeStandby(targets("lte", "wlan")), ways: [wlan, with(lte) { $0.isAnswering = false }],
      way: tunnel(1), reason: .firstUsable),
    Case(
      name: "active-standby wishes for a gateway that does not serve the prefix yet",
      action: .activeStandby(targets("lte", "wlan")), ways: [wlan, with(lte) { $0.servesPrefix = false }],
      way: tunnel(1), reason: .firstUsable, wish: 2),
    Case(
      name: "a gateway that was asked and has refused is not wished for",
      action: .activeStandby(targets("lte", "wlan")),
      ways: [
        wlan,
        with(lte) {
          $0.servesPrefix = false
          $0.refusal = "no"
        },
      ], way: tunnel(1), reason: .firstUsable),
    Case(
      name: "no target is there: the default binding", action: .activeStandby(targets("ethernet")), ways: [wlan, lte],
      way: tunnel(1), reason: .noTarget),
    Case(
      name: "a gateway by name", action: .activeStandby(targets("mag2")), ways: [wlan, lte], way: tunnel(2),
      reason: .firstUsable),
    Case(
      name: "3gpp is any of its accesses", action: .activeStandby(targets("3gpp")), ways: [wlan, way(2, 7)],
      way: tunnel(2), reason: .firstUsable),
    Case(
      name: "two ways of one access: the one that the flow is on", action: .activeStandby(targets("lte")),
      ways: [wlan, lte, way(4, 8)], current: 4, way: tunnel(4), reason: .firstUsable),
    Case(
      name: "priority overflows to the next when congested", action: .priority(targets("wlan", "lte")),
      ways: [with(wlan) { $0.isCongested = true }, lte], way: tunnel(2), reason: .notCongested),
    Case(
      name: "priority with all congested: the first", action: .priority(targets("wlan", "lte")),
      ways: [with(wlan) { $0.isCongested = true }, with(lte) { $0.isCongested = true }], way: tunnel(1),
      reason: .allCongested),
    Case(
      name: "smallest-delay", action: .smallestDelay(targets("wlan", "lte")),
      ways: [with(wlan) { $0.roundTrip = .milliseconds(30) }, with(lte) { $0.roundTrip = .milliseconds(20) }],
      way: tunnel(2), reason: .smallestDelay),
    Case(
      name: "smallest-delay knows one delay only", action: .smallestDelay(targets("wlan", "lte")),
      ways: [wlan, with(lte) { $0.roundTrip = .milliseconds(20) }], way: tunnel(2), reason: .smallestDelay),
    Case(
      name: "smallest-delay knows none", action: .smallestDelay(targets("lte", "wlan")), ways: [wlan, lte],
      way: tunnel(2), reason: .noDelayKnown),
    Case(
      name: "load-balance: all weight on one", action: .loadBalance(targets("wlan", "lte"), weights: [0, 1]),
      ways: [wlan, lte], way: tunnel(2), reason: .share),
    Case(
      name: "load-balance: the other target is away",
      action: .loadBalance(targets("wlan", "lte"), weights: [1, 1_000]),
      ways: [wlan], way: tunnel(1), reason: .share),
    Case(
      name: "load-balance: a running flow stays",
      action: .loadBalance(targets("wlan", "lte"), weights: [1, 1_000_000]),
      ways: [wlan, lte], current: 1, way: tunnel(1), reason: .staysInSplit),
    Case(
      name: "load-balance: a running flow leaves what is no target",
      action: .loadBalance(targets("wlan", "lte"), weights: [1, 1]), ways: [wlan, ethernet], current: 3,
      way: tunnel(1), reason: .share),
    Case(name: "stick: running", action: .stick, ways: [wlan, lte], current: 2, way: tunnel(2), reason: .stays),
    Case(name: "stick: new", action: .stick, ways: [wlan, lte], way: tunnel(1), reason: .stays),
    Case(name: "drop", action: .drop, ways: [wlan], way: .drop, reason: .drops),
    Case(
      name: "nothing carries the flow", action: .activeStandby(targets("lte")),
      ways: [with(wlan) { $0.servesPrefix = false }], way: .none, reason: .noTarget),
  ]

  @Test("What each action takes", arguments: cases) func actions(_ test: Case) {
    let policy = FlowPolicy(rules: [PolicyRule(name: "it", action: test.action)])
    var ways = test.ways
    if test.way == .none { ways[0].isDefault = false }
    let decision = policy.decide(
      Self.facts(), ways, current: test.current.map(TunnelIdentifier.init(rawValue:)))
    #expect(decision == PolicyDecision(rule: 0, way: test.way, reason: test.reason, wish: test.wish))
  }

  // MARK: Conditions

  static func match(_ change: (inout TrafficMatch) -> Void) -> TrafficMatch {
    var match = TrafficMatch()
    change(&match)
    return match
  }

  static let saturdayNoon = LocalTime(weekday: .saturday, minute: 12 * 60)

  @Test("Each condition holds and fails, and says why") func conditions() {
    var facts = Self.facts(443, dscp: 46)
    facts.rate = 125_000
    facts.octets = 5_000
    facts.time = Self.saturdayNoon
    let table: [(TrafficMatch, TrafficMatch.Condition?, String)] = [
      (TrafficMatch(), nil, ""),
      (Self.match { $0.protocols = [.udp, .tcp] }, nil, ""),
      (Self.match { $0.protocols = [.udp] }, .transport, "protocol tcp is not in udp"),
      (Self.match { $0.sourcePorts = [PortRange(first: 400, last: 500)] }, nil, ""),
      (
        Self.match { $0.sourcePorts = [PortRange(first: 80, last: 80), PortRange(first: 444, last: 500)] }, .sourcePort,
        "source port 443 is not in 80, 444-500"
      ),
      (Self.match { $0.destinationPorts = [PortRange(first: 1, last: 2)] }, .destinationPort, "destination port 5000"),
      (Self.match { $0.dscps = [46] }, nil, ""),
      (Self.match { $0.dscps = [0] }, .dscp, "DSCP 46 is not in 0"),
      (Self.match { $0.flowLabels = [0xabc] }, nil, ""),
      (Self.match { $0.flowLabels = [1] }, .flowLabel, "flow label 0xabc is not in 0x1"),
      (Self.match { $0.sources = [.slash64(World.correspondent)] }, nil, ""),
      (Self.match { $0.sources = [World.mn1Prefix] }, .source, "is not in \(World.mn1Prefix)"),
      (Self.match { $0.destinations = [World.mn1SecondPrefix] }, .destination, "destination \(World.mn1)"),
      (Self.match { $0.nodes = [NamePattern("*@example.net")] }, nil, ""),
      (Self.match { $0.nodes = [NamePattern("*@example.org")] }, .node, "node mn1@example.net is not *@example.org"),
      (Self.match { $0.rateFrom = 1_000_000 }, nil, ""),
      (Self.match { $0.rateBelow = 1_000_000 }, .rate, "rate 1000000 bit/s is not below 1000000 bit/s"),
      (Self.match { $0.sizeFrom = 5_001 }, .size, "size 5000 octets is not from 5001 octets"),
      (Self.match { $0.weekdays = [.saturday, .sunday] }, nil, ""),
      (Self.match { $0.hours = [HourRange(start: 12 * 60, end: 13 * 60)] }, nil, ""),
      (Self.match { $0.hours = [HourRange(start: 11 * 60, end: 12 * 60)] }, .time, "now is not 11:00-12:00"),
      (Self.match { $0.weekdays = [.monday] }, .time, "now is not mon"),
    ]
    for (match, condition, words) in table {
      #expect(match.firstFailure(facts) == condition, "\(match)")
      if let condition { #expect(match.reason(condition, facts).contains(words)) }
    }
    var echo = facts
    echo.tuple.transport = .icmpv6
    let ports = Self.match { $0.sourcePorts = [PortRange(first: 0, last: .max)] }
    #expect(ports.firstFailure(echo) == .sourcePort)
    #expect(ports.reason(.sourcePort, echo) == "icmpv6 has no ports")
    let volume = Self.match { $0.rateBelow = 1 }
    #expect(volume.reason(.rate, Self.facts()) == "the rate is not known yet, and must be below 1 bit/s")
    #expect(volume.firstFailure(Self.facts()) == .rate, "what is not known yet does not hold")
    #expect(Self.match { $0.dscps = [0] }.firstFailure(Self.facts(dscp: nil)) == .dscp)
  }

  @Test("Hours over midnight") func overMidnight() throws {
    let night = try #require(HourRange("22:00-06:00"))
    let held = [21 * 60 + 59, 22 * 60, 0, 5 * 60 + 59, 6 * 60].map { night.contains($0) }
    #expect(held == [false, true, true, true, false])
    #expect(night.description == "22:00-06:00")
    for wrong in ["22:00", "25:00-06:00", "06:00-06:00", "6:00-7:00", "06:60-07:00", "24:00-01:00", "a-b"] {
      #expect(HourRange(wrong) == nil, "\(wrong)")
    }
    #expect(HourRange("00:00-24:00")?.contains(1_439) == true)
  }

  @Test("Patterns of node identifiers") func patterns() {
    let table: [(String, String, Bool)] = [
      ("*", "", true), ("*@example.net", "mn1@example.net", true), ("*@example.net", "mn1@example.net.", false),
      ("mn?@*", "mn12@x", false), ("mn?@*", "mn1@x", true), ("a*b*c", "aXbYbZc", true), ("a*b*c", "aXbYbZ", false),
      ("", "x", false), ("mn1", "mn1", true),
    ]
    for (pattern, name, matches) in table {
      #expect(NamePattern(pattern).matches(name) == matches, "\(pattern) \(name)")
    }
    #expect(NamePattern("*@a").covers(NamePattern("mn*@a")))
    #expect(!NamePattern("mn?@a").covers(NamePattern("mn*@a")))
    #expect(NamePattern("mn?@a").covers(NamePattern("mn?@a")))
    #expect(!NamePattern("mn*@a").covers(NamePattern("*@a")))
  }

  // MARK: Order and shadows

  @Test("The first rule that matches decides; without one it is the default binding") func order() {
    let policy = FlowPolicy(rules: [
      PolicyRule(name: "udp", match: Self.match { $0.protocols = [.udp] }, action: .drop),
      PolicyRule(
        name: "web", match: Self.match { $0.sourcePorts = [PortRange(first: 443, last: 443)] }, action: .stick),
      PolicyRule(name: "rest of tcp", match: Self.match { $0.protocols = [.tcp] }, action: .drop),
    ])
    #expect(policy.decide(Self.facts(443), [Self.wlan]).rule == 1)
    #expect(policy.decide(Self.facts(80), [Self.wlan]).rule == 2)
    var other = Self.facts(80)
    other.tuple.transport = .sctp
    #expect(
      policy.decide(other, [Self.wlan, Self.lte])
        == PolicyDecision(rule: nil, way: Self.tunnel(1), reason: .noRule, wish: nil))
  }

  @Test("A rule that an earlier one leaves nothing to is found") func shadows() throws {
    let wide = try #require(IPv6Prefix("2001:db8::/32"))
    let narrow = try #require(IPv6Prefix("2001:db8:100::/48"))
    let ports = PortRange(first: 80, last: 80)
    let covering: [(TrafficMatch, TrafficMatch)] = [
      (TrafficMatch(), Self.match { $0.protocols = [.tcp] }),
      (Self.match { $0.sources = [wide] }, Self.match { $0.sources = [narrow] }),
      (
        Self.match { $0.sourcePorts = [PortRange(first: 0, last: 79), PortRange(first: 80, last: 90)] },
        Self.match { $0.sourcePorts = [PortRange(first: 70, last: 85)] }
      ),
      (
        Self.match { $0.protocols = [.tcp, .udp, .udpLite, .sctp] },
        Self.match { $0.destinationPorts = [ports] }
      ),
      (
        Self.match { $0.nodes = [NamePattern("*@a")] },
        Self.match { $0.nodes = [NamePattern("x@a"), NamePattern("y*@a")] }
      ),
      (Self.match { $0.rateFrom = 5 }, Self.match { $0.rateFrom = 6 }),
      (
        Self.match { $0.hours = [HourRange(start: 0, end: 720), HourRange(start: 720, end: 1_440)] },
        Self.match { $0.weekdays = [.monday] }
      ),
    ]
    let free: [(TrafficMatch, TrafficMatch)] = [
      (Self.match { $0.sources = [narrow] }, Self.match { $0.sources = [wide] }),
      (Self.match { $0.protocols = [.tcp, .udp] }, Self.match { $0.destinationPorts = [ports] }),
      (Self.match { $0.rateFrom = 0 }, TrafficMatch()),
      (Self.match { $0.rateFrom = 5 }, Self.match { $0.rateBelow = 6 }),
      (Self.match { $0.weekdays = [.monday] }, Self.match { $0.hours = [HourRange(start: 0, end: 60)] }),
      (Self.match { $0.sourcePorts = [ports] }, TrafficMatch()),
    ]
    for (first, second) in covering {
      let rules = [TrafficMatch(), first, second].enumerated().map {
        PolicyRule(name: "\($0)", match: $0 == 0 ? Self.match { $0.dscps = [1] } : $1, action: .stick)
      }
      #expect(FlowPolicy(rules: rules).shadows == [FlowPolicy.Shadow(rule: 2, shadowedBy: 1)], "\(first) \(second)")
    }
    for (first, second) in free {
      let rules = [first, second].map { PolicyRule(name: "", match: $0, action: .stick) }
      #expect(FlowPolicy(rules: rules).shadows.isEmpty, "\(first) \(second)")
    }
  }

  // MARK: Properties

  @Test("A split by weight is a split by weight, and a target that goes moves only its own flows") func split() {
    let rules = [
      PolicyRule(name: "split", action: .loadBalance(Self.targets("wlan", "lte", "ethernet"), weights: [5, 3, 2]))
    ]
    let policy = FlowPolicy(rules: rules)
    let all = [Self.wlan, Self.lte, Self.ethernet]
    var generator = SplitMix64(seed: 7)
    let count = 30_000
    var flows: [PolicyDecision.Way: Int] = [:]
    for _ in 0..<count {
      var facts = Self.facts(.random(in: 0 ... .max, using: &generator))
      facts.tuple.destinationPort = .random(in: 0 ... .max, using: &generator)
      let decision = policy.decide(facts, all)
      flows[decision.way, default: 0] += 1
      let without = policy.decide(facts, [Self.wlan, Self.ethernet])
      if decision.way != Self.tunnel(2) { #expect(without == decision) }
      var relabelled = facts
      relabelled.tuple.flowLabel ^= 1
      #expect(policy.decide(relabelled, all) == decision)
    }
    for (number, share) in [(UInt32(1), 0.5), (2, 0.3), (3, 0.2)] {
      let expected = share * Double(count)
      // Four standard deviations of a binomial distribution.
      let bound = 4 * (expected * (1 - share)).squareRoot()
      #expect(abs(Double(flows[Self.tunnel(number)] ?? 0) - expected) < bound, "\(flows)")
    }
  }

  @Test(
    "A decision names a candidate that serves the prefix, or nothing; and is the same again", arguments: UInt64(1)...4)
  func random(_ seed: UInt64) {
    var generator = SplitMix64(seed: seed)
    let names = SteeringTarget.accessTypes.map(\.name) + ["mag1", "mag2", "mag3", "mag9"]
    func flag(_ oneIn: Int) -> Bool { Int.random(in: 0..<oneIn, using: &generator) == 0 }
    for _ in 0..<5_000 {
      let rules = (0..<Int.random(in: 0...5, using: &generator)).map { number in
        let targets = (0..<Int.random(in: 1...3, using: &generator)).map { _ in
          SteeringTarget(names.randomElement(using: &generator) ?? "")
        }
        let weights = targets.map { _ in UInt32.random(in: 0...3, using: &generator) }
        let actions: [SteeringAction] = [
          .activeStandby(targets), .priority(targets), .loadBalance(targets, weights: weights),
          .smallestDelay(targets), .stick, .drop,
        ]
        let match = Self.match {
          if flag(2) { $0.protocols = [flag(2) ? .udp : .tcp] }
          if flag(3) { $0.sourcePorts = [PortRange(first: 0, last: .random(in: 0 ... .max, using: &generator))] }
          if flag(4) { $0.rateFrom = UInt64.random(in: 0...100, using: &generator) }
        }
        return PolicyRule(name: "\(number)", match: match, action: actions.randomElement(using: &generator) ?? .stick)
      }
      let ways = (0..<UInt32.random(in: 0...4, using: &generator)).map { number in
        Self.with(Self.way(number + 1, .random(in: 1...12, using: &generator))) {
          $0.servesPrefix = !flag(3)
          $0.isAnswering = !flag(4)
          $0.isCongested = flag(3)
          $0.isDefault = $0.servesPrefix && flag(3)
          if flag(2) { $0.roundTrip = .milliseconds(Int.random(in: 1...50, using: &generator)) }
        }
      }
      var facts = Self.facts(.random(in: 0 ... .max, using: &generator))
      if flag(2) { facts.rate = .random(in: 0...20, using: &generator) }
      let current = flag(2) ? ways.randomElement(using: &generator)?.tunnel : nil
      let policy = FlowPolicy(rules: rules)
      let decision = policy.decide(facts, ways, current: current)
      #expect(decision == policy.decide(facts, ways, current: current))
      switch decision.way {
      case .tunnel(let tunnel): #expect(ways.contains { $0.tunnel == tunnel && $0.servesPrefix }, "seed \(seed)")
      case .drop: #expect(decision.rule.map { rules[$0].action } == .drop)
      case .none: #expect(!ways.contains { $0.servesPrefix }, "seed \(seed)")
      }
      if let wish = decision.wish { #expect(ways.contains { $0.binding == wish && !$0.servesPrefix }) }
      if let rule = decision.rule { #expect(rules[rule].match.holds(for: facts)) }
    }
  }
}
