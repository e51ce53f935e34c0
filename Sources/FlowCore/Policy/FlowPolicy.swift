import DatapathModel

/// One rule of a policy.
public struct PolicyRule: Hashable, Sendable {
  public var name: String
  public var match: TrafficMatch
  public var action: SteeringAction
  /// A better access must have been there this long before running flows move to it; nil: they stay.
  public var moveBack: Duration?
  /// Moves of one flow in a minute, not counting those of operators. Beyond, it leaves only a tunnel that is lost.
  public var maximumMoves: Int

  public init(
    name: String, match: TrafficMatch = TrafficMatch(), action: SteeringAction, moveBack: Duration? = nil,
    maximumMoves: Int = FlowPolicy.defaultMaximumMoves
  ) {
    self.name = name
    self.match = match
    self.action = action
    self.moveBack = moveBack
    self.maximumMoves = maximumMoves
  }
}

/// What operators want of flows: rules in order, the first that matches decides. A flow that none matches takes the
/// default binding.
public struct FlowPolicy: Hashable, Sendable {
  public static let maximumRules = 1_000
  public static let defaultMaximumMoves = 6

  public let rules: [PolicyRule]
  public let looksAtVolume: Bool
  public let looksAtTime: Bool
  /// The hold-downs of the rules, ascending.
  let holdDowns: [Duration]

  public init(rules: [PolicyRule] = []) {
    self.rules = rules
    looksAtVolume = rules.contains { $0.match.looksAtVolume }
    looksAtTime = rules.contains { $0.match.looksAtTime }
    holdDowns = Set(rules.compactMap(\.moveBack)).sorted()
  }

  /// The index of the rule that decides about a flow; nil: none.
  public func rule(for facts: FlowFacts) -> Int? {
    // A rule holds a dozen arrays: read in place, none of them is retained.
    rules.withUnsafeBufferPointer { rules in rules.indices.first { rules[$0].match.holds(for: facts) } }
  }

  /// A rule that an earlier one leaves nothing to.
  public struct Shadow: Hashable, Sendable {
    /// Indexes.
    public var rule: Int
    public var shadowedBy: Int
  }

  public var shadows: [Shadow] {
    rules.indices.compactMap { index in
      rules[..<index].firstIndex { $0.match.covers(rules[index].match) }.map { Shadow(rule: index, shadowedBy: $0) }
    }
  }
}
