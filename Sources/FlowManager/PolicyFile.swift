import DaemonKit
import FlowCore
import Glibc

/// The policy file (docs/policy.md), as it is written.
struct PolicyFile: Hashable, Sendable {
  struct Rule: Hashable, Sendable {
    var name = ""
    var match = TrafficMatch()
    var action = SteeringAction.Word.activeStandby
    var to: [SteeringTarget] = []
    var weights: [UInt32] = []
    var moveBack: Duration?
    var maximumMoves = FlowPolicy.defaultMaximumMoves
  }

  var rules: [Rule] = []

  static let defaultFile = "/etc/flowmob/policy.yaml"

  /// What a file says, and what is odd about it.
  struct Loaded: Hashable, Sendable {
    var policy: FlowPolicy
    /// Each with its place.
    var warnings: [String]
    /// nil: there is none, and the built-in policy is valid.
    var file: String?
    /// Of each rule.
    var lines: [Int]
  }

  /// - Parameter path: nil: the default file, which may be absent.
  static func load(path: String?) throws(ConfigurationErrors) -> Loaded {
    if path == nil, access(defaultFile, F_OK) != 0, errno == ENOENT {
      return Loaded(policy: FlowPolicy(), warnings: [], file: nil, lines: [])
    }
    let path = path ?? defaultFile
    return loaded(try table.load(path: path) { $0.problems })
  }

  static func parse(_ text: String, file: String) throws(ConfigurationErrors) -> Loaded {
    loaded(try table.parse(text, file: file) { $0.problems })
  }

  private static func loaded(_ configuration: LoadedConfiguration<PolicyFile>) -> Loaded {
    let file = configuration.value
    let policy = FlowPolicy(rules: file.rules.map(\.rule))
    func position(_ rule: Int, _ key: String = "") -> SourcePosition {
      configuration.position(of: "rules[\(rule)]\(key)")
    }
    var warnings = policy.shadows.map { shadow in
      "\(position(shadow.rule)): rules[\(shadow.rule)]: rule '\(policy.rules[shadow.rule].name)' never matches: rule "
        + "'\(policy.rules[shadow.shadowedBy].name)' on line \(position(shadow.shadowedBy).line) takes all its flows; "
        + "put it before that one, or remove it"
    }
    for (index, rule) in file.rules.enumerated() {
      for (target, word) in rule.to.enumerated() {
        guard case .gateway(let name) = word,
          let access = NearestName.find(name, among: SteeringTarget.accessTypes.map(\.name))
        else { continue }
        warnings.append(
          "\(position(index, ".to[\(target)]")): rules[\(index)].to[\(target)]: '\(name)' is taken as the name of a "
            + "gateway; did you mean the access type '\(access)'?")
      }
    }
    return Loaded(
      policy: policy, warnings: warnings, file: configuration.file,
      lines: file.rules.indices.map { position($0).line })
  }

  // MARK: Meaning

  private var problems: [SemanticProblem] {
    var problems: [SemanticProblem] = []
    var names: Set<String> = []
    for (index, rule) in rules.enumerated() {
      func report(_ key: String, _ message: String) {
        problems.append(SemanticProblem(keyPath: "rules[\(index)]\(key)", message: message))
      }
      if !names.insert(rule.name).inserted {
        report(".name", "another rule is called '\(rule.name)'; `explain` needs names that differ")
      }
      let action = rule.action.rawValue
      switch rule.action {
      case .activeStandby, .priority, .loadBalance:
        if rule.to.isEmpty { report(".to", "\(action) needs `to`, a list of access types or gateways") }
      case .smallestDelay: break
      case .stick, .drop:
        if !rule.to.isEmpty { report(".to", "\(action) has no targets; leave `to` out") }
      }
      if rule.action == .loadBalance {
        if rule.weights.count != rule.to.count {
          report(".weights", "load-balance needs a weight for each of the \(rule.to.count) targets of `to`")
        } else if !rule.to.isEmpty, rule.weights.allSatisfy({ $0 == 0 }) {
          report(".weights", "one weight must be greater than 0")
        }
      } else if !rule.weights.isEmpty {
        report(".weights", "\(action) has no weights; they are for load-balance")
      }
      if Set(rule.to).count < rule.to.count { report(".to", "a target is named twice") }
      for (from, below, key) in [
        (rule.match.rateFrom, rule.match.rateBelow, "rate"), (rule.match.sizeFrom, rule.match.sizeBelow, "size"),
      ] {
        if let from, let below, from >= below {
          report(".match.\(key)-below", "no flow has that: it must be greater than \(key)-from")
        }
      }
    }
    return problems
  }
}

extension PolicyFile.Rule {
  fileprivate var rule: PolicyRule {
    let action: SteeringAction =
      switch self.action {
      case .activeStandby: .activeStandby(to)
      case .priority: .priority(to)
      case .loadBalance: .loadBalance(to, weights: weights)
      case .smallestDelay: .smallestDelay(to)
      case .stick: .stick
      case .drop: .drop
      }
    return PolicyRule(name: name, match: match, action: action, moveBack: moveBack, maximumMoves: maximumMoves)
  }
}
