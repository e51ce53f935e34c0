/// Where a rule may send flows: to accesses of a kind, or to a gateway.
public enum SteeringTarget: Hashable, Sendable {
  /// A name for Access Technology Types, RFC 5213 section 8.5 and IANA; type n is bit n of the mask.
  case access(String, mask: UInt32)
  case gateway(String)

  /// The words of operators first, then the names that magd's configuration has for the same.
  public static let accessTypes: [(name: String, types: [UInt8])] = [
    ("virtual", [1]), ("ppp", [2]), ("ethernet", [3]), ("wlan", [4]), ("wimax", [5]), ("geran", [6]), ("utran", [7]),
    ("lte", [8]), ("ehrpd", [9]), ("hrpd", [10]), ("1xrtt", [11]), ("umb", [12]), ("nb-iot", [13]), ("e-utran", [8]),
    ("3gpp", [6, 7, 8, 13]), ("3gpp2", [9, 10, 11, 12]), ("ieee-802.3", [3]), ("ieee-802.11", [4]),
    ("ieee-802.16e", [5]), ("3gpp-geran", [6]), ("3gpp-utran", [7]), ("3gpp-e-utran", [8]), ("3gpp2-ehrpd", [9]),
    ("3gpp2-hrpd", [10]), ("3gpp2-1xrtt", [11]), ("3gpp2-umb", [12]), ("3gpp-nb-iot", [13]),
  ]
  private static let gatewayMark = "gateway:"

  func matches(_ candidate: PlacementCandidate) -> Bool {
    switch self {
    case .access(_, let mask): candidate.accessTechnology < 32 && mask >> UInt32(candidate.accessTechnology) & 1 == 1
    case .gateway(let name): candidate.isNamed(name)
    }
  }
}

extension SteeringTarget: LosslessStringConvertible {
  /// The name of an access type, else of a gateway; after `gateway:` always of a gateway.
  public init(_ text: String) {
    if text.hasPrefix(Self.gatewayMark) {
      self = .gateway(String(text.dropFirst(Self.gatewayMark.count)))
    } else if let access = Self.accessTypes.first(where: { $0.name == text }) {
      self = .access(text, mask: access.types.reduce(0) { $0 | 1 << UInt32($1) })
    } else {
      self = .gateway(text)
    }
  }

  public var description: String {
    switch self {
    case .access(let name, _): name
    case .gateway(let name): Self.accessTypes.contains { $0.name == name } ? Self.gatewayMark + name : name
    }
  }
}

/// What a rule does with its flows, in the words of 3GPP's traffic steering (TS 23.501 section 5.32.8) where it has
/// them. Targets are tried in order.
public enum SteeringAction: Hashable, Sendable {
  /// The first target that is usable.
  case activeStandby([SteeringTarget])
  /// The first usable target that is not congested; the first usable one when all are.
  case priority([SteeringTarget])
  /// Shares by weight. A running flow stays where it is while that is one of the targets.
  case loadBalance([SteeringTarget], weights: [UInt32])
  /// The usable target with the smallest round-trip time, as the anchor's heartbeats measure it; the first usable one
  /// while no time is known.
  case smallestDelay([SteeringTarget])
  /// Running flows stay, new ones take the default binding.
  case stick
  /// The kernel drops and counts the packets.
  case drop

  /// As in the policy file.
  public enum Word: String, Hashable, Sendable, CaseIterable {
    case activeStandby = "active-standby"
    case priority
    case loadBalance = "load-balance"
    case smallestDelay = "smallest-delay"
    case stick
    case drop
  }

  public var word: Word {
    switch self {
    case .activeStandby: .activeStandby
    case .priority: .priority
    case .loadBalance: .loadBalance
    case .smallestDelay: .smallestDelay
    case .stick: .stick
    case .drop: .drop
    }
  }

  public var targets: [SteeringTarget] {
    switch self {
    case .activeStandby(let targets), .priority(let targets), .loadBalance(let targets, _),
      .smallestDelay(let targets):
      targets
    case .stick, .drop: []
    }
  }

  public var weights: [UInt32] { if case .loadBalance(_, let weights) = self { weights } else { [] } }
}
