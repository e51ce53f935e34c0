import DaemonKit
import DatapathModel
import FlowCore

// Arguments of commands on the control socket, see docs/control-protocol.md.

/// One flow by its number or by fields that only it has; or all flows that have something in common.
struct FlowArguments: Codable, Hashable {
  var flow: FlowIdentifier?
  var selector: FlowSelector?
  var node: String?
  /// Name of a gateway.
  var gateway: String?
  var tunnel: TunnelIdentifier?
  var isPinned: Bool?
  /// With a selector only, or with nothing at all: more than one flow is meant.
  var all: Bool?

  private enum CodingKeys: String, CodingKey {
    case flow, selector, node, gateway, tunnel, all
    case isPinned = "pinned"
  }

  var filter: FlowFilter {
    FlowFilter(selector: selector, node: node, gateway: gateway, tunnel: tunnel, isPinned: isPinned)
  }

  func reference() throws(ControlError) -> FlowReference {
    let isFiltered = node != nil || gateway != nil || tunnel != nil || isPinned != nil || all == true
    if let flow {
      guard !isFiltered, selector == nil else {
        throw ControlError(
          code: ControlError.invalidArguments, message: "flow: names one flow already",
          hint: "leave out the other arguments")
      }
      return .identifier(flow)
    }
    if isFiltered { return .all(filter) }
    if let selector, !selector.isEmpty { return .selector(selector) }
    throw ControlError(
      code: ControlError.invalidArguments, message: "no flow is named",
      hint: "give flow, selector, node, gateway, tunnel or pinned, or \"all\":true")
  }
}

/// Of `list` and `subscribe`.
struct ListArguments: Codable, Hashable {
  var flows: FlowArguments
  var sort: FlowQuery.Order?
  /// 0 to `FlowQuery.maximumLimit`.
  var limit: Int?
  var after: FlowIdentifier?

  private enum CodingKeys: String, CodingKey { case sort, limit, after }

  init(flows: FlowArguments, sort: FlowQuery.Order? = nil, limit: Int? = nil, after: FlowIdentifier? = nil) {
    self.flows = flows
    self.sort = sort
    self.limit = limit
    self.after = after
  }

  init(from decoder: any Decoder) throws {
    flows = try FlowArguments(from: decoder)
    let container = try decoder.container(keyedBy: CodingKeys.self)
    sort = try container.decodeIfPresent(FlowQuery.Order.self, forKey: .sort)
    limit = try container.decodeIfPresent(Int.self, forKey: .limit)
    after = try container.decodeIfPresent(FlowIdentifier.self, forKey: .after)
  }

  func encode(to encoder: any Encoder) throws {
    try flows.encode(to: encoder)
    var container = encoder.container(keyedBy: CodingKeys.self)
    try container.encodeIfPresent(sort, forKey: .sort)
    try container.encodeIfPresent(limit, forKey: .limit)
    try container.encodeIfPresent(after, forKey: .after)
  }

  func query() throws(ControlError) -> FlowQuery {
    let limit = limit ?? FlowQuery.standardLimit
    guard (0...FlowQuery.maximumLimit).contains(limit) else {
      throw ControlError(
        code: ControlError.invalidArguments, message: "limit: takes 0 to \(FlowQuery.maximumLimit)",
        hint: "take several pages, with after")
    }
    guard after == nil || sort ?? .identifier == .identifier else {
      throw ControlError(
        code: ControlError.invalidArguments, message: "after: goes with sort id only",
        hint: "pages of any other order would overlap as flows change")
    }
    return FlowQuery(flows.filter, order: sort ?? .identifier, limit: limit, after: after)
  }
}

struct AddArguments: Codable, Hashable {
  var selector: FlowSelector
  /// Gateway name or tunnel number.
  var to: String
}

struct MoveArguments: Codable, Hashable {
  var flows: FlowArguments
  /// Gateway name or tunnel number.
  var to: String
  var isTrial: Bool?

  private enum CodingKeys: String, CodingKey {
    case to
    case isTrial = "dryRun"
  }

  init(flows: FlowArguments, to: String, isTrial: Bool? = nil) {
    self.flows = flows
    self.to = to
    self.isTrial = isTrial
  }

  init(from decoder: any Decoder) throws {
    flows = try FlowArguments(from: decoder)
    let container = try decoder.container(keyedBy: CodingKeys.self)
    to = try container.decode(String.self, forKey: .to)
    isTrial = try container.decodeIfPresent(Bool.self, forKey: .isTrial)
  }

  func encode(to encoder: any Encoder) throws {
    try flows.encode(to: encoder)
    var container = encoder.container(keyedBy: CodingKeys.self)
    try container.encode(to, forKey: .to)
    try container.encodeIfPresent(isTrial, forKey: .isTrial)
  }
}

struct DelArguments: Codable, Hashable {
  var flows: FlowArguments
  var isTrial: Bool?

  private enum CodingKeys: String, CodingKey { case isTrial = "dryRun" }

  init(flows: FlowArguments, isTrial: Bool? = nil) {
    self.flows = flows
    self.isTrial = isTrial
  }

  init(from decoder: any Decoder) throws {
    flows = try FlowArguments(from: decoder)
    isTrial = try decoder.container(keyedBy: CodingKeys.self).decodeIfPresent(Bool.self, forKey: .isTrial)
  }

  func encode(to encoder: any Encoder) throws {
    try flows.encode(to: encoder)
    var container = encoder.container(keyedBy: CodingKeys.self)
    try container.encodeIfPresent(isTrial, forKey: .isTrial)
  }
}

struct SelectorArguments: Codable, Hashable {
  var id: UInt32
}

/// Of `history`.
struct NodeArguments: Codable, Hashable {
  var node: String?
}

/// Of `show nodes`: one, or a page of all.
struct NodesArguments: Codable, Hashable {
  var node: String?
  /// 1 to `maximumLimit`; absent: `standardLimit`.
  var limit: Int?
  /// The last name of the page before.
  var after: String?

  static let standardLimit = 1_000
  static let maximumLimit = 10_000

  func checkedLimit() throws(ControlError) -> Int {
    let limit = limit ?? Self.standardLimit
    guard (1...Self.maximumLimit).contains(limit) else {
      throw ControlError(
        code: ControlError.invalidArguments, message: "limit: takes 1 to \(Self.maximumLimit)",
        hint: "take several pages, with after")
    }
    guard node == nil || after == nil else {
      throw ControlError(
        code: ControlError.invalidArguments, message: "node: names one node already", hint: "leave out after")
    }
    return limit
  }
}
